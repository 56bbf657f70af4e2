package report

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/flattraffic/flattraffic/billing"
)

// Compare names the earlier time that a report is set against.
type Compare string

// What a report can be compared with.
const (
	CompareNone Compare = ""
	CompareLast Compare = "last" // the period before, or the range of the same length before
	CompareYear Compare = "year" // the same time a year before
)

// parseCompare reads the query parameter compare.
func parseCompare(text string) (Compare, error) {
	switch c := Compare(text); c {
	case CompareNone, CompareLast, CompareYear:
		return c, nil
	}
	if text == "none" {
		return CompareNone, nil
	}
	return CompareNone, requestErrorf("compare", "%q is not known; write last for the period before, year for a year before, or leave it out", text)
}

// Of returns the earlier time to set a span against: only as far into it as
// the span has gone at a time, so that day 9 is set against day 9. It reports
// false when there is none, or it would lie before all dates.
func (c Compare) Of(span Span, plans billing.Plans, at time.Time) (Span, bool) {
	if c == CompareNone || !span.Start.Before(span.End) {
		return Span{}, false
	}
	var before Span
	w := newWindow(span.Start, span.End)
	switch {
	case span.Billing:
		p := plans.Previous(plans.At(span.Start))
		if c == CompareYear {
			p = periodNear(plans, yearBefore(w.first))
		}
		before = Span{Start: p.Start.In(p.Plan.Zone), End: p.End.In(p.Plan.Zone), Plan: p.Plan}
	case w.whole:
		first, next := c.shiftDays(w.first, w.next)
		zone := span.Start.Location()
		before = Span{Start: first.Start(zone), End: next.Start(zone), Plan: span.Plan}
	case c == CompareYear:
		before = Span{Start: span.Start.AddDate(-1, 0, 0), End: span.End.AddDate(-1, 0, 0), Plan: span.Plan}
	default:
		before = Span{Start: span.Start.Add(span.Start.Sub(span.End)), End: span.Start, Plan: span.Plan}
	}
	if before.Start.Year() <= minYear {
		return Span{}, false
	}
	if at.Before(span.End) {
		if end := sameMoment(span.Start, before.Start, at); end.Before(before.End) {
			before.End = end
		}
	}
	return before, true
}

// sameMoment is the time that lies as many days and hours after another start
// as at does after start, on a quarter hour and at least one after the start.
func sameMoment(start, other, at time.Time) time.Time {
	zone := start.Location()
	today := billing.DateOf(at.In(zone))
	first := billing.DateOf(start)
	into := at.Sub(start)
	end := other
	if midnight := today.Start(zone); midnight.After(start) {
		into = at.Sub(midnight)
		end = billing.DateOf(other).AddDays(first.DaysUntil(today)).Start(other.Location())
	}
	end = end.Add(into).Truncate(quarter)
	if least := other.Add(quarter); end.Before(least) {
		end = least
	}
	return end.In(other.Location())
}

// shiftDays moves a range of days to the one it is compared with. A range of
// whole months moves by months; a single day is set against the same weekday
// of the week before.
func (c Compare) shiftDays(first, next billing.Date) (billing.Date, billing.Date) {
	days := first.DaysUntil(next)
	switch {
	case c == CompareYear:
		return yearBefore(first), yearBefore(next)
	case first.Day == 1 && next.Day == 1:
		months := (next.Year-first.Year)*12 + int(next.Month) - int(first.Month)
		return billing.DateOf(time.Date(first.Year, first.Month-time.Month(months), 1, 12, 0, 0, 0, time.UTC)), first
	case days == 1:
		return first.AddDays(-7), next.AddDays(-7)
	}
	return first.AddDays(-days), first
}

// yearBefore is the same date a year earlier, of 29 February the 28th.
func yearBefore(d billing.Date) billing.Date {
	d.Year--
	if d.Month == time.February && d.Day == 29 {
		d.Day = 28
	}
	return d
}

// periodNear is the billing period that begins nearest to a day.
func periodNear(plans billing.Plans, day billing.Date) billing.Period {
	p := plans.Holding(day)
	if next := plans.Next(p); day.DaysUntil(next.First) < p.First.DaysUntil(day) {
		return next
	}
	return p
}

// compared is the question about the time that the request is compared with,
// nil when it is not compared with any.
func (q *question) compared(ctx context.Context) (*question, error) {
	if q.req.Kind == History { // its rows stand beside each other as they are
		return nil, nil
	}
	span, ok := q.req.Compare.Of(q.span, q.line.Plans, q.at)
	if !ok {
		return nil, nil
	}
	before := *q
	before.span, before.past, before.notes = span, true, &notes{}
	before.req.Compare = CompareNone
	if err := before.wholeDaysOnly(ctx); err != nil {
		return nil, err
	}
	before.req.Period = Period{From: before.span.Start, To: before.span.End}
	return &before, nil
}

// wholeDaysOnly cuts a span that ends within a day at the midnight before when
// only daily figures are left of it.
func (q *question) wholeDaysOnly(ctx context.Context) error {
	w := q.window()
	if w.whole {
		return nil
	}
	if e, err := q.extent(ctx); err != nil || e.fine(w) {
		return err
	}
	end := w.next.AddDays(-1).Start(w.start.Location())
	if !end.After(w.start) {
		end = w.next.Start(w.start.Location())
	}
	q.span.End = end
	q.notes.add("Only daily figures are left of that time, so whole days are compared.")
	return nil
}

// Counterparts finds what a row was in the compared time: days by their place
// in the span, everything else by what it is about.
type Counterparts struct {
	start  billing.Date
	before map[string]Row
	keys   []string // in the order of the rows then
}

// Counterparts returns the lookup of a compared result; nil when it is not
// compared with any time.
func (r *Result) Counterparts() *Counterparts {
	if r.Before == nil {
		return nil
	}
	return NewCounterparts(r.Span, r.Before.Span, r.Before.Rows)
}

// NewCounterparts returns the lookup of rows of an earlier span.
func NewCounterparts(span, earlier Span, rows []Row) *Counterparts {
	c := &Counterparts{start: billing.DateOf(span.Start), before: map[string]Row{}}
	first := billing.DateOf(earlier.Start)
	for _, row := range rows {
		key := row.key(first)
		c.before[key] = row
		c.keys = append(c.keys, key)
	}
	return c
}

// Of returns the counters of a row's counterpart; zeros when it had none.
func (c *Counterparts) Of(row Row) Counters { return c.before[row.key(c.start)].Counters }

// gone lists the rows that have no counterpart now.
func (c *Counterparts) gone(rows []Row) []Row {
	now := map[string]bool{}
	for _, row := range rows {
		now[row.key(c.start)] = true
	}
	var list []Row
	for _, key := range c.keys {
		if !now[key] {
			list = append(list, c.before[key])
		}
	}
	return list
}

// key says what a row is about. first is the first day of its span.
func (r Row) key(first billing.Date) string {
	switch {
	case !r.Date.IsZero():
		return strconv.Itoa(first.DaysUntil(r.Date))
	case r.Network != "":
		return r.Network
	case r.Person != "":
		return r.Person
	case r.Protocol != "":
		return fmt.Sprintf("%s/%d", r.Protocol, r.Service)
	case r.Device != "":
		return r.Device
	case r.Host.IsValid():
		return r.Host.String()
	}
	return r.Name
}
