package report

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

// same compares rows and requests.
var same = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}, serviceKey{})

// record is a flow as a test inserts it.
type record struct {
	end        int64 // Unix seconds, as the table keeps it
	durationMs int64
	exporter   netip.Addr
	direction  flow.Direction
	counted    bool
	host, peer netip.Addr
	protocol   uint8
	service    uint16
	bytes      uint64
	packets    uint64
}

// piece is the part of a record that falls into one quarter hour.
type piece struct {
	record
	quarter int64 // Unix seconds
	Counters
}

// pieces spreads a record by the rule of the accounting: up to the n-th of its
// milliseconds it has used floor(bytes × n ÷ duration). It shares nothing with
// the SQL of the views.
func (r record) pieces() []piece {
	const q = 900_000
	span := max(r.durationMs, 1)
	first := r.end*1000 - r.durationMs
	upTo := func(amount uint64, ms int64) uint64 {
		hi, lo := bits.Mul64(amount, uint64(min(max(ms-first, 0), span)))
		quotient, _ := bits.Div64(hi, lo, uint64(span))
		return quotient
	}
	var list []piece
	for at := first / q * q; at < first+span; at += q {
		p := piece{record: r, quarter: at / 1000}
		octets := upTo(r.bytes, at+q) - upTo(r.bytes, at)
		switch r.direction {
		case flow.Received:
			p.Received = octets
		case flow.Sent:
			p.Sent = octets
		case flow.Internal:
			p.Internal = octets
		case flow.Unmatched:
			p.Unmatched = octets
		}
		p.Packets = upTo(r.packets, at+q) - upTo(r.packets, at)
		if len(list) == 0 {
			p.Flows = 1
		}
		list = append(list, p)
	}
	return list
}

// piecesOf spreads all counted records.
func piecesOf(records []record) []piece {
	var all []piece
	for _, r := range records {
		if r.counted {
			all = append(all, r.pieces()...)
		}
	}
	return all
}

// sumPieces adds up the pieces in a span that match.
func sumPieces(all []piece, start, end time.Time, match func(piece) bool) Counters {
	var total Counters
	for _, p := range all {
		if p.quarter >= start.Unix() && p.quarter < end.Unix() && (match == nil || match(p)) {
			total.add(p.Counters)
		}
	}
	return total
}

func location(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

var (
	router = addr("192.168.1.1")
	modem  = addr("2001:db8:1::1")
)

// households' hosts: of two nested IPv4 networks, of two nested IPv6 ones, of
// none any more, and unmatched traffic.
var hosts = []netip.Addr{
	addr("192.168.1.20"), addr("192.168.1.21"), addr("192.168.50.7"), addr("192.168.255.255"),
	addr("2001:db8:1::20"), addr("2001:db8:1:0:a:b:c:d"), addr("2001:db8:2::9"),
	addr("10.9.9.9"), addr("fd00::1"), netip.IPv6Unspecified(),
}

var peers = []netip.Addr{addr("203.0.113.5"), addr("198.51.100.77"), addr("2606:4700::1111"), addr("9.9.9.9")}

func localNetworks() []site.Network {
	return []site.Network{
		{Prefix: netip.MustParsePrefix("192.168.0.0/16"), Name: "LAN", Metered: true},
		{Prefix: netip.MustParsePrefix("192.168.50.0/24"), Name: "Guest", Metered: false},
		{Prefix: netip.MustParsePrefix("2001:db8::/32"), Name: "=Sites", Metered: true},
		{Prefix: netip.MustParsePrefix("2001:db8:1::/56"), Name: "Home", Metered: false},
	}
}

var protocolsAndServices = []serviceKey{{6, 443}, {17, 443}, {6, 53}, {17, 53}, {6, 0}, {17, 0}, {1, 0}, {50, 0}, {6, 22}, {200, 0}}

// randomRecords are flows of all kinds between two instants, those that end
// at, begin at and span midnights of the zone among them.
func randomRecords(seed uint64, from, to time.Time, n int) []record {
	random := rand.New(rand.NewPCG(seed, 7))
	durations := []int64{0, 1, 999, 1000, 30_000, 300_000, 1_800_000, 6 * 3_600_000, 26 * 3_600_000, 7 * 24 * 3_600_000}
	var list []record
	for i := range n {
		r := record{
			end:      from.Unix() + random.Int64N(to.Unix()-from.Unix()),
			exporter: []netip.Addr{router, modem}[random.IntN(2)],
			counted:  random.IntN(20) != 0,
			host:     hosts[random.IntN(len(hosts))],
			peer:     peers[random.IntN(len(peers))],
			packets:  random.Uint64N(1 << random.IntN(30)),
		}
		r.bytes = r.packets*40 + random.Uint64N(1<<random.IntN(36))
		key := protocolsAndServices[random.IntN(len(protocolsAndServices))]
		r.protocol, r.service = key.protocol, key.service
		r.durationMs = durations[random.IntN(len(durations))]
		if r.durationMs > 1000 {
			r.durationMs = random.Int64N(r.durationMs)
		}
		switch i % 10 {
		case 0: // about a midnight: ends there, begins there, a second either side
			day := billing.DateOf(time.Unix(r.end, 0).In(from.Location())).Start(from.Location())
			r.end = day.Unix() + []int64{0, 1, -1, 3600}[random.IntN(4)]
			r.durationMs = []int64{0, 1000, 3_600_000, 500}[random.IntN(4)]
		case 1:
			r.durationMs = 7 * 24 * 3_600_000
		}
		r.direction = []flow.Direction{flow.Received, flow.Sent, flow.Internal}[random.IntN(3)]
		if r.host == netip.IPv6Unspecified() {
			r.direction = flow.Unmatched
		}
		list = append(list, r)
	}
	return list
}

// database returns a migrated database whose days are those of the zone.
func database(t *testing.T, zone string) driver.Conn {
	t.Helper()
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: zone}); err != nil {
		t.Fatal(err)
	}
	return conn
}

