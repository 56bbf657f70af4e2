package report

import (
	"context"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"github.com/flattraffic/flattraffic/billing"
)

// headLimit is how many rows of each list the overview shows by themselves.
const headLimit = 8

// tables are rollups of the same records that a batch reaches one after the
// other; an answer put together while one arrives is asked for again.
const (
	settleTries = 4
	settlePause = 40 * time.Millisecond
)

// settle runs ask until it says that its parts agree, a few times at most.
func (q *question) settle(ctx context.Context, ask func() (agreed bool, err error)) error {
	for try := 1; ; try++ {
		agreed, err := ask()
		if err != nil || agreed || try == settleTries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settlePause):
		}
		if err := q.renew(ctx); err != nil {
			return err
		}
	}
}

// overview is the front page. Its rows are the days.
func (q *question) overview(ctx context.Context) (*Result, error) {
	result, o := &Result{}, &OverviewResult{}
	var hosts []Row
	var past earlier
	main := func(ctx context.Context) (err error) { hosts, err = q.lists(ctx, result, o); return err }
	if q.past {
		if err := main(ctx); err != nil {
			return nil, err
		}
		o.Hosts, result.Overview = hosts, o
		return result, nil
	}
	err := together(ctx, main,
		func(ctx context.Context) (err error) { past, err = q.earlier(ctx); return err },
		func(ctx context.Context) (err error) { o.Hours, err = q.hours(ctx); return err },
		func(ctx context.Context) (err error) {
			if q.everyLine() {
				o.Lines, err = q.lineRows(ctx)
			}
			return err
		},
	)
	if err != nil {
		return nil, err
	}
	o.ProtocolCount = len(o.Protocols)
	o.Hosts, o.HostCount = headOfHosts(hosts)
	o.Protocols = head(o.Protocols)
	o.Networks = headOfNetworks(o.Networks)
	for _, day := range result.Rows {
		if day.Usage() > o.BiggestDay.Usage() {
			o.BiggestDay = day
		}
	}
	if err := q.pace(ctx, o, result.Total, past, hosts); err != nil {
		return nil, err
	}
	if past.today.Usage() > 0 {
		o.Today = past.today
	}
	if past.hosts != nil {
		o.Changed, o.ChangedFrom = biggestChange(hosts, past.hosts)
	}
	result.Overview = o
	return result, nil
}

// lists sets the lists of an overview, whole, and the days as the rows of its
// result. It returns the hosts.
func (q *question) lists(ctx context.Context, result *Result, o *OverviewResult) (hosts []Row, err error) {
	err = q.settle(ctx, func() (bool, error) {
		var days []Row
		err := together(ctx,
			func(ctx context.Context) (err error) { days, err = q.days(ctx); return err },
			func(ctx context.Context) (err error) { hosts, o.Networks, err = q.hostsAndNetworks(ctx); return err },
			func(ctx context.Context) (err error) { o.Protocols, err = q.protocols(ctx); return err },
		)
		if err != nil {
			return false, err
		}
		*result = *list(days)
		o.Days = result.Rows
		return result.Total == sum(hosts) && result.Total == sum(o.Protocols) && result.Total == sum(o.Networks), nil
	})
	return hosts, err
}

// hostsAndNetworks are the lists of both, made of the same rows.
func (q *question) hostsAndNetworks(ctx context.Context) (hosts, networks []Row, err error) {
	w := worked[[2][]Row]{what: "hosts and networks", queries: q.hostQueries(dims{host: true})}
	w.with = fmt.Sprint(q.deviceTime(), " ", q.filtered())
	for _, n := range q.settings.Networks {
		w.with += fmt.Sprintf("\n%s %t %q", n.Prefix, n.Metered, n.Name)
	}
	w.make = func(ctx context.Context) ([2][]Row, error) {
		addresses, err := q.addresses(ctx, dims{host: true})
		return [2][]Row{q.hostsOf(addresses), q.networksOf(addresses)}, err
	}
	w.size = func(lists [2][]Row) int { return sizeOfHosts(lists[0]) + sizeOfHosts(lists[1]) }
	lists, err := w.out(ctx, q)
	return q.named(lists[0]), slices.Clone(lists[1]), err
}

// earlier is what an overview knows beside the figures of its span.
type earlier struct {
	usage split                  // of the period before, as far into it as the span has gone
	today Row                    // the host that used most today, of a running span
	span  Span                   // the period before
	hosts []Row                  // of it, of a running span; nil = not asked
	days  map[billing.Date]split // to foresee the end of the period
}

