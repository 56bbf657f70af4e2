package schema

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/flow"
)

// Difference is where a rollup does not hold what the raw flows say.
type Difference struct {
	Table    string     // the rollup
	Day      string     // local day of the daily tables' zone, 2026-11-23
	Exporter netip.Addr // unmapped
	Counter  string     // received, sent_packets, …; "keys" = the sums agree but are booked on other hosts, services or quarter hours
	Raw      uint64     // what raw says: bytes, packets or flows; meaningless for "keys"
	Rollup   uint64     // what the rollup says
}

func (d Difference) String() string {
	if d.Counter == keysCounter {
		return fmt.Sprintf("%s, %s, exporter %s: the sums agree with raw but are booked on the wrong keys", d.Table, d.Day, d.Exporter)
	}
	return fmt.Sprintf("%s, %s, exporter %s, %s: raw %d, rollup %d (%+d)", d.Table, d.Day, d.Exporter, d.Counter, d.Raw, d.Rollup, int64(d.Rollup-d.Raw)) //nolint:gosec // the difference of counters wraps on purpose
}

const keysCounter = "keys"

// cell is a day of an exporter.
type cell struct {
	day      day
	exporter netip.Addr
}

// sums holds counters and, last, a fingerprint of the keys: each counter times
// a hash of its row's keys, added up. It does not depend on how rows have been
// merged, and differs when a byte is booked on another key.
type sums map[cell][]uint64

// comparer compares rollups with raw flows.
type comparer struct {
	conn driver.Conn
	defs definitions
	zone string
}

func newComparer(conn driver.Conn, zone string) (*comparer, error) {
	defs, err := newDefinitions(zone)
	return &comparer{conn, defs, zone}, err
}

// compare returns the differences of the given days, both included, by day,
// rollup and exporter.
func (c *comparer) compare(ctx context.Context, first, last day) ([]Difference, error) {
	raw, err := c.raw(ctx, first, last)
	if err != nil {
		return nil, err
	}
	var list []Difference
	for i, r := range rollups() {
		got, err := c.rollup(ctx, r, first, last)
		if err != nil {
			return nil, err
		}
		want := sums{}
		for at, s := range raw {
			want[at] = r.expected(s, i)
		}
		list = append(list, differences(r, want, got)...)
	}
	slices.SortStableFunc(list, func(a, b Difference) int { return cmp.Compare(a.Day, b.Day) })
	return list, nil
}

// differences compares one rollup.
func differences(r rollup, want, got sums) []Difference {
	var list []Difference
	cells := map[cell]bool{}
	for at := range want {
		cells[at] = true
	}
	for at := range got {
		cells[at] = true
	}
	zero := make([]uint64, len(r.counters)+1)
	for at := range cells {
		w, g := want[at], got[at]
		if w == nil {
			w = zero
		}
		if g == nil {
			g = zero
		}
		d := Difference{Table: r.table, Day: at.day.String(), Exporter: at.exporter}
		before := len(list)
		for i, name := range r.counters {
			if w[i] != g[i] {
				d.Counter, d.Raw, d.Rollup = name, w[i], g[i]
				list = append(list, d)
			}
		}
		if n := len(r.counters); len(list) == before && w[n] != g[n] {
			d.Counter, d.Raw, d.Rollup = keysCounter, w[n], g[n]
			list = append(list, d)
		}
	}
	slices.SortStableFunc(list, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), a.Exporter.Compare(b.Exporter))
	})
	return list
}

// expected picks from the sums over raw those of one rollup, the i-th.
func (r rollup) expected(raw []uint64, i int) []uint64 {
	const full = 12
	counters := slices.Clone(raw[:full])
	if len(r.counters) < full { // packets and flows of all directions together
		counters = append(counters[:4], raw[4]+raw[5]+raw[6]+raw[7], raw[8]+raw[9]+raw[10]+raw[11])
	}
	return append(counters, raw[full+i])
}

// fingerprintKeys are the columns a rollup's fingerprint covers; exporter and
// day are compared one by one anyway.
func (r rollup) fingerprintKeys() string {
	keys := slices.DeleteFunc(slices.Clone(r.keys), func(k string) bool { return k == "exporter" })
	return strings.Join(append([]string{r.time}, keys...), ", ")
}

func (r rollup) byDirection() bool { return slices.Contains(r.counters, "sent_flows") }

// raw adds up the raw flows for all rollups in one pass.
func (c *comparer) raw(ctx context.Context, first, last day) (sums, error) {
	type counter struct{ Value, Direction string }
	type fingerprint struct {
		Keys        string
		ByDirection bool
	}
	data := struct {
		Zone, Spread string
		Counters     []counter
		Rollups      []fingerprint
	}{Zone: c.zone, Spread: c.defs.spread(rawOfDays("flows", first, last))}
	for _, value := range []string{"octets", "pkts", "starts"} {
		for _, direction := range directions() {
			data.Counters = append(data.Counters, counter{value, direction})
		}
	}
	for _, r := range rollups() {
		data.Rollups = append(data.Rollups, fingerprint{r.fingerprintKeys(), r.byDirection()})
	}
	s, err := c.read(ctx, render("compare_raw", data), first, last)
	if err != nil {
		return nil, fmt.Errorf("add up flows of %v to %v: %w", first, last, err)
	}
	return s, nil
}

// rawOfDays is a source for views: the flows of a table that can touch the
// given local days of any zone.
func rawOfDays(table string, first, last day) string {
	from := first.date().AddDate(0, 0, -1)
	to := last.date().AddDate(0, 0, 3).Add(flow.MaxSpan)
	return fmt.Sprintf("(SELECT * FROM %s WHERE `end` >= toDateTime('%s', 'UTC') AND `end` < toDateTime('%s', 'UTC') AND `end` < toDateTime('%s', 'UTC') + toIntervalSecond(intDiv(duration_ms, 1000) + 1))",
		table, from.Format(time.DateTime), to.Format(time.DateTime), last.date().AddDate(0, 0, 3).Format(time.DateTime))
}

// rollup adds up a rollup's rows.
func (c *comparer) rollup(ctx context.Context, r rollup, first, last day) (sums, error) {
	s, err := c.read(ctx, render("compare_rollup", struct {
		Bucket, ByDirection  bool
		Zone, Table, Keys    string
		Counters, Directions []string
	}{r.time == "bucket", r.byDirection(), c.zone, r.table, r.fingerprintKeys(), r.counters, directions()}), first, last)
	if err != nil {
		return nil, fmt.Errorf("add up %s of %v to %v: %w", r.table, first, last, err)
	}
	return s, nil
}

func (c *comparer) read(ctx context.Context, sql string, first, last day) (sums, error) {
	ctx = ch.Context(ctx, ch.WithParameters(ch.Parameters{"first": first.String(), "last": last.String()}))
	rows, err := c.conn.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	s := sums{}
	for rows.Next() {
		var d time.Time
		var exporter netip.Addr
		var values []uint64
		if err := rows.Scan(&d, &exporter, &values); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(values, func(v uint64) bool { return v != 0 }) {
			s[cell{day(d.Unix() / 86400), exporter.Unmap()}] = values
		}
	}
	return s, rows.Err()
}
