package report

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

// The ranges of unmatched traffic say to the byte what each holds in a span,
// with the smallest range that holds all that was seen of it.
func TestUnmatchedRanges(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: "UTC"}); err != nil {
		t.Fatal(err)
	}
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO flows (end, duration_ms, exporter, origin, direction, counted, host, peer, unmatched_dst, protocol, service, bytes, packets, sampling_rate)")
	if err != nil {
		t.Fatal(err)
	}
	six := func(s string) netip.Addr { return netip.AddrFrom16(netip.MustParseAddr(s).As16()) }
	add := func(end string, duration uint32, direction string, counted bool, host, peer, dst string, bytes, packets uint64) {
		t.Helper()
		at, err := time.Parse(time.DateTime, end)
		if err != nil {
			t.Fatal(err)
		}
		if err := batch.Append(at, duration, six("192.168.1.1"), "ipfix", direction, counted, six(host), six(peer), six(dst), uint8(6), uint16(443), bytes, packets, uint32(1)); err != nil {
			t.Fatal(err)
		}
	}
	unmatched := func(end, src, dst string, bytes uint64) {
		t.Helper()
		add(end, 1000, "unmatched", true, "::", src, dst, bytes, 3)
	}
	unmatched("2026-11-10 12:00:00", "203.0.113.5", "198.51.100.7", 1000)
	unmatched("2026-11-11 12:00:00", "203.0.113.200", "203.0.113.9", 500) // both ends in one range: once
	unmatched("2026-11-12 12:00:00", "2001:db8:1:203::5", "198.51.100.8", 70)
	unmatched("2026-11-12 13:00:00", "2001:db8:1:2ff::5", "198.51.100.8", 7) // the same /56
	unmatched("2026-11-12 14:00:00", "2001:db8:2:200::5", "2001:db8:2:200::6", 3)
	unmatched("2026-11-12 15:00:00", "2001:db8:3:100::5", "2001:db8:3:200::6", 2) // a /48
	unmatched("2026-11-12 16:00:00", "203.0.113.5", "239.1.1.1", 1)
	unmatched("2026-12-02 00:00:00", "203.0.113.5", "198.51.100.7", 1<<40)                                // after the span
	add("2026-12-01 00:30:00", 3_600_000, "unmatched", true, "::", "192.0.2.1", "198.51.100.7", 1000, 10) // half in the span
	add("2026-11-12 12:00:00", 0, "unmatched", false, "::", "203.0.113.5", "198.51.100.7", 1<<41, 1)      // not counted
	add("2026-11-12 12:00:00", 0, "received", true, "192.168.1.20", "203.0.113.5", "::", 1<<42, 1)        // matched
	add("2026-11-12 12:00:00", 0, "unmatched", true, "::", "192.0.2.9", "192.0.2.9", 11, 1)               // to itself
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	reports := newReports(t, conn, &site.Settings{Lines: []site.Line{{ID: "home", Plans: billing.Plans{{ID: "home", Name: "Home", Zone: time.UTC}}}}}, time.Date(2026, 12, 5, 0, 0, 0, 0, time.UTC))
	at := func(s string) time.Time {
		v, err := time.Parse(time.DateTime, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	request := Request{Kind: Ranges, Period: Period{From: at("2026-11-01 00:00:00"), To: at("2026-12-01 00:00:00")}}
	got, err := reports.Run(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	row := func(network string, bytes, packets, flows uint64, seen string) Row {
		return Row{Network: network, LastSeen: at(seen), Counters: Counters{Unmatched: bytes, Packets: packets, Flows: flows}}
	}
	want := []Row{
		row("198.51.100.0/24", 1000+70+7+500, 3+3+3+5, 4, "2026-12-01 00:30:00"),
		row("203.0.113.0/24", 1000+500+1, 9, 3, "2026-11-12 16:00:00"),
		row("192.0.2.0/24", 500+11, 5+1, 2, "2026-12-01 00:30:00"),
		row("2001:db8:1:200::/56", 77, 6, 2, "2026-11-12 13:00:00"),
		row("2001:db8:2:200::/64", 3, 3, 1, "2026-11-12 14:00:00"),
		row("2001:db8:3::/48", 2, 3, 1, "2026-11-12 15:00:00"),
		row("239.1.1.0/24", 1, 3, 1, "2026-11-12 16:00:00"),
	}
	if diff := cmp.Diff(want, got.Rows, same); diff != "" {
		t.Errorf("ranges (-want +got):\n%s", diff)
	}
	if want := (Counters{Unmatched: 1000 + 500 + 70 + 7 + 3 + 2 + 1 + 500 + 11, Packets: 7*3 + 5 + 1, Flows: 9}); got.Total != want {
		t.Errorf("total %+v, want %+v", got.Total, want)
	}
}

// Both ends of each record lie in a listed range, whatever was seen of it.
func TestRangeOfHoldsBothEnds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var a, b [16]byte
		for i := range a {
			a[i] = byte(r.UintN(256))
		}
		copy(b[:], a[:6])
		for i := 6 + r.IntN(8); i < 16; i++ {
			b[i] = byte(r.UintN(256))
		}
		low, high := netip.AddrFrom16(a), netip.AddrFrom16(b)
		if p := rangeOf(low, high); !p.Contains(low) || !p.Contains(high) {
			t.Fatalf("%s does not hold %s and %s", p, low, high)
		}
	}
}
