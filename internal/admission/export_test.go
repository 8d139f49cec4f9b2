package admission

// KeptPaces counts whom the limits on publications remember.
func KeptPaces(r *Rates) int {
	r.published.mu.Lock()
	defer r.published.mu.Unlock()
	return len(r.published.due)
}
