package cli

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

// verify says the first difference and ends with 1; rebuild mends it, with
// progress, and tells flows anew that came in by other settings.
func TestVerifyAndRebuild(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: "UTC"}); err != nil {
		t.Fatal(err)
	}
	exec := func(sql string) {
		t.Helper()
		if err := conn.Exec(context.WithoutCancel(t.Context()), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO flows (end, exporter, origin, in_if, direction, host, peer, unmatched_dst, protocol, bytes, packets, sampling_rate) VALUES
		('2026-11-20 10:00:00', '192.168.1.1', 'ipfix', 1, 'received', '192.168.1.20', '198.51.100.7', '::', 6, 1000, 1, 1),
		('2026-11-21 10:00:00', '192.168.1.1', 'ipfix', 2, 'unmatched', '::', '198.51.100.7', '203.0.113.9', 6, 500, 1, 1)`)
	run := func(want int, args ...string) string {
		t.Helper()
		code, stdout, stderr := call(t, append(args, "--clickhouse", dsn)...)
		if code != want {
			t.Errorf("%v ended with %d, want %d: %s", args, code, want, stderr)
		}
		return stdout + stderr
	}
	says := func(text string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("got %q, want %q in it", text, part)
			}
		}
	}
	says(run(exitFine, "schema", "verify"), "compared 2 days", "every rollup equals raw, to the byte")

	exec("INSERT INTO daily_total (day, exporter, received) VALUES ('2026-11-20', '192.168.1.1', 7)")
	says(run(exitFailed, "schema", "verify"), "first difference: daily_total, 2026-11-20, exporter 192.168.1.1, received: raw 1000, rollup 1007 (+7)", "schema rebuild mends it")
	says(run(exitFine, "schema", "rebuild"), "rebuild: 0 %", "rebuild: 100 %")
	run(exitFine, "schema", "verify")

	store := site.NewStore(conn, time.UTC)
	if err := store.SaveNetwork(t.Context(), site.Network{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Metered: true}); err != nil {
		t.Fatal(err)
	}
	if err := store.SaveExporter(t.Context(), site.Exporter{Address: netip.MustParseAddr("192.168.1.1"), CountInterfaces: []uint32{2}}); err != nil {
		t.Fatal(err)
	}
	says(run(exitFine, "schema", "verify"), "2 raw flows are told by other networks or exporter settings than today's")
	run(exitFine, "schema", "rebuild", "--rollups-only")
	says(run(exitFine, "schema", "verify"), "2 raw flows are told")
	says(run(exitFine, "schema", "rebuild"), "telling them anew", "rebuild: 100 %")
	if got := run(exitFine, "schema", "verify"); strings.Contains(got, "told by other") {
		t.Errorf("flows are still told by other settings: %s", got)
	}
	var received, unmatched uint64
	if err := conn.QueryRow(t.Context(), "SELECT sum(received), sum(unmatched) FROM daily_host").Scan(&received, &unmatched); err != nil {
		t.Fatal(err)
	}
	if received != 500 || unmatched != 0 {
		t.Errorf("received %d, unmatched %d; want the 500 of the new network at the interface that counts", received, unmatched)
	}
}
