package history

// A deque is a queue in an array. Pushing to one that is popped as often allocates nothing.
type deque[T any] struct {
	items []T
	begin int // of what is not popped
}

func (d *deque[T]) len() int { return len(d.items) - d.begin }

// all is what is not popped, oldest first. It is valid until the next push.
func (d *deque[T]) all() []T { return d.items[d.begin:] }

func (d *deque[T]) front() *T { return &d.items[d.begin] }

func (d *deque[T]) push(item T) {
	if len(d.items) == cap(d.items) && d.begin > len(d.items)/2 {
		n := copy(d.items, d.all())
		clear(d.items[n:])
		d.items, d.begin = d.items[:n], 0
	}
	d.items = append(d.items, item)
}

// pop removes the oldest. It clears the element, because the array lives on.
func (d *deque[T]) pop() {
	var zero T
	d.items[d.begin] = zero
	if d.begin++; d.begin == len(d.items) {
		d.items, d.begin = nil, 0
	}
}

// filter removes the items for which keep is false.
func (d *deque[T]) filter(keep func(T) bool) {
	kept := make([]T, 0, d.len())
	for _, item := range d.all() {
		if keep(item) {
			kept = append(kept, item)
		}
	}
	d.items, d.begin = kept, 0
}
