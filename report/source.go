package report

import (
	"context"
	_ "embed"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/site"
)

// The statements, each in a file of its own. What stands in double braces is
// filled in from the constants of this file only; values are server-side
// parameters.
var (
	//go:embed sql/day_zone.sql
	dayZoneSQL string
	//go:embed sql/holdings_tables.sql
	holdingsTablesSQL string
	//go:embed sql/holdings_parts.sql
	holdingsPartsSQL string
	//go:embed sql/total.sql
	totalSQL string
	//go:embed sql/days.sql
	daysSQL string
	//go:embed sql/hosts.sql
	hostsSQL string
	//go:embed sql/hosts_by_day.sql
	hostsByDaySQL string
	//go:embed sql/protocols.sql
	protocolsSQL string
	//go:embed sql/networks.sql
	networksSQL string
	//go:embed sql/far_ends_dropped.sql
	farEndsDroppedSQL string
	//go:embed sql/first.sql
	firstSQL string
	//go:embed sql/first_day.sql
	firstDaySQL string
	//go:embed sql/quarters.sql
	quartersSQL string
	//go:embed sql/known.sql
	knownSQL string
	//go:embed sql/seen.sql
	seenSQL string
	//go:embed sql/peers.sql
	peersSQL string
	//go:embed sql/peers_raw.sql
	peersRawSQL string
	//go:embed sql/received_here.sql
	receivedHereSQL string
	//go:embed sql/doubles_window.sql
	doublesWindowSQL string
	//go:embed sql/doubles.sql
	doublesSQL string
	//go:embed sql/unmatched.sql
	unmatchedSQL string
	//go:embed sql/ledger.sql
	ledgerSQL string
	//go:embed sql/first_running.sql
	firstRunningSQL string
	//go:embed sql/history_days.sql
	historyDaysSQL string
	//go:embed sql/raw_dropped.sql
	rawDroppedSQL string
	//go:embed sql/sampled.sql
	sampledSQL string
	//go:embed sql/exempt_days.sql
	exemptDaysSQL string
	//go:embed sql/exempt_periods.sql
	exemptPeriodsSQL string
	//go:embed sql/drivers.sql
	driversSQL string
	//go:embed sql/exporters.sql
	exportersSQL string
	//go:embed sql/names.sql
	namesSQL string
)

// counters are the columns that Counters.fields reads. All rollups have them.
const counters = "sum(u.received), sum(u.sent), sum(u.internal), sum(u.unmatched), sum(u.packets), sum(u.flows)"

// something is the condition that a group has any counter. The share of a
// small flow in a quarter hour may be nothing, and leaves a row of zeros until
// the engine merges it away.
const something = "sum(u.received) + sum(u.sent) + sum(u.internal) + sum(u.unmatched) + sum(u.packets) + sum(u.flows) > 0"

// booked is the place of the most specific local network that holds u.host,
// from 1; 0 when none does. An IPv6 range holds no IPv4 address.
const booked = "arrayFirstIndex((four, low, high) -> four = " + isFour + " AND u.host >= low AND u.host <= high," +
	" {net_four:Array(Bool)}, {net_low:Array(IPv6)}, {net_high:Array(IPv6)})"

const isFour = "(u.host >= toIPv6('::ffff:0.0.0.0') AND u.host <= toIPv6('::ffff:255.255.255.255'))"

// dims are what a statement tells apart or filters by.
type dims struct{ host, protocol bool }

// dailyTables are the smallest tables of whole days for each need.
var dailyTables = map[dims]string{
	{}:                           "daily_total",
	{host: true}:                 "daily_host",
	{protocol: true}:             "daily_protocol",
	{host: true, protocol: true}: "daily_host_protocol",
}

// source is where a statement reads: a table and the conditions on its rows,
// with the values of their parameters.
type source struct {
	table, day string
	in         reach // the days of its rows
	where      []string
	params     map[string]string
	exempt     string // the condition of what does not count toward the cap
}

// from plans the reading of a window: whole days of the daily tables' zone
// come from those tables, everything else from the quarter hours. The filters
// of the request and the exporters of the line apply.
func (q *question) from(w window, need dims) source {
	f := q.req.Filter
	need.host = need.host || f.Host.IsValid() || f.Person != "" || f.Network.IsValid() || f.Group != ""
	need.protocol = need.protocol || f.Protocol.Set
	s := q.quarters(w)
	if w.whole && w.start.Location().String() == q.dayZone {
		s.table, s.day, s.in = dailyTables[need], "u.day", reach{w.first, w.next.AddDays(-1)}
		s.where = []string{"u.day >= {first:Date} AND u.day < {next:Date}"}
	}
	q.filter(&s)
	return s
}

