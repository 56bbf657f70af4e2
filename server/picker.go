package server

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/report"
)

// menuPeriods is how many billing periods the menu offers; older ones are on
// the history page.
const menuPeriods = 12

// firstDay starts "All time": before any flow export was ever received.
var firstDay = billing.Date{Year: 2000, Month: time.January, Day: 1}

// link is a place to go. Key is the key that goes there, if any.
type link struct {
	Text, Href, Key string
	Current         bool
}

// param is a part of the query that a form must keep.
type param struct{ Name, Value string }

// picker chooses the span of time of a report: the same links as a menu, as
// the arrows around it and for the keys.
type picker struct {
	Label          string
	Previous, Next *link
	Quick, Periods []link
	Action         string // where the form of a custom range goes
	Keep           []param
	From, Through  string // dates in that form, both included
}

// state is the query of a report page. It is the whole state of the page, so
// each link is the state with something changed.
type state struct {
	path  string
	query url.Values
}

var (
	spanKeys   = []string{"period", "from", "to"}
	filterKeys = []string{"host", "person", "protocol", "network", "line"}
)

// newState keeps of a query what other reports understand too.
func newState(path string, q url.Values) state {
	kept := url.Values{}
	for _, key := range slices.Concat(spanKeys, filterKeys, []string{"compare"}) {
		if v := q.Get(key); v != "" {
			kept.Set(key, v)
		}
	}
	return state{path, kept}
}

// to is the address of another page with the same state.
func (s state) to(path string) string {
	if len(s.query) == 0 {
		return path
	}
	return path + "?" + s.query.Encode()
}

// href is the address of this page.
func (s state) href() string { return s.to(s.path) }

// with returns the state with keys set, or removed when their value is empty.
func (s state) with(pairs ...string) state {
	q := url.Values{}
	maps.Copy(q, s.query)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		} else {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return state{s.path, q}
}

// on returns the state with another span of time; no pairs means the current
// billing period.
func (s state) on(pairs ...string) state {
	return s.with("period", "", "from", "", "to", "").with(pairs...)
}

func (s state) between(from, to billing.Date) state {
	return s.on("from", from.String(), "to", to.String())
}

// newPicker offers the spans of time around the one shown.
func newPicker(at state, span report.Span, plans billing.Plans, now time.Time) picker {
	current := plans.At(now)
	last := plans.Previous(current)
	first, next := billing.DateOf(span.Start), endDate(span.End)
	today := billing.DateOf(now.In(current.Plan.Zone))
	p := picker{Label: spanLabel(span), Action: at.path, From: first.String(), Through: next.AddDays(-1).String()}
	for key, values := range at.on().query {
		p.Keep = append(p.Keep, param{key, values[0]})
	}
	slices.SortFunc(p.Keep, func(a, b param) int { return cmp.Compare(a.Name, b.Name) })

	year := billing.Date{Year: today.Year, Month: time.January, Day: 1}
	nextYear := billing.Date{Year: today.Year + 1, Month: time.January, Day: 1}
	p.Quick = []link{
		{Text: "This period", Key: "T", Href: at.on().href(), Current: span.Billing && span.Start.Equal(current.Start)},
		{Text: "Last period", Key: "L", Href: at.on("period", last.First.String()).href(), Current: span.Billing && span.Start.Equal(last.Start)},
		{Text: "This year", Key: "Y", Href: at.between(year, nextYear).href(), Current: !span.Billing && first == year && next == nextYear},
		{Text: "All time", Key: "A", Href: at.between(firstDay, today.AddDays(1)).href(), Current: !span.Billing && first == firstDay},
	}
	for period := current; len(p.Periods) < menuPeriods; period = plans.Previous(period) {
		p.Periods = append(p.Periods, periodLink(at, period, current))
		p.Periods[len(p.Periods)-1].Current = span.Billing && span.Start.Equal(period.Start)
	}
	if span.Billing {
		shown := plans.At(span.Start)
		before := periodLink(at, plans.Previous(shown), current)
		p.Previous = &before
		if shown.Next.Compare(today) <= 0 {
			after := periodLink(at, plans.Next(shown), current)
			p.Next = &after
		}
		return p
	}
	if first == firstDay {
		return p
	}
	from, to := shift(first, next, -1)
	p.Previous = &link{Text: dateRange(from, to), Href: at.between(from, to).href()}
	if next.Compare(today) <= 0 {
		from, to = shift(first, next, +1)
		p.Next = &link{Text: dateRange(from, to), Href: at.between(from, to).href()}
	}
	return p
}

// periodLink goes to a billing period; the current one needs no parameter, so
// that its address stays right when the next one begins.
func periodLink(at state, p, current billing.Period) link {
	l := link{Text: dateRange(p.First, p.Next), Href: at.on("period", p.First.String()).href()}
	if p.Start.Equal(current.Start) {
		l.Href = at.on().href()
	}
	return l
}

// shift moves a range of days by its own length, in months where it is made of
// whole months.
func shift(first, next billing.Date, by int) (billing.Date, billing.Date) {
	if first.Day == 1 && next.Day == 1 {
		months := (next.Year-first.Year)*12 + int(next.Month) - int(first.Month)
		return addMonths(first, by*months), addMonths(next, by*months)
	}
	days := first.DaysUntil(next)
	return first.AddDays(by * days), next.AddDays(by * days)
}

// addMonths moves the first day of a month.
func addMonths(d billing.Date, n int) billing.Date {
	return billing.DateOf(time.Date(d.Year, d.Month+time.Month(n), 1, 12, 0, 0, 0, time.UTC))
}

// endDate is the first day that is wholly after a span's end.
func endDate(end time.Time) billing.Date {
	d := billing.DateOf(end)
	if d.Start(end.Location()).Before(end) {
		return d.AddDays(1)
	}
	return d
}

// spanLabel names a span by its first and last day, or by its instants when it
// is not made of whole days.
func spanLabel(span report.Span) string {
	first, next := billing.DateOf(span.Start), endDate(span.End)
	if first == firstDay {
		return "All time"
	}
	zone := span.Start.Location()
	if first.Start(zone).Equal(span.Start) && next.Start(zone).Equal(span.End) {
		return dateRange(first, next)
	}
	if first == next.AddDays(-1) {
		return span.Start.Format("2 Jan 2006, 15:04") + " – " + span.End.Format("15:04")
	}
	return span.Start.Format("2 Jan 2006, 15:04") + " – " + span.End.Format("2 Jan 2006, 15:04")
}

// untilLabel names a span that may end within a day: "12 – 23 Oct 2026, 18:30".
func untilLabel(span report.Span) string {
	label := dateRange(billing.DateOf(span.Start), endDate(span.End))
	if end := billing.DateOf(span.End); end.Start(span.End.Location()).Before(span.End) {
		label += ", " + span.End.Format("15:04")
	}
	return label
}

// elapsed is how many days of a span have begun, and how many it has.
func elapsed(span report.Span, now time.Time) (begun, all int) {
	first, next := billing.DateOf(span.Start), endDate(span.End)
	all = first.DaysUntil(next)
	begun = first.DaysUntil(billing.DateOf(now.In(span.Start.Location()))) + 1
	return max(0, min(begun, all)), all
}

func itoa(n int) string { return strconv.Itoa(n) }
