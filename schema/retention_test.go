package schema_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/flattraffic/flattraffic/schema"
)

func TestRetentionDue(t *testing.T) {
	month := func(text string, bytes uint64) schema.Month {
		at, err := time.Parse("2006-01", text)
		if err != nil {
			t.Fatal(err)
		}
		return schema.Month{Month: at, Bytes: bytes}
	}
	months := []schema.Month{month("2026-07", 100), month("2026-08", 100), month("2026-10", 100), month("2026-11", 100)}
	for _, c := range []struct {
		name      string
		retention schema.Retention
		now       string
		want      int // months due, oldest first
	}{
		{"for ever", schema.Retention{}, "2026-11-23", 0},
		{"two months beside the running one", schema.Retention{Months: 2}, "2026-11-23", 2},
		{"four", schema.Retention{Months: 4}, "2026-11-23", 0},
		{"one, on the first day of a month", schema.Retention{Months: 1}, "2026-11-01", 2},
		{"large enough", schema.Retention{Bytes: 400}, "2026-11-23", 0},
		{"a byte too small", schema.Retention{Bytes: 399}, "2026-11-23", 1},
		{"two must go", schema.Retention{Bytes: 200}, "2026-11-23", 2},
		{"the running month never goes", schema.Retention{Bytes: 1}, "2026-11-23", 3},
		{"flows of last month may still arrive", schema.Retention{Bytes: 1}, "2026-11-08", 2},
		{"either", schema.Retention{Months: 3, Bytes: 250}, "2026-11-23", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			now, err := time.Parse(time.DateOnly, c.now)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := c.retention.Due(months, nil, now)
			if diff := cmp.Diff(months[:c.want], got); diff != "" {
				t.Errorf("due (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRetentionDueFarEnds(t *testing.T) {
	month := func(text string) schema.Month {
		at, err := time.Parse("2006-01", text)
		if err != nil {
			t.Fatal(err)
		}
		return schema.Month{Month: at, Bytes: 100}
	}
	far := []schema.Month{month("2026-05"), month("2026-06"), month("2026-08"), month("2026-10"), month("2026-11")}
	for _, c := range []struct {
		name      string
		retention schema.Retention
		raw       []schema.Month
		want      int // months due, oldest first
	}{
		{"for ever", schema.Retention{}, nil, 0},
		{"no raw flows are left", schema.Retention{FarEnds: 2}, nil, 3},
		{"the last month stays", schema.Retention{FarEnds: 1}, nil, 3},
		{"raw flows of later months", schema.Retention{FarEnds: 2}, []schema.Month{month("2026-10")}, 3},
		{"raw flows of the month after, which reach back", schema.Retention{FarEnds: 2}, []schema.Month{month("2026-09")}, 2},
		{"raw flows of the same month", schema.Retention{FarEnds: 2}, []schema.Month{month("2026-06")}, 0},
		{"raw flows that go at the same time", schema.Retention{Months: 1, FarEnds: 2}, []schema.Month{month("2026-06"), month("2026-10")}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, got := c.retention.Due(c.raw, far, time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
			if diff := cmp.Diff(far[:c.want], got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("due (-want +got):\n%s", diff)
			}
		})
	}
}

// rollupTotals are all rollups, key by key, as sums that differ when a byte is
// booked elsewhere.
func rollupTotals(t *testing.T, conn driver.Conn) map[string]string {
	t.Helper()
	all := map[string]string{}
	for table, keys := range map[string]string{
		"usage_15m": "bucket, exporter, host, protocol, service", "daily_total": "day, exporter", "daily_host": "day, exporter, host",
		"daily_protocol": "day, exporter, protocol, service", "daily_host_protocol": "day, exporter, host, protocol, service",
		"daily_peer": "day, exporter, host, peer",
	} {
		var sum, print uint64
		sql := fmt.Sprintf("SELECT sum(r + s), sum(cityHash64(*)) FROM (SELECT %s, sum(received) AS r, sum(sent) AS s, sum(internal), sum(unmatched) FROM %s GROUP BY %s)", keys, table, keys)
		if err := conn.QueryRow(t.Context(), sql).Scan(&sum, &print); err != nil {
			t.Fatal(err)
		}
		all[table] = fmt.Sprint(sum, " ", print)
	}
	return all
}

func TestRetain(t *testing.T) {
	conn, _ := applied(t, "Pacific/Auckland")
	august := time.Date(2026, 8, 5, 0, 0, 0, 0, time.UTC)
	insert(t, conn, randomRows(rand.New(rand.NewPCG(1, 2)), 2000, august, 110))
	before := rollupTotals(t, conn)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

	// A rollup that differs keeps the month, and those after it.
	exec(t, conn, "INSERT INTO daily_total (day, exporter, received) VALUES ('2026-09-15', '192.0.2.1', 1)")
	due, err := schema.Retain(t.Context(), conn, schema.Retention{Months: 1}, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(due) != 2 || due[0].Kept != "" || due[0].At.IsZero() || !strings.Contains(due[1].Kept, "daily_total, 2026-09-15") || !due[1].At.IsZero() {
		t.Errorf("due: got %+v, want August dropped and September kept", due)
	}
	exec(t, conn, "INSERT INTO daily_total (day, exporter, received) VALUES ('2026-09-15', '192.0.2.1', 18446744073709551615)")
	if diff := cmp.Diff(before, rollupTotals(t, conn)); diff != "" {
		t.Errorf("rollups after August was dropped (-before +after):\n%s", diff)
	}

	due, err = schema.Retain(t.Context(), conn, schema.Retention{Months: 1}, now, nil)
	if err != nil || len(due) != 1 || due[0].Kept != "" {
		t.Errorf("second run: got %+v, %v, want September dropped", due, err)
	}
	if diff := cmp.Diff(before, rollupTotals(t, conn)); diff != "" {
		t.Errorf("rollups after September was dropped (-before +after):\n%s", diff)
	}
	report, err := schema.Verify(t.Context(), conn, schema.VerifyOptions{}, nil)
	if err != nil || len(report.Differences) > 0 || report.NotCovered == "" {
		t.Errorf("verify afterwards: got %+v, %v, want no difference and the first days not covered", report, err)
	}
	drops, err := schema.RawDrops(t.Context(), conn)
	if err != nil || len(drops) != 2 || drops[0].Rows == 0 || drops[0].Month.Month() != time.September {
		t.Errorf("noted: got %+v, %v, want September and August", drops, err)
	}
	months, err := schema.RawMonths(t.Context(), conn)
	if err != nil || len(months) != 2 || months[0].Month.Month() != time.October {
		t.Errorf("months left: got %+v, %v, want October and November", months, err)
	}

	// Far ends go, but for the month that raw flows reach back into.
	due, err = schema.Retain(t.Context(), conn, schema.Retention{Months: 1, FarEnds: 1}, now, nil)
	if last := len(due) - 1; err != nil || last < 0 || !due[last].FarEnds || due[last].Month.Month() != time.August || due[last].Rows == 0 || due[last].At.IsZero() {
		t.Errorf("far ends: got %+v, %v, want those up to August dropped", due, err)
	}
	after := rollupTotals(t, conn)
	if after["daily_peer"] == before["daily_peer"] {
		t.Error("no far end is gone")
	}
	delete(before, "daily_peer")
	delete(after, "daily_peer")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("rollups after far ends of August were dropped (-before +after):\n%s", diff)
	}
	if report, err = schema.Verify(t.Context(), conn, schema.VerifyOptions{}, nil); err != nil || len(report.Differences) > 0 {
		t.Errorf("verify afterwards: got %+v, %v, want no difference", report, err)
	}

	// Other days for all history leave what cannot be computed any more.
	if err := schema.SetZone(t.Context(), conn, "America/Havana", nil); err != nil {
		t.Fatal(err)
	}
	if err := schema.SetZone(t.Context(), conn, "Pacific/Auckland", nil); err != nil {
		t.Fatal(err)
	}
	after = rollupTotals(t, conn)
	for _, table := range []string{"usage_15m", "daily_total", "daily_host", "daily_protocol", "daily_host_protocol"} {
		if before[table] != after[table] {
			t.Errorf("%s after a change of zone and back: got %s, want %s", table, after[table], before[table])
		}
	}
}
