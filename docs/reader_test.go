package docs_test

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/schema"
)

// readable is a database with a small household's day, and how the user reader
// gets at it.
func readable(t *testing.T) (reader driver.Conn, r clickhouse.Running) {
	t.Helper()
	s := clickhousetest.Engine(t)
	owner := open(t, s.DSN())
	if err := schema.Apply(t.Context(), owner, schema.Options{DSN: s.DSN(), Zone: "Pacific/Auckland"}); err != nil {
		t.Fatal(err)
	}
	for _, statement := range append([]string{some}, settings...) {
		if err := owner.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	r, ok := clickhouse.FindRunning(s.Dir)
	if !ok {
		t.Fatal("the engine is not found by its directory")
	}
	return open(t, r.ReaderDSN), r
}

func open(t *testing.T, dsn string) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// examples are the queries of sql.md and of the README.
func examples(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, page := range []string{"sql.md", "../README.md"} {
		for _, m := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(read(t, page), -1) {
			list = append(list, m[1])
		}
	}
	if len(list) < 20 {
		t.Fatalf("%d queries are documented, want twenty at least", len(list))
	}
	return list
}

// TestReaderRunsEveryExample runs the queries as the user that is named for
// them, through the driver and, where it is installed, through ClickHouse's own
// client as the README says.
func TestReaderRunsEveryExample(t *testing.T) {
	reader, running := readable(t)
	client, err := exec.LookPath("clickhouse-client")
	if err != nil {
		t.Log("clickhouse-client is not installed (Debian: apt-get install clickhouse-client): the queries run through the Go driver only")
	}
	for _, query := range examples(t) {
		name, _, _ := strings.Cut(strings.TrimPrefix(query, "SELECT\n    "), "\n")
		t.Run(name, func(t *testing.T) {
			rows, err := reader.Query(t.Context(), query)
			if err != nil {
				t.Fatalf("%s\n%v", query, err)
			}
			defer rows.Close()
			for rows.Next() {
			}
			if err := rows.Err(); err != nil {
				t.Fatalf("%s\n%v", query, err)
			}
			if client == "" {
				return
			}
			text, err := clientCommand(t, client, running, query).CombinedOutput()
			if err != nil {
				t.Fatalf("clickhouse-client: %v\n%s\n%s", err, query, text)
			}
			if len(text) == 0 {
				t.Errorf("clickhouse-client prints nothing for\n%s", query)
			}
		})
	}
}

// clientCommand is the README's line with the port and password of a test.
func clientCommand(t *testing.T, client string, r clickhouse.Running, query string) *exec.Cmd {
	t.Helper()
	line := regexp.MustCompile(`(?m)^\s*clickhouse-client (.*)$`).FindStringSubmatch(read(t, "../README.md"))
	if line == nil {
		t.Fatal("the README does not say how to connect with clickhouse-client")
	}
	opts, err := ch.ParseDSN(r.ReaderDSN)
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(r.TCPAddr)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(" 19000 ", " "+port+" ", `"$(cat data/clickhouse/reader.password)"`, opts.Auth.Password).Replace(line[1])
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, client, append(strings.Fields(text), "--query", query)...)
}

// The user reader reads; secrets, changes and other hosts are out of its reach,
// and so is a query without end.
func TestReaderIsLimited(t *testing.T) {
	reader, _ := readable(t)
	for query, code := range map[string]int32{
		"SELECT * FROM accounts":                                                 497, // access denied
		"SELECT * FROM sessions":                                                 497,
		"INSERT INTO networks (network) VALUES ('::/0')":                         497,
		"ALTER TABLE flows DELETE WHERE 1":                                       497,
		"DROP TABLE flows":                                                       497,
		"CREATE TABLE mine (a UInt8) ENGINE = Memory":                            497,
		"SELECT * FROM url('http://127.0.0.1:1/', 'CSV')":                        497,
		"SELECT * FROM file('/etc/passwd', 'LineAsString')":                      497,
		"SELECT count() FROM numbers(1e12) SETTINGS max_execution_time = 100000": 452, // against the constraint
	} {
		t.Run(query, func(t *testing.T) {
			rows, err := reader.Query(t.Context(), query)
			if err == nil {
				for rows.Next() {
				}
				err = errors.Join(rows.Err(), rows.Close())
			}
			var e *ch.Exception
			if !errors.As(err, &e) || e.Code != code {
				t.Errorf("got %v, want code %d", err, code)
			}
		})
	}
	var limit string
	if err := reader.QueryRow(t.Context(), "SELECT value FROM system.settings WHERE name = 'max_execution_time'").Scan(&limit); err != nil || limit != "60" {
		t.Errorf("a query may take %q seconds (%v), want 60", limit, err)
	}
}

// Every table, view, dictionary and column that people may read says what it
// is.
func TestEverythingHasAComment(t *testing.T) {
	reader, _ := readable(t)
	for what, query := range map[string]string{
		"tables":  "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine != 'MaterializedView' AND comment = '' ORDER BY name",
		"columns": "SELECT concat(table, '.', name) FROM system.columns WHERE database = currentDatabase() AND comment = '' AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine NOT IN ('MaterializedView', 'Dictionary')) ORDER BY 1",
	} {
		rows, err := reader.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			t.Errorf("%s without a comment: %s", what, name)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
}
