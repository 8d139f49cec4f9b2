package history

// list is a doubly linked list with handles: a node is removed in constant time.
// (container/list boxes its values, which costs a second allocation for each publication.)
type list[T any] struct {
	oldest, newest *node[T]
	length         int
	spare          *node[T] // the node removed last, reused so that adding and removing one allocates nothing
}

type node[T any] struct {
	value        T
	older, newer *node[T]
}

// front is the node pushed first; nil if there is none.
func (l *list[T]) front() *node[T] { return l.oldest }

func (l *list[T]) push(value T) *node[T] {
	n := l.spare
	l.spare = nil
	if n == nil {
		n = new(node[T])
	}
	*n = node[T]{value: value, older: l.newest}
	if l.newest == nil {
		l.oldest = n
	} else {
		l.newest.newer = n
	}
	l.newest = n
	l.length++
	return n
}

// remove removes n, which must not be used afterwards.
func (l *list[T]) remove(n *node[T]) {
	if n.older == nil {
		l.oldest = n.newer
	} else {
		n.older.newer = n.newer
	}
	if n.newer == nil {
		l.newest = n.older
	} else {
		n.newer.older = n.older
	}
	*n = node[T]{}
	l.spare = n
	l.length--
}
