package frame

// Room is how many bytes of buffers the reader holds.
func (r *Reader) Room() int { return cap(r.message) + cap(r.inflated) }
