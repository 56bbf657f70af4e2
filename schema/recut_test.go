package schema_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/schema"
)

// ingest inserts batches until the returned function is called, which returns
// how many rows it has inserted. A paused insert is sent again.
func ingest(t *testing.T, conn driver.Conn, seed uint64) (stop func() uint64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var rows uint64
	wg.Go(func() {
		r := rand.New(rand.NewPCG(seed, seed))
		for n := 0; ctx.Err() == nil; n++ {
			batch := randomRows(r, 50, november, 5)
			for {
				err := insertBatch(t.Context(), conn, batch, fmt.Sprintf("batch-%d-%d", seed, n))
				if err == nil {
					break
				}
				if !schema.IsPaused(err) {
					t.Errorf("insert: %v", err)
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
			rows += uint64(len(batch))
		}
	})
	return func() uint64 {
		cancel()
		wg.Wait()
		return rows
	}
}

func insertBatch(ctx context.Context, conn driver.Conn, rows []row, token string) error {
	ctx = ch.Context(ctx, ch.WithSettings(ch.Settings{"insert_deduplication_token": token}))
	batch, err := conn.PrepareBatch(ctx, insertFlows)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := r.appendTo(batch); err != nil {
			return errors.Join(err, batch.Close())
		}
	}
	return errors.Join(batch.Send(), batch.Close())
}

func TestRebuildUnderIngest(t *testing.T) {
	conn, _ := applied(t, "Pacific/Auckland")
	insert(t, conn, randomRows(rand.New(rand.NewPCG(5, 6)), 1000, november, 5))
	exec(t, conn, "TRUNCATE TABLE daily_host")
	exec(t, conn, "INSERT INTO usage_15m (bucket, exporter, host, protocol, service, received) VALUES ('2026-11-14 20:15:00', '192.0.2.1', '192.168.1.20', 6, 443, 1)")
	stop := ingest(t, conn, 7)
	var last, total int
	err := schema.Rebuild(t.Context(), conn, func(done, of int) { last, total = done, of })
	rows := stop()
	if err != nil {
		t.Fatal(err)
	}
	if last != total || total == 0 {
		t.Errorf("last progress: got %d of %d, want all", last, total)
	}
	verified(t, conn)
	wantRows(t, conn, 1000+rows)
	wantNoLeftovers(t, conn)
}

func TestSetZoneUnderIngest(t *testing.T) {
	conn, dsn := applied(t, "Pacific/Auckland")
	insert(t, conn, randomRows(rand.New(rand.NewPCG(8, 9)), 1000, november, 5))
	stop := ingest(t, conn, 10)
	err := schema.SetZone(t.Context(), conn, "America/Havana", nil)
	rows := stop()
	if err != nil {
		t.Fatal(err)
	}
	report := verified(t, conn)
	if want := "America/Havana"; report.Zone != want {
		t.Errorf("zone: got %s, want %s", report.Zone, want)
	}
	wantRows(t, conn, 1000+rows)
	wantNoLeftovers(t, conn)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: "Pacific/Auckland"}); err != nil {
		t.Fatal(err)
	}
	if got, err := schema.Zone(t.Context(), conn); err != nil || got != "America/Havana" {
		t.Errorf("zone after apply: got %s, %v, want America/Havana", got, err)
	}
}

