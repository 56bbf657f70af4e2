package decode

import (
	"net/netip"
	"slices"
	"time"

	"github.com/flattraffic/flattraffic/flow"
)

// State is what the status page tells about an exporter.
type State struct {
	Exporter     netip.Addr
	Protocols    []flow.Origin // in ascending order
	Established  bool          // heard for some time with records, or named by the user
	First, Last  time.Time     // datagrams
	Templates    int
	LastTemplate time.Time     // zero = none came
	Waiting      int           // data sets that wait for their template
	ClockOffset  time.Duration // median of receive − export time
	ClockKnown   bool          // sFlow says no export time
	Rates        []uint32      // sampling rates of recent records, ascending
	Interfaces   []uint32      // indexes seen, ascending, 256 at most
	Longest      time.Duration // longest record of the last half hour to hour
}

// Exporters returns the state of all exporters ordered by address. Like all
// methods it must not run at the same time as Decode.
func (d *Decoder) Exporters() []State {
	states := make([]State, 0, len(d.exporters))
	for _, e := range d.exporters {
		s := State{
			Exporter: e.addr, Established: e.stranger == nil, First: time.UnixMilli(e.firstMs), Last: time.UnixMilli(e.lastMs),
			Templates: e.templates, Waiting: len(e.waiting),
			Rates: e.rates.sorted(), Interfaces: e.interfaces.sorted(), Longest: e.longest.span(),
		}
		s.ClockOffset, s.ClockKnown = e.offsets.median()
		if e.templateMs != 0 {
			s.LastTemplate = time.UnixMilli(e.templateMs)
		}
		for key := range e.domains {
			if !slices.Contains(s.Protocols, key.version) {
				s.Protocols = append(s.Protocols, key.version)
			}
		}
		slices.Sort(s.Protocols)
		states = append(states, s)
	}
	slices.SortFunc(states, func(a, b State) int { return a.Exporter.Compare(b.Exporter) })
	return states
}

// seen notes what a record shows of its exporter.
func (e *exporter) seen(r *flow.Record) {
	e.records = true
	e.interfaces.add(r.InIf)
	e.interfaces.add(r.OutIf)
	e.longest.add(r.ReceivedMs, r.EndMs-r.StartMs)
	e.rates.add(r.SamplingRate)
}

// interfaces is a bounded set of interface indexes.
type interfaces struct {
	recent [2]uint32 // the last two, to save the map
	all    map[uint32]struct{}
}

const maxInterfaces = 256

func (s *interfaces) add(index uint32) {
	if index == 0 || index == s.recent[0] || index == s.recent[1] {
		return
	}
	s.recent[1], s.recent[0] = s.recent[0], index
	if s.all == nil {
		s.all = map[uint32]struct{}{}
	}
	if len(s.all) < maxInterfaces {
		s.all[index] = struct{}{}
	}
}

func (s *interfaces) sorted() []uint32 {
	list := make([]uint32, 0, len(s.all))
	for index := range s.all {
		list = append(list, index)
	}
	slices.Sort(list)
	return list
}

// longest is the longest span of records in this half hour and the one before.
type longest struct {
	half         int64 // number of the current half hour
	now, earlier int64 // milliseconds
}

func (l *longest) add(receivedMs, span int64) {
	if half := receivedMs / (30 * 60 * 1000); half != l.half {
		l.earlier, l.now = l.now, 0
		if half != l.half+1 {
			l.earlier = 0
		}
		l.half = half
	}
	l.now = max(l.now, span)
}

func (l *longest) span() time.Duration {
	return time.Duration(max(l.now, l.earlier)) * time.Millisecond
}

// rates holds the last few different sampling rates.
type rates struct{ recent [4]uint32 }

func (s *rates) add(n uint32) {
	if n == s.recent[0] {
		return
	}
	i := max(slices.Index(s.recent[:], n), 0)
	if i == 0 {
		i = len(s.recent) - 1
	}
	copy(s.recent[1:i+1], s.recent[:i])
	s.recent[0] = n
}

func (s *rates) sorted() []uint32 {
	list := make([]uint32, 0, len(s.recent))
	for _, n := range s.recent {
		if n != 0 {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}
