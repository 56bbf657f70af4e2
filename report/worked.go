package report

import "context"

// worked is what is made of the answers to queries, which takes longer than to
// read them. The result is shared with other reports and must not be changed.
type worked[T any] struct {
	what    string
	queries []query
	with    string // whatever else goes into it
	make    func(context.Context) (T, error)
	size    func(T) int // bytes, about
}

// out gives what an earlier report made, while the tables hold the same, or
// makes it.
func (w worked[T]) out(ctx context.Context, q *question) (T, error) {
	name := func(h holdings) (name fingerprint, known bool) {
		sum := newHasher()
		sum.text(w.what)
		sum.text(w.with)
		for _, u := range w.queries {
			one, known := u.name(h)
			if !known {
				return name, false
			}
			sum.Write(one[:])
		}
		return sum.fingerprint(), true
	}
	q.reading.mu.Lock()
	was, known := name(q.reading.held)
	q.reading.mu.Unlock()
	if known {
		if made, ok := q.answers.get(was).(T); ok {
			return made, nil
		}
	}
	made, err := w.make(ctx)
	if known && err == nil {
		q.reading.mayKeep(ran{name, was, made, w.size(made)})
	}
	return made, err
}