// Months and years that are over become one part each, also of tables that
// were cut anew.
func TestWhatIsOverIsMerged(t *testing.T) {
	conn, _ := applied(t, "Pacific/Auckland")
	if err := schema.SetZone(t.Context(), conn, "America/Havana", nil); err != nil {
		t.Fatal(err)
	}
	if err := schema.Rebuild(t.Context(), conn, nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := conn.QueryRow(t.Context(), `SELECT arraySort(groupArray(name)) FROM system.tables WHERE database = currentDatabase()
		AND engine_full LIKE '%min_age_to_force_merge_seconds = 3600%' AND engine_full LIKE '%min_age_to_force_merge_on_partition_only = true%'`).Scan(&got); err != nil {
		t.Fatal(err)
	}
	want := []string{"daily_host", "daily_host_protocol", "daily_peer", "daily_protocol", "daily_total", "ledger", "usage_15m"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tables that merge what is over (-want +got):\n%s", diff)
	}
}

// Raw flows and quarter hours of the first months are dropped; what the
// rollups hold of them must outlive everything.
func TestRecutKeepsOlderHistory(t *testing.T) {
	conn, _ := applied(t, "Pacific/Auckland")
	r := rand.New(rand.NewPCG(11, 12))
	for month := time.August; month <= time.November; month++ {
		insert(t, conn, randomRows(r, 200, time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC), 3))
		insert(t, conn, randomRows(r, 100, time.Date(2026, month, 28, 0, 0, 0, 0, time.UTC), 3))
	}
	before := totals(t, conn)
	exec(t, conn, "ALTER TABLE flows DROP PARTITION ID '202608'")
	exec(t, conn, "ALTER TABLE flows DROP PARTITION ID '202609'")
	exec(t, conn, "ALTER TABLE usage_15m DROP PARTITION ID '202607'")
	exec(t, conn, "ALTER TABLE usage_15m DROP PARTITION ID '202608'")
	delete(before, "usage_15m")
	check := func(what string) {
		t.Helper()
		got := totals(t, conn)
		for table, want := range before {
			if got[table] != want {
				t.Errorf("%s after %s: got %v, want %v", table, what, got[table], want)
			}
		}
		if report := verified(t, conn); report.NotCovered == "" || report.Days < 30 {
			t.Errorf("verify after %s: got %d days, not covered %q, want the days whose raw flows are there", what, report.Days, report.NotCovered)
		}
	}
	check("dropping old months")
	if err := schema.Rebuild(t.Context(), conn, nil); err != nil {
		t.Fatal(err)
	}
	check("rebuild")
	for _, zone := range []string{"America/Havana", "Asia/Kathmandu"} {
		if err := schema.SetZone(t.Context(), conn, zone, nil); err != nil {
			t.Fatal(err)
		}
		check("zone " + zone)
	}
}

// totals returns bytes, packets and flows of each rollup.
func totals(t *testing.T, conn driver.Conn) map[string][3]uint64 {
	t.Helper()
	got := map[string][3]uint64{}
	for _, table := range []string{"usage_15m", "daily_total", "daily_host", "daily_protocol", "daily_host_protocol", "daily_peer"} {
		var s [3]uint64
		if err := conn.QueryRow(t.Context(), "SELECT sum(received + sent + internal + unmatched), sum(packets), sum(flows) FROM "+table).Scan(&s[0], &s[1], &s[2]); err != nil {
			t.Fatal(err)
		}
		got[table] = s
	}
	return got
}

func wantRows(t *testing.T, conn driver.Conn, want uint64) {
	t.Helper()
	var got uint64
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM flows").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("raw flows: got %d, want %d", got, want)
	}
}

func wantNoLeftovers(t *testing.T, conn driver.Conn) {
	t.Helper()
	if got := leftovers(t, conn); len(got) > 0 {
		t.Errorf("tables left over: %v", got)
	}
	var ddl string
	if err := conn.QueryRow(t.Context(), "SHOW CREATE TABLE flows").Scan(&ddl); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(ddl, "CONSTRAINT") {
		t.Errorf("inserts are still paused: %s", ddl)
	}
}

// leftovers lists the tables that a recut has left behind.
func leftovers(t *testing.T, conn driver.Conn) (got []string) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT groupArray(name) FROM system.tables WHERE database = currentDatabase() AND match(name, '^(next|copy|kept|repair)_')").Scan(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

// Maintenance takes longer than the driver lets an ordinary statement take.
func TestLockOutlivesTheDriversPatience(t *testing.T) {
	_, dsn := applied(t, "UTC")
	conn, err := clickhouse.Open(t.Context(), dsn+"?read_timeout=300ms")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = schema.Snapshot(t.Context(), conn, func(ctx context.Context, _ []schema.Copy) error {
		return conn.Exec(ctx, "SELECT sleep(2)")
	})
	if err != nil {
		t.Errorf("maintenance of two seconds: got %v, want it done", err)
	}
}
