package billing

import (
	"errors"
	"fmt"
	"time"
)

// Period is one billing period, half-open: Start belongs to it, End to the
// next one.
type Period struct {
	Start, End time.Time // in Plan.Zone
	First      Date      // the first day, the renewal day
	Next       Date      // the first day of the next period
	Plan       Plan      // the version that rules the period
}

// Contains says whether t is in the period.
func (p Period) Contains(t time.Time) bool { return !t.Before(p.Start) && t.Before(p.End) }

// Days returns the days of the period in order, in the zone of its plan. A day
// that a place left out is not among them. When a change of zone ends the
// period, its last day may be cut short.
func (p Period) Days() []Date {
	days := make([]Date, 0, p.First.DaysUntil(p.Next)+1)
	d, start := p.First, p.First.Start(p.Plan.Zone)
	for start.Before(p.End) {
		next := d.AddDays(1)
		end := next.Start(p.Plan.Zone)
		if end.After(start) {
			days = append(days, d)
		}
		d, start = next, end
	}
	return days
}

// Length returns the number of days of the period.
func (p Period) Length() int { return len(p.Days()) }

// Plans are the versions of the plan of one line, ascending by EffectiveFrom.
// The first one also applies to all time before it. The periods of a valid
// Plans tile time: each instant is in exactly one.
//
// A version takes effect at the first instant of its EffectiveFrom in its own
// zone. What that does to the period then running depends on what changed:
//
//   - Another renewal rule or another zone ends the running period there, and
//     the new version's first period runs from there to its next renewal. The
//     ISP changed the cycle, so there is an invoice for each part. A version
//     that begins on its own renewal day makes no short period.
//   - Another cap, name, unit, free time or way of counting leaves the period whole, and
//     the whole period, from its start, goes by the version in force when it
//     ends. There is one invoice for it, and a cap that was raised on the way
//     is the one it is held against. A version that takes effect on the next
//     renewal day does not touch the running period.
type Plans []Plan

// Validate reports every problem of the versions at once. The other methods
// need Plans without problems.
func (ps Plans) Validate() error {
	if len(ps) == 0 {
		return errors.New("there is no plan: give at least one version")
	}
	var errs []error
	for i, p := range ps {
		for _, err := range p.problems() {
			errs = append(errs, fmt.Errorf("plan %q from %s: %w", p.Name, ps.from(i), err))
		}
		if i > 0 && !ps[i-1].starts().Before(p.starts()) {
			errs = append(errs, fmt.Errorf("plan %q from %s does not begin after the version before it (%s): give each version a later date", p.Name, ps.from(i), ps.from(i-1)))
		}
	}
	return errors.Join(errs...)
}

// from says in words when version i takes effect.
func (ps Plans) from(i int) string {
	if ps[i].EffectiveFrom.IsZero() {
		return "the beginning"
	}
	return ps[i].EffectiveFrom.String()
}

// At returns the period that holds the instant t.
func (ps Plans) At(t time.Time) Period {
	v := 0
	for v+1 < len(ps) && !t.Before(ps[v+1].starts()) {
		v++
	}
	// Versions that cut time alike make one row of periods.
	from, to := v, v+1
	for from > 0 && ps[from-1].sameCut(ps[v]) {
		from--
	}
	for to < len(ps) && ps[to].sameCut(ps[v]) {
		to++
	}

	p := ps[v].natural(t)
	if from > 0 {
		if limit := ps[from].starts(); p.Start.Before(limit) {
			p.Start, p.First = limit, ps[from].EffectiveFrom
		}
	}
	if to < len(ps) {
		if limit := ps[to].starts(); limit.Before(p.End) {
			p.End, p.Next = limit.In(p.Start.Location()), ps[to].EffectiveFrom
		}
	}
	for i := from; i < to; i++ {
		if i == from || ps[i].starts().Before(p.End) {
			p.Plan = ps[i]
		}
	}
	return p
}

// natural returns the period that holds t as if p were the only version.
func (p Plan) natural(t time.Time) Period {
	zone := p.Zone
	if zone == nil {
		zone = time.UTC
	}
	first := p.Renewal.first(DateOf(t.In(zone)))
	next := p.Renewal.next(first)
	// The date of t may be off by one where the clocks went back over
	// midnight: the day had begun, and then it was the day before again.
	for !t.Before(next.Start(zone)) {
		first, next = next, p.Renewal.next(next)
	}
	for t.Before(first.Start(zone)) {
		first, next = p.Renewal.first(first.AddDays(-1)), first
	}
	return Period{Start: first.Start(zone), End: next.Start(zone), First: first, Next: next}
}

// Holding returns the period that holds the day d, a day of the zone then in
// force.
func (ps Plans) Holding(d Date) Period {
	v := 0
	for v+1 < len(ps) && !d.Before(ps[v+1].EffectiveFrom) {
		v++
	}
	return ps.At(d.Start(ps[v].Zone))
}

// Next returns the period after p.
func (ps Plans) Next(p Period) Period { return ps.At(p.End) }

// Previous returns the period before p.
func (ps Plans) Previous(p Period) Period { return ps.At(p.Start.Add(-1)) }

// Between returns the periods that share time with the half-open span from
// from to to, in order; none when the span is empty.
func (ps Plans) Between(from, to time.Time) []Period {
	var periods []Period
	if !from.Before(to) {
		return nil
	}
	for p := ps.At(from); p.Start.Before(to); p = ps.Next(p) {
		periods = append(periods, p)
	}
	return periods
}
