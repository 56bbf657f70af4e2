package report

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/billing"
)

// history has a row for every billing period, from the one that holds the
// first data to the present one; with a range or a period in the request, for
// those that share time with it.
func (q *question) history(ctx context.Context) (*Result, error) {
	periods, err := q.periods(ctx)
	if err != nil {
		return nil, err
	}
	all, err := q.usageByPeriod(ctx, periods, false)
	if err != nil {
		return nil, err
	}
	used := all
	if !q.allMetered() {
		if used, err = q.usageByPeriod(ctx, periods, true); err != nil {
			return nil, err
		}
	}
	last := periods[len(periods)-1]
	zone := last.Plan.Zone
	q.span = Span{Start: periods[0].Start.In(zone), End: last.End.In(zone), Plan: last.Plan}
	present, err := q.presentDays(ctx, q.window())
	if err != nil {
		return nil, err
	}
	var rows []Row
	for i, p := range periods {
		rows = append(rows, Row{
			Start: p.Start.In(p.Plan.Zone), End: p.End.In(p.Plan.Zone), Name: p.Plan.Name,
			Cap: p.Plan.Cap, Used: p.Plan.Used(used[i].Received, used[i].Sent),
			Partial:  q.at.Before(p.End),
			Gap:      all[i] == Counters{} && !slices.ContainsFunc(p.Days(), func(d billing.Date) bool { return present[d] }),
			Counters: all[i],
		})
	}
	return list(rows), nil
}

// periods lists the billing periods of the report, at least one.
func (q *question) periods(ctx context.Context) ([]billing.Period, error) {
	plans := q.line.Plans
	if (q.req.Period != Period{}) {
		return plans.Between(q.span.Start, q.span.End), nil
	}
	first, err := q.firstData(ctx)
	if err != nil {
		return nil, err
	}
	if first.IsZero() || first.After(q.at) {
		first = q.at
	}
	return plans.Between(first, q.at.Add(1)), nil
}

// usageByPeriod sums up each period; with meteredOnly, only the hosts whose
// network counts toward the cap. Neighbouring periods of whole days come from
// the daily tables in one statement, other runs from the quarter hours.
func (q *question) usageByPeriod(ctx context.Context, periods []billing.Period, meteredOnly bool) ([]Counters, error) {
	usage := make([]Counters, len(periods))
	for from := 0; from < len(periods); {
		to := from + 1
		for to < len(periods) && q.daily(periods[to]) == q.daily(periods[from]) {
			to++
		}
		run := periods[from:to]
		zone := run[0].Plan.Zone
		w := newWindow(run[0].Start.In(zone), run[len(run)-1].End.In(zone))
		var s source
		daily := q.daily(run[0])
		if daily {
			s = q.from(w, dims{host: meteredOnly})
		} else {
			s = q.fromQuarters(w)
		}
		if meteredOnly {
			q.metered(&s)
		}
		var err error
		if daily {
			err = q.foldDays(ctx, s, run, usage[from:to])
		} else {
			err = q.foldQuarters(ctx, s, run, usage[from:to])
		}
		if err != nil {
			return nil, err
		}
		from = to
	}
	return usage, nil
}

// daily reports whether the daily tables answer the period.
func (q *question) daily(p billing.Period) bool {
	w := newWindow(p.Start.In(p.Plan.Zone), p.End.In(p.Plan.Zone))
	return w.whole && p.Plan.Zone.String() == q.dayZone
}

func (q *question) foldDays(ctx context.Context, s source, periods []billing.Period, usage []Counters) error {
	days, err := q.usageByDay(ctx, s)
	if err != nil {
		return err
	}
	for i, p := range periods {
		for _, d := range p.Days() {
			usage[i].add(days[d])
		}
	}
	return nil
}

func (q *question) foldQuarters(ctx context.Context, s source, periods []billing.Period, usage []Counters) error {
	var bounds []string
	for _, p := range periods {
		bounds = append(bounds, strconv.FormatInt(p.Start.Unix(), 10))
	}
	more := map[string]string{"bounds": "[" + strings.Join(bounds, ",") + "]"}
	return q.each(ctx, "periods", periodsSQL, s, more, func(r driver.Rows) error {
		var start uint32
		var c Counters
		if err := r.Scan(append([]any{&start}, c.fields()...)...); err != nil {
			return err
		}
		i := slices.IndexFunc(periods, func(p billing.Period) bool { return p.Start.Unix() == int64(start) })
		if i < 0 {
			return fmt.Errorf("no period begins at %d", start)
		}
		usage[i].add(c)
		return nil
	})
}
