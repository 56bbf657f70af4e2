package report

import (
	"context"
	"net/netip"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

const (
	day            = 24 * time.Hour
	quarterSeconds = uint64(quarter / time.Second)
)

// running is how long the ingest ran in each quarter hour.
type running struct {
	through map[int64]bool   // days of UTC since 1970 in which it ran all the time
	seconds map[int64]uint64 // by Unix time of the quarter hour, of the other days
}

func dayNumber(at time.Time) int64 { return at.Unix() / int64(day/time.Second) }

// in is the time it ran in the quarter hour that begins at a time.
func (r running) in(at time.Time) time.Duration {
	if r.through[dayNumber(at)] {
		return quarter
	}
	return time.Duration(r.seconds[at.Unix()]) * time.Second
}

// wholeDay says whether a time is the begin of a day of UTC that ran through.
func (r running) wholeDay(at time.Time) bool {
	return at.Unix()%int64(day/time.Second) == 0 && r.through[dayNumber(at)]
}

// ran loads how long the ingest ran in a window, and when it ran first of all;
// the zero time means never.
func (q *question) ran(ctx context.Context, w window) (r running, first time.Time, err error) {
	r = running{through: map[int64]bool{}, seconds: map[int64]uint64{}}
	err = q.each(ctx, "begin of the ledger", firstRunningSQL, q.ledger(w), nil, func(rows driver.Rows) error {
		var at uint32
		err := rows.Scan(&at)
		first = time.Unix(int64(at), 0)
		return err
	})
	if err != nil || first.IsZero() {
		return r, first, err
	}
	err = q.each(ctx, "running time", runningSQL, q.ledger(w), nil, func(rows driver.Rows) error {
		var number int64
		var through bool
		var at []uint32
		var seconds []uint64
		if err := rows.Scan(&number, &through, &at, &seconds); err != nil {
			return err
		}
		if through {
			r.through[number] = true
		}
		for i := range at {
			r.seconds[int64(at[i])] = min(seconds[i], quarterSeconds) // two listeners make no more than one
		}
		return nil
	})
	return r, first, err
}

// heard calls gap for each time in which an exporter that was heard before
// was not heard, with the last one up to end.
func (q *question) heard(ctx context.Context, w window, end time.Time, gap func(x netip.Addr, from, to time.Time)) error {
	last := map[netip.Addr]time.Time{}
	at := func(x netip.Addr, from, to time.Time) {
		if before, ok := last[x]; ok && before.Before(from) {
			gap(x, before, from)
		}
		last[x] = to
	}
	err := q.each(ctx, "silence", heardSQL, q.ledger(w), nil, func(rows driver.Rows) error {
		var exporter netip.Addr
		var number int64
		var through bool
		var buckets []uint32
		if err := rows.Scan(&exporter, &number, &through, &buckets); err != nil {
			return err
		}
		if through {
			begin := time.Unix(number*int64(day/time.Second), 0)
			at(exporter.Unmap(), begin, begin.Add(day))
		}
		for _, b := range buckets {
			begin := time.Unix(int64(b), 0)
			at(exporter.Unmap(), begin, begin.Add(quarter))
		}
		return nil
	})
	for x, before := range last {
		if before.Before(end) {
			gap(x, before, end)
		}
	}
	return err
}
