package report

import (
	"context"
	"time"
)

// hoursLimit is the longest span that is shown by the hour, and weekLimit the
// longest whose hours are summed by weekday, in days.
const (
	hoursLimit = 2
	weekLimit  = 400
)

// Week is usage by weekday, Monday first, and hour of the clock.
type Week [7][24]uint64

// fine reports whether the quarter hours of the whole window are kept, and not
// only its days.
func (q *question) fine(ctx context.Context, w window) (bool, error) {
	e, err := q.extent(ctx)
	return err == nil && e.fine(w), err
}

// hours has a row for every hour of a short span up to now, counted from its
// start; nil for a longer one, or when only days are left of it.
func (q *question) hours(ctx context.Context) ([]Row, error) {
	w := q.window()
	if w.first.DaysUntil(w.next) > hoursLimit {
		return nil, nil
	}
	if fine, err := q.fine(ctx, w); err != nil || !fine {
		return nil, err
	}
	var rows []Row
	for at := w.start; at.Before(w.end) && !at.After(q.at); at = at.Add(time.Hour) {
		end := at.Add(time.Hour)
		if end.After(w.end) {
			end = w.end
		}
		rows = append(rows, Row{Start: at, End: end, Gap: true, Partial: q.at.Before(end)})
	}
	err := q.each(ctx, "hours", quartersSQL, q.fromQuarters(w), nil, func(r scanner) error {
		var at uint32
		var c Counters
		if err := r.Scan(append([]any{&at}, c.fields()...)...); err != nil {
			return err
		}
		// What an exporter dated a little ahead of now belongs to the last hour.
		if len(rows) > 0 {
			row := &rows[min(hourOf(w.start, at), len(rows)-1)]
			row.add(c)
			row.Gap = false
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rows, q.fillHeard(w, rows)
}

// fillHeard takes the hours in which anything was received for no gaps, even
// if it was nothing of what the request asks for.
func (q *question) fillHeard(w window, rows []Row) error {
	b, err := q.book(w)
	if err != nil {
		return err
	}
	for _, list := range b.heard {
		for _, s := range list {
			for at := s.from; at.Before(s.to); at = at.Add(quarter) {
				if i := hourOf(w.start, uint32(at.Unix())); i < len(rows) {
					rows[i].Gap = false
				}
			}
		}
	}
	return nil
}

// hourOf is the place of a quarter hour in the hours from start on.
func hourOf(start time.Time, at uint32) int {
	return int(max(int64(at)-start.Unix(), 0) / 3600)
}

// week sums the usage of the span by weekday and hour of the clock; nil when
// only days are left of it or it is too long.
func (q *question) week(ctx context.Context) (*Week, error) {
	w := q.window()
	if w.first.DaysUntil(w.next) > weekLimit {
		return nil, nil
	}
	if fine, err := q.fine(ctx, w); err != nil || !fine {
		return nil, err
	}
	var week Week
	zone := w.start.Location()
	err := q.each(ctx, "hours by weekday", quartersSQL, q.fromQuarters(w), nil, func(r scanner) error {
		var at uint32
		var c Counters
		if err := r.Scan(append([]any{&at}, c.fields()...)...); err != nil {
			return err
		}
		t := time.Unix(int64(at), 0).In(zone)
		week[(int(t.Weekday())+6)%7][t.Hour()] += c.Usage()
		return nil
	})
	return &week, err
}
