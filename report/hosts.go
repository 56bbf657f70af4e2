package report

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// seriesLimit is the longest span with a sparkline a host, in days.
const seriesLimit = 400

// unmatchedName is what people see instead of the host ::.
const unmatchedName = "Unmatched"

// hostsReport has a row for every host, by usage. The addresses of one device
// are one host.
func (q *question) hostsReport(ctx context.Context) (*Result, error) {
	rows, err := q.hosts(ctx, dims{host: true})
	if err != nil {
		return nil, err
	}
	if !q.past {
		if err := q.addLastSeen(ctx, rows); err != nil {
			return nil, err
		}
		if err := q.markNew(ctx, rows); err != nil {
			return nil, err
		}
	}
	return list(rows), nil
}

func (q *question) hosts(ctx context.Context, need dims) ([]Row, error) {
	rows, err := q.addresses(ctx, need)
	if err != nil {
		return nil, err
	}
	rows = q.byDevice(rows)
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Or(byUsage(a.Counters, b.Counters), a.Host.Compare(b.Host)) })
	return rows, nil
}

// addresses has a row for every address of a host, without names.
func (q *question) addresses(ctx context.Context, need dims) ([]Row, error) {
	w := q.window()
	days := 0
	if begun := w.days(q.at); len(begun) > 0 {
		days = w.first.DaysUntil(begun[len(begun)-1]) + 1
	}
	series := days <= seriesLimit
	more := map[string]string{"series": strconv.FormatBool(series)}
	var rows []Row
	place := map[netip.Addr]int{}
	scan := func(r driver.Rows) error {
		var row Row
		var last uint16
		var keys []uint16
		var usage []uint64
		fields := append([]any{&row.Host}, row.fields()...)
		if err := r.Scan(append(fields, &last, &keys, &usage)...); err != nil {
			return err
		}
		row.Host = row.Host.Unmap()
		at, known := place[row.Host]
		if !known {
			at = len(rows)
			place[row.Host] = at
			rows = append(rows, Row{Host: row.Host})
			if series {
				rows[at].Days = make([]uint64, days)
			}
		}
		host := &rows[at]
		host.add(row.Counters)
		if seen := epoch.AddDays(int(last)).Start(w.start.Location()); seen.After(host.LastSeen) {
			host.LastSeen = seen
		}
		for i, key := range keys {
			if day := int(key) - number(w.first); series && day >= 0 && day < len(host.Days) {
				host.Days[day] += usage[i]
			}
		}
		return nil
	}
	for _, part := range q.parts(w, need) {
		if err := q.each(ctx, "hosts", hostsSQL, part, more, scan); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// byUsage puts the larger usage first, and with equal usage the more traffic
// that is no usage.
func byUsage(a, b Counters) int {
	return cmp.Or(cmp.Compare(b.Usage(), a.Usage()), cmp.Compare(b.Internal+b.Unmatched, a.Internal+a.Unmatched))
}

// addLastSeen makes LastSeen precise for hosts seen in the last two days of
// the span; older ones keep the day.
func (q *question) addLastSeen(ctx context.Context, rows []Row) error {
	w := q.window()
	if end := q.at.Truncate(quarter).Add(quarter); end.Before(w.end) {
		w.end = end.In(w.start.Location())
	}
	if start := w.end.AddDate(0, 0, -2); start.After(w.start) {
		w.start = start.Truncate(quarter).In(w.start.Location())
	}
	seen := map[netip.Addr]time.Time{}
	err := q.each(ctx, "hosts last seen", seenSQL, q.fromQuarters(w), nil, func(r driver.Rows) error {
		var host netip.Addr
		var bucket uint32
		if err := r.Scan(&host, &bucket); err != nil {
			return err
		}
		seen[host.Unmap()] = time.Unix(int64(bucket), 0).In(w.start.Location())
		return nil
	})
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
	return err
}

// newAfter is how many days a host was not seen before it is new again.
const newAfter = 400

// markNew marks the hosts that were not seen before the span. When nobody was,
// the first figures lie in the span and everybody would be new: nobody is
// marked then. The filters of the request do not apply: a host that used
// another protocol before is not new.
func (q *question) markNew(ctx context.Context, rows []Row) error {
	w := q.window()
	if !q.span.Billing && w.first.DaysUntil(w.next) > newAfter {
		return nil
	}
	start := w.start
	earlier := newWindow(w.first.AddDays(-newAfter).Start(start.Location()), w.first.Start(start.Location()))
	whole := *q
	whole.req.Filter = Filter{Line: q.req.Filter.Line}
	known := map[netip.Addr]bool{}
	err := q.each(ctx, "hosts known before", knownSQL, whole.from(earlier, dims{host: true}), nil, func(r driver.Rows) error {
		var host netip.Addr
		err := r.Scan(&host)
		known[host.Unmap()] = true
		return err
	})
	if len(known) == 0 {
		return err
	}
	for i := range rows {
		d, _ := q.roster.device(rows[i].Host)
		before := func(a netip.Addr) bool { return known[a] }
		rows[i].New = !slices.ContainsFunc(rows[i].Addresses, before) && !slices.ContainsFunc(d.Addresses, before)
	}
	return err
}
