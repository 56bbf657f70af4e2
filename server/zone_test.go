package server

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/flattraffic/flattraffic/schema"
)

// TestZoneChangeMovesDays changes the zone on the page and reads the day of a
// flow from the report: the same flow, another date.
func TestZoneChangeMovesDays(t *testing.T) {
	h := newHouse(t, Config{})
	h.deps.ChangeZone = func(ctx context.Context, zone string, progress func(int, int)) error {
		return schema.SetZone(ctx, h.conn, zone, progress)
	}
	h.restart(t)
	admin := h.setUp(t)
	admin.submit("/settings/plan", planOf("renewal", "month"))
	err := h.conn.Exec(t.Context(), `INSERT INTO flows
		(end, exporter, origin, direction, host, peer, protocol, service, bytes, packets, sampling_rate)
		SELECT toDateTime('2026-10-31 23:00:00', 'UTC'), toIPv6('192.168.1.1'), 'ipfix', 'received', toIPv6('192.168.1.20'), toIPv6('203.0.113.5'), 6, 443, 1000, 10, 1`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ zone, day, period string }{
		{"UTC", "2026-10-31", "2026-10-31"},
		{"Asia/Kathmandu", "2026-11-01", "2026-11-01"},
		{"America/Havana", "2026-10-31", "2026-10-31"},
	} {
		admin.submit("/settings/plan", planOf("renewal", "month", "zone", tt.zone))
		h.zone.wait()
		if state := h.zoneNow(t.Context()); state.Failed {
			t.Fatalf("days are not cut for %s", tt.zone)
		}
		got := admin.get("/days.json?period=" + tt.period)
		var doc struct {
			Rows []struct {
				Date     string
				Received uint64
			}
		}
		if err := json.Unmarshal([]byte(got.body), &doc); err != nil || got.status != http.StatusOK {
			t.Fatalf("GET /days.json = %d %s: %v", got.status, got.body, err)
		}
		booked := map[string]uint64{}
		for _, row := range doc.Rows {
			if row.Received > 0 {
				booked[row.Date] = row.Received
			}
		}
		if len(booked) != 1 || booked[tt.day] != 1000 {
			t.Errorf("at %s the flow is booked on %v, want 1000 bytes on %s", tt.zone, booked, tt.day)
		}
	}
}
