package admission

import "maru.example/maru"

// KeptPaces counts whom the limits on publications remember.
func KeptPaces(r *Rates) int {
	r.published.mu.Lock()
	defer r.published.mu.Unlock()
	return len(r.published.due)
}

// AnnounceOnce announces everything once.
func AnnounceOnce(a *Admission, bus maru.Bus) { a.announce(bus, true) }

// Elsewhere is how many addresses have connections on other nodes.
func Elsewhere(r *Registry) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.elsewhere.sum)
}