func (q *question) earlier(ctx context.Context) (earlier, error) {
	var e earlier
	var ok bool
	e.span, ok = CompareLast.Of(q.span, q.line.Plans, q.at)
	parts := []func(context.Context) error{
		func(ctx context.Context) (err error) { e.days, err = q.profile(ctx); return err },
	}
	notable := q.at.Before(q.span.End) && !q.at.Before(q.span.Start) && !q.req.Filter.Host.IsValid()
	if notable {
		parts = append(parts, func(ctx context.Context) (err error) {
			day := *q
			day.span.Start = q.today().Start(q.span.Start.Location())
			day.span.End = q.today().AddDays(1).Start(q.span.Start.Location())
			addresses, err := day.addresses(ctx, dims{host: true})
			e.today = q.heaviest(addresses)
			return err
		})
	}
	if ok && notable {
		parts = append(parts, func(ctx context.Context) (err error) {
			e.hosts, err = q.usedByHost(ctx, newWindow(e.span.Start, e.span.End))
			return err
		})
	}
	// What hosts used in the period before sums to its usage.
	summed := ok && notable && !q.exempts(q.span.Plan)
	if ok && !summed {
		parts = append(parts, func(ctx context.Context) (err error) {
			e.usage, err = q.splitOf(ctx, newWindow(e.span.Start, e.span.End), q.span.Plan)
			return err
		})
	}
	if err := together(ctx, parts...); err != nil {
		return earlier{}, err
	}
	if summed {
		e.usage = split{all: sum(e.hosts)}
	}
	return e, nil
}

// heaviest is the host with the most usage; a row of nothing when there is none.
func (q *question) heaviest(addresses []address) Row {
	ofDevice := map[int]uint64{} // by place of the device in the roster
	usage := func(a *address) uint64 {
		if i, ok := q.roster.of[a.host]; ok {
			return ofDevice[i]
		}
		return a.Usage()
	}
	for i := range addresses {
		if place, ok := q.roster.of[addresses[i].host]; ok {
			ofDevice[place] += addresses[i].Usage()
		}
	}
	var most uint64
	for i := range addresses {
		most = max(most, usage(&addresses[i]))
	}
	if most == 0 {
		return Row{}
	}
	var those []address
	for i := range addresses {
		if usage(&addresses[i]) == most {
			those = append(those, addresses[i])
		}
	}
	first := slices.MinFunc(q.byDevice(those), func(a, b Row) int { return compareHosts(&a, &b) })
	q.nameRow(&first)
	return first
}

// head is the first rows of a list and the sum of the others.
func head(rows []Row) []Row {
	if len(rows) <= headLimit+1 {
		return rows
	}
	name := "Others (" + grouped(uint64(len(rows)-headLimit)) + ")"
	others := Row{Name: name, Title: name, Counters: sum(rows[headLimit:])}
	return append(slices.Clone(rows[:headLimit]), others)
}

// headOfHosts keeps Unmatched, which is no host, as a row of its own. It moves it
// to the end of rows.
func headOfHosts(rows []Row) (shown []Row, count int) {
	i := slices.IndexFunc(rows, func(row Row) bool { return row.Host == netip.IPv6Unspecified() })
	if i < 0 {
		return head(rows), len(rows)
	}
	apart := rows[i]
	hosts := append(rows[:i], rows[i+1:]...)
	rows[len(hosts)] = apart
	return append(slices.Clone(head(hosts)), apart), len(hosts)
}

// headOfNetworks leaves out networks without traffic and puts the larger first.
func headOfNetworks(rows []Row) []Row {
	rows = slices.DeleteFunc(slices.Clone(rows), func(row Row) bool { return row.Counters == Counters{} })
	slices.SortStableFunc(rows, func(a, b Row) int { return byUsage(a.Counters, b.Counters) })
	return head(rows)
}

// pace sets what was used against the cap, the calendar and the past.
func (q *question) pace(ctx context.Context, o *OverviewResult, total Counters, past earlier, hosts []Row) error {
	if err := q.count(ctx, o, total); err != nil {
		return err
	}
	plan := q.span.Plan
	days := q.window().days(q.span.End)
	o.DayCount = len(days)
	for _, d := range days {
		if !q.today().Before(d) {
			o.DayNumber++
		}
	}
	previous := past.usage.counted()
	o.PreviousUsed = plan.Used(previous.Received, previous.Sent)
	if !q.span.Billing || q.filtered() {
		return nil // the cap is for all traffic of a billing period
	}
	if plan.Cap > 0 && o.DayNumber > 0 {
		o.EvenPace = share(plan.Cap, o.DayNumber, o.DayCount)
		if left := max(o.DayCount-o.DayNumber, 1); o.Used < plan.Cap && q.at.Before(q.span.End) {
			o.SafePerDay = (plan.Cap - o.Used) / uint64(left)
		}
	}
	return q.foresee(ctx, o, past.days, hosts)
}

