package deliver_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/deliver"
	"github.com/flattraffic/flattraffic/schema"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

// migrate makes the tables.
func migrate(t *testing.T, conn driver.Conn, dsn string) {
	t.Helper()
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: "Pacific/Auckland"}); err != nil {
		t.Fatal(err)
	}
}

// database returns a fresh database with the tables, and how to reach it.
func database(t *testing.T) (driver.Conn, deliver.DialFunc) {
	t.Helper()
	conn, dsn := clickhousetest.Database(t)
	migrate(t, conn, dsn)
	dial, err := deliver.Dialer(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return conn, dial
}

// away is a ClickHouse that does not answer.
func away(context.Context) (*ch.Client, error) { return nil, errors.New("nobody is there") }

// harness runs a Deliverer and records what it reports.
type harness struct {
	*deliver.Deliverer

	stop func() // ends the run and waits

	mu         sync.Mutex
	dropped    map[string]int
	reconciled [][2]time.Time
}

func run(t *testing.T, cfg deliver.Config, deps deliver.Deps) *harness {
	t.Helper()
	h := &harness{dropped: map[string]int{}}
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.SpoolLimit == 0 {
		cfg.SpoolLimit = 1 << 30
	}
	if cfg.FlushInterval == 0 {
		cfg.FlushInterval = 50 * time.Millisecond
	}
	if cfg.StopTimeout == 0 {
		cfg.StopTimeout = 2 * time.Minute // the machine may be busy
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	deps.Dropped = h.noteDrop
	if deps.Reconcile == nil {
		deps.Reconcile = func(_ context.Context, from, to time.Time) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.reconciled = append(h.reconciled, [2]time.Time{from, to})
			return nil
		}
	}
	var err error
	if h.Deliverer, err = deliver.New(cfg, deps); err != nil {
		t.Fatal(err)
	}
	if err := h.Open(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(h.stop)
	return h
}

// sums are what must be the same everywhere.
type sums struct {
	Rows, Received, Sent, Internal, Unmatched, Packets uint64
}

func (s *sums) add(rows []deliver.Row) {
	for _, r := range rows {
		if !r.Counted {
			continue
		}
		s.Rows++
		s.Packets += r.Record.Packets
		switch r.Ends.Direction {
		case flow.Received:
			s.Received += r.Record.Bytes
		case flow.Sent:
			s.Sent += r.Record.Bytes
		case flow.Internal:
			s.Internal += r.Record.Bytes
		case flow.Unmatched:
			s.Unmatched += r.Record.Bytes
		}
	}
}

// check compares flows and the rollups with what was appended.
func check(t *testing.T, conn driver.Conn, want sums) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	raw := `SELECT count(), sumIf(bytes, direction = 'received'), sumIf(bytes, direction = 'sent'), sumIf(bytes, direction = 'internal'),
		sumIf(bytes, direction = 'unmatched'), sum(packets) FROM flows WHERE counted`
	got := map[string]sums{}
	var s sums
	if err := conn.QueryRow(ctx, raw).Scan(&s.Rows, &s.Received, &s.Sent, &s.Internal, &s.Unmatched, &s.Packets); err != nil {
		t.Fatal(err)
	}
	got["flows"] = s
	for _, table := range []string{"usage_15m", "daily_total", "daily_host", "daily_protocol"} {
		var s sums
		q := "SELECT sum(flows), sum(received), sum(sent), sum(internal), sum(unmatched), sum(packets) FROM " + table
		if err := conn.QueryRow(ctx, q).Scan(&s.Rows, &s.Received, &s.Sent, &s.Internal, &s.Unmatched, &s.Packets); err != nil {
			t.Fatal(err)
		}
		got[table] = s
	}
	for table, s := range got {
		if diff := cmp.Diff(want, s); diff != "" {
			t.Errorf("%s differs (-want +got):\n%s", table, diff)
		}
	}
}

// randomRows are records of a household around a time, some long, some not
// counted.
func randomRows(t *testing.T, r *rand.Rand, n int, around time.Time) []deliver.Row {
	t.Helper()
	services, err := flow.NewServices()
	if err != nil {
		t.Fatal(err)
	}
	classifier := flow.NewClassifier(flow.DefaultLocal(), services)
	address := func() netip.Addr {
		switch r.IntN(4) {
		case 0:
			return netip.AddrFrom4([4]byte{192, 168, 1, byte(r.IntN(60))})
		case 1:
			return netip.AddrFrom4([4]byte{8, 8, byte(r.IntN(4)), byte(r.IntN(256))})
		case 2:
			return netip.AddrFrom16([16]byte{0xfd, 15: byte(r.IntN(60))})
		}
		return netip.AddrFrom16([16]byte{0x20, 0x01, 15: byte(r.IntN(256))})
	}
	rows := make([]deliver.Row, n)
	for i := range rows {
		end := around.UnixMilli() - r.Int64N(3600_000)
		rec := flow.Record{
			Exporter: netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + r.IntN(3))}), Origin: flow.NetFlow9,
			ReceivedMs: around.UnixMilli(), StartMs: end - r.Int64N(7200_000), EndMs: end,
			Src: address(), Dst: address(), SrcPort: uint16(r.IntN(65536)), DstPort: 443, Protocol: 6,
			Bytes: r.Uint64N(1 << 32), Packets: r.Uint64N(1 << 20), SamplingRate: 1,
		}
		rows[i] = deliver.Row{Record: &rec, Ends: classifier.Classify(&rec), Counted: r.IntN(10) > 0}
	}
	return rows
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 90 s for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// spoolFiles lists the spool's files with an ending.
func spoolFiles(t *testing.T, dir, ending string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+ending))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var newYear = time.Date(2027, 1, 1, 0, 10, 0, 0, time.UTC)

