package schema_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/schema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { clickhousetest.Main(m) }

func TestApplyTwice(t *testing.T) {
	conn, dsn := applied(t, "Pacific/Auckland")
	before := fingerprint(t, conn)
	// Another zone is no reason to touch what is there.
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: "UTC"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, fingerprint(t, conn)); diff != "" {
		t.Errorf("the second apply changed something (-before +after):\n%s", diff)
	}
	if got, err := schema.Zone(t.Context(), conn); err != nil || got != "Pacific/Auckland" {
		t.Errorf("zone: got %s, %v, want Pacific/Auckland", got, err)
	}
	if err := schema.Check(t.Context(), conn); err != nil {
		t.Errorf("check: %v", err)
	}
}

// fingerprint lists the tables with what identifies them.
func fingerprint(t *testing.T, conn driver.Conn) []string {
	t.Helper()
	var got []string
	if err := conn.QueryRow(t.Context(), "SELECT arraySort(groupArray(name || ' ' || toString(uuid) || ' ' || toString(total_rows))) FROM system.tables WHERE database = currentDatabase()").Scan(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestShow(t *testing.T) {
	conn, dsn := applied(t, "Pacific/Auckland")
	text, err := schema.Show(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	opts, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, opts.Auth.Password) {
		t.Error("the text holds the password")
	}
	got := strings.ReplaceAll(text, opts.Auth.Database, "flattraffic")
	golden := filepath.Join("testdata", "show.sql")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil { //nolint:gosec // a file of the source tree
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("schema (-want +got; -update rewrites %s):\n%s", golden, diff)
	}
}

func TestEverythingHasAComment(t *testing.T) {
	conn, _ := applied(t, "UTC")
	var got []string
	if err := conn.QueryRow(t.Context(), `SELECT groupArray(what) FROM (
		SELECT name AS what FROM system.tables WHERE database = currentDatabase() AND comment = '' AND engine != 'MaterializedView'
		UNION ALL
		SELECT table || '.' || name FROM system.columns WHERE database = currentDatabase() AND comment = ''
			AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine NOT IN ('MaterializedView', 'Dictionary'))
	)`).Scan(&got); err != nil {
		t.Fatal(err)
	}
	if len(got) > 0 {
		t.Errorf("without a comment: %v", got)
	}
}

func TestDictionaries(t *testing.T) {
	conn, dsn := applied(t, "UTC")
	names := func() (got [2]string, err error) {
		err = conn.QueryRow(t.Context(), "SELECT dictGet('service_names', 'name', (6, 443)), dictGet('protocol_names', 'title', 17)").Scan(&got[0], &got[1])
		return got, err
	}
	want := [2]string{"https", "UDP"}
	if got, err := names(); err != nil || got != want {
		t.Fatalf("names: got %v, %v, want %v", got, err, want)
	}
	// As after a change of the password they read with, and of a name.
	exec(t, conn, "CREATE OR REPLACE DICTIONARY service_names (protocol UInt8, service UInt16, name String, title String, category String) PRIMARY KEY protocol, service SOURCE(CLICKHOUSE(TABLE 'services' USER 'nobody' PASSWORD 'x')) LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)")
	exec(t, conn, "ALTER TABLE services DELETE WHERE service = 443 SETTINGS mutations_sync = 2")
	if got, err := names(); err == nil {
		t.Fatalf("names with a wrong password: got %v", got)
	}
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn}); err != nil {
		t.Fatal(err)
	}
	if got, err := names(); err != nil || got != want {
		t.Errorf("names after apply: got %v, %v, want %v", got, err, want)
	}
}

// cutOff is a connection that breaks after some statements.
type cutOff struct {
	driver.Conn

	left int
}

var errCutOff = errors.New("cut off")

func (c *cutOff) Exec(ctx context.Context, query string, args ...any) error {
	if c.left--; c.left < 0 {
		return errCutOff
	}
	return c.Conn.Exec(ctx, query, args...)
}

func TestApplyInterrupted(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	opts := schema.Options{DSN: dsn, Zone: "Asia/Kathmandu"}
	for interrupted := 0; ; interrupted++ {
		// Each try gets seven statements further than the last, so that it
		// stops in the middle of a migration as well as between two.
		err := schema.Apply(t.Context(), &cutOff{conn, 7}, opts)
		if err == nil {
			if interrupted < 5 {
				t.Errorf("interrupted %d times, want more", interrupted)
			}
			break
		}
		if !errors.Is(err, errCutOff) {
			t.Fatal(err)
		}
		if err := schema.Check(t.Context(), conn); err == nil && interrupted < 5 {
			t.Error("check is content with half a schema")
		}
	}
	if err := schema.Check(t.Context(), conn); err != nil {
		t.Error(err)
	}
	wantNoLeftovers(t, conn)
}

