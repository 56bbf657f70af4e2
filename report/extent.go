package report

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// firstQuarter is the start of the first quarter hour that is kept of the
// line, zero when there is none.
func (q *question) firstQuarter(ctx context.Context) (time.Time, error) {
	var first time.Time
	err := q.each(ctx, "first quarter hour", firstSQL, q.everything("usage_15m"), nil, func(r driver.Rows) error {
		var any bool
		var bucket uint32
		err := r.Scan(&any, &bucket)
		if any {
			first = time.Unix(int64(bucket), 0)
		}
		return err
	})
	return first, err
}

// firstData is the start of the first day there are figures for, or of the
// first quarter hour, zero when there are none. Quarter hours may have been
// dropped while their days stay.
func (q *question) firstData(ctx context.Context) (time.Time, error) {
	first, err := q.firstQuarter(ctx)
	if err != nil || q.dayZone == "" {
		return first, err
	}
	zone, err := time.LoadLocation(q.dayZone)
	if err != nil {
		return first, nil //nolint:nilerr // the days are of a zone this machine does not know; the quarter hours stand
	}
	err = q.each(ctx, "first day", firstDaySQL, q.everything("daily_total"), nil, func(r driver.Rows) error {
		var any bool
		var day uint16
		if err := r.Scan(&any, &day); err != nil || !any {
			return err
		}
		// The day the quarter hours begin in began before them.
		if next := epoch.AddDays(int(day) + 1).Start(zone); first.IsZero() || !first.Before(next) {
			first = epoch.AddDays(int(day)).Start(zone)
		}
		return nil
	})
	return first, err
}

// everything is a table of the line, of all time.
func (q *question) everything(table string) source {
	s := source{table: table, where: []string{"true"}, params: map[string]string{}}
	line := *q
	line.req.Filter = Filter{}
	line.filter(&s)
	return s
}