// Random records, on both sides of a month's and year's end, come to the byte
// to flows and every rollup, and leave no file and no goroutine.
func TestExactToTheByte(t *testing.T) {
	conn, dial := database(t)
	dir := t.TempDir()
	leaks := goleak.IgnoreCurrent()
	h := run(t, deliver.Config{Dir: dir, BatchRows: 3000}, deliver.Deps{Dial: dial})
	r := rand.New(rand.NewPCG(1, 2))
	var want sums
	for range 200 {
		rows := randomRows(t, r, 1+r.IntN(100), newYear)
		want.add(rows)
		h.Append(rows)
	}
	h.stop()
	check(t, conn, want)
	if files := append(spoolFiles(t, dir, ".batch"), spoolFiles(t, dir, ".sent")...); len(files) > 0 {
		t.Errorf("files are left: %v", files)
	}
	// The engine takes its time to close its end of a connection.
	waitFor(t, "every goroutine to end", func() bool { return goleak.Find(leaks) == nil })
}

// Every column of flows gets its value.
func TestColumns(t *testing.T) {
	conn, dial := database(t)
	h := run(t, deliver.Config{}, deliver.Deps{Dial: dial})
	rec := flow.Record{
		Exporter: netip.MustParseAddr("10.0.0.1"), Origin: flow.IPFIX, Observed: flow.Egress,
		ReceivedMs: 1795000002_500, StartMs: 1795000000_900, EndMs: 1795000001_950,
		Src: netip.MustParseAddr("192.168.1.20"), Dst: netip.MustParseAddr("2001:db8::1"), SrcPort: 50000, DstPort: 443, Protocol: 6,
		Bytes: 1 << 40, Packets: 1 << 33, SamplingRate: 128, InIf: 3, OutIf: 4, SrcMAC: 0x0000aabbccddeeff, DstMAC: 0x112233445566,
		SrcAS: 64512, DstAS: 15169, VLAN: 7, TCPFlags: 0x1b, TOS: 0xb8, ICMPType: 8, ICMPCode: 1, TimeFixed: true,
	}
	ends := flow.Ends{
		Direction: flow.Sent, Host: rec.Src, Peer: rec.Dst, HostPort: rec.SrcPort, PeerPort: rec.DstPort, HostMAC: rec.SrcMAC, PeerMAC: rec.DstMAC,
		HostAS: rec.SrcAS, PeerAS: rec.DstAS, UnmatchedDst: netip.IPv6Unspecified(), Service: 443,
	}
	h.Append([]deliver.Row{{Record: &rec, Ends: ends, Counted: false}})
	h.stop()
	var got string
	err := conn.QueryRow(t.Context(), `SELECT arrayStringConcat([toString(toUnixTimestamp(end)), toString(toUnixTimestamp64Milli(start)), toString(toUnixTimestamp(received_at)),
		toString(duration_ms), toString(exporter), toString(origin), toString(in_if), toString(out_if), toString(flow_direction), toString(direction), toString(counted),
		toString(host), toString(peer), toString(host_port), toString(peer_port), toString(unmatched_dst), toString(protocol), toString(service),
		toString(icmp_type), toString(icmp_code), toString(tcp_flags), toString(tos), toString(vlan), MACNumToString(host_mac), MACNumToString(peer_mac),
		toString(host_as), toString(peer_as), toString(sampling_rate), toString(time_fixed), toString(bytes), toString(packets)], ' ') FROM flows`).Scan(&got)
	if err != nil {
		t.Fatal(err)
	}
	want := "1795000001 1794999999950 1795000002 1050 ::ffff:10.0.0.1 ipfix 3 4 egress sent false ::ffff:192.168.1.20 2001:db8::1 50000 443 :: 6 443 " +
		"8 1 27 184 7 AA:BB:CC:DD:EE:FF 11:22:33:44:55:66 64512 15169 128 true 1099511627776 8589934592"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// On a quiet network the last flow becomes visible without another one coming.
func TestLastFlowIsVisibleSoon(t *testing.T) {
	conn, dial := database(t)
	h := run(t, deliver.Config{FlushInterval: time.Second}, deliver.Deps{Dial: dial})
	rows := randomRows(t, rand.New(rand.NewPCG(3, 4)), 1, newYear)
	h.Append(rows)
	waitFor(t, "the flow to be visible, though no other one comes", func() bool {
		var n uint64
		if err := conn.QueryRow(t.Context(), "SELECT count() FROM flows").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 1
	})
}

func TestConfigErrors(t *testing.T) {
	good := deliver.Config{Dir: t.TempDir(), FlushInterval: time.Second, SpoolLimit: 1}
	deps := deliver.Deps{Dial: away, Log: slog.New(slog.DiscardHandler), Dropped: func(netip.Addr, int) {}}
	for _, tt := range []struct {
		name string
		cfg  func(*deliver.Config)
		want string
	}{
		{"no directory", func(c *deliver.Config) { c.Dir = "" }, "no spool directory"},
		{"no interval", func(c *deliver.Config) { c.FlushInterval = 0 }, "flush interval 0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good
			tt.cfg(&cfg)
			if _, err := deliver.New(cfg, deps); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
}

func (h *harness) noteDrop(exporter netip.Addr, rows int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dropped[exporter.String()] += rows
}

func (h *harness) reconciliations() [][2]time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.reconciled)
}

func count(t *testing.T, conn driver.Conn, table string) (n uint64) {
	t.Helper()
	if err := conn.QueryRow(context.WithoutCancel(t.Context()), "SELECT count() FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// noRepairTables checks that settling a batch left nothing behind.
func noRepairTables(t *testing.T, conn driver.Conn) {
	t.Helper()
	if n := count(t, conn, "system.tables WHERE database = currentDatabase() AND name LIKE 'flows_repair%'"); n != 0 {
		t.Errorf("%d repair tables are left", n)
	}
}

// timestamp is a time as a literal of SQL's toDateTime.
func timestamp(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

// Records of a week make the views write hundreds of rows each. They go in
// small batches, or one insert would need more memory than ClickHouse may have,
// and fail for ever.
func TestLongRecordsGoInSmallBatches(t *testing.T) {
	conn, dial := database(t)
	var mu sync.Mutex
	var largest, inserts int
	h := run(t, deliver.Config{BatchRows: 30_000}, deliver.Deps{Dial: dial, Inserted: func(_ string, rows int, _ time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		largest, inserts = max(largest, rows), inserts+1
	}})
	rows := randomRows(t, rand.New(rand.NewPCG(21, 22)), 500, newYear.Add(20*24*time.Hour))
	for i := range rows {
		rows[i].Record.StartMs = rows[i].Record.EndMs - flow.MaxSpan.Milliseconds()
	}
	h.Append(rows) // at once, as from one datagram
	h.stop()
	var want sums
	want.add(rows)
	check(t, conn, want)
	if most := 30_000/672 + 1; largest > most || inserts < len(rows)/most {
		t.Errorf("the largest of %d inserts had %d records of 673 quarter hours, want at most %d", inserts, largest, most)
	}
}
