package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/flow"
)

// Rules are what the ingest tells each record by when it comes in: which
// addresses are local, and what counts of each exporter.
type Rules struct {
	Networks []netip.Prefix   `json:"networks"`           // at least one
	Counting []flow.CountRule `json:"counting,omitempty"` // exporters without a rule count in full

	// Patience is how long after a change of the rules records may still come in
	// told by the former ones; 0 = 15 s. The ingest looks for changes every few
	// seconds and holds rows for a moment.
	Patience time.Duration `json:"-"`
}

// FlowIdentity is what makes a raw flow itself, as SQL expressions over flows:
// everything but how it was told. It is the same before and after Retell.
const FlowIdentity = "`end`, duration_ms, delay, exporter, origin, in_if, out_if, flow_direction, src_addr, dst_addr, src_port, dst_port, " +
	"protocol, service, icmp_type, icmp_code, tcp_flags, tos, vlan, least(host_mac, peer_mac), greatest(host_mac, peer_mac), " +
	"least(host_as, peer_as), greatest(host_as, peer_as), sampling_rate, time_fixed, bytes, packets, import"

// maxTellings bounds how often Retell begins anew.
const maxTellings = 5

// Retell tells every raw flow anew by changed rules (direction, host and peer,
// and whether it counts) and makes all rollups anew, while ingest goes on. What
// comes in meanwhile is told by the new rules too, whatever the ingest went by;
// flows that come in late, told by former rules, make it begin once more.
// Rollups older than the raw flows stay as they are. It needs as much free disk
// as raw flows and rollups take. Progress counts days twice: told, then proven.
func Retell(ctx context.Context, conn driver.Conn, rules Rules, progress Progress) error {
	if err := rules.check(); err != nil {
		return err
	}
	until := time.Now().Add(cmp.Or(rules.Patience, 15*time.Second))
	for range maxTellings {
		zone, err := Zone(ctx, conn)
		if err != nil {
			return err
		}
		r := &recut{Zone: zone, FromRaw: true, Rules: &rules, conn: conn, tell: progress}
		if err := r.run(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(until)):
		}
		strays, err := Strays(ctx, conn, rules)
		if err != nil || strays == 0 {
			return err
		}
	}
	return errors.New("flows keep coming in that are told by other settings; see that every ingest reads the settings of this database, then run flattraffic schema rebuild")
}

// Strays counts the raw flows that the rules would tell otherwise than they
// are told.
func Strays(ctx context.Context, conn driver.Conn, rules Rules) (uint64, error) {
	if err := rules.check(); err != nil {
		return 0, err
	}
	var n uint64
	if err := conn.QueryRow(ctx, render("strays", rules.terms("flows"))).Scan(&n); err != nil {
		return 0, fmt.Errorf("count flows that other settings told: %w", err)
	}
	return n, nil
}

// HistoryFrom returns since when there are raw flows; zero when there are none.
// With older, the rollups know more, which can be neither told nor made anew.
func HistoryFrom(ctx context.Context, conn driver.Conn) (from time.Time, older bool, err error) {
	zone, err := Zone(ctx, conn)
	if err != nil {
		return time.Time{}, false, err
	}
	c, err := readCoverage(ctx, conn, zone)
	if err != nil {
		return time.Time{}, false, err
	}
	var n uint64
	if err := conn.QueryRow(ctx, "SELECT count(), min(`end`) FROM flows").Scan(&n, &from); err != nil {
		return time.Time{}, false, fmt.Errorf("look for the oldest raw flow: %w", err)
	}
	if n == 0 {
		from = time.Time{}
	}
	return from, c.rawCut() && (!c.NoRaw || !c.NoUsage || !c.NoDays), nil
}

func (r Rules) check() error {
	if len(r.Networks) == 0 {
		return errors.New("tell flows anew: no local networks are given")
	}
	return nil
}

// terms are the rules as the queries have them.
type terms struct {
	Source    string
	Low, High []string
	Counting  []countTerm
}

type countTerm struct{ Exporter, Condition string }

func (r Rules) terms(source string) terms {
	t := terms{Source: source}
	for _, p := range r.Networks {
		low, high := bounds(p)
		t.Low = append(t.Low, "toIPv6('"+low.String()+"')")
		t.High = append(t.High, "toIPv6('"+high.String()+"')")
	}
	for _, c := range r.Counting {
		if !c.All() {
			t.Counting = append(t.Counting, countTerm{netip.AddrFrom16(c.Exporter.As16()).String(), countCondition(c)})
		}
	}
	return t
}

// countCondition is flow.CountRule.Counts in SQL.
func countCondition(c flow.CountRule) string {
	if c.None {
		return "false"
	}
	var all []string
	if len(c.Interfaces) > 0 {
		numbers := make([]string, len(c.Interfaces))
		for i, n := range c.Interfaces {
			numbers[i] = strconv.FormatUint(uint64(n), 10)
		}
		list := strings.Join(numbers, ", ")
		all = append(all, "(in_if IN ("+list+") OR out_if IN ("+list+"))")
	}
	if c.Observed != flow.ObservedUnknown {
		all = append(all, "toInt8(flow_direction) = "+strconv.Itoa(int(c.Observed)))
	}
	return strings.Join(all, " AND ")
}

