package names

import (
	"context"
	_ "embed"
	"fmt"
	"net/netip"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/site"
)

// Seen is a name an address had, with the span it is known to have had it.
type Seen struct {
	Name        string
	Source      string // own, dhcp or dns
	First, Last time.Time
}

// sighting is a name of an address as somebody says it.
type sighting struct {
	addr         netip.Addr
	source, name string
}

// store is where names are kept.
type store interface {
	// version names the content of tables; while it is the same, so are they.
	version(ctx context.Context, tables ...string) (string, error)
	// recent returns the newest foreign name of each address and source.
	recent(ctx context.Context) (map[sighting]time.Time, error)
	// own returns the names the user gave that are in force.
	own(ctx context.Context) (map[netip.Addr]string, error)
	// hosts returns local hosts seen in the last two days, busiest first.
	hosts(ctx context.Context) ([]netip.Addr, error)
	// devices returns what the user has said about machines.
	devices(ctx context.Context) ([]site.Device, error)
	// macs returns which address was seen with which MAC.
	macs(ctx context.Context) ([]sightingOfMAC, error)
	saveMACs(ctx context.Context, paired map[pair]time.Time) error
	save(ctx context.Context, seen map[sighting]time.Time) error
	rename(ctx context.Context, addr netip.Addr, name string, at time.Time) error
	of(ctx context.Context, addr netip.Addr) ([]Seen, error)
	during(ctx context.Context, from, to time.Time) (map[netip.Addr]Seen, error)
}

//go:embed sql/recent.sql
var recentSQL string

//go:embed sql/own.sql
var ownSQL string

//go:embed sql/hosts.sql
var hostsSQL string

//go:embed sql/macs.sql
var macsSQL string

//go:embed sql/save_macs.sql
var saveMACsSQL string

//go:embed sql/save.sql
var saveSQL string

//go:embed sql/of.sql
var ofSQL string

//go:embed sql/newest_own.sql
var newestOwnSQL string

//go:embed sql/during.sql
var duringSQL string

// queryTimeout bounds each query; all of them read little.
const queryTimeout = 20 * time.Second

// table is the store in ClickHouse.
type table struct {
	conn  driver.Conn
	usage driver.Conn // of the tables of usage
}

func (t *table) version(ctx context.Context, tables ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	return site.VersionOf(ctx, t.conn, tables...)
}

func (t *table) recent(ctx context.Context) (map[sighting]time.Time, error) {
	out := map[sighting]time.Time{}
	err := t.each(ctx, recentSQL, nil, func(rows driver.Rows) error {
		var s sighting
		var last time.Time
		if err := rows.Scan(&s.addr, &s.source, &s.name, &last); err != nil {
			return err
		}
		s.addr = s.addr.Unmap()
		out[s] = last
		return nil
	})
	return out, err
}

func (t *table) own(ctx context.Context) (map[netip.Addr]string, error) {
	out := map[netip.Addr]string{}
	err := t.each(ctx, ownSQL, nil, func(rows driver.Rows) error {
		var addr netip.Addr
		var name string
		if err := rows.Scan(&addr, &name); err != nil {
			return err
		}
		out[addr.Unmap()] = name
		return nil
	})
	return out, err
}

func (t *table) hosts(ctx context.Context) ([]netip.Addr, error) {
	var out []netip.Addr
	err := eachOf(ctx, t.usage, hostsSQL, nil, func(rows driver.Rows) error {
		var addr netip.Addr
		if err := rows.Scan(&addr); err != nil {
			return err
		}
		out = append(out, addr.Unmap())
		return nil
	})
	return out, err
}

func (t *table) devices(ctx context.Context) ([]site.Device, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	return site.LoadDevices(ctx, t.conn)
}

