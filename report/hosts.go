package report

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"
	"unsafe"
)

// seriesLimit is the longest span with a sparkline a host, in days.
const seriesLimit = 400

// unmatchedName is what people see instead of the host ::.
const unmatchedName = "Unmatched"

// hostsReport has a row for every host, by usage. The addresses of one device
// are one host.
func (q *question) hostsReport(ctx context.Context) (*Result, error) {
	if q.past {
		rows, err := q.hosts(ctx, dims{host: true})
		return list(rows), err
	}
	var rows []Row
	var seen map[netip.Addr]time.Time
	var known map[netip.Addr]bool
	err := together(ctx,
		func(ctx context.Context) (err error) { rows, err = q.hosts(ctx, dims{host: true}); return err },
		func(ctx context.Context) (err error) { seen, err = q.lastSeen(ctx); return err },
		func(ctx context.Context) (err error) { known, err = q.knownBefore(ctx); return err },
	)
	if err != nil {
		return nil, err
	}
	addLastSeen(rows, seen)
	q.markNew(rows, known)
	return list(rows), nil
}

func (q *question) hosts(ctx context.Context, need dims) ([]Row, error) {
	w := worked[[]Row]{what: "hosts", queries: q.hostQueries(need), with: q.deviceTime(), size: sizeOfHosts}
	w.make = func(ctx context.Context) ([]Row, error) {
		addresses, err := q.addresses(ctx, need)
		return q.hostsOf(addresses), err
	}
	rows, err := w.out(ctx, q)
	return q.named(rows), err
}

// deviceTime says whose the addresses are, and which days rows have.
func (q *question) deviceTime() string {
	return fmt.Sprint(q.roster.number, " ", q.span.Start.Location(), " ", q.window().first, " ", q.seriesDays())
}

// sizeOfHosts is about the memory of rows of hosts, in bytes.
func sizeOfHosts(rows []Row) int {
	size := 0
	for i := range rows {
		size += int(unsafe.Sizeof(rows[i])) + len(rows[i].Addresses)*int(unsafe.Sizeof(netip.Addr{})) + len(rows[i].Days)*8
	}
	return size
}

// hostsOf makes hosts of addresses, without names: those of a device are one.
func (q *question) hostsOf(addresses []address) []Row {
	rows := q.byDevice(addresses)
	// Rows are large: their places are sorted, and each is moved once.
	order := allPlaces(len(rows))
	sortPlaces(order, func(at int) uint64 { return rows[at].Usage() }, func(a, b int) int { return compareHosts(&rows[a], &rows[b]) })
	arrange(rows, order)
	return rows
}

// allPlaces are the places of a list of n.
func allPlaces(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}

// sortPlaces sorts places of a list of large things: those with more usage
// first, and of equal usage by equal.
func sortPlaces(places []int, usage func(at int) uint64, equal func(a, b int) int) {
	type place struct {
		usage uint64
		at    int
	}
	order := make([]place, len(places))
	for i, at := range places {
		order[i] = place{usage(at), at}
	}
	slices.SortFunc(order, func(a, b place) int {
		if a.usage != b.usage {
			return cmp.Compare(b.usage, a.usage)
		}
		return equal(a.at, b.at)
	})
	for i := range order {
		places[i] = order[i].at
	}
}

// arrange puts at each place the element that order names, each moved once.
// It uses order up.
func arrange[T any](list []T, order []int) {
	for begin := range order {
		first := list[begin]
		at := begin
		for order[at] != begin {
			next := order[at]
			list[at], order[at] = list[next], at
			at = next
		}
		list[at], order[at] = first, at
	}
}

// address is the traffic of one address of a host. There are thousands of them
// in some years of IPv6, so that it is small.
type address struct {
	host netip.Addr
	last uint16   // the last day with traffic, as ClickHouse counts days; 0 = not asked
	days []uint64 // as in Row
	Counters
}

// hostQueries ask for the traffic of every address of a host.
func (q *question) hostQueries(need dims) []query {
	statement := hostsSQL
	if q.seriesDays() > 0 {
		statement = hostsByDaySQL
	}
	var queries []query
	for _, s := range q.parts(q.window(), need) {
		queries = append(queries, s.query("hosts", statement, nil))
	}
	return queries
}

// addresses has the traffic of every address of a host, in the order of
// ClickHouse.
func (q *question) addresses(ctx context.Context, need dims) ([]address, error) {
	return merged(ctx, q.hostQueries(need), q.readAddresses)
}

// seriesDays is how many days the series of a host has, 0 when it has none.
func (q *question) seriesDays() int {
	w := q.window()
	if min(w.first.DaysUntil(w.next), w.first.DaysUntil(q.today())+1) > seriesLimit {
		return 0
	}
	begun := w.days(q.at)
	if len(begun) == 0 {
		return 0
	}
	return w.first.DaysUntil(begun[len(begun)-1]) + 1
}

// merged reads the addresses of several queries at the same time, each in the
// order of ClickHouse, and makes one list of them.
func merged(ctx context.Context, parts []query, read func(context.Context, query) ([]address, error)) ([]address, error) {
	lists := make([][]address, len(parts))
	reads := make([]func(context.Context) error, len(parts))
	for i := range parts {
		reads[i] = func(ctx context.Context) (err error) {
			lists[i], err = read(ctx, parts[i])
			return err
		}
	}
	if err := together(ctx, reads...); err != nil {
		return nil, err
	}
	list := lists[0]
	for _, more := range lists[1:] {
		list = mergeAddresses(list, more)
	}
	return list, nil
}

