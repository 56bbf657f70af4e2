package report

import (
	"context"
	"time"
)

// extent is how far back figures of the line reach.
type extent struct {
	quarter time.Time // start of the first quarter hour that is kept, zero when there is none
	// data is the start of the first day there are figures for, or of the first
	// quarter hour, zero when there are none. Quarter hours may have been dropped
	// while their days stay.
	data time.Time
}

// fine reports whether the quarter hours of the whole window are kept, and not
// only its days.
func (e extent) fine(w window) bool {
	return e.quarter.IsZero() || !w.start.Before(e.quarter) || !e.data.Before(e.quarter)
}

func (q *question) extent(ctx context.Context) (extent, error) {
	var e extent
	var day uint16
	days := false
	err := together(ctx,
		func(ctx context.Context) error {
			return q.each(ctx, "first quarter hour", firstSQL, q.everything("usage_15m"), nil, func(r scanner) error {
				var any bool
				var bucket uint32
				err := r.Scan(&any, &bucket)
				if any {
					e.quarter = time.Unix(int64(bucket), 0)
				}
				return err
			})
		},
		func(ctx context.Context) error {
			if q.dayZone == "" {
				return nil
			}
			return q.each(ctx, "first day", firstDaySQL, q.everything("daily_total"), nil, func(r scanner) error { return r.Scan(&days, &day) })
		},
	)
	if err != nil {
		return extent{}, err
	}
	e.data = e.quarter
	zone, err := time.LoadLocation(q.dayZone)
	if !days || err != nil { // days of a zone this machine does not know; the quarter hours stand
		return e, nil
	}
	// The day the quarter hours begin in began before them.
	if next := epoch.AddDays(int(day) + 1).Start(zone); e.quarter.IsZero() || !e.quarter.Before(next) {
		e.data = epoch.AddDays(int(day)).Start(zone)
	}
	return e, nil
}

// everything is a table of the line, of all time.
func (q *question) everything(table string) source {
	s := source{table: table, where: []string{"true"}, params: map[string]string{}}
	line := *q
	line.req.Filter = Filter{}
	line.filter(&s)
	return s
}