func TestApplyConcurrently(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			own, err := clickhouse.Open(t.Context(), dsn)
			if err != nil {
				t.Error(err)
				return
			}
			defer own.Close()
			if err := schema.Apply(t.Context(), own, schema.Options{DSN: dsn}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := schema.Check(t.Context(), conn); err != nil {
		t.Error(err)
	}
	var got, distinct uint64
	if err := conn.QueryRow(t.Context(), "SELECT count(), uniqExact(protocol, service) FROM services").Scan(&got, &distinct); err != nil {
		t.Fatal(err)
	}
	if got == 0 || got != distinct {
		t.Errorf("services: got %d rows, %d distinct", got, distinct)
	}
	wantNoLeftovers(t, conn)
}

func TestApplyRefusals(t *testing.T) {
	conn, dsn := applied(t, "UTC")
	apply := func(zone string) error {
		return schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: zone})
	}
	want := func(what, text string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v, want %q", what, err, text)
		}
	}
	want("no such zone", "is not a time zone", apply("Mars/Olympus"))
	want("SQL as zone", "is not a time zone", apply("UTC') OR ('"))
	want("the machine's zone", "is not a time zone", apply("Local"))
	exec(t, conn, "INSERT INTO migrations (number, name, checksum) VALUES (1, 'flows', 'other')")
	exec(t, conn, "OPTIMIZE TABLE migrations FINAL")
	want("a changed migration", "is not the one this program has", apply(""))
	exec(t, conn, "TRUNCATE TABLE migrations")
	exec(t, conn, "INSERT INTO migrations (number, name, checksum) VALUES (9999, 'future', 'x')")
	want("a newer database", "made by a newer FlatTraffic", apply(""))
	want("check of a newer database", "made by a newer FlatTraffic", schema.Check(t.Context(), conn))
	empty, _ := clickhousetest.Database(t)
	want("check of an empty database", "schema apply", schema.Check(t.Context(), empty))
	if _, err := schema.Zone(t.Context(), empty); err == nil {
		t.Error("an empty database has a zone")
	}
}

// The user reader may read everything but secrets, and change nothing.
func TestReader(t *testing.T) {
	s := clickhousetest.Engine(t)
	conn, err := clickhouse.Open(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: s.DSN()}); err != nil {
		t.Fatal(err)
	}
	reader, err := clickhouse.Open(t.Context(), s.ReaderDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for _, query := range []string{
		"SELECT * FROM flows", "SELECT src_addr, start, received_at FROM flows", "SELECT * FROM usage_15m", "SELECT * FROM daily_peer",
		"SELECT * FROM plans FINAL", "SELECT dictGet('service_names', 'name', (6, 443))", "SHOW TABLES", "SHOW CREATE TABLE flows",
		"SELECT 1 SETTINGS max_execution_time = 5",
	} {
		if err := reader.Exec(t.Context(), query); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	for _, query := range []string{
		"SELECT * FROM accounts", "SELECT password FROM accounts", "SELECT * FROM sessions", "SELECT count() FROM sessions", "SELECT value FROM secrets", "SELECT token FROM share_links",
		"INSERT INTO settings (key, value) VALUES ('a', 'b')", "TRUNCATE TABLE flows", "DROP TABLE flows", "CREATE TABLE x (n UInt8) ENGINE = Memory",
		"ALTER TABLE flows DROP PARTITION ID '202611'", "SYSTEM RELOAD DICTIONARIES", "SELECT * FROM file('/etc/hostname', LineAsString)",
		"SELECT * FROM merge(currentDatabase(), '^accounts$')", "SELECT 1 SETTINGS readonly = 0", "SELECT 1 SETTINGS max_memory_usage = 100000000000",
		"KILL QUERY WHERE 1",
	} {
		if err := reader.Exec(t.Context(), query); err == nil {
			t.Errorf("%s: the reader may", query)
		}
	}
	if s.Restarts() != 0 {
		t.Errorf("the engine ended %d times", s.Restarts())
	}
}