func (t *table) macs(ctx context.Context) ([]sightingOfMAC, error) {
	var out []sightingOfMAC
	err := t.each(ctx, macsSQL, nil, func(rows driver.Rows) error {
		var s sightingOfMAC
		var first, last uint32
		if err := rows.Scan(&s.addr, &s.mac, &s.leased, &s.exporter, &first, &last); err != nil {
			return err
		}
		s.addr, s.first, s.last = s.addr.Unmap(), int64(first), int64(last)
		out = append(out, s)
		return nil
	})
	return out, err
}

func (t *table) saveMACs(ctx context.Context, paired map[pair]time.Time) error {
	var rows [][]any
	for p, at := range paired {
		rows = append(rows, []any{mapped(p.addr), p.mac, uint8(1), at.UTC(), at.UTC()})
	}
	return t.insert(ctx, "addresses", saveMACsSQL, rows)
}

func (t *table) save(ctx context.Context, seen map[sighting]time.Time) error {
	var rows [][]any
	for s, at := range seen {
		rows = append(rows, []any{mapped(s.addr), s.source, s.name, at.UTC(), at.UTC()})
	}
	return t.insert(ctx, "host_names", saveSQL, rows)
}

func (t *table) insert(ctx context.Context, into, statement string, rows [][]any) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	batch, err := t.conn.PrepareBatch(ctx, statement)
	if err != nil {
		return fmt.Errorf("prepare %s: %w", into, err)
	}
	defer batch.Close()
	for _, row := range rows {
		if err := batch.Append(row...); err != nil {
			return fmt.Errorf("append to %s: %w", into, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert into %s: %w", into, err)
	}
	return nil
}

func (t *table) rename(ctx context.Context, addr netip.Addr, name string, at time.Time) error {
	newest, err := t.newestOwn(ctx, addr)
	if err != nil {
		return err
	}
	// The newest row is the name in force, to the second: a second change
	// within one second is dated one later.
	if at = at.Truncate(time.Second); !at.After(newest) {
		at = newest.Add(time.Second)
	}
	return t.save(ctx, map[sighting]time.Time{{addr, Own, name}: at})
}

func (t *table) newestOwn(ctx context.Context, addr netip.Addr) (time.Time, error) {
	var newest time.Time
	params := clickhouse.Parameters{"address": mapped(addr).String()}
	err := t.each(ctx, newestOwnSQL, params, func(rows driver.Rows) error { return rows.Scan(&newest) })
	return newest, err
}

func (t *table) of(ctx context.Context, addr netip.Addr) ([]Seen, error) {
	var out []Seen
	params := clickhouse.Parameters{"address": mapped(addr).String()}
	err := t.each(ctx, ofSQL, params, func(rows driver.Rows) error {
		var s Seen
		if err := rows.Scan(&s.Name, &s.Source, &s.First, &s.Last); err != nil {
			return err
		}
		out = append(out, s)
		return nil
	})
	return out, err
}

func (t *table) during(ctx context.Context, from, to time.Time) (map[netip.Addr]Seen, error) {
	params := clickhouse.Parameters{
		"from": from.UTC().Format(time.DateTime),
		"to":   to.UTC().Format(time.DateTime),
	}
	out := map[netip.Addr]Seen{}
	err := t.each(ctx, duringSQL, params, func(rows driver.Rows) error {
		var addr netip.Addr
		var s Seen
		if err := rows.Scan(&addr, &s.Name, &s.Source, &s.First, &s.Last); err != nil {
			return err
		}
		out[addr.Unmap()] = s
		return nil
	})
	return out, err
}

// each runs a query with a deadline and calls scan for each row.
func (t *table) each(ctx context.Context, query string, params clickhouse.Parameters, scan func(driver.Rows) error) error {
	return eachOf(ctx, t.conn, query, params, scan)
}

func eachOf(ctx context.Context, conn driver.Conn, query string, params clickhouse.Parameters, scan func(driver.Rows) error) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if params != nil {
		ctx = clickhouse.Context(ctx, clickhouse.WithParameters(params))
	}
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return fmt.Errorf("query names: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("scan names: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read names: %w", err)
	}
	return nil
}

// mapped returns the address as the tables hold it: IPv6, IPv4 mapped.
func mapped(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }
