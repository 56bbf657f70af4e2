package report

import (
	"context"
	"unsafe"

	"github.com/flattraffic/flattraffic/billing"
)

// daysReport has a row for every day of the span up to today.
func (q *question) daysReport(ctx context.Context) (*Result, error) {
	rows, err := q.days(ctx)
	if err != nil {
		return nil, err
	}
	return list(rows), nil
}

func (q *question) days(ctx context.Context) ([]Row, error) {
	w := q.window()
	var usage map[billing.Date]Counters
	var present map[billing.Date]bool
	err := together(ctx,
		func(ctx context.Context) (err error) {
			usage, err = q.usageByDay(ctx, q.partsOfDays(w)...)
			return err
		},
		func(ctx context.Context) (err error) { present, err = q.presentDays(ctx, w); return err },
	)
	if err != nil {
		return nil, err
	}
	zone := w.start.Location()
	days := w.days(q.at)
	// Clocks differ: what an exporter dated a little ahead of now may lie on
	// tomorrow already, and belongs to the total.
	for d := lastOf(days, w.first); d.Before(w.next); d = d.AddDays(1) {
		if _, ahead := usage[d]; ahead && (len(days) == 0 || days[len(days)-1].Before(d)) {
			days = append(days, d)
		}
	}
	rows := make([]Row, 0, len(days))
	for _, d := range days {
		c, any := usage[d]
		rows = append(rows, Row{
			Date: d, Counters: c,
			Gap:     !any && !present[d],
			Partial: q.at.Before(d.AddDays(1).Start(zone)),
		})
	}
	return rows, nil
}

func lastOf(days []billing.Date, none billing.Date) billing.Date {
	if len(days) == 0 {
		return none
	}
	return days[len(days)-1]
}

// partsOfDays plans the reading of days. Where an overview reads more of them
// anyway, to estimate the end, the same statement answers.
func (q *question) partsOfDays(w window) []source {
	if wide, ok := q.profiled(); ok && !q.exempts(q.span.Plan) {
		return []source{q.from(wide, dims{})}
	}
	return q.parts(w, dims{})
}

// usageByDay sums up sources by day of the window's zone. The result is shared
// with other reports and must not be changed.
func (q *question) usageByDay(ctx context.Context, parts ...source) (map[billing.Date]Counters, error) {
	w := worked[map[billing.Date]Counters]{what: "usage by day"}
	for _, s := range parts {
		w.queries = append(w.queries, s.query("days", daysSQL, nil))
	}
	w.make = func(ctx context.Context) (map[billing.Date]Counters, error) { return q.readDays(ctx, parts) }
	w.size = func(usage map[billing.Date]Counters) int {
		return 2 * len(usage) * int(unsafe.Sizeof(billing.Date{})+unsafe.Sizeof(Counters{}))
	}
	return w.out(ctx, q)
}

// readDays reads what usageByDay returns.
func (q *question) readDays(ctx context.Context, parts []source) (map[billing.Date]Counters, error) {
	usage := map[billing.Date]Counters{}
	var n uint16
	var c Counters
	fields := append([]any{&n}, c.fields()...)
	scan := func(rows scanner) error {
		if err := rows.Scan(fields...); err != nil {
			return err
		}
		day := usage[epoch.AddDays(int(n))]
		day.add(c)
		usage[epoch.AddDays(int(n))] = day
		return nil
	}
	return usage, q.over(ctx, "days", daysSQL, parts, scan)
}

// presentDays are the days of the window on which anything at all was
// received, whatever the request filters by: by the ledger, or, for records
// that were imported, by the rollups.
func (q *question) presentDays(ctx context.Context, w window) (map[billing.Date]bool, error) {
	b, err := q.book(w)
	if err != nil {
		return nil, err
	}
	present := b.days(w.start.Location())
	if !q.filtered() {
		return present, nil
	}
	whole := *q
	whole.req.Filter = Filter{Line: q.req.Filter.Line}
	usage, err := whole.usageByDay(ctx, whole.parts(w, dims{})...)
	for d := range usage {
		present[d] = true
	}
	return present, err
}
