package schema_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/schema"
)

var november = time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC)

func TestVerifyOfRandomFlows(t *testing.T) {
	for _, zone := range []string{"UTC", "Pacific/Auckland", "Asia/Kathmandu"} {
		t.Run(zone, func(t *testing.T) {
			conn, _ := applied(t, zone)
			insert(t, conn, randomRows(rand.New(rand.NewPCG(1, 2)), 3000, november, 40))
			report := verified(t, conn)
			if report.Days < 40 || report.NotCovered != "" {
				t.Errorf("days compared: got %d, not covered %q, want all", report.Days, report.NotCovered)
			}
		})
	}
}

// Each difference is planted on a day of its own, and found and mended there.
func TestReconcileMendsEachRollup(t *testing.T) {
	conn, _ := applied(t, "Pacific/Auckland")
	insert(t, conn, randomRows(rand.New(rand.NewPCG(3, 4)), 1500, november, 20))
	insert(t, conn, []row{
		flowAt("2026-11-13T00:00:00Z", "192.168.1.20"),
		flowAt("2026-11-13T00:00:00Z", "192.168.1.21"),
	})
	cases := []struct{ day, table, plant string }{
		{"2026-11-04", "usage_15m", "INSERT INTO plant (bucket, exporter, host, protocol, service, received) VALUES ('2026-11-03 20:15:00', '192.0.2.1', '192.168.1.20', 6, 443, 1)"},
		{"2026-11-05", "usage_15m", "ALTER TABLE usage_15m DELETE WHERE toDate(bucket, 'Pacific/Auckland') = '2026-11-05' SETTINGS mutations_sync = 2"},
		{"2026-11-13", "usage_15m", "INSERT INTO plant (bucket, exporter, host, protocol, service, sent) VALUES ('2026-11-13 00:00:00', '192.0.2.1', '192.168.1.20', 6, 443, 5), ('2026-11-13 00:00:00', '192.0.2.1', '192.168.1.21', 6, 443, 18446744073709551611)"},
		{"2026-11-06", "daily_total", "INSERT INTO daily_total (day, exporter, sent_packets) VALUES ('2026-11-06', '192.0.2.1', 7)"},
		{"2026-11-07", "daily_total", "ALTER TABLE daily_total DELETE WHERE day = '2026-11-07' SETTINGS mutations_sync = 2"},
		{"2026-11-08", "daily_host", "INSERT INTO daily_host (day, exporter, host, internal) VALUES ('2026-11-08', '192.0.2.1', '192.168.1.20', 18446744073709551615)"},
		{"2026-11-09", "daily_protocol", "INSERT INTO daily_protocol (day, exporter, protocol, service, unmatched_flows) VALUES ('2026-11-09', '192.0.2.9', 6, 443, 1)"},
		{"2026-11-10", "daily_host_protocol", "ALTER TABLE daily_host_protocol DELETE WHERE day = '2026-11-10' AND host = '192.168.1.21' SETTINGS mutations_sync = 2"},
		{"2026-11-11", "daily_peer", "INSERT INTO daily_peer (day, exporter, host, peer, flows) VALUES ('2026-11-11', '192.0.2.1', '192.168.1.20', '203.0.113.9', 2)"},
		{"2026-11-12", "daily_peer", "INSERT INTO daily_peer (day, exporter, host, peer, received) VALUES ('2026-11-12', '192.0.2.1', '192.168.1.20', '203.0.113.9', 5), ('2026-11-12', '192.0.2.1', '192.168.1.20', '198.51.100.7', 18446744073709551611)"},
	}
	want := map[string]bool{}
	exec(t, conn, "CREATE TABLE plant AS usage_15m") // an insert into usage_15m would wake its views
	for _, c := range cases {
		exec(t, conn, c.plant)
		want[c.table+" "+c.day] = true
	}
	exec(t, conn, "ALTER TABLE usage_15m ATTACH PARTITION ID '202611' FROM plant")

	report, err := schema.Verify(t.Context(), conn, schema.VerifyOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, places(report.Differences)); diff != "" {
		t.Errorf("differences found by verify (-want +got):\n%s", diff)
	}
	from, to := time.Date(2026, 11, 3, 20, 0, 0, 0, time.UTC), time.Date(2026, 11, 13, 1, 0, 0, 0, time.UTC)
	mended, err := schema.Reconcile(t.Context(), conn, from, to)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, places(mended)); diff != "" {
		t.Errorf("differences mended (-want +got):\n%s", diff)
	}
	verified(t, conn)
	if again, err := schema.Reconcile(t.Context(), conn, from, to); err != nil || len(again) > 0 {
		t.Errorf("second reconcile: got %v, %v, want nothing to mend", again, err)
	}
}

func places(list []schema.Difference) map[string]bool {
	got := map[string]bool{}
	for _, d := range list {
		got[d.Table+" "+d.Day] = true
	}
	return got
}