// insert writes records in a few batches, as the ingest would.
func insert(t *testing.T, conn driver.Conn, records []record) {
	t.Helper()
	for chunk := range slices.Chunk(records, 150) {
		asIngest := ch.Context(t.Context(), ch.WithSettings(ch.Settings{"optimize_on_insert": 0}))
		batch, err := conn.PrepareBatch(asIngest, "INSERT INTO flows (end, duration_ms, exporter, origin, direction, counted, host, peer, protocol, service, sampling_rate, bytes, packets)")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range chunk {
			err := batch.Append(time.Unix(r.end, 0).UTC(), uint32(r.durationMs), r.exporter, int8(flow.Import), int8(r.direction), r.counted,
				r.host, r.peer, r.protocol, r.service, uint32(1), r.bytes, r.packets)
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
	}
}

// ledgerRow is what the ingest counted.
type ledgerRow struct {
	at       time.Time
	exporter netip.Addr
	event    string
	count    uint64
}

func insertLedger(t *testing.T, conn driver.Conn, rows ...ledgerRow) {
	t.Helper()
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO ledger (bucket, exporter, event, count)")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := batch.Append(r.at.Truncate(quarter), r.exporter, r.event, r.count); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

// plan is a version of a plan in a zone.
func plan(t *testing.T, zone, renewal string, change func(*billing.Plan)) billing.Plan {
	t.Helper()
	r, err := billing.ParseRenewal(renewal)
	if err != nil {
		t.Fatal(err)
	}
	p := billing.Plan{ID: "home", Name: "Home", Zone: location(t, zone), Renewal: r, Base: billing.Decimal}
	if change != nil {
		change(&p)
	}
	return p
}

func settingsOf(plans ...billing.Plan) *site.Settings {
	return &site.Settings{Lines: []site.Line{{ID: "home", Plans: plans}}, Networks: localNetworks()}
}

// nameMap is Names for tests.
type nameMap map[netip.Addr]string

// Devices knows no MAC: the devices are those of the settings.
func (nameMap) Devices(_ context.Context, stored []site.Device, _, _ time.Time) ([]site.Device, error) {
	return stored, nil
}

func (m nameMap) Then(context.Context, time.Time, time.Time) (func(netip.Addr) (name, source string), error) {
	return m.Name, nil
}

func (m nameMap) Name(a netip.Addr) (name, source string) {
	if m[a] == "" {
		return "", ""
	}
	return m[a], "own"
}

func newReports(t *testing.T, conn driver.Conn, settings *site.Settings, now time.Time) *Reports {
	t.Helper()
	services, err := flow.NewServices()
	if err != nil {
		t.Fatal(err)
	}
	load := func(context.Context) (*site.Settings, error) { return settings, nil }
	names := nameMap{hosts[0]: "=nas", hosts[1]: "tv"}
	return New(conn, load, services, names, func() time.Time { return now })
}

func run(t *testing.T, r *Reports, req Request) *Result {
	t.Helper()
	result, err := r.Run(t.Context(), req)
	if err != nil {
		t.Fatalf("%s %v: %v", req.Kind, req.Query(), err)
	}
	return result
}

func date(y, m, d int) billing.Date { return billing.Date{Year: y, Month: time.Month(m), Day: d} }
