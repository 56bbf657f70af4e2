package ledger

import (
	"maps"
	"net/netip"
	"sync"
	"time"
)

// Quarter is the width of a bucket.
const Quarter = 15 * time.Minute

const (
	maxKnown    = 4096    // exporters with records that have rows of their own
	maxStranger = 256     // further exporters with rows of their own, each quarter hour
	maxKeys     = 200_000 // counts kept while they cannot be delivered
)

// All is the exporter of what belongs to the ingest as a whole, and of
// exporters beyond the bounds.
var All = netip.IPv6Unspecified()

// key is the grain of the table.
type key struct {
	bucket   int64 // Unix seconds
	exporter netip.Addr
	event    Event
}

// Ledger adds up counts until they are delivered. Its size is bounded whatever
// arrives: counts of unknown exporters beyond a number are booked on All, so a
// flood of forged sources is counted as one. It is safe for concurrent use.
type Ledger struct {
	mu        sync.Mutex
	counts    map[key]uint64
	changes   uint64
	totals    map[Event]uint64
	known     map[netip.Addr]struct{} // exporters that sent records
	strangers map[netip.Addr]struct{} // others with rows of their own in the newest bucket
	newest    int64
	told      map[key]uint64 // what the last delivery held
}

// New returns an empty ledger.
func New() *Ledger {
	return &Ledger{
		counts: map[key]uint64{}, totals: map[Event]uint64{},
		known: map[netip.Addr]struct{}{}, strangers: map[netip.Addr]struct{}{},
	}
}

// Count adds n events of an exporter to the quarter hour of at.
func (l *Ledger) Count(exporter netip.Addr, at time.Time, event Event, n uint64) {
	if n == 0 {
		return
	}
	bucket := at.Unix() - at.Unix()%int64(Quarter/time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.totals[event] += n
	l.changes++
	k := key{bucket, l.admit(bucket, exporter, event), event}
	if _, there := l.counts[k]; !there && len(l.counts) >= maxKeys {
		k.exporter = All
	}
	l.counts[k] += n
}

// admit says on whom an exporter's events are booked.
func (l *Ledger) admit(bucket int64, exporter netip.Addr, event Event) netip.Addr {
	if !exporter.IsValid() {
		return All
	}
	if bucket > l.newest {
		l.newest = bucket
		clear(l.strangers)
	}
	if exporter == All {
		return All
	}
	if _, ok := l.known[exporter]; ok {
		return exporter
	}
	if event == Records && len(l.known) < maxKnown {
		l.known[exporter] = struct{}{}
		return exporter
	}
	if _, ok := l.strangers[exporter]; ok {
		return exporter
	}
	if len(l.strangers) >= maxStranger {
		return All
	}
	l.strangers[exporter] = struct{}{}
	return exporter
}

// Totals are the events counted since the start, of all exporters.
func (l *Ledger) Totals() map[Event]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.totals)
}

// News says whether something is counted that the last delivery did not hold: a
// new quarter hour, exporter or event, and not only more of the same.
func (l *Ledger) News() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.counts {
		if _, ok := l.told[k]; !ok {
			return true
		}
	}
	return false
}

// peek returns the counts that are not delivered, and how often they changed so
// far.
func (l *Ledger) peek() (counts map[key]uint64, changes uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.counts), l.changes
}

// take removes and returns all counts.
func (l *Ledger) take() map[key]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := l.counts
	l.counts, l.told = make(map[key]uint64, len(counts)), counts
	return counts
}

// giveBack adds counts that could not be delivered.
func (l *Ledger) giveBack(counts map[key]uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = nil
	for k, n := range counts {
		l.counts[k] += n
	}
	l.changes++
}
