package report

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/site"
)

// quarter is the grain of usage_15m.
const quarter = 15 * time.Minute

// question is a request made definite: at a time, for a line and its
// settings, over a span.
type question struct {
	*Reports
	req      Request
	at       time.Time // now
	settings *site.Settings
	line     site.Line
	span     Span
	services []serviceKey // of the protocol filter; empty with Any
	dayZone  string       // zone of the daily tables, empty when they cannot be used
	reading  *reading
	notes    *notes           // on how the request was read
	past     bool             // it is the time another question is compared with
	called   namer            // the names of the span
	roster   roster           // whose the addresses are
	books    *books           // what the ledger says, read once
	periods  []billing.Period // of History
	only     []netip.Addr     // of the host filter: all addresses of the device; empty = all hosts
	onlyText string           // the same as a parameter
}

// definite makes a request definite.
func (r *Reports) definite(ctx context.Context, req Request, read *reading) (*question, error) {
	settings, err := r.settings(ctx)
	if err != nil {
		return nil, fmt.Errorf("load settings: %w", err)
	}
	if req.Kind == Ranges { // they belong to no host, and nothing is said of before
		req.Filter = Filter{Group: Unmatched, Line: req.Filter.Line, Protocol: req.Filter.Protocol}
		req.Compare = CompareNone
	}
	q := &question{Reports: r, req: req, at: r.now(), settings: settings, dayZone: read.held.zone, reading: read, notes: &notes{}, books: &books{ctx: ctx}}
	if err := q.findLine(); err != nil {
		return nil, err
	}
	if req.Kind == Host && !req.Filter.Host.IsValid() && req.Filter.HostName == "" {
		return nil, requestErrorf("host", "it is missing; name the address of a host, for example 192.168.1.20")
	}
	if q.services, err = q.req.Filter.Protocol.resolve(r.services); err != nil {
		return nil, err
	}
	q.noteUnknownService()
	if q.span, err = q.resolveSpan(); err != nil {
		return nil, err
	}
	if err := q.nameThen(ctx); err != nil {
		return nil, err
	}
	if err := q.loadDevices(ctx); err != nil {
		return nil, err
	}
	return q, q.selectHosts(ctx)
}

// noteUnknownService says why a port that is no service has no traffic of its
// own.
func (q *question) noteUnknownService() {
	f := q.req.Filter.Protocol
	if !f.Set || f.Any || f.Service == 0 {
		return
	}
	if _, known := q.Reports.services.Lookup(f.Protocol, f.Service); !known {
		name := q.Reports.services.Protocol(f.Protocol).Name
		q.notes.add(fmt.Sprintf("Port %d of %s is not in the table of services: its traffic is counted as Other. Ask for %s/0 to see it.", f.Service, name, name))
	}
}

// resolveSpan finds the span of the request.
func (q *question) resolveSpan() (Span, error) {
	p := q.req.Period
	plans := q.line.Plans
	switch {
	case !p.FromDate.IsZero() || !p.From.IsZero():
		return q.chosenSpan()
	case !p.ToDate.IsZero() || !p.To.IsZero():
		return Span{}, requestErrorf("from", "it is missing; give from together with to")
	case !p.Holding.IsZero():
		return billingSpan(plans.Holding(p.Holding)), nil
	case p.Previous:
		return billingSpan(plans.Previous(plans.At(q.at))), nil
	}
	return billingSpan(plans.At(q.at)), nil
}

func billingSpan(p billing.Period) Span {
	zone := p.Plan.Zone
	return Span{Start: p.Start.In(zone), End: p.End.In(zone), Plan: p.Plan, Billing: true}
}

// chosenSpan is a range that the user gave. Days are those of the zone of the
// plan at its start, instants are widened to quarter hours.
func (q *question) chosenSpan() (Span, error) {
	p := q.req.Period
	var plan billing.Plan
	if p.From.IsZero() {
		plan = q.line.Plans.Holding(p.FromDate).Plan
		p.From = p.FromDate.Start(plan.Zone)
	} else {
		plan = q.line.Plans.At(p.From).Plan
	}
	switch {
	case !p.ToDate.IsZero():
		p.To = p.ToDate.Start(plan.Zone)
	case !p.To.IsZero():
	case !p.FromDate.IsZero():
		p.To = billing.DateOf(q.at.In(plan.Zone)).AddDays(1).Start(plan.Zone)
	default:
		p.To = q.at
	}
	if !p.From.Before(p.To) {
		return Span{}, requestErrorf("to", "it must be later than from; the range ends before the instant of to, and with days before that day begins")
	}
	from, to := p.From.Truncate(quarter), p.To.Truncate(quarter)
	if to.Before(p.To) {
		to = to.Add(quarter)
	}
	span := Span{Start: from.In(plan.Zone), End: to.In(plan.Zone), Plan: plan}
	asked := !from.Equal(p.From) || !to.Equal(p.To) && !q.req.Period.To.IsZero()
	if asked {
		q.notes.add(fmt.Sprintf("Usage is kept by quarter hours, so the range was widened to %s – %s.",
			span.Start.Format(time.RFC3339), span.End.Format(time.RFC3339)))
	}
	return span, nil
}

// window is the span as it is asked of the tables.
func (q *question) window() window { return newWindow(q.span.Start, q.span.End) }

// filtered reports whether the request asks for a part of the traffic.
func (q *question) filtered() bool {
	f := q.req.Filter
	return f.Host.IsValid() || f.HostName != "" || f.Person != "" || f.Network.IsValid() || f.Group != "" || f.Protocol.Set
}

// today is the present day in the zone of the span.
func (q *question) today() billing.Date { return billing.DateOf(q.at.In(q.span.Start.Location())) }

// window is a half-open stretch of time in a zone, its bounds on quarter
// hours, with the days that it touches.
type window struct {
	start, end  time.Time
	first, next billing.Date // next is the day after the last one
	whole       bool         // the bounds are bounds of days
}

func newWindow(start, end time.Time) window {
	w := window{start: start, end: end, first: billing.DateOf(start)}
	w.next = billing.DateOf(end.Add(-time.Nanosecond)).AddDays(1)
	zone := start.Location()
	w.whole = w.first.Start(zone).Equal(start) && w.next.Start(zone).Equal(end)
	return w
}

// days lists the days of the window that have begun at a time. A day that the
// zone left out is not among them.
func (w window) days(at time.Time) []billing.Date {
	var days []billing.Date
	zone := w.start.Location()
	for d := w.first; d.Before(w.next); d = d.AddDays(1) {
		start := d.Start(zone)
		if start.After(at) {
			break
		}
		if start.Before(d.AddDays(1).Start(zone)) {
			days = append(days, d)
		}
	}
	return days
}

// epoch is the day that ClickHouse counts days from.
var epoch = billing.Date{Year: 1970, Month: time.January, Day: 1}

// number is the day as ClickHouse counts it.
func number(d billing.Date) int { return epoch.DaysUntil(d) }
