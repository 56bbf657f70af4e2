package report

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/site"
)

// split is usage with the part of it that does not count toward the cap.
type split struct {
	all  Counters
	free Counters // received and sent only, never more than in all
}

// counted is what is held against the cap.
func (s split) counted() Counters { return s.all.less(s.free) }

func (s *split) add(o split) {
	s.all.add(o.all)
	s.free.add(o.free)
}

// clamped keeps the free part within all: a batch may have reached the quarter
// hours and not yet the days.
func (s split) clamped() split {
	s.free.Received = min(s.free.Received, s.all.Received)
	s.free.Sent = min(s.free.Sent, s.all.Sent)
	return s
}

func (s *split) fields() []any {
	return append(s.all.fields(), &s.free.Received, &s.free.Sent)
}

// inFreeTime finds a quarter hour's place in the week, by the clock of the
// plan's zone, in the array that says which are free.
const inFreeTime = "{free:Array(UInt8)}[(toDayOfWeek(u.bucket, 0, {zone:String}) - 1) * 96" +
	" + toHour(u.bucket, {zone:String}) * 4 + intDiv(toMinute(u.bucket, {zone:String}), 15) + 1] = 1"

// exempts reports whether some usage under a plan does not count.
func (q *question) exempts(p billing.Plan) bool {
	return !p.Free.IsZero() || !q.allMetered()
}

// allMetered reports whether every local network counts toward the cap.
func (q *question) allMetered() bool {
	return !slices.ContainsFunc(q.settings.Networks, func(n site.Network) bool { return !n.Metered })
}

// fromExempt plans the reading of a window with what a plan exempts told apart.
// Free times are known to the quarter hour only, so that no daily table
// answers.
func (q *question) fromExempt(w window, p billing.Plan) source {
	if p.Free.IsZero() {
		return q.exempting(q.from(w, dims{host: !q.allMetered()}), p)
	}
	return q.exempting(q.fromQuarters(w), p)
}

// exempting adds to a source what tells the exempt rows apart: a column host
// where there are unmetered networks, quarter hours where there are free times.
func (q *question) exempting(s source, p billing.Plan) source {
	var conditions []string
	if !q.allMetered() {
		conditions = append(conditions, "has({unmetered:Array(UInt32)}, toUInt32("+booked+"))")
		s.params["unmetered"] = q.unmetered()
		q.addNetworks(&s)
	}
	if !p.Free.IsZero() {
		conditions = append(conditions, inFreeTime)
		s.params["free"] = weekArray(p.Free)
	}
	s.exempt = "false"
	if len(conditions) > 0 {
		s.exempt = "(" + strings.Join(conditions, " OR ") + ")"
	}
	return s
}

// unmetered lists the places of the networks that do not count, as booked
// numbers them.
func (q *question) unmetered() string {
	var places []string
	for i, n := range q.specificFirst() {
		if !n.Metered {
			places = append(places, strconv.Itoa(i+1))
		}
	}
	return "[" + strings.Join(places, ",") + "]"
}

func weekArray(f billing.FreeTimes) string {
	var week []string
	for _, free := range f.Week() {
		bit := "0"
		if free {
			bit = "1"
		}
		week = append(week, bit)
	}
	return "[" + strings.Join(week, ",") + "]"
}

// splitByDay splits the usage of each day of a window. unknown are the days of
// which only daily figures are left, so that what was used in free times is
// not known and counts.
func (q *question) splitByDay(ctx context.Context, w window, p billing.Plan) (days map[billing.Date]split, unknown []billing.Date, err error) {
	whole := q.from(w, dims{})
	if !q.exempts(p) {
		usage, err := q.usageByDay(ctx, whole)
		days = map[billing.Date]split{}
		for d, c := range usage {
			days[d] = split{all: c}
		}
		return days, nil, err
	}
	s := q.fromExempt(w, p)
	if s.table != "usage_15m" || whole.table == "usage_15m" {
		days, err = q.readSplitByDay(ctx, s)
		return days, nil, err
	}
	err = q.settle(ctx, func() (bool, error) {
		usage, err := q.usageByDay(ctx, whole)
		if err != nil {
			return false, err
		}
		if days, err = q.readSplitByDay(ctx, s); err != nil {
			return false, err
		}
		agreed := true
		unknown = nil
		for d, all := range usage {
			if days[d].all != all {
				if d.Before(q.today().AddDays(-1)) {
					unknown = append(unknown, d)
				} else {
					agreed = false
				}
			}
			days[d] = split{all, days[d].free}.clamped()
		}
		return agreed, nil
	})
	slices.SortFunc(unknown, billing.Date.Compare)
	return days, unknown, err
}

func (q *question) readSplitByDay(ctx context.Context, s source) (map[billing.Date]split, error) {
	days := map[billing.Date]split{}
	err := q.each(ctx, "days that count", exemptDaysSQL, s, nil, func(rows scanner) error {
		var n uint16
		var one split
		if err := rows.Scan(append([]any{&n}, one.fields()...)...); err != nil {
			return err
		}
		days[epoch.AddDays(int(n))] = one
		return nil
	})
	return days, err
}

