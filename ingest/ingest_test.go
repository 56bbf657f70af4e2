package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

// site settings that a test can change while the ingest runs.
type settings struct {
	mu  sync.Mutex
	now *site.Settings
	err error
}

func (s *settings) set(now *site.Settings, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.err = now, err
}

func (s *settings) load(context.Context) (*site.Settings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.err
}

func defaultSettings() *site.Settings {
	var s site.Settings
	for _, p := range flow.DefaultLocal() {
		s.Networks = append(s.Networks, site.Network{Prefix: p, Metered: true})
	}
	return &s
}

// database returns a fresh database with all tables.
func database(t *testing.T) (driver.Conn, string) {
	t.Helper()
	conn, dsn := clickhousetest.Database(t)
	migrate(t, conn, dsn)
	return conn, dsn
}

func migrate(t *testing.T, conn driver.Conn, dsn string) {
	t.Helper()
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: "Pacific/Auckland"}); err != nil {
		t.Fatal(err)
	}
}

// service is a running ingest and a router that exports to it.
type service struct {
	*ingest.Ingest

	conn   driver.Conn
	stop   func()
	router *router
}

// options of start; zero fields get defaults.
type options struct {
	conn     driver.Conn
	dsn      string
	dir      string
	shards   []ingest.Shard // instead of conn and dsn
	settings *settings
	config   ingest.Config
	registry prometheus.Registerer
}

func newIngest(t *testing.T, o *options) *ingest.Ingest {
	t.Helper()
	if o.dir == "" {
		o.dir = t.TempDir()
	}
	if o.shards == nil {
		o.shards = []ingest.Shard{shard(o.dsn, o.conn)}
	}
	if o.settings == nil {
		o.settings = &settings{now: defaultSettings()}
	}
	cfg := o.config
	cfg.DataDir = o.dir
	if cfg.NetFlow == nil {
		cfg.NetFlow = []string{"127.0.0.1:0"}
	}
	if cfg.FlushInterval == 0 {
		cfg.FlushInterval = 50 * time.Millisecond
	}
	if cfg.SpoolLimit == 0 {
		cfg.SpoolLimit = 1 << 30
	}
	cfg.Workers = 2
	in, err := ingest.New(cfg, ingest.Deps{
		Shards: o.shards, Conn: o.conn, Settings: o.settings.load, Registry: o.registry, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func start(t *testing.T, o options) *service {
	t.Helper()
	s := &service{Ingest: newIngest(t, &o), conn: o.conn}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
	waitFor(t, "the ingest to listen", func() bool { return len(s.Health().Listening) > 0 })
	s.router = newRouter(t, s.Health().Listening[0], "127.0.0.1")
	return s
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, 90*time.Second, what, ok)
}

func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// router exports NetFlow v5 from an address of this machine and keeps sums of
// what it exported.
type router struct {
	t        *testing.T
	conn     net.Conn
	random   *rand.Rand
	boot     time.Time
	sequence uint32
	sent     sums
}

// sums are what must be the same everywhere.
type sums struct {
	Records, Received, Sent, Internal, Unmatched, Packets uint64
}

func (s *sums) add(o sums) {
	s.Records += o.Records
	s.Received += o.Received
	s.Sent += o.Sent
	s.Internal += o.Internal
	s.Unmatched += o.Unmatched
	s.Packets += o.Packets
}

func newRandom() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func newRouter(t *testing.T, to netip.AddrPort, from string) *router {
	t.Helper()
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
	conn, err := d.DialContext(t.Context(), "udp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &router{t: t, conn: conn, random: newRandom(), boot: time.Now().Add(-100 * time.Hour)}
}

func (r *router) write(datagram []byte) {
	if _, err := r.conn.Write(datagram); err != nil {
		r.t.Error(err)
	}
}

// export sends one datagram of random records.
func (r *router) export(records int) {
	payload, holds := r.datagram(records, func(int, *decodetest.V5Record) {})
	r.sent.add(holds)
	r.write(payload)
}

// datagram makes the next datagram, of random records that change may change,
// and says what they add up to.
func (r *router) datagram(records int, change func(i int, rec *decodetest.V5Record)) ([]byte, sums) {
	now := time.Now()
	uptime := now.Sub(r.boot)
	p := decodetest.V5{Uptime: uptime, Time: now, Sequence: r.sequence}
	var holds sums
	for i := range records {
		src, srcLocal := r.address()
		dst, dstLocal := r.address()
		last := uptime - time.Duration(r.random.Int64N(int64(time.Minute)))
		rec := decodetest.V5Record{
			Src: src, Dst: dst, In: uint16(1 + r.random.IntN(2)), Out: 3, Packets: 1 + r.random.Uint32N(1<<16), Octets: 1 + r.random.Uint32N(1<<31),
			First: last - time.Duration(r.random.Int64N(int64(2*time.Hour))), Last: last,
			SrcPort: uint16(r.random.IntN(1 << 16)), DstPort: 443, Protocol: 6,
		}
		change(i, &rec)
		p.Records = append(p.Records, rec)
		holds.Records++
		holds.Packets += uint64(rec.Packets)
		switch octets := uint64(rec.Octets); {
		case srcLocal && dstLocal:
			holds.Internal += octets
		case srcLocal:
			holds.Sent += octets
		case dstLocal:
			holds.Received += octets
		default:
			holds.Unmatched += octets
		}
	}
	r.sequence += uint32(records)
	return p.Bytes(), holds
}

func (r *router) address() (a netip.Addr, local bool) {
	if r.random.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{192, 168, 1, byte(r.random.IntN(60))}), true
	}
	return netip.AddrFrom4([4]byte{8, 8, byte(r.random.IntN(4)), byte(r.random.IntN(250))}), false
}

// check compares flows and the rollups with what was exported.
func check(t *testing.T, conn driver.Conn, want sums) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	queries := map[string]string{"flows": `SELECT count(), sumIf(bytes, direction = 'received'), sumIf(bytes, direction = 'sent'),
		sumIf(bytes, direction = 'internal'), sumIf(bytes, direction = 'unmatched'), sum(packets) FROM flows WHERE counted`}
	for _, table := range []string{"usage_15m", "daily_total", "daily_host", "daily_protocol", "daily_host_protocol", "daily_peer"} {
		queries[table] = "SELECT sum(flows), sum(received), sum(sent), sum(internal), sum(unmatched), sum(packets) FROM " + table
	}
	for table, q := range queries {
		var got sums
		if err := conn.QueryRow(ctx, q).Scan(&got.Records, &got.Received, &got.Sent, &got.Internal, &got.Unmatched, &got.Packets); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s differs (-want +got):\n%s", table, diff)
		}
	}
}

