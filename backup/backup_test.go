package backup_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/backup"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/demo"
	"github.com/flattraffic/flattraffic/ingest/deliver"
	"github.com/flattraffic/flattraffic/schema"
)

var update = flag.Bool("update", false, "write the golden backup of this schema, if there is none yet")

func TestMain(m *testing.M) { clickhousetest.Main(m) }

const zone = "Pacific/Chatham"

// household fills a database with some days of the sample household.
func household(t *testing.T) (driver.Conn, string) {
	t.Helper()
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: zone}); err != nil {
		t.Fatal(err)
	}
	options := demo.Options{Years: 10.0 / 365, FlowsPerDay: 100, Seed: 3, Until: time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)}
	if _, err := demo.Write(t.Context(), conn, options, nil); err != nil {
		t.Fatal(err)
	}
	return conn, dsn
}

func dial(t *testing.T, dsn string) backup.Dial {
	t.Helper()
	d, err := deliver.Dialer(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context) (*ch.Client, error) { return d(ctx) }
}

func write(t *testing.T, conn driver.Conn, dsn string) []byte {
	t.Helper()
	var file bytes.Buffer
	if _, err := backup.Write(t.Context(), conn, dial(t, dsn), "test", &file, nil); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// contents is a hash of each table's rows, merged, by table.
func contents(t *testing.T, conn driver.Conn) map[string]string {
	t.Helper()
	tables := column(t, conn, "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name NOT IN ('migrations', 'sessions')")
	got := map[string]string{}
	for _, table := range tables {
		if err := conn.Exec(t.Context(), "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			t.Fatal(err)
		}
		got[table] = column(t, conn, "SELECT toString(count()) || ' ' || toString(sum(cityHash64(*))) FROM "+table)[0]
	}
	return got
}

func column(t *testing.T, conn driver.Conn, query string) []string {
	t.Helper()
	var list []string
	if err := conn.QueryRow(t.Context(), "SELECT groupArray(x) FROM (SELECT * FROM ("+query+") AS q(x))").Scan(&list); err != nil {
		t.Fatal(err)
	}
	return list
}

func verify(t *testing.T, conn driver.Conn) {
	t.Helper()
	report, err := schema.Verify(t.Context(), conn, schema.VerifyOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.Days == 0 || len(report.Differences) > 0 {
		t.Errorf("verify compared %d days and found %v", report.Days, report.Differences)
	}
}

// Flows that are the same in every column are two all the same, also when each
// came in by itself and they are backed up as two equal blocks.
func TestEqualFlowsAreRestoredBoth(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: zone}); err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": strconv.Itoa(n)}))
		if err := conn.Exec(ctx, "INSERT INTO flows (`end`, exporter, origin, direction, host, peer, bytes, packets) VALUES ('2026-11-01 10:00:00', '::1', 'ipfix', 'sent', '192.168.1.2', '192.0.2.1', 7, 1)"); err != nil {
			t.Fatal(err)
		}
	}
	file := write(t, conn, dsn)
	other, otherDSN := clickhousetest.Database(t)
	if _, _, err := backup.Restore(t.Context(), other, dial(t, otherDSN), otherDSN, bytes.NewReader(file), nil); err != nil {
		t.Fatal(err)
	}
	verify(t, other)
	for _, query := range []string{"SELECT sum(bytes) FROM flows", "SELECT sum(sent) FROM usage_15m", "SELECT sum(sent) FROM daily_peer"} {
		if got := column(t, other, "SELECT toString(("+query+"))")[0]; got != "28" {
			t.Errorf("%s: got %s, want 28", query, got)
		}
	}
}

func TestRestoredIsTheSame(t *testing.T) {
	conn, dsn := household(t)
	want := contents(t, conn)
	file := write(t, conn, dsn)
	if diff := cmp.Diff(want, contents(t, conn)); diff != "" {
		t.Errorf("the backup changed the database (-before +after):\n%s", diff)
	}

	other, otherDSN := clickhousetest.Database(t)
	if _, _, err := backup.Restore(t.Context(), other, dial(t, otherDSN), otherDSN, bytes.NewReader(file), nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, contents(t, other)); diff != "" {
		t.Errorf("contents (-backed up +restored):\n%s", diff)
	}
	verify(t, other)
	if got, err := schema.Zone(t.Context(), other); err != nil || got != zone {
		t.Errorf("zone %s (%v), want %s", got, err, zone)
	}
	// What comes in afterwards is counted as ever.
	if err := other.Exec(t.Context(), "INSERT INTO flows (`end`, duration_ms, exporter, origin, direction, host, peer, bytes, packets) SELECT now(), 0, '::1', 'ipfix', 'sent', '192.168.1.2', '192.0.2.1', 7, 1"); err != nil {
		t.Fatal(err)
	}
	verify(t, other)

	_, _, err := backup.Restore(t.Context(), other, dial(t, otherDSN), otherDSN, bytes.NewReader(file), nil)
	if err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a restore over flows: got %v, want a refusal", err)
	}
}

