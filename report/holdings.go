package report

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/flattraffic/flattraffic/billing"
)

// holdings is what the tables of a report held at an instant. Of a table that
// is known by its parts, two holdings with the same marks are the same rows: a
// part never changes.
type holdings struct {
	zone   string                // of the days of the daily tables; empty when they do not agree, and cannot be used
	tables map[string]tableMarks // no entry where parts do not tell what a table holds
}

// tableMarks tell what a table holds: which table it is, and its parts.
type tableMarks struct {
	table uint64
	parts []part // in the order of their marks
}

// part is a part of a table, with the days of its rows as ClickHouse counts days.
type part struct {
	mark        uint64
	first, last uint16 // both 0 = not told
}

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

// lookAtParts asks for tables and parts at the same time: a report waits for it
// before it reads anything.
func (r *Reports) lookAtParts(ctx context.Context, tables []string) (holdings, error) {
	h := holdings{tables: map[string]tableMarks{}}
	var parts map[string][]part
	err := together(ctx,
		func(ctx context.Context) error { return r.lookAtTables(ctx, tables, &h) },
		func(ctx context.Context) (err error) { parts, err = r.parts(ctx, tables); return err },
	)
	for table, of := range h.tables {
		of.parts = parts[table]
		slices.SortFunc(of.parts, func(a, b part) int { return cmp.Compare(a.mark, b.mark) })
		h.tables[table] = of
	}
	return h, err
}

// lookAtTables sets the zone, and the tables that parts tell about.
func (r *Reports) lookAtTables(ctx context.Context, tables []string, h *holdings) error {
	rows, err := r.conn.Query(inTables(ctx, tables), holdingsTablesSQL)
	if err != nil {
		return err
	}
	defer rows.Close()
	var zones []string
	for rows.Next() {
		var table, engine, zone string
		var mark uint64
		if err := rows.Scan(&table, &engine, &zone, &mark); err != nil {
			return err
		}
		if slices.Contains(plainEngines, engine) && slices.Contains(tables, table) {
			h.tables[table] = tableMarks{table: mark}
		}
		if strings.HasPrefix(table, "daily_") {
			zones = append(zones, zone)
		}
	}
	if slices.Sort(zones); len(zones) == dayTables && zones[0] == zones[dayTables-1] {
		h.zone = zones[0]
	}
	return rows.Err()
}

// parts are the parts of tables.
func (r *Reports) parts(ctx context.Context, tables []string) (map[string][]part, error) {
	rows, err := r.conn.Query(inTables(ctx, tables), holdingsPartsSQL)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	parts := map[string][]part{}
	for rows.Next() {
		var table string
		var p part
		if err := rows.Scan(&table, &p.mark, &p.first, &p.last); err != nil {
			return nil, err
		}
		parts[table] = append(parts[table], p)
	}
	return parts, rows.Err()
}

func inTables(ctx context.Context, tables []string) context.Context {
	return ch.Context(ctx, ch.WithParameters(ch.Parameters{"tables": "['" + strings.Join(tables, "','") + "']"}))
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

// describe writes what a table holds of the days in reach, and reports whether
// its parts tell that.
func (h holdings) describe(w io.Writer, table string, in reach) bool {
	marks, known := h.tables[table]
	if !known {
		return false
	}
	text := binary.BigEndian.AppendUint64(nil, marks.table)
	for _, p := range marks.parts {
		if in.has(p) {
			text = binary.BigEndian.AppendUint64(text, p.mark)
		}
	}
	_, err := w.Write(text)
	return err == nil
}

// has reports whether a part may hold days in reach: always where it does not
// tell its days.
func (in reach) has(p part) bool {
	if p.first == 0 && p.last == 0 {
		return true
	}
	return (in.first.IsZero() || number(in.first) <= int(p.last)) && (in.last.IsZero() || int(p.first) <= number(in.last))
}
