package report

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/flattraffic/flattraffic/billing"
)

const (
	day            = 24 * time.Hour
	quarterSeconds = uint64(quarter / time.Second)
	daySeconds     = int64(day / time.Second)
)

// book is what the ledger says of a window. It is shared with other reports and
// never changed.
type book struct {
	counts  map[netip.Addr]map[string]uint64 // by exporter and event
	running running
	heard   map[netip.Addr][]stretch // when datagrams came: whole days of UTC or quarter hours, in order, no two alike
}

// running is how long the ingest ran in each quarter hour.
type running struct {
	through map[int64]bool   // days of UTC since 1970 in which it ran all the time
	seconds map[int64]uint64 // by Unix time of the quarter hour, of the other days
}

func dayNumber(at time.Time) int64 { return at.Unix() / daySeconds }

// in is the time it ran in the quarter hour that begins at a time.
func (r running) in(at time.Time) time.Duration {
	if r.through[dayNumber(at)] {
		return quarter
	}
	return time.Duration(min(r.seconds[at.Unix()], quarterSeconds)) * time.Second // two listeners make no more than one
}

// wholeDay says whether a time is the begin of a day of UTC that ran through.
func (r running) wholeDay(at time.Time) bool {
	return at.Unix()%daySeconds == 0 && r.through[dayNumber(at)]
}

// books keeps what the ledger says of each window for the time of a report,
// which asks for it more than once.
type books struct {
	ctx    context.Context // of the report: no part of it ends what the others wait for
	mu     sync.Mutex
	loaded map[[2]int64]func() (*book, error)
}

// book reads the ledger of a window, once for each report.
func (q *question) book(w window) (*book, error) {
	key := [2]int64{w.start.Unix(), w.end.Unix()}
	q.books.mu.Lock()
	load := q.books.loaded[key]
	if load == nil {
		load = sync.OnceValues(func() (*book, error) { return q.readBook(q.books.ctx, w) })
		if q.books.loaded == nil {
			q.books.loaded = map[[2]int64]func() (*book, error){}
		}
		q.books.loaded[key] = load
	}
	q.books.mu.Unlock()
	return load()
}

func (q *question) readBook(ctx context.Context, w window) (*book, error) {
	parts := []source{q.ledger(w)}
	if at, apart := q.closed("ledger", w); apart {
		parts = []source{q.ledger(newWindow(w.start, at)), q.ledger(newWindow(at, w.end))}
	}
	b := worked[*book]{what: "ledger", size: (*book).size}
	for _, s := range parts {
		b.queries = append(b.queries, s.query("ledger", ledgerSQL, nil))
	}
	b.make = func(ctx context.Context) (*book, error) { return q.writeBook(ctx, parts) }
	return b.out(ctx, q)
}

// size is about the memory of the book, in bytes.
func (b *book) size() int {
	const entry = 64 // of a map with small keys, about
	size := (len(b.running.through) + len(b.running.seconds)) * entry
	for _, events := range b.counts {
		size += len(events) * entry
	}
	for _, list := range b.heard {
		size += len(list) * int(unsafe.Sizeof(stretch{}))
	}
	return size
}

func (q *question) writeBook(ctx context.Context, parts []source) (*book, error) {
	b := &book{
		counts:  map[netip.Addr]map[string]uint64{},
		running: running{through: map[int64]bool{}, seconds: map[int64]uint64{}},
		heard:   map[netip.Addr][]stretch{},
	}
	heard := map[netip.Addr][]int64{}
	err := q.over(ctx, "ledger", ledgerSQL, parts, func(rows scanner) error {
		var exporter netip.Addr
		var event string
		var total uint64
		var through, days []uint16
		var places [][]uint8
		var counts [][]uint64
		if err := rows.Scan(&exporter, &event, &total, &through, &days, &places, &counts); err != nil {
			return err
		}
		exporter = exporter.Unmap()
		if b.counts[exporter] == nil {
			b.counts[exporter] = map[string]uint64{}
		}
		b.counts[exporter][event] += total
		switch event {
		case eventRunning:
			b.running.add(through, days, places, counts)
		case eventDatagrams:
			heard[exporter] = appendHeard(heard[exporter], through, days, places)
		}
		return nil
	})
	for exporter, list := range heard {
		b.heard[exporter] = stretchesOf(list)
	}
	return b, err
}

// add adds what one exporter's rows say; those of the ingest itself have none.
func (r running) add(through, days []uint16, places [][]uint8, counts [][]uint64) {
	for _, d := range through {
		r.through[int64(d)] = true
	}
	for i, d := range days {
		for k, place := range places[i] {
			r.seconds[int64(d)*daySeconds+int64(place)*int64(quarterSeconds)] += counts[i][k]
		}
	}
}

// appendHeard appends the days and quarter hours in which something was heard:
// twice the second of 1970 at which each begins, odd for a quarter hour. There
// are many, and numbers are soon put in order.
func appendHeard(list []int64, through, days []uint16, places [][]uint8) []int64 {
	for _, d := range through {
		list = append(list, 2*int64(d)*daySeconds)
	}
	for i, d := range days {
		for _, place := range places[i] {
			list = append(list, 2*(int64(d)*daySeconds+int64(place)*int64(quarterSeconds))+1)
		}
	}
	return list
}

// stretchesOf puts what appendHeard has listed in order.
func stretchesOf(heard []int64) []stretch {
	slices.Sort(heard)
	heard = slices.Compact(heard)
	list := make([]stretch, len(heard))
	for i, h := range heard {
		from, length := time.Unix(h/2, 0), day
		if h%2 != 0 {
			length = quarter
		}
		list[i] = stretch{from, from.Add(length)}
	}
	return list
}

// days are the days of a zone in which anything was heard.
func (b *book) days(zone *time.Location) map[billing.Date]bool {
	days := map[billing.Date]bool{}
	for _, list := range b.heard {
		for _, s := range list {
			days[billing.DateOf(s.from.In(zone))] = true
			days[billing.DateOf(s.to.Add(-quarter).In(zone))] = true // of a day of UTC the zone may have two
		}
	}
	return days
}

// silences calls gap for each time in which an exporter that was heard before
// was not heard, with the last one up to end.
func (b *book) silences(end time.Time, gap func(x netip.Addr, from, to time.Time)) {
	for x, list := range b.heard {
		for i, s := range list {
			next := end
			if i+1 < len(list) {
				next = list[i+1].from
			}
			if s.to.Before(next) {
				gap(x, s.to, next)
			}
		}
	}
}

// ranFirst is when the ingest ran first of all, the zero time if never. What is
// before the window is not told apart from its start, where that makes no
// difference: where it ran at its start.
func (q *question) ranFirst(ctx context.Context, w window, r running) (first time.Time, err error) {
	if r.in(w.start) == quarter {
		return w.start, nil
	}
	s := q.ledger(w)
	s.in = reach{} // it looks for the first of all
	err = q.each(ctx, "begin of the ledger", firstRunningSQL, s, nil, func(rows scanner) error {
		var at uint32
		err := rows.Scan(&at)
		first = time.Unix(int64(at), 0)
		return err
	})
	return first, err
}