// quarters is the table that answers every window, without filters.
func (q *question) quarters(w window) source {
	return source{
		table: "usage_15m",
		in:    reachOf(w),
		day:   "toDate(u.bucket, {zone:String})",
		where: []string{"u.bucket >= toDateTime({start:UInt32}, 'UTC') AND u.bucket < toDateTime({end:UInt32}, 'UTC')"},
		params: map[string]string{
			"start": strconv.FormatInt(w.start.Unix(), 10), "end": strconv.FormatInt(w.end.Unix(), 10),
			"first": w.first.String(), "next": w.next.String(), "zone": w.start.Location().String(),
		},
	}
}

// fromQuarters is from without the daily tables.
func (q *question) fromQuarters(w window) source {
	s := q.quarters(w)
	q.filter(&s)
	return s
}

// and adds a condition, which must be a constant.
func (s *source) and(condition string) { s.where = append(s.where, condition) }

// filter adds the conditions of the line and of the request.
func (q *question) filter(s *source) {
	q.onLine(s, "has({exporters:Array(IPv6)}, u.exporter)", "NOT has({exporters:Array(IPv6)}, u.exporter)")
	f := q.req.Filter
	q.narrow(s)
	if f.Network.IsValid() {
		q.filterNetwork(s, f.Network)
	}
	switch f.Group {
	case Unmatched:
		s.and("u.host = toIPv6('::')")
	case Elsewhere:
		s.and("u.host != toIPv6('::') AND " + booked + " = 0")
		q.addNetworks(s)
	}
	switch {
	case !f.Protocol.Set:
	case f.Protocol.Any:
		s.and("u.protocol = {protocol:UInt8}")
		s.params["protocol"] = strconv.Itoa(int(f.Protocol.Protocol))
	default:
		s.and("has({services:Array(UInt32)}, toUInt32(u.protocol) * 65536 + u.service)")
		var keys []string
		for _, k := range q.services {
			keys = append(keys, strconv.Itoa(int(k.protocol)<<16|int(k.service)))
		}
		s.params["services"] = "[" + strings.Join(keys, ",") + "]"
	}
}

// onLine narrows a source to the exporters of the line by one of two
// conditions: that of those it names, or, where it takes the rest, that of
// those which no line names.
func (q *question) onLine(s *source, named, rest string) {
	switch others := q.settings.Named(); {
	case q.everyLine():
	case !q.line.Rest():
		s.and(named)
		s.params["exporters"] = addressArray(q.line.Exporters)
	case len(others) > 0:
		s.and(rest)
		s.params["exporters"] = addressArray(others)
	}
}

func (q *question) filterNetwork(s *source, prefix netip.Prefix) {
	low, high := bounds(prefix)
	s.and("u.host >= {low:IPv6} AND u.host <= {high:IPv6}")
	s.params["low"], s.params["high"] = addressText(low), addressText(high)
	if prefix.Addr().Is6() {
		s.and("NOT " + isFour + " AND u.host != toIPv6('::')")
	}
}

// addNetworks sets the parameters of booked.
func (q *question) addNetworks(s *source) {
	var four, low, high []string
	for _, n := range q.specificFirst() {
		first, last := bounds(n.Prefix)
		four = append(four, strconv.FormatBool(n.Prefix.Addr().Is4()))
		low, high = append(low, "'"+addressText(first)+"'"), append(high, "'"+addressText(last)+"'")
	}
	s.params["net_four"] = "[" + strings.Join(four, ",") + "]"
	s.params["net_low"] = "[" + strings.Join(low, ",") + "]"
	s.params["net_high"] = "[" + strings.Join(high, ",") + "]"
}

// specificFirst orders the local networks so that the first that holds an
// address is the most specific one.
func (q *question) specificFirst() []site.Network {
	return slices.SortedStableFunc(slices.Values(q.settings.Networks), func(a, b site.Network) int {
		return b.Prefix.Bits() - a.Prefix.Bits()
	})
}