// count splits the total into what counts toward the cap and what does not.
func (q *question) count(ctx context.Context, o *OverviewResult, total Counters) error {
	usage := split{all: total}
	if plan := q.span.Plan; q.exempts(plan) {
		days, unknown, err := q.splitByDay(ctx, q.window(), plan)
		if err != nil {
			return err
		}
		for _, day := range days {
			usage.free.add(day.free)
		}
		usage = usage.clamped()
		if len(unknown) > 0 {
			q.noteUnknownFree(unknown[0], unknown[len(unknown)-1])
		}
	}
	counted := usage.counted()
	o.Counted, o.Free = Traffic{counted.Received, counted.Sent}, Traffic{usage.free.Received, usage.free.Sent}
	o.Used, o.Unmetered = q.span.Plan.Used(counted.Received, counted.Sent), usage.free.Usage()
	return nil
}

// share is n/of of a value, rounded down.
func share(value uint64, n, of int) uint64 {
	hi, lo := bits.Mul64(value, uint64(n))
	quotient, _ := bits.Div64(hi, lo, uint64(of))
	return quotient
}

// biggestChange is the host whose usage differs most from what it was, in
// bytes; a host that is new or gone has not changed.
func biggestChange(hosts, before []Row) (host Row, from Counters) {
	type key struct {
		device string
		host   netip.Addr
	}
	of := func(row *Row) key {
		if row.Device != "" {
			return key{device: row.Device}
		}
		return key{host: row.Host}
	}
	then := make(map[key]Counters, len(before))
	for i := range before {
		then[of(&before[i])] = before[i].Counters
	}
	var most uint64
	for i := range hosts {
		row := &hosts[i]
		was := then[of(row)]
		differs := max(row.Usage(), was.Usage()) - min(row.Usage(), was.Usage())
		if was.Usage() > 0 && row.Usage() > 0 && differs > most {
			most, host, from = differs, *row, was
		}
	}
	return host, from
}

// before is the period before the span, as far into it as the span has gone;
// false when that lies before all dates.
func (q *question) before() (window, bool) {
	span, ok := CompareLast.Of(q.span, q.line.Plans, q.at)
	if !ok {
		return window{}, false
	}
	return newWindow(span.Start, span.End), true
}

// profile is the usage of the running period's days and of those before it that
// the end of it is estimated from; nil where that is not done.
func (q *question) profile(ctx context.Context) (map[billing.Date]split, error) {
	w, ok := q.profiled()
	if !ok {
		return nil, nil
	}
	days, _, err := q.splitByDay(ctx, w, q.span.Plan)
	return days, err
}

// profiled is the time that the end of the period is estimated from; false where
// that is not done.
func (q *question) profiled() (window, bool) {
	if q.past || q.req.Kind != Overview || !q.span.Billing || q.filtered() || q.today().Before(q.window().first) {
		return window{}, false // the cap is for all traffic of a billing period
	}
	from := q.today().AddDays(-profileDays).Start(q.span.Start.Location())
	if q.span.Start.Before(from) {
		from = q.span.Start
	}
	return newWindow(from, q.span.End), true
}

// foresee estimates the end of the running period from the usage of its days.
// It needs three days of it and some complete days to learn from.
func (q *question) foresee(ctx context.Context, o *OverviewResult, days map[billing.Date]split, hosts []Row) error {
	if o.DayNumber == 0 {
		return nil
	}
	zone := q.span.Start.Location()
	today := q.today()
	usage := map[billing.Date]Counters{}
	for d, one := range days {
		if one.all != (Counters{}) {
			usage[d] = one.counted()
		}
	}
	f := forecast{plan: q.span.Plan, usage: usage, today: today, days: q.window().days(q.span.End)}
	f.part = partOfDay(q.at, today, zone)
	if over := f.crossed(); !over.IsZero() {
		o.OverOn = over
	}
	if o.DayNumber < minDays || !q.at.Before(q.span.End) || !f.learn() {
		return nil
	}
	o.LikelyLow, o.LikelyHigh = f.likely(o.Used)
	if o.OverOn.IsZero() {
		o.OverOn = f.overOn(o.Used)
	}
	if o.OverOn.IsZero() {
		return nil
	}
	var err error
	o.Driver, err = q.driver(ctx, hosts)
	return err
}

// partOfDay is how much of the day is over, 0 to 1.
func partOfDay(at time.Time, day billing.Date, zone *time.Location) float64 {
	start, end := day.Start(zone), day.AddDays(1).Start(zone)
	return float64(at.Sub(start)) / float64(end.Sub(start))
}
