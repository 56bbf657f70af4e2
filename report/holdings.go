package report

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/flattraffic/flattraffic/billing"
)

// holdings is what the tables of a report held at an instant. Of a table that
// is known by its parts, two holdings with the same parts are the same rows: a
// part never changes, and its hash is that of its files.
type holdings struct {
	zone  string            // of the days of the daily tables; empty when they do not agree, and cannot be used
	parts map[string][]part // by table, in order; no entry where parts do not tell what a table holds
}

// part is one part of a table.
type part struct{ partition, name, hash string }

// plainEngines keep all rows in the parts that the server lists. A view, or a
// Distributed or Replicated table, may answer from elsewhere.
var plainEngines = []string{"MergeTree", "SummingMergeTree", "ReplacingMergeTree", "AggregatingMergeTree"}

// dayTables is how many tables have days, which must be of one zone.
const dayTables = 5

// tablesOf are the tables whose rows are worth knowing again for a request.
// Those with many parts are left out where the request does not read them.
func tablesOf(req Request) []string {
	tables := []string{"daily_total", "daily_host", "daily_protocol", "usage_15m", "ledger", "exporter_state"}
	f := req.Filter
	f.Line, f.Protocol = "", ProtocolFilter{}
	if f != (Filter{}) || req.Kind == Host {
		tables = append(tables, "daily_host_protocol")
	}
	switch req.Kind {
	case Host:
		return append(tables, "daily_peer", "flows", "host_names", "raw_drops", "far_end_drops")
	case Ranges:
		return append(tables, "flows")
	default:
		return tables
	}
}

// look finds out what tables hold. Who may not see the parts of a server's tables
// learns the zone only.
func (r *Reports) look(ctx context.Context, tables []string) (holdings, error) {
	if h, err := r.lookAtParts(ctx, tables); err == nil {
		return h, nil
	}
	var h holdings
	if err := r.conn.QueryRow(ctx, dayZoneSQL).Scan(&h.zone); err != nil {
		return h, fmt.Errorf("load zone of the daily tables: %w", err)
	}
	return h, nil
}

func (r *Reports) lookAtParts(ctx context.Context, tables []string) (holdings, error) {
	h := holdings{parts: map[string][]part{}}
	rows, err := r.conn.Query(ch.Context(ctx, ch.WithParameters(ch.Parameters{"tables": "['" + strings.Join(tables, "','") + "']"})), holdingsSQL)
	if err != nil {
		return h, err
	}
	defer rows.Close()
	var zones, plain []string
	listed := map[string][]part{}
	for rows.Next() {
		var table string
		var whole bool
		var p part
		if err := rows.Scan(&table, &whole, &p.partition, &p.name, &p.hash); err != nil {
			return h, err
		}
		switch {
		case !whole:
			listed[table] = append(listed[table], p)
			continue
		case slices.Contains(plainEngines, p.partition) && slices.Contains(tables, table):
			plain = append(plain, table)
		}
		if strings.HasPrefix(table, "daily_") {
			zones = append(zones, p.name)
		}
	}
	for _, table := range plain {
		slices.SortFunc(listed[table], func(a, b part) int { return strings.Compare(a.name, b.name) })
		h.parts[table] = listed[table]
	}
	if slices.Sort(zones); len(zones) == dayTables && zones[0] == zones[dayTables-1] {
		h.zone = zones[0]
	}
	return h, rows.Err()
}

// reach is the days of which a statement may read rows, in the zone that its
// table is partitioned by: days of the daily tables, UTC for the others.
type reach struct {
	first, last billing.Date // zero = from the first, up to the last there are
}

// reachOf is the reach of the instants of a window.
func reachOf(w window) reach {
	return reach{billing.DateOf(w.start.UTC()), billing.DateOf(w.end.UTC().Add(-1))}
}

// rawReach is the reach of the flows that overlap a window: by their ends, which
// may lie long after it.
func rawReach(w window) reach { return reach{first: billing.DateOf(w.start.UTC())} }

// describe writes the parts of a table that hold days in reach, and reports
// whether they tell what the table holds there.
func (h holdings) describe(w io.Writer, table string, in reach) bool {
	parts, known := h.parts[table]
	if !known {
		return false
	}
	for _, p := range parts {
		if in.has(p.partition) {
			fmt.Fprintf(w, "%s %s\n", p.name, p.hash)
		}
	}
	return true
}

// has reports whether a partition may hold days in reach: those of years and of
// months are told by their names, others always do.
func (in reach) has(partition string) bool {
	var layout func(billing.Date) string
	switch len(partition) {
	case len("2006"):
		layout = func(d billing.Date) string { return fmt.Sprintf("%04d", d.Year) }
	case len("200601"):
		layout = func(d billing.Date) string { return fmt.Sprintf("%04d%02d", d.Year, d.Month) }
	default:
		return true
	}
	return (in.first.IsZero() || layout(in.first) <= partition) && (in.last.IsZero() || partition <= layout(in.last))
}
