package deliver

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/flow"
)

// waiting is a Deliverer with sealed batches of the given numbers of rows that
// cannot be sent. Each batch ends at its own time.
func waiting(t *testing.T, dir string, ends []time.Time, rows int) *Deliverer {
	t.Helper()
	d, err := New(Config{Dir: dir, SpoolLimit: 1 << 30, FlushInterval: time.Hour, BatchRows: 100}, Deps{
		Dial: func(context.Context) (*ch.Client, error) { return nil, errors.New("nobody is there") },
		Log:  slog.New(slog.DiscardHandler), Dropped: func(a netip.Addr, n int) { t.Errorf("%d rows of %s dropped", n, a) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.unlock() })
	for i, end := range ends {
		for j := range rows {
			rec := flow.Record{
				Exporter: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), EndMs: end.UnixMilli(), StartMs: end.UnixMilli() - 1500, ReceivedMs: end.UnixMilli(),
				Src: netip.MustParseAddr("192.168.1.1"), Dst: netip.MustParseAddr("8.8.8.8"), Bytes: uint64(1000*i + j), Packets: 1, SamplingRate: 1,
			}
			d.Append([]Row{{Record: &rec, Ends: flow.Ends{Direction: flow.Sent, Host: rec.Src, Peer: rec.Dst}, Counted: true}})
		}
		d.seal()
	}
	return d
}

// queued tells the rows of the queue's batches.
func queued(d *Deliverer) (rows []int) {
	for _, e := range d.queue {
		rows = append(rows, e.rows)
	}
	return rows
}

var (
	november = time.Date(2026, 11, 30, 23, 59, 59, 0, time.UTC)
	december = november.Add(time.Second)
)

// Batches are joined up to a large batch's rows, within one month, and never
// with one that was sent.
func TestMergeBounds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ends   []time.Time
		rows   int
		change func(*Deliverer)
		want   []int // rows of the queue's batches
	}{
		{name: "all", ends: []time.Time{november, november, november}, rows: 30, want: []int{90}},
		{name: "only as many as fit", ends: []time.Time{november, november, november}, rows: 40, want: []int{80, 40}},
		{name: "large ones stay", ends: []time.Time{november, november}, rows: 90, want: []int{90, 90}},
		{name: "month's end", ends: []time.Time{november, november, december}, rows: 10, want: []int{20, 10}},
		{
			name: "the head was sent", ends: []time.Time{november, november, november}, rows: 10,
			change: func(d *Deliverer) { d.queue[0].state = sent }, want: []int{10, 10, 10},
		},
		{
			name: "another was sent", ends: []time.Time{november, november, november}, rows: 10,
			change: func(d *Deliverer) { d.queue[2].state = sent }, want: []int{20, 10},
		},
		{
			name: "another table", ends: []time.Time{november, november, november}, rows: 10,
			change: func(d *Deliverer) { d.queue[1].table = "ledger" }, want: []int{10, 10, 10},
		},
		{
			name: "one has no file", ends: []time.Time{november, november, november}, rows: 10,
			change: func(d *Deliverer) { d.queue[2].file = "" }, want: []int{20, 10},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := waiting(t, t.TempDir(), tt.ends, tt.rows)
			if tt.change != nil {
				tt.change(d)
			}
			(&sender{Deliverer: d}).merge()
			if diff := cmp.Diff(tt.want, queued(d)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A process that dies between writing the joint batch and removing the single
// ones leaves each row once, none changed.
func TestMergeOutlivesACrash(t *testing.T) {
	dir := t.TempDir()
	d := waiting(t, dir, []time.Time{november, november.Add(-time.Minute), november}, 20)
	var names []string
	for _, e := range d.queue {
		names = append(names, e.file)
	}
	(&sender{Deliverer: d}).merge()
	files, err := filepath.Glob(filepath.Join(dir, "*"+endingUnsent))
	if err != nil || len(files) != 4 {
		t.Fatalf("got files %v (%v), want the three single ones and the joint one", files, err)
	}
	d.unlock()

	next := waiting(t, dir, nil, 0)
	if diff := cmp.Diff([]int{60}, queued(next)); diff != "" {
		t.Fatal(diff)
	}
	e := next.queue[0]
	if slices.Contains(names, e.file) {
		t.Errorf("%s was kept, want the joint batch", e.file)
	}
	b, err := next.spool.load(e.file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[netip.Addr]int{netip.MustParseAddr("10.0.0.0"): 20, netip.MustParseAddr("10.0.0.1"): 20, netip.MustParseAddr("10.0.0.2"): 20}
	if diff := cmp.Diff(want, b.sources, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if got, want := b.from(), november.Add(-time.Minute-1500*time.Millisecond); !got.Equal(want) {
		t.Errorf("begins %s, want %s", got, want)
	}
	if got, want := b.to(), december; !got.Equal(want) {
		t.Errorf("ends %s, want %s", got, want)
	}
	again := newFlowBatch(new(flowColumns))
	line, body, err := next.encoder.encode(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.take(append(line, body...), new(flowColumns)); err != nil {
		t.Fatal(err)
	}
	for i, got := range again.flows.bytes {
		if want := uint64(1000*(i/20) + i%20); got != want {
			t.Errorf("row %d has %d bytes, want %d", i, got, want)
		}
	}
}

// A batch for another table that ClickHouse refuses for ever is set aside in
// the end; flows never are.
func TestHopelessBatches(t *testing.T) {
	for _, tt := range []struct {
		name  string
		table string
		tries int
		want  bool
	}{
		{"few tries", "ledger", maxTries - 1, false},
		{"many tries", "ledger", maxTries, true},
		{"flows", flowsTable, 1000 * maxTries, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := waiting(t, t.TempDir(), []time.Time{november}, 10)
			e := d.queue[0]
			e.table, e.tries = tt.table, tt.tries
			s := &sender{Deliverer: d}
			if got := s.hopeless(e, errors.New("no such table")); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			files, err := filepath.Glob(filepath.Join(d.cfg.Dir, "*"+endingCorrupt))
			if err != nil || (len(files) == 1) != tt.want {
				t.Errorf("files set aside: %v (%v)", files, err)
			}
		})
	}
}