// bounds returns the first and the last address of a prefix as IPv6.
func bounds(p netip.Prefix) (low, high netip.Addr) {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	first := p.Masked().Addr().As16()
	last := first
	for i := bits; i < 128; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom16(first), netip.AddrFrom16(last)
}

// beginRaw makes the table for the flows told anew. A view takes over what is
// inserted meanwhile and tells it anew as well.
func (r *recut) beginRaw(ctx context.Context) error {
	ddl := strings.Replace(r.defs["flows"], "IF NOT EXISTS flows ", nextPrefix+"flows ", 1)
	if err := r.conn.Exec(ctx, ddl); err != nil {
		return fmt.Errorf("create %sflows: %w", nextPrefix, err)
	}
	if err := r.conn.Exec(ctx, strings.Replace(r.defs["flows_import"], "TABLE flows ", "TABLE "+nextPrefix+"flows ", 1)); err != nil {
		return fmt.Errorf("complete %sflows: %w", nextPrefix, err)
	}
	view := fmt.Sprintf("CREATE MATERIALIZED VIEW %[1]sflows_mv TO %[1]sflows AS\n%[2]s", nextPrefix, render("retell", r.Rules.terms("flows")))
	if err := r.conn.Exec(ctx, view); err != nil {
		return fmt.Errorf("create %sflows_mv: %w", nextPrefix, err)
	}
	return nil
}

// fillRaw tells the flows of a source anew.
func (r *recut) fillRaw(ctx context.Context, source string) error {
	return r.conn.Exec(ctx, "INSERT INTO "+nextPrefix+"flows\n"+render("retell", r.Rules.terms(source))+"SETTINGS insert_deduplicate = 0")
}

// errRawMoved says that the flows told anew are not those there are: an insert
// that was cut off has left or lost some, or rows were attached.
var errRawMoved = errors.New("raw flows changed in a way the views do not see")

// checkRaw makes sure, while inserts are paused, that the flows told anew are
// all the flows there are and no others. Months that nothing was inserted into
// since the copy was made agree when their numbers do.
func (r *recut) checkRaw(ctx context.Context) error {
	rows := map[string]map[string]uint64{"flows": {}, copyPrefix + "flows": {}, nextPrefix + "flows": {}}
	var partitions []string
	result, err := r.conn.Query(ctx, query("raw_rows"))
	if err != nil {
		return fmt.Errorf("count raw flows: %w", err)
	}
	defer result.Close()
	for result.Next() {
		var table, partition string
		var n uint64
		if err := result.Scan(&table, &partition, &n); err != nil {
			return fmt.Errorf("count raw flows: %w", err)
		}
		rows[table][partition] = n
		partitions = append(partitions, partition)
	}
	if err := result.Err(); err != nil {
		return fmt.Errorf("count raw flows: %w", err)
	}
	slices.Sort(partitions)
	for _, p := range slices.Compact(partitions) {
		now, before, next := rows["flows"][p], rows[copyPrefix+"flows"][p], rows[nextPrefix+"flows"][p]
		if now != next {
			return fmt.Errorf("%w: %s has %d rows, %d are told anew", errRawMoved, p, now, next)
		}
		if now == before {
			continue
		}
		same, err := r.samePrint(ctx, p)
		if err != nil {
			return err
		}
		if !same {
			return fmt.Errorf("%w: %s has other rows than are told anew", errRawMoved, p)
		}
	}
	return nil
}

// samePrint compares one month of the flows there are and those told anew.
func (r *recut) samePrint(ctx context.Context, partition string) (bool, error) {
	var prints [2]uint64
	for i, table := range []string{"flows", nextPrefix + "flows"} {
		sql := render("raw_print", struct{ Identity, Table, Partition string }{FlowIdentity, table, partition})
		if err := r.conn.QueryRow(ctx, sql).Scan(&prints[i]); err != nil {
			return false, fmt.Errorf("compare raw flows of %s: %w", partition, err)
		}
	}
	return prints[0] == prints[1], nil
}

// swapRaw puts the flows told anew in the place of the old ones, a month at a
// time. The table itself stays, and with it what it remembers of batches.
func (r *recut) swapRaw(ctx context.Context) error {
	ids, err := column[string](ctx, r.conn, query("partitions"), nextPrefix+"flows")
	if err != nil {
		return fmt.Errorf("list months of raw flows: %w", err)
	}
	for _, id := range ids {
		if err := r.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE flows REPLACE PARTITION ID '%s' FROM %sflows", id, nextPrefix)); err != nil {
			return fmt.Errorf("put flows of %s in place: %w", id, err)
		}
	}
	return nil
}