// bounds returns the first and the last address of a range.
func bounds(p netip.Prefix) (first, last netip.Addr) {
	bytes := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(bytes)*8; i++ {
		bytes[i/8] |= 0x80 >> (i % 8)
	}
	last, _ = netip.AddrFromSlice(bytes)
	return p.Masked().Addr(), last
}

// addressText is an address as ClickHouse's IPv6 reads it: IPv4 mapped.
func addressText(a netip.Addr) string { return string(appendAddress(nil, a)) }

func appendAddress(text []byte, a netip.Addr) []byte {
	if a.Is4() {
		text = append(text, "::ffff:"...)
	}
	return a.AppendTo(text)
}

func addressArray(list []netip.Addr) string {
	const most = len("'',") + 39 // bytes of an address
	text := append(make([]byte, 0, len("[]")+len(list)*most), '[')
	for i, a := range list {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(appendAddress(append(text, '\''), a), '\'')
	}
	return string(append(text, ']'))
}

// together runs parts of a report at the same time and returns their first
// error, which ends the others.
func together(ctx context.Context, parts ...func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, part := range parts {
		group.Go(func() error { return part(ctx) })
	}
	return group.Wait()
}

// over runs a statement on several sources at the same time and hands every row
// of them to scan, one after the other, in no order.
func (q *question) over(ctx context.Context, what, statement string, parts []source, scan func(scanner) error) error {
	if len(parts) == 1 {
		return q.each(ctx, what, statement, parts[0], nil, scan)
	}
	var mu sync.Mutex
	one := func(rows scanner) error {
		mu.Lock()
		defer mu.Unlock()
		return scan(rows)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, part := range parts {
		group.Go(func() error { return q.each(ctx, what, statement, part, nil, one) })
	}
	return group.Wait()
}

// total sums up a window. Of a window that begins or ends within a day the
// whole days still come from the daily tables, which is much less to read.
func (q *question) total(ctx context.Context, w window) (Counters, error) {
	var total Counters
	err := q.over(ctx, "total", totalSQL, q.parts(w, dims{}), func(rows scanner) error {
		var c Counters
		err := rows.Scan(c.fields()...)
		total.add(c)
		return err
	})
	return total, err
}

// parts plans the reading of a window like from, but of one that begins or
// ends within a day the whole days still come from the daily tables. What it
// reads must be added up by day or over all days.
func (q *question) parts(w window, need dims) []source {
	var parts []source
	for _, part := range q.split(w) {
		s := q.from(part, need)
		if at, apart := q.closed(s.table, part); apart {
			parts = append(parts, q.from(newWindow(part.start, at), need))
			s = q.from(newWindow(at, part.end), need)
		}
		parts = append(parts, s)
	}
	return parts
}

// closedDays is the shortest time of which answers are worth keeping apart.
const closedDays = 90

// closed says where a window is cut so that what flows of now do not change is
// read apart, and its answer stays known while flows come in: at the begin of
// this month. Tables that are small are not worth it.
func (q *question) closed(table string, w window) (at time.Time, apart bool) {
	zone := w.start.Location()
	switch table {
	case "daily_host", "daily_protocol", "daily_host_protocol", "daily_peer":
	case "ledger":
		zone = time.UTC
	default:
		return time.Time{}, false
	}
	now := q.today()
	begin := billing.Date{Year: now.Year, Month: now.Month, Day: 1}
	if at = begin.Start(zone).In(w.start.Location()); !at.Before(w.end) || !q.reading.knows(table) {
		return time.Time{}, false
	}
	return at, at.Sub(w.start) >= closedDays*day
}

// split cuts a window of the daily tables' zone at its first and its last
// midnight.
func (q *question) split(w window) []window {
	zone := w.start.Location()
	if w.whole || zone.String() != q.dayZone {
		return []window{w}
	}
	var parts []window
	from := w.start
	morning := w.first
	if !morning.Start(zone).Equal(w.start) {
		morning = morning.AddDays(1)
	}
	evening := w.next
	if !evening.Start(zone).Equal(w.end) {
		evening = evening.AddDays(-1)
	}
	for _, d := range []billing.Date{morning, evening} {
		if at := d.Start(zone); at.After(from) && at.Before(w.end) {
			parts = append(parts, newWindow(from, at))
			from = at
		}
	}
	return append(parts, newWindow(from, w.end))
}
