package schema_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/schema"
)

// row is a raw flow as the tests insert it.
type row struct {
	end             int64 // Unix seconds
	durationMs      uint32
	exporter        netip.Addr
	direction       string
	counted         bool
	host, peer, dst netip.Addr
	protocol        uint8
	service         uint16
	bytes, packets  uint64
}

func v6(s string) netip.Addr { return netip.AddrFrom16(netip.MustParseAddr(s).As16()) }

const insertFlows = "INSERT INTO flows (`end`, duration_ms, exporter, direction, counted, host, peer, unmatched_dst, protocol, service, bytes, packets, origin, host_port, peer_port)"

func (r row) appendTo(batch driver.Batch) error {
	return batch.Append(time.Unix(r.end, 0), r.durationMs, r.exporter, r.direction, r.counted, r.host, r.peer, r.dst, r.protocol, r.service, r.bytes, r.packets, "ipfix", uint16(1234), uint16(443))
}

// insert puts rows into flows.
func insert(t testing.TB, conn driver.Conn, rows []row) {
	t.Helper()
	batch, err := conn.PrepareBatch(t.Context(), insertFlows)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := r.appendTo(batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

// randomRows returns flows that end in the given days.
func randomRows(r *rand.Rand, n int, from time.Time, days int) []row {
	pick := func(list ...string) netip.Addr { return v6(list[r.IntN(len(list))]) }
	rows := make([]row, n)
	for i := range rows {
		direction := []string{"received", "sent", "internal", "unmatched"}[r.IntN(4)]
		f := row{
			end:       from.Unix() + r.Int64N(int64(days)*86400),
			exporter:  pick("192.0.2.1", "2001:db8::1"),
			direction: direction,
			counted:   r.IntN(20) > 0,
			host:      pick("192.168.1.20", "192.168.1.21", "fd00::7"),
			peer:      pick("198.51.100.7", "203.0.113.9", "2001:db8:9::1"),
			dst:       v6("::"),
			protocol:  []uint8{6, 17}[r.IntN(2)],
			service:   []uint16{0, 53, 443}[r.IntN(3)],
			bytes:     r.Uint64N(1 << 40),
			packets:   r.Uint64N(1 << 20),
		}
		if direction == "unmatched" {
			f.host, f.dst = v6("::"), v6("203.0.113.77")
		}
		switch r.IntN(50) {
		case 0:
			f.durationMs = 7 * 86_400_000
		case 1:
			f.durationMs = r.Uint32N(7 * 86_400_000)
		case 2, 3, 4, 5, 6, 7, 8, 9:
			f.durationMs = 0
		default:
			f.durationMs = r.Uint32N(3_600_000)
		}
		rows[i] = f
	}
	return rows
}

// applied returns a database with the schema.
func applied(t testing.TB, zone string) (driver.Conn, string) {
	t.Helper()
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: zone}); err != nil {
		t.Fatal(err)
	}
	return conn, dsn
}

func exec(t testing.TB, conn driver.Conn, sql string, args ...any) {
	t.Helper()
	if err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// verified fails the test unless every rollup equals raw.
func verified(t testing.TB, conn driver.Conn) schema.Report {
	t.Helper()
	report, err := schema.Verify(t.Context(), conn, schema.VerifyOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]schema.Difference(nil), report.Differences, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Fatalf("rollups differ from raw (-want +got):\n%s", diff)
	}
	return report
}

// flowAt returns a flow of no duration that a host sent.
func flowAt(end, host string) row {
	at, err := time.Parse(time.RFC3339, end)
	if err != nil {
		panic(err)
	}
	return row{
		end: at.Unix(), exporter: v6("192.0.2.1"), direction: "sent", counted: true,
		host: v6(host), peer: v6("198.51.100.7"), dst: v6("::"), protocol: 6, service: 443, bytes: 1000, packets: 10,
	}
}