// splitOf splits the usage of a whole window.
func (q *question) splitOf(ctx context.Context, w window, p billing.Plan) (split, error) {
	if !q.exempts(p) {
		all, err := q.total(ctx, w)
		return split{all: all}, err
	}
	parts := []window{w}
	if p.Free.IsZero() {
		parts = q.split(w)
	}
	var total split
	for _, part := range parts {
		days, _, err := q.splitByDay(ctx, part, p)
		if err != nil {
			return split{}, err
		}
		for _, one := range days {
			total.add(one)
		}
	}
	return total, nil
}

// noteUnknownFree says of which time the free part is not known.
func (q *question) noteUnknownFree(first, last billing.Date) {
	layout := func(d billing.Date) string { return d.Start(nil).Format("2 Jan 2006") }
	when := "from " + layout(first) + " to " + layout(last)
	if first == last {
		when = "of " + layout(first)
	}
	q.notes.add("Of the figures " + when + " only days are left, no quarter hours: what was used in free times then is not known and counts toward the cap here.")
}

// driverDays is how many days back the host is looked for that drives usage.
const driverDays = 7

// driver finds the host that used most of what counted in the last days; nil
// when there is none.
func (q *question) driver(ctx context.Context, hosts []Row) (*Driver, error) {
	zone := q.span.Start.Location()
	from := maxTime(q.today().AddDays(1-driverDays).Start(zone), q.span.Start)
	w := newWindow(from, q.today().AddDays(1).Start(zone))
	rows, known := q.usedLately(hosts, w)
	if !known {
		var err error
		if rows, err = q.countedByHost(ctx, w); err != nil {
			return nil, err
		}
	}
	var most Driver
	var all uint64
	for _, row := range rows {
		used := q.span.Plan.Used(row.Received, row.Sent)
		all += used
		if used > most.Used || used == most.Used && row.Host.Less(most.Host) {
			most = Driver{Host: row.Host, Name: row.Name, Used: used}
		}
	}
	if most.Used == 0 {
		return nil, nil
	}
	most.Share = float64(most.Used) / float64(all)
	most.Days = w.first.DaysUntil(w.next)
	return &most, nil
}

// usedLately is what hosts of the span used in some of its days, all of it as
// received, from the days of each; false where that is not what counts.
func (q *question) usedLately(hosts []Row, w window) ([]Row, bool) {
	if q.span.Plan.Counts != billing.CountBoth || q.exempts(q.span.Plan) {
		return nil, false
	}
	first := q.window().first.DaysUntil(w.first)
	next := first + w.first.DaysUntil(w.next)
	var rows []Row
	for i := range hosts {
		row := &hosts[i]
		if row.Host.IsUnspecified() {
			continue
		}
		if row.Days == nil {
			return nil, false
		}
		var used uint64
		for _, usage := range row.Days[min(first, len(row.Days)):min(next, len(row.Days))] {
			used += usage
		}
		if used > 0 {
			rows = append(rows, Row{Host: row.Host, Name: row.Name, Counters: Counters{Received: used}})
		}
	}
	return rows, true
}

// countedByHost is what of the usage of each host counts toward the cap.
func (q *question) countedByHost(ctx context.Context, w window) ([]Row, error) {
	p := q.span.Plan
	s := q.fromQuarters(w)
	if p.Free.IsZero() {
		s = q.from(w, dims{host: true})
	}
	return q.sentByHost(ctx, q.exempting(s, p))
}

// usedByHost is what each host received and sent in a window.
func (q *question) usedByHost(ctx context.Context, w window) ([]Row, error) {
	parts := q.parts(w, dims{host: true})
	for i := range parts {
		parts[i].exempt = "false"
	}
	return q.sentByHost(ctx, parts...)
}

// sentByHost is what each host received and sent, but for what is exempt.
func (q *question) sentByHost(ctx context.Context, parts ...source) ([]Row, error) {
	w := worked[[]Row]{what: "what each host used", with: q.deviceTime(), size: sizeOfHosts}
	for _, s := range parts {
		w.queries = append(w.queries, s.query(w.what, driversSQL, nil))
	}
	w.make = func(ctx context.Context) ([]Row, error) {
		addresses, err := merged(ctx, w.queries, q.readSent)
		return q.byDevice(addresses), err
	}
	rows, err := w.out(ctx, q)
	return q.named(rows), err
}

// readSent reads the addresses of one query with their bytes only.
func (q *question) readSent(ctx context.Context, u query) (list []address, err error) {
	err = q.ask(ctx, u, func(r scanner) error {
		if list == nil {
			list = make([]address, 0, known(r))
		}
		var one address
		err := r.Scan(&one.host, &one.Received, &one.Sent)
		one.host = one.host.Unmap()
		list = append(list, one)
		return err
	})
	return list, err
}