func number(t *testing.T, conn driver.Conn, query string) (n uint64) {
	t.Helper()
	if err := conn.QueryRow(context.WithoutCancel(t.Context()), "SELECT toUInt64("+query+")").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// counted returns a count of the ledger.
func counted(t *testing.T, conn driver.Conn, exporter, event string) uint64 {
	t.Helper()
	return number(t, conn, fmt.Sprintf("(SELECT sum(count) FROM ledger WHERE exporter = toIPv6('%s') AND event = '%s')", exporter, event))
}

// Random records come to the byte from the socket to every rollup, and the
// ledger says how many.
func TestExactFromSocketToRollups(t *testing.T) {
	conn, dsn := database(t)
	leaks := goleak.IgnoreCurrent()
	own, err := clickhouse.Connect(dsn) // what it opens is closed, too
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, options{conn: own, dsn: dsn})
	const datagrams = 400
	for i := range datagrams {
		s.router.export(1 + i%30)
		if i%20 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	waitFor(t, "all records", func() bool { return number(t, conn, "(SELECT count() FROM flows)") == s.router.sent.Records })
	if err := s.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	s.stop()
	check(t, conn, s.router.sent)
	if got := counted(t, conn, "127.0.0.1", "datagrams"); got != datagrams {
		t.Errorf("the ledger has %d datagrams, want %d", got, datagrams)
	}
	if got := counted(t, conn, "127.0.0.1", "records"); got != s.router.sent.Records {
		t.Errorf("the ledger has %d records, want %d", got, s.router.sent.Records)
	}
	if got := counted(t, conn, "127.0.0.1", "lost_records"); got != 0 {
		t.Errorf("the ledger has %d lost records, want none", got)
	}
	if s.Ready() == nil {
		t.Error("still ready after the end")
	}
	s.router.conn.Close()
	if err := own.Close(); err != nil {
		t.Error(err)
	}
	// The engine takes its time to close its end of a connection.
	waitFor(t, "every goroutine to end", func() bool { return goleak.Find(leaks) == nil })
}

// What was read when the program is told to stop is not lost.
func TestStopKeepsWhatWasRead(t *testing.T) {
	conn, dsn := database(t)
	registry := prometheus.NewRegistry()
	s := start(t, options{conn: conn, dsn: dsn, config: ingest.Config{FlushInterval: time.Hour}, registry: registry})
	for range 100 {
		s.router.export(10)
	}
	waitFor(t, "all datagrams", func() bool { return metric(t, registry, "flattraffic_datagrams_received_total") == 100 })
	s.stop()
	check(t, conn, s.router.sent)
}

// metric returns the sum of a metric's series.
func metric(t *testing.T, registry *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// The ingest stops while ClickHouse is away; the next run delivers what it
// left, the ledger included.
func TestSpoolAndLedgerOutliveARestart(t *testing.T) {
	conn, dsn := database(t)
	dir := t.TempDir()
	first := start(t, options{conn: conn, dsn: "clickhouse://nobody@127.0.0.1:1/none", dir: dir})
	for range 50 {
		first.router.export(10)
	}
	waitFor(t, "the outage to be seen", func() bool { return !first.Health().AwaySince.IsZero() })
	if err := first.Ready(); err == nil || !strings.Contains(err.Error(), "ClickHouse has not taken flows") {
		t.Errorf("got readiness %v, want the outage", err)
	}
	time.Sleep(200 * time.Millisecond)
	first.stop()
	check(t, conn, sums{})

	second := start(t, options{conn: conn, dsn: dsn, dir: dir})
	waitFor(t, "the spool to drain", func() bool { return second.Health().SpoolBatches == 0 })
	second.stop()
	check(t, conn, first.router.sent)
	if got := counted(t, conn, "127.0.0.1", "records"); got != first.router.sent.Records {
		t.Errorf("the ledger has %d records, want %d", got, first.router.sent.Records)
	}
}

// template is one of a router that says MACs.
var template = decodetest.NewTemplate(300, 8, 12, 7, 11, 4, 1, 2, 21, 22, 10, 14, 56, 80)

func v9(sequence uint32, add func(m *decodetest.Message)) []byte {
	m := &decodetest.Message{Version: 9, Uptime: time.Hour, Time: time.Now(), Sequence: sequence, Domain: 1}
	add(m)
	return m.Bytes()
}

func v9Record(host string, octets int) []byte {
	mac := []byte{2, 0, 0, 0, 0, 20}
	ms := int(time.Hour.Milliseconds())
	return template.Record(netip.MustParseAddr(host), netip.MustParseAddr("8.8.8.8"), 50000, 443, 6, octets, 3, ms-2000, ms-1000, 1, 2, mac, []byte{2, 0, 0, 0, 0, 1})
}

// Templates, first sightings and settings outlive a restart; what is known of
// exporters and of addresses is in the tables.
func TestStateOutlivesARestart(t *testing.T) {
	conn, dsn := database(t)
	dir := t.TempDir()
	first := start(t, options{conn: conn, dsn: dsn, dir: dir})
	first.router.write(v9(1, func(m *decodetest.Message) { m.Templates(template).Data(template, v9Record("192.168.1.20", 1000)) }))
	waitFor(t, "the first record", func() bool { return number(t, conn, "(SELECT count() FROM flows)") == 1 })
	first.stop()
	if got := number(t, conn, "(SELECT count() FROM addresses WHERE address = toIPv6('192.168.1.20') AND mac = 0x020000000014)"); got != 1 {
		t.Errorf("got %d rows of the address with its MAC, want 1", got)
	}

	// The second run finds a row that says the exporter is known for long.
	err := conn.Exec(t.Context(), "INSERT INTO exporter_state (exporter, first_seen, last_seen, changed_at) VALUES ('127.0.0.1', '2026-01-01 00:00:00', '2026-01-02 00:00:00', '2026-01-02 00:00:00')")
	if err != nil {
		t.Fatal(err)
	}
	second := start(t, options{conn: conn, dsn: dsn, dir: dir})
	second.router.write(v9(2, func(m *decodetest.Message) { m.Data(template, v9Record("192.168.1.20", 234)) }))
	waitFor(t, "the second record", func() bool { return number(t, conn, "(SELECT sum(bytes) FROM flows)") == 1234 })
	waitFor(t, "the exporter's state", func() bool {
		return number(t, conn, "(SELECT count() FROM exporter_state FINAL WHERE templates = 1 AND last_seen > now() - 600)") == 1
	})
	second.stop()
	var firstSeen time.Time
	var origin string
	var interfaces []uint32
	err = conn.QueryRow(t.Context(), "SELECT first_seen, origin, interfaces FROM exporter_state FINAL WHERE exporter = toIPv6('127.0.0.1')").Scan(&firstSeen, &origin, &interfaces)
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); !firstSeen.Equal(want) || origin != "netflow9" || !cmp.Equal(interfaces, []uint32{1, 2}) {
		t.Errorf("got first seen %s, origin %s, interfaces %v", firstSeen, origin, interfaces)
	}
}

// Networks and exporters are as the user has set them, changes included; a
// restart that cannot read the settings goes on with the last ones.
func TestSettingsAreObeyed(t *testing.T) {
	conn, dsn := database(t)
	dir := t.TempDir()
	mine := defaultSettings()
	mine.Networks = append(mine.Networks, site.Network{Prefix: netip.MustParsePrefix("8.8.0.0/16")})
	mine.Exporters = []site.Exporter{{Address: netip.MustParseAddr("127.0.0.1"), CountInterfaces: []uint32{1}}}
	mine.Display.AllowListOnly = true
	set := &settings{now: mine}
	s := start(t, options{conn: conn, dsn: dsn, dir: dir, settings: set})
	stranger := newRouter(t, s.Health().Listening[0], "127.0.0.2")
	for range 20 {
		s.router.export(10)
		stranger.export(1)
	}
	waitFor(t, "all records", func() bool { return number(t, conn, "(SELECT count() FROM flows)") == s.router.sent.Records })
	if got := number(t, conn, "(SELECT countIf(direction != 'internal') FROM flows)"); got != 0 {
		t.Errorf("%d records are not internal though every address is ours", got)
	}
	if got := number(t, conn, "(SELECT countIf(counted != (in_if = 1)) FROM flows)"); got != 0 {
		t.Errorf("%d records count though their interface should not, or the other way round", got)
	}
	uncounted := number(t, conn, "(SELECT countIf(NOT counted) FROM flows)")

	blocked := defaultSettings()
	blocked.Exporters = []site.Exporter{{Address: netip.MustParseAddr("127.0.0.1"), Blocked: true}}
	set.set(blocked, nil)
	before := s.router.sent.Records
	waitFor(t, "the stranger to be let in", func() bool {
		stranger.export(1)
		time.Sleep(50 * time.Millisecond)
		return number(t, conn, "(SELECT count() FROM flows WHERE exporter = toIPv6('127.0.0.2'))") > 0
	})
	s.router.export(10)
	time.Sleep(200 * time.Millisecond)
	s.stop()
	if got := number(t, conn, "(SELECT count() FROM flows WHERE exporter = toIPv6('127.0.0.1'))"); got != before {
		t.Errorf("got %d records of the blocked exporter, want the %d from before", got, before)
	}
	if got := counted(t, conn, "127.0.0.1", "blocked"); got != 1 {
		t.Errorf("the ledger has %d blocked datagrams of the blocked exporter, want 1", got)
	}
	if got := counted(t, conn, "127.0.0.2", "blocked"); got < 20 {
		t.Errorf("the ledger has %d blocked datagrams of the stranger, want at least 20", got)
	}
	if got := counted(t, conn, "127.0.0.1", "uncounted"); got != uncounted || got == 0 {
		t.Errorf("the ledger has %d uncounted records, want %d", got, uncounted)
	}

	set.set(nil, errors.New("ClickHouse is away"))
	again := start(t, options{conn: conn, dsn: dsn, dir: dir, settings: set})
	again.router.export(10)
	time.Sleep(200 * time.Millisecond)
	again.stop()
	if got := counted(t, conn, "127.0.0.1", "blocked"); got != 2 {
		t.Errorf("the ledger has %d blocked datagrams after the restart, want 2", got)
	}
}

func TestStartErrorsSayTheRemedy(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	taken, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		o    options
		want string
	}{
		{"port taken", options{config: ingest.Config{NetFlow: []string{taken.LocalAddr().String()}}}, "another program already listens on UDP"},
		{"data is a file", options{dir: file}, "choose another with --data"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.conn, tt.o.dsn = conn, dsn
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err := newIngest(t, &tt.o).Run(ctx)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got error %v, want one line with %q", err, tt.want)
			}
		})
	}
}

// The metrics of the contract are there.
func TestMetrics(t *testing.T) {
	conn, dsn := database(t)
	registry := prometheus.NewPedanticRegistry()
	s := start(t, options{conn: conn, dsn: dsn, registry: registry})
	s.router.write(v9(1, func(m *decodetest.Message) { m.Templates(template).Data(template, v9Record("192.168.1.20", 1000)) }))
	s.router.write([]byte("not a flow export"))
	waitFor(t, "the state of the exporter", func() bool { return metric(t, registry, "flattraffic_templates") == 1 })
	waitFor(t, "the insert", func() bool { return metric(t, registry, "flattraffic_rows_inserted_total") > 0 })
	for name, want := range map[string]float64{
		"flattraffic_datagrams_received_total": 2, "flattraffic_datagrams_dropped_total": 1, "flattraffic_records_decoded_total": 1,
		"flattraffic_templates": 1, "flattraffic_clickhouse_away_seconds": 0,
	} {
		if got := metric(t, registry, name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
	}
	for _, name := range []string{"flattraffic_insert_seconds", "flattraffic_spool_bytes", "flattraffic_clock_offset_seconds"} {
		if !names[name] {
			t.Errorf("%s is missing", name)
		}
	}
}
