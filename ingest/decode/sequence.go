package decode

import (
	"slices"
	"time"
)

const (
	// unknownCount says that a message's number of records is not known, so that
	// the next sequence number can't be foretold.
	unknownCount = ^uint32(0)

	// reorderTime is how long a late datagram may take. Until then a gap is not
	// counted, so what comes late was never lost.
	reorderTime = 30 * time.Second

	// maxAhead is the widest gap taken for loss. A sequence number further off
	// is another process, or the exporter started again.
	maxAhead = 1 << 24

	// maxBehind is how far back a number is taken for a repeated or very late
	// datagram, and not for a new start.
	maxBehind = 1 << 12

	maxStreams = 4
	maxGaps    = 16
	splitAfter = 3 // datagrams in order at the start of a gap: another process
)

// gap is a range of sequence numbers that did not come.
type gap struct {
	from, to uint32 // half-open, modulo 2^32
	atMs     int64  // when it was noticed
	hits     int    // datagrams in order at its start
}

func (g gap) missing() uint32 { return g.to - g.from }

// stream is one run of sequence numbers.
type stream struct {
	next   uint32
	loose  bool // next is a lower bound only
	lastMs int64
	gaps   []gap // open, oldest first
}

// sequence finds gaps in the sequence numbers of a domain. Several processes on
// one router may share a domain's number (softflowd runs one an interface) and
// each counts for itself, so a sequence holds some streams and a datagram
// belongs to the one it continues.
type sequence struct{ streams []stream }

// observe takes the sequence number of a datagram that holds n of what is
// numbered. It returns the gaps that are certain now.
func (s *sequence) observe(number, n uint32, nowMs int64) []gap {
	i := s.find(number)
	if i < 0 {
		if s.late(number, n, nowMs) {
			return s.settle(nowMs, false)
		}
		i = s.ahead(number, nowMs)
	}
	if i < 0 {
		i = s.open(nowMs)
	}
	if i >= 0 {
		s.streams[i].advance(number, n, nowMs)
	}
	return s.settle(nowMs, false)
}

// find returns the stream that this number continues without a gap.
func (s *sequence) find(number uint32) int {
	for i := range s.streams {
		if s.streams[i].next == number {
			return i
		}
	}
	return -1
}

// late takes a datagram that fills a gap, and one that was counted already. A
// gap filled from its start again and again was no loss but the run of another
// process, which gets a stream of its own.
func (s *sequence) late(number, n uint32, nowMs int64) bool {
	for i := range s.streams {
		st := &s.streams[i]
		for j := range st.gaps {
			g := &st.gaps[j]
			offset := number - g.from
			if offset >= g.missing() {
				continue
			}
			if n == unknownCount {
				n = 1
			}
			n = min(n, g.missing()-offset)
			if offset == 0 {
				g.hits++
			}
			end := number + n
			if offset == 0 && g.hits >= splitAfter && end != g.to {
				st.gaps = slices.Delete(st.gaps, j, j+1)
				s.add(stream{next: end, lastMs: nowMs})
				return true
			}
			st.fill(j, number, end)
			return true
		}
	}
	for i := range s.streams {
		if behind := s.streams[i].next - number; behind <= maxBehind {
			return true
		}
	}
	return false
}

// fill takes [from, to) out of a gap.
func (st *stream) fill(j int, from, to uint32) {
	g := st.gaps[j]
	rest := gap{from: to, to: g.to, atMs: g.atMs}
	switch {
	case from == g.from && to == g.to:
		st.gaps = slices.Delete(st.gaps, j, j+1)
	case from == g.from:
		st.gaps[j].from = to
	case to == g.to:
		st.gaps[j].to = from
	default:
		st.gaps[j].to = from
		st.gaps = slices.Insert(st.gaps, j+1, rest)
	}
}

// ahead returns the stream that this number continues after the smallest gap,
// and notes the gap.
func (s *sequence) ahead(number uint32, nowMs int64) int {
	best, distance := -1, uint32(maxAhead)
	for i := range s.streams {
		if off := number - s.streams[i].next; off < distance {
			best, distance = i, off
		}
	}
	if best >= 0 {
		st := &s.streams[best]
		if !st.loose {
			st.gaps = append(st.gaps, gap{from: st.next, to: number, atMs: nowMs})
		}
	}
	return best
}

// open starts a stream and returns its index.
func (s *sequence) open(nowMs int64) int {
	return s.add(stream{lastMs: nowMs})
}

// add adds a stream, in place of the longest silent one when there are many.
// The gaps of that one move on: they are lost all the same.
func (s *sequence) add(st stream) int {
	if len(s.streams) < maxStreams {
		s.streams = append(s.streams, st)
		return len(s.streams) - 1
	}
	oldest := 0
	for i := range s.streams {
		if s.streams[i].lastMs < s.streams[oldest].lastMs {
			oldest = i
		}
	}
	st.gaps = s.streams[oldest].gaps
	s.streams[oldest] = st
	return oldest
}

// advance moves a stream past a datagram.
func (st *stream) advance(number, n uint32, nowMs int64) {
	st.lastMs = nowMs
	st.loose = n == unknownCount
	if st.loose {
		n = 0
	}
	st.next = number + n
}

// settle returns, and closes, the gaps that can't be filled any more; all of
// them with force.
func (s *sequence) settle(nowMs int64, force bool) []gap {
	var lost []gap
	for i := range s.streams {
		st := &s.streams[i]
		n := 0
		for n < len(st.gaps) && (force || len(st.gaps)-n > maxGaps || nowMs-st.gaps[n].atMs >= reorderTime.Milliseconds()) {
			n++
		}
		if n > 0 {
			lost = append(lost, st.gaps[:n]...)
			st.gaps = slices.Delete(st.gaps, 0, n)
		}
	}
	return lost
}