// readAddresses reads the addresses of one query of hostQueries.
func (q *question) readAddresses(ctx context.Context, u query) ([]address, error) {
	var list []address
	var one address
	var keys []uint16
	var usage []uint64
	days := q.seriesDays()
	fields := append([]any{&one.host}, append(one.fields(), &one.last)...)
	if days > 0 {
		fields = append(fields, &keys, &usage)
	}
	room, first := seriesOf{days: days}, number(q.window().first)
	err := q.ask(ctx, u, func(r scanner) error {
		if list == nil {
			list = make([]address, 0, known(r))
		}
		one, keys, usage = address{}, nil, nil
		if err := r.Scan(fields...); err != nil {
			return err
		}
		one.host = one.host.Unmap()
		if days > 0 {
			one.days = room.make()
		}
		for i, key := range keys {
			if day := int(key) - first; day >= 0 && day < days {
				one.days[day] = usage[i]
			}
		}
		list = append(list, one)
		return nil
	})
	return list, err
}

// mergeAddresses makes one list of two in ClickHouse's order.
func mergeAddresses(a, b []address) []address {
	all := make([]address, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch order := mapped(a[0].host).Compare(mapped(b[0].host)); {
		case order < 0:
			all, a = append(all, a[0]), a[1:]
		case order > 0:
			all, b = append(all, b[0]), b[1:]
		default:
			a[0].merge(b[0])
			all, a, b = append(all, a[0]), a[1:], b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// mapped is an address as ClickHouse's IPv6 has it.
func mapped(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }

// compareHosts puts the host with more usage first.
func compareHosts(a, b *Row) int {
	return cmp.Or(byUsage(a.Counters, b.Counters), a.Host.Compare(b.Host))
}

// seriesOf makes the series of many addresses with few allocations.
type seriesOf struct {
	days int // of each
	room []uint64
}

func (s *seriesOf) make() []uint64 {
	const many = 128
	if len(s.room) < s.days {
		s.room = make([]uint64, many*s.days)
	}
	one := s.room[:s.days:s.days]
	s.room = s.room[s.days:]
	return one
}

// merge adds more traffic of the same address.
func (a *address) merge(o address) {
	a.add(o.Counters)
	a.last = max(a.last, o.last)
	for day, usage := range o.days {
		a.days[day] += usage
	}
}

// byUsage puts the larger usage first, and with equal usage the more traffic
// that is no usage.
func byUsage(a, b Counters) int {
	return cmp.Or(cmp.Compare(b.Usage(), a.Usage()), cmp.Compare(b.Internal+b.Unmatched, a.Internal+a.Unmatched))
}

// lastSeen is when each address was last seen in the last two days of the span.
func (q *question) lastSeen(ctx context.Context) (map[netip.Addr]time.Time, error) {
	w := q.window()
	if end := q.at.Truncate(quarter).Add(quarter); end.Before(w.end) {
		w.end = end.In(w.start.Location())
	}
	if start := w.end.AddDate(0, 0, -2); start.After(w.start) {
		w.start = start.Truncate(quarter).In(w.start.Location())
	}
	seen := map[netip.Addr]time.Time{}
	err := q.each(ctx, "hosts last seen", seenSQL, q.fromQuarters(w), nil, func(r scanner) error {
		var host netip.Addr
		var bucket uint32
		if err := r.Scan(&host, &bucket); err != nil {
			return err
		}
		seen[host.Unmap()] = time.Unix(int64(bucket), 0).In(w.start.Location())
		return nil
	})
	return seen, err
}

// addLastSeen makes LastSeen precise for the hosts that were seen lately; the
// others keep the day.
func addLastSeen(rows []Row, seen map[netip.Addr]time.Time) {
	for i := range rows {
		var last time.Time
		for _, a := range rows[i].Addresses {
			if at := seen[a]; last.Before(at) {
				last = at
			}
		}
		if !last.IsZero() {
			rows[i].LastSeen = last
		}
	}
}

// newAfter is how many days a host was not seen before it is new again.
const newAfter = 400

// knownBefore are the addresses that were seen in the days before the span; nil
// when it is too long to call anybody new. The filters of the request do not
// apply: a host that used another protocol before is not new.
func (q *question) knownBefore(ctx context.Context) (map[netip.Addr]bool, error) {
	w := q.window()
	if !q.span.Billing && w.first.DaysUntil(w.next) > newAfter {
		return nil, nil
	}
	start := w.start
	earlier := newWindow(w.first.AddDays(-newAfter).Start(start.Location()), w.first.Start(start.Location()))
	whole := *q
	whole.req.Filter = Filter{Line: q.req.Filter.Line}
	u := whole.from(earlier, dims{host: true}).query("hosts known before", knownSQL, nil)
	return worked[map[netip.Addr]bool]{what: "known", queries: []query{u}, make: func(ctx context.Context) (map[netip.Addr]bool, error) {
		known := map[netip.Addr]bool{}
		err := q.ask(ctx, u, func(r scanner) error {
			var host netip.Addr
			err := r.Scan(&host)
			known[host.Unmap()] = true
			return err
		})
		return known, err
	}, size: func(known map[netip.Addr]bool) int { return 2 * len(known) * int(unsafe.Sizeof(netip.Addr{})) }}.out(ctx, q)
}

// markNew marks the hosts that were not seen before the span. When nobody was,
// the first figures lie in the span and everybody would be new: nobody is
// marked then.
func (q *question) markNew(rows []Row, known map[netip.Addr]bool) {
	if len(known) == 0 {
		return
	}
	for i := range rows {
		d, _ := q.roster.device(rows[i].Host)
		before := func(a netip.Addr) bool { return known[a] }
		rows[i].New = !slices.ContainsFunc(rows[i].Addresses, before) && !slices.ContainsFunc(d.Addresses, before)
	}
}
