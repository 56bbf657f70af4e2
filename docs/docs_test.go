// Package docs_test runs what the documentation says.
package docs_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/schema"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func pages(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.md")
	routers, err2 := filepath.Glob("routers/*.md")
	if err := errors.Join(err, err2); err != nil || len(files) == 0 || len(routers) == 0 {
		t.Fatalf("pages %v, %v: %v", files, routers, err)
	}
	return append(files, routers...)
}

// some are flows of each direction, in one day, of one quarter hour and of
// several.
const some = `
INSERT INTO flows (end, duration_ms, exporter, origin, direction, host, peer, host_port, peer_port, unmatched_dst,
    protocol, service, host_mac, sampling_rate, bytes, packets, counted)
SELECT now() - number * 60, 1200000 * (number % 3), toIPv6('192.168.1.1'), 'netflow9',
    CAST(1 + number % 4, 'Enum8(\'received\' = 1, \'sent\' = 2, \'internal\' = 3, \'unmatched\' = 4)'),
    if(number % 4 = 3, toIPv6('::'), toIPv6('192.168.1.20')),
    if(number % 4 = 2, toIPv6('192.168.1.2'), toIPv6('203.0.113.7')), 40000, 443,
    if(number % 4 = 3, toIPv6('2001:db8::5'), toIPv6('::')), 6, 443, 5, 1, 1000003 + number, 900, number % 7 != 0
FROM numbers(400)`

// settings are what joins need to find something.
var settings = []string{
	`INSERT INTO networks (network, name) VALUES ('192.168.1.0/24', 'LAN')`,
	`INSERT INTO host_names (address, source, name, first_seen, last_seen) VALUES (toIPv6('192.168.1.20'), 'dns', 'nas.lan', now(), now())`,
	`INSERT INTO ledger (bucket, exporter, event, count) VALUES (now(), toIPv6('::'), 'kernel_drops', 3)`,
}

// Each query of the documentation runs, and finds something in a small
// household's day; those about fixed dates may find nothing.
func TestQueries(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: "Pacific/Auckland"}); err != nil {
		t.Fatal(err)
	}
	for _, statement := range append([]string{some}, settings...) {
		if err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	fence := regexp.MustCompile("(?s)```sql\n(.*?)```")
	for _, page := range pages(t) {
		if page == "scaling.md" { // its statements are for Kafka; TestKafka of package ingest runs them
			continue
		}
		for _, m := range fence.FindAllStringSubmatch(read(t, page), -1) {
			query := m[1]
			name, _, _ := strings.Cut(query, "\n")
			t.Run(page+"/"+name, func(t *testing.T) {
				rows, err := conn.Query(t.Context(), query)
				if err != nil {
					t.Fatalf("%s\n%v", query, err)
				}
				defer rows.Close()
				found := rows.Next()
				if err := rows.Err(); err != nil {
					t.Fatalf("%s\n%v", query, err)
				}
				if !found && !strings.Contains(query, "2026-") {
					t.Errorf("finds nothing:\n%s", query)
				}
			})
		}
	}

	var raw, rolledUp uint64
	query := fence.FindAllStringSubmatch(read(t, "reports.md"), -1)
	if err := conn.QueryRow(t.Context(), query[len(query)-1][1]).Scan(&raw, &rolledUp); err != nil {
		t.Fatal(err)
	}
	if raw == 0 || raw != rolledUp {
		t.Errorf("raw %d and rolled up %d bytes, said to be equal", raw, rolledUp)
	}
}

// The list of events is that of the program.
func TestLedgerEvents(t *testing.T) {
	want := found(`Event = "([a-z_]+)"`, read(t, "../ingest/ledger/ledger.go"))
	_, table, _ := strings.Cut(read(t, "reports.md"), "## The ledger")
	if diff := cmp.Diff(want, found("(?m)^\\| `([a-z_]+)` \\|", table)); diff != "" {
		t.Errorf("events (-program +reports.md):\n%s", diff)
	}
}

// Flags named in the documentation exist.
func TestFlags(t *testing.T) {
	var source strings.Builder
	files, err := filepath.Glob("../cli/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		source.WriteString(read(t, f))
	}
	for _, page := range pages(t) {
		for _, flag := range found("`(?:flattraffic [a-z ]+)?--([a-z-]+)", read(t, page)) {
			if !strings.Contains(source.String(), `"`+flag+`"`) {
				t.Errorf("%s names --%s, which no command has", page, flag)
			}
		}
	}
}

// Links inside the documentation lead somewhere.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		for _, target := range found(`\]\(([^)]+)\)`, read(t, page)) {
			file, anchor, _ := strings.Cut(target, "#")
			if file == "" {
				file = page
			} else {
				file = filepath.Join(filepath.Dir(page), file)
			}
			if anchor != "" && !slices.Contains(anchors(read(t, file)), anchor) {
				t.Errorf("%s links to %s: no such heading", page, target)
			} else if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s: %v", page, target, err)
			}
		}
	}
}

// anchors are the names that headings get as link targets.
func anchors(text string) []string {
	var out []string
	for _, heading := range found(`(?m)^#+ (.+)$`, text) {
		name := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading), "")
		out = append(out, strings.ReplaceAll(name, " ", "-"))
	}
	return out
}

// found returns the first group of all matches, sorted and each once.
func found(pattern, text string) []string {
	set := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		set[m[1]] = true
	}
	return slices.Sorted(maps.Keys(set))
}
