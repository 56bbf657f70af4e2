package report

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
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

// tableMarks tell what a table holds: which table it is, and of which parts its
// partitions are.
type tableMarks struct {
	table      uint64
	partitions []partition // in order
}

type partition struct {
	name string
	mark uint64
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
	var marks map[string]map[string]uint64
	err := together(ctx,
		func(ctx context.Context) error { return r.lookAtTables(ctx, tables, &h) },
		func(ctx context.Context) (err error) { marks, err = r.marks(ctx, tables); return err },
	)
	for table, of := range h.tables {
		for _, name := range slices.Sorted(maps.Keys(marks[table])) {
			of.partitions = append(of.partitions, partition{name, marks[table][name]})
		}
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

// marks tell of which parts the partitions of tables are.
func (r *Reports) marks(ctx context.Context, tables []string) (map[string]map[string]uint64, error) {
	rows, err := r.conn.Query(inTables(ctx, tables), holdingsPartsSQL)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	marks := map[string]map[string]uint64{}
	for rows.Next() {
		var table, partition string
		var mark uint64
		if err := rows.Scan(&table, &partition, &mark); err != nil {
			return nil, err
		}
		if marks[table] == nil {
			marks[table] = map[string]uint64{}
		}
		marks[table][partition] ^= mark
	}
	return marks, rows.Err()
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
	for _, p := range marks.partitions {
		if in.has(p.name) {
			text = binary.BigEndian.AppendUint64(append(append(text, p.name...), ' '), p.mark)
		}
	}
	_, err := w.Write(text)
	return err == nil
}

// has reports whether a partition may hold days in reach: those of years and of
// months are told by their names, others always do.
func (in reach) has(partition string) bool {
	number, err := strconv.Atoi(partition)
	var of func(billing.Date) int
	switch {
	case err == nil && len(partition) == len("2006"):
		of = func(d billing.Date) int { return d.Year }
	case err == nil && len(partition) == len("200601"):
		of = func(d billing.Date) int { return d.Year*100 + int(d.Month) }
	default:
		return true
	}
	return (in.first.IsZero() || of(in.first) <= number) && (in.last.IsZero() || number <= of(in.last))
}
