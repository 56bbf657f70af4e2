package deliver

import (
	"math"
	"net/netip"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/uuid"

	"github.com/flattraffic/flattraffic/flow"
)

// batch is what ClickHouse gets as one insert. Its id is its deduplication
// token.
type batch struct {
	id     uuid.UUID
	table  string
	input  proto.Input
	rows   int
	pieces int   // rows, each as often as it covers quarter hours
	fromMs int64 // Unix milliseconds, first packet of the earliest record
	toMs   int64 // Unix milliseconds, just after the end of the latest record

	flows    *flowColumns       // nil for other tables than flows and for batches read from the spool
	sources  map[netip.Addr]int // rows by exporter, to say whose rows were dropped
	replaces []string           // spool files that this batch stands for
}

// maxSources bounds the exporters told apart in a batch; the rows of further
// ones are booked on ::.
const maxSources = 256

// month is the partition of flows a batch belongs to, as a half-open range of
// Unix milliseconds.
type month struct{ fromMs, toMs int64 }

func (m month) has(ms int64) bool { return ms >= m.fromMs && ms < m.toMs }

func monthOf(ms int64) month {
	t := time.UnixMilli(max(ms, 0)).UTC()
	first := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	return month{first.UnixMilli(), first.AddDate(0, 1, 0).UnixMilli()}
}

// newFlowBatch returns an empty batch of flows over the given columns.
func newFlowBatch(cols *flowColumns) *batch {
	return &batch{
		id: uuid.New(), table: flowsTable, flows: cols, input: cols.input(),
		fromMs: math.MaxInt64, toMs: math.MinInt64, sources: map[netip.Addr]int{},
	}
}

// add appends rows that cover so many quarter hours. All rows of a batch lie in
// one month.
func (b *batch) add(rows []Row, pieces int) {
	b.flows.append(rows)
	b.rows += len(rows)
	b.pieces += pieces
	from := 0 // of the rows of one exporter
	for i := range rows {
		r := rows[i].Record
		end := floorSecond(r.EndMs) * 1000
		b.fromMs = min(b.fromMs, end-(r.EndMs-r.StartMs))
		b.toMs = max(b.toMs, end+1000)
		if exporter := rows[from].Record.Exporter; r.Exporter != exporter {
			b.addSource(exporter, i-from)
			from = i
		}
	}
	b.addSource(rows[from].Record.Exporter, len(rows)-from)
}

// piecesOf is how many quarter hours a record covers: as many rows the views
// make of it. A week has 673, so that long records make a batch large for
// ClickHouse that has few rows.
func piecesOf(r *flow.Record) int {
	const quarter = 15 * 60 * 1000
	return int(max(r.EndMs, 0)/quarter-max(r.StartMs, 0)/quarter) + 1
}

// addSource books rows on an exporter.
func (b *batch) addSource(exporter netip.Addr, rows int) {
	if _, known := b.sources[exporter]; !known && len(b.sources) >= maxSources {
		exporter = netip.IPv6Unspecified()
	}
	b.sources[exporter] += rows
}

// month is the month all rows lie in.
func (b *batch) month() month { return monthOf(b.toMs - 1000) }

// from is the start of the earliest record.
func (b *batch) from() time.Time { return time.UnixMilli(b.fromMs).UTC() }

// to is just after the end of the latest record.
func (b *batch) to() time.Time { return time.UnixMilli(b.toMs).UTC() }
