package schema

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Reclassify tells every raw flow anew for changed local networks: direction,
// host and peer; and makes all rollups anew, while ingest goes on. Whoever
// ingests must have taken the new networks into use before. Rollups older than
// the raw flows stay as they are. It needs as much free disk as raw flows and
// rollups take.
func Reclassify(ctx context.Context, conn driver.Conn, networks []netip.Prefix, progress Progress) error {
	if len(networks) == 0 {
		return errors.New("reclassify flows: no local networks are given")
	}
	zone, err := Zone(ctx, conn)
	if err != nil {
		return err
	}
	r := &recut{Zone: zone, FromRaw: true, Networks: networks, conn: conn, tell: progress}
	return r.run(ctx)
}

// beginRaw makes the table for the flows told anew. A view takes over what is
// inserted meanwhile, as it is.
func (r *recut) beginRaw(ctx context.Context) error {
	ddl := strings.Replace(r.defs["flows"], "IF NOT EXISTS flows ", nextPrefix+"flows ", 1)
	if err := r.conn.Exec(ctx, ddl); err != nil {
		return fmt.Errorf("create %sflows: %w", nextPrefix, err)
	}
	if err := r.conn.Exec(ctx, fmt.Sprintf("CREATE MATERIALIZED VIEW %[1]sflows_mv TO %[1]sflows AS SELECT * FROM flows", nextPrefix)); err != nil {
		return fmt.Errorf("create %sflows_mv: %w", nextPrefix, err)
	}
	return nil
}

// fillRaw tells the flows of a source anew.
func (r *recut) fillRaw(ctx context.Context, source string) error {
	data := struct {
		Into, Source string
		Low, High    []string
	}{Into: nextPrefix + "flows", Source: source}
	for _, p := range r.Networks {
		low, high := bounds(p)
		data.Low = append(data.Low, "toIPv6('"+low.String()+"')")
		data.High = append(data.High, "toIPv6('"+high.String()+"')")
	}
	return r.conn.Exec(ctx, render("reclassify", data))
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
