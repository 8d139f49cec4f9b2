package logs

// Kinds returns how many kinds of lines are kept.
func Kinds(h *Handler) int {
	h.kinds.mu.Lock()
	defer h.kinds.mu.Unlock()
	return len(h.kinds.of)
}
