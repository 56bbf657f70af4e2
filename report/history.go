package report

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flattraffic/flattraffic/billing"
)

// history has a row for every billing period, from the one that holds the
// first data to the present one; with a range or a period in the request, for
// those that share time with it.
func (q *question) history(ctx context.Context) (*Result, error) {
	periods := q.periods
	zone := q.span.Start.Location()
	var usage []split
	var days []Row
	var present map[billing.Date]bool
	var kept extent
	err := together(ctx,
		func(ctx context.Context) (err error) { usage, err = q.usageByPeriod(ctx, periods); return err },
		func(ctx context.Context) (err error) { days, err = q.days(ctx); return err },
		func(ctx context.Context) (err error) { present, err = q.presentDays(ctx, q.window()); return err },
		func(ctx context.Context) (err error) { kept, err = q.extent(ctx); return err },
	)
	if err != nil {
		return nil, err
	}
	var rows []Row
	for i, p := range periods {
		counted := usage[i].counted()
		rows = append(rows, Row{
			Start: p.Start.In(p.Plan.Zone), End: p.End.In(p.Plan.Zone), Name: p.Plan.Name,
			Cap: p.Plan.Cap, Used: p.Plan.Used(counted.Received, counted.Sent), Free: usage[i].free.Usage(),
			Partial:  q.at.Before(p.End),
			Gap:      usage[i].all == Counters{} && !slices.ContainsFunc(p.Days(), func(d billing.Date) bool { return present[d] }),
			Counters: usage[i].all,
		})
	}
	result := list(rows)
	result.Days = days
	if !kept.fine(q.window()) {
		result.FineFrom = kept.quarter.In(zone)
	}
	return result, nil
}

// findPeriods finds the billing periods of the report, at least one, and makes
// the time of all of them the span.
func (q *question) findPeriods(ctx context.Context) error {
	plans := q.line.Plans
	if (q.req.Period != Period{}) {
		q.periods = plans.Between(q.span.Start, q.span.End)
	} else {
		e, err := q.extent(ctx)
		if err != nil {
			return err
		}
		first := e.data
		if first.IsZero() || first.After(q.at) {
			first = q.at
		}
		q.periods = plans.Between(first, q.at.Add(1))
	}
	last := q.periods[len(q.periods)-1]
	zone := last.Plan.Zone
	q.span = Span{Start: q.periods[0].Start.In(zone), End: last.End.In(zone), Plan: last.Plan}
	return nil
}

// usageByPeriod splits the usage of each period by its own plan. Neighbouring
// periods of whole days come from the daily tables in one statement, other runs
// from the quarter hours.
func (q *question) usageByPeriod(ctx context.Context, periods []billing.Period) ([]split, error) {
	usage := make([]split, len(periods))
	for from := 0; from < len(periods); {
		to := from + 1
		for to < len(periods) && q.alike(periods[from], periods[to]) {
			to++
		}
		var err error
		if run := periods[from:to]; q.daily(run[0]) {
			err = q.foldDays(ctx, run, usage[from:to])
		} else {
			err = q.foldQuarters(ctx, run, usage[from:to])
		}
		if err != nil {
			return nil, err
		}
		from = to
	}
	return usage, nil
}

// alike reports whether one statement can answer two neighbouring periods.
func (q *question) alike(a, b billing.Period) bool {
	if q.daily(a) != q.daily(b) || a.Plan.Free != b.Plan.Free {
		return false
	}
	return a.Plan.Free.IsZero() || a.Plan.Zone.String() == b.Plan.Zone.String()
}

// daily reports whether the daily tables answer the period.
func (q *question) daily(p billing.Period) bool {
	w := newWindow(p.Start.In(p.Plan.Zone), p.End.In(p.Plan.Zone))
	return w.whole && p.Plan.Zone.String() == q.dayZone
}

// windowOf is the time of neighbouring periods, in the zone of the first.
func windowOf(run []billing.Period) window {
	zone := run[0].Plan.Zone
	return newWindow(run[0].Start.In(zone), run[len(run)-1].End.In(zone))
}

func (q *question) foldDays(ctx context.Context, run []billing.Period, usage []split) error {
	days, unknown, err := q.splitByDay(ctx, windowOf(run), run[0].Plan)
	if err != nil {
		return err
	}
	if len(unknown) > 0 {
		q.noteUnknownFree(unknown[0], unknown[len(unknown)-1])
	}
	for i, p := range run {
		for _, d := range p.Days() {
			usage[i].add(days[d])
		}
	}
	return nil
}

func (q *question) foldQuarters(ctx context.Context, run []billing.Period, usage []split) error {
	s := q.exempting(q.fromQuarters(windowOf(run)), run[0].Plan)
	var bounds []string
	for _, p := range run {
		bounds = append(bounds, strconv.FormatInt(p.Start.Unix(), 10))
	}
	more := map[string]string{"bounds": "[" + strings.Join(bounds, ",") + "]"}
	return q.each(ctx, "periods", exemptPeriodsSQL, s, more, func(r scanner) error {
		var start uint32
		var one split
		if err := r.Scan(append([]any{&start}, one.fields()...)...); err != nil {
			return err
		}
		i := slices.IndexFunc(run, func(p billing.Period) bool { return p.Start.Unix() == int64(start) })
		if i < 0 {
			return fmt.Errorf("no period begins at %d", start)
		}
		usage[i].add(one)
		return nil
	})
}