// A backup is of one instant, whatever comes in meanwhile.
func TestBackupUnderIngest(t *testing.T) {
	conn, dsn := household(t)
	ctx, cancel := context.WithCancel(t.Context())
	inserted := make(chan error, 1)
	go func() {
		for n := 0; ctx.Err() == nil; n++ {
			err := conn.Exec(context.WithoutCancel(ctx), fmt.Sprintf("INSERT INTO flows (`end`, duration_ms, exporter, origin, direction, host, peer, bytes, packets) SELECT toDateTime('2026-11-01 00:00:00', 'UTC') + number, 400000, '::1', 'ipfix', 'sent', '192.168.1.2', '192.0.2.1', %d, 1 FROM numbers(1000)", n))
			if err != nil && !schema.IsPaused(err) {
				inserted <- err
				return
			}
		}
		inserted <- nil
	}()
	file := write(t, conn, dsn)
	cancel()
	if err := <-inserted; err != nil {
		t.Fatal(err)
	}
	other, otherDSN := clickhousetest.Database(t)
	if _, _, err := backup.Restore(t.Context(), other, dial(t, otherDSN), otherDSN, bytes.NewReader(file), nil); err != nil {
		t.Fatal(err)
	}
	verify(t, other)
}

func TestDamagedBackupChangesNothing(t *testing.T) {
	conn, dsn := household(t)
	file := write(t, conn, dsn)
	flipped := func(at int) []byte {
		bad := bytes.Clone(file)
		bad[at] ^= 0x10
		return bad
	}
	for name, bad := range map[string][]byte{
		"cut off":      file[:len(file)*3/4],
		"an early bit": flipped(len(file) / 5),
		"a middle bit": flipped(len(file) / 2),
		"a late bit":   flipped(len(file) * 4 / 5),
		"empty":        nil,
		"something":    []byte("this is not a backup at all, but long enough to be looked at"),
	} {
		t.Run(name, func(t *testing.T) {
			other, otherDSN := clickhousetest.Database(t)
			if err := schema.Apply(t.Context(), other, schema.Options{DSN: otherDSN}); err != nil {
				t.Fatal(err)
			}
			before := contents(t, other)
			if _, _, err := backup.Restore(t.Context(), other, dial(t, otherDSN), otherDSN, bytes.NewReader(bad), nil); err == nil {
				t.Error("it was restored")
			}
			if diff := cmp.Diff(before, contents(t, other)); diff != "" {
				t.Errorf("tables were changed (-before +after):\n%s", diff)
			}
		})
	}
}

// totals of each rollup, in words, for the golden file.
const goldenSQL = `
SELECT concat('flows ', toString(direction), ' ', toString(count()), ' ', toString(sum(bytes)), ' ', toString(sum(packets))) FROM flows GROUP BY direction
UNION ALL SELECT concat('usage_15m ', toString(sum(received)), ' ', toString(sum(sent)), ' ', toString(sum(internal)), ' ', toString(sum(unmatched)), ' ', toString(uniqExact(bucket, host, protocol, service))) FROM usage_15m
UNION ALL SELECT concat('daily_total ', toString(day), ' ', toString(sum(received)), ' ', toString(sum(sent)), ' ', toString(sum(internal))) FROM daily_total GROUP BY day
UNION ALL SELECT concat('daily_host ', toString(host), ' ', toString(sum(received)), ' ', toString(sum(sent)), ' ', toString(sum(internal))) FROM daily_host GROUP BY host
UNION ALL SELECT concat('daily_protocol ', toString(protocol), '/', toString(service), ' ', toString(sum(received)), ' ', toString(sum(sent))) FROM daily_protocol GROUP BY protocol, service
UNION ALL SELECT concat('daily_peer ', toString(sum(received)), ' ', toString(sum(sent)), ' ', toString(uniqExact(day, host, peer))) FROM daily_peer
UNION ALL SELECT concat('ledger ', toString(event), ' ', toString(sum(count))) FROM ledger GROUP BY event
UNION ALL SELECT concat('plans ', name, ' ', zone, ' ', renewal, ' ', cap_text) FROM plans FINAL WHERE NOT deleted
UNION ALL SELECT concat('networks ', toString(count())) FROM networks FINAL WHERE NOT deleted
UNION ALL SELECT concat('devices ', toString(count())) FROM devices FINAL WHERE NOT deleted`

func golden(t *testing.T, conn driver.Conn) string {
	t.Helper()
	return strings.Join(column(t, conn, "SELECT * FROM ("+goldenSQL+") AS g(line) ORDER BY line"), "\n") + "\n"
}

// A backup of every schema there has been is restored and upgraded to this
// one, and every total is what it was.
func TestUpgradeFromEverySchema(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	files, err := filepath.Glob("testdata/schema-*.tar.zst")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden backups: %v", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			file, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			conn, dsn := clickhousetest.Database(t)
			if _, _, err := backup.Restore(t.Context(), conn, dial(t, dsn), dsn, file, nil); err != nil {
				t.Fatal(err)
			}
			if err := schema.Check(t.Context(), conn); err != nil {
				t.Error(err)
			}
			verify(t, conn)
			want, err := os.ReadFile(strings.TrimSuffix(path, ".tar.zst") + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), golden(t, conn)); diff != "" {
				t.Errorf("totals (-before the upgrade +after):\n%s", diff)
			}
		})
	}
}

// writeGolden keeps a backup of this schema for later versions to upgrade
// from. One that exists stays as it is.
func writeGolden(t *testing.T) {
	t.Helper()
	conn, dsn := household(t)
	version, err := schema.Version(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	base := fmt.Sprintf("testdata/schema-%04d", version)
	if _, err := os.Stat(base + ".tar.zst"); err == nil {
		return
	}
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{base + ".tar.zst": write(t, conn, dsn), base + ".txt": []byte(golden(t, conn))} {
		if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // a file of the source tree
			t.Fatal(err)
		}
	}
}
