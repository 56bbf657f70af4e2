package imports

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

const (
	maxDatagram   = 1 << 16          // bytes of an IPv4 packet
	maxIncomplete = 256              // datagrams that wait for fragments
	fragmentsWait = 30 * time.Second // for how long, by the capture's clock
)

// fragmentKey tells datagrams apart. They are all of UDP.
type fragmentKey struct {
	from, to netip.Addr
	id       uint16
}

// fragments puts IPv4 datagrams together. The zero value is ready.
type fragments struct {
	waiting map[fragmentKey]*pieces
}

// pieces are the fragments of a datagram that came so far.
type pieces struct {
	first time.Time
	list  []piece
	size  int // of the whole, 0 = not known yet
}

type piece struct {
	offset int
	data   []byte
}

// add takes a fragment and returns the whole when it was the last one missing.
// Fragments that contradict each other are forgotten.
func (f *fragments) add(key fragmentKey, offset int, more bool, data []byte, at time.Time) ([]byte, error) {
	f.expire(at)
	p := f.waiting[key]
	if p == nil {
		if f.waiting == nil {
			f.waiting = map[fragmentKey]*pieces{}
		}
		p = &pieces{first: at}
		f.waiting[key] = p
	}
	end := offset + len(data)
	last := !more
	if end > maxDatagram || len(data) == 0 || more && len(data)%8 != 0 || last && p.size > 0 && p.size != end || p.size > 0 && end > p.size {
		delete(f.waiting, key)
		return nil, errFragments
	}
	if last {
		p.size = end
	}
	for _, o := range p.list {
		if o.offset == offset && len(o.data) == len(data) {
			return nil, nil // sent twice
		}
		if o.offset < end && offset < o.offset+len(o.data) || p.size > 0 && o.offset+len(o.data) > p.size {
			delete(f.waiting, key)
			return nil, errFragments
		}
	}
	p.list = append(p.list, piece{offset, slices.Clone(data)})
	whole := p.whole()
	if whole != nil {
		delete(f.waiting, key)
	}
	return whole, nil
}

// whole joins the pieces when all are there. They do not overlap.
func (p *pieces) whole() []byte {
	sum := 0
	for _, o := range p.list {
		sum += len(o.data)
	}
	if p.size == 0 || sum != p.size {
		return nil
	}
	slices.SortFunc(p.list, func(a, b piece) int { return cmp.Compare(a.offset, b.offset) })
	out := make([]byte, 0, p.size)
	for _, o := range p.list {
		out = append(out, o.data...)
	}
	return out
}

// expire forgets what has waited for long, and all when there is too much.
func (f *fragments) expire(now time.Time) {
	for key, p := range f.waiting {
		if now.Sub(p.first) > fragmentsWait {
			delete(f.waiting, key)
		}
	}
	if len(f.waiting) >= maxIncomplete {
		clear(f.waiting)
	}
}
