package deliver

import (
	"math"
	"net/netip"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/uuid"
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

// add appends a row. All rows of a batch lie in one month.
func (b *batch) add(row *Row) {
	b.flows.append(row)
	b.rows++
	b.pieces += piecesOf(row)
	end := floorSecond(row.Record.EndMs) * 1000
	b.fromMs = min(b.fromMs, end-(row.Record.EndMs-row.Record.StartMs))
	b.toMs = max(b.toMs, end+1000)
	b.addSource(row.Record.Exporter, 1)
}

// piecesOf is how many quarter hours a record covers: as many rows the views
// make of it. A week has 673, so that long records make a batch large for
// ClickHouse that has few rows.
func piecesOf(row *Row) int {
	const quarter = 15 * 60 * 1000
	return int(max(row.Record.EndMs, 0)/quarter-max(row.Record.StartMs, 0)/quarter) + 1
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
