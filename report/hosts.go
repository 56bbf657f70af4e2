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

// hostsReport has a row for every host, by usage.
func (q *question) hostsReport(ctx context.Context) (*Result, error) {
	rows, err := q.hosts(ctx, dims{host: true})
	if err != nil {
		return nil, err
	}
	if err := q.addLastSeen(ctx, rows); err != nil {
		return nil, err
	}
	return list(rows), nil
}

func (q *question) hosts(ctx context.Context, need dims) ([]Row, error) {
	w := q.window()
	days := 0
	if begun := w.days(q.at); len(begun) > 0 {
		days = w.first.DaysUntil(begun[len(begun)-1]) + 1
	}
	series := days <= seriesLimit
	more := map[string]string{"series": strconv.FormatBool(series)}
	var rows []Row
	err := q.each(ctx, "hosts", hostsSQL, q.from(w, need), more, func(r driver.Rows) error {
		var row Row
		var last uint16
		var keys []uint16
		var usage []uint64
		fields := append([]any{&row.Host}, row.fields()...)
		if err := r.Scan(append(fields, &last, &keys, &usage)...); err != nil {
			return err
		}
		q.nameHost(&row)
		row.LastSeen = epoch.AddDays(int(last)).Start(w.start.Location())
		if series {
			row.Days = make([]uint64, days)
			for i, key := range keys {
				if at := int(key) - number(w.first); at >= 0 && at < len(row.Days) {
					row.Days[at] = usage[i]
				}
			}
		}
		rows = append(rows, row)
		return nil
	})
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Or(byUsage(a.Counters, b.Counters), a.Host.Compare(b.Host)) })
	return rows, err
}

// byUsage puts the larger usage first, and with equal usage the more traffic
// that is no usage.
func byUsage(a, b Counters) int {
	return cmp.Or(cmp.Compare(b.Usage(), a.Usage()), cmp.Compare(b.Internal+b.Unmatched, a.Internal+a.Unmatched))
}

// nameHost unmaps the row's host and names it.
func (q *question) nameHost(row *Row) {
	row.Host = row.Host.Unmap()
	if row.Host == netip.IPv6Unspecified() {
		row.Name = unmatchedName
		return
	}
	row.Name, row.NameFrom = q.names.Name(row.Host)
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
		if at, ok := seen[rows[i].Host]; ok {
			rows[i].LastSeen = at
		}
	}
	return err
}
