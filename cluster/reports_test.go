package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/cluster"
	"github.com/flattraffic/flattraffic/demo"
	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/names"
	"github.com/flattraffic/flattraffic/report"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

// until is the present of the tests.
var until = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// household writes the made-up household.
func household(t *testing.T, conn driver.Conn) {
	t.Helper()
	if _, err := demo.Write(t.Context(), conn, demo.Options{Years: 45.0 / 365, FlowsPerDay: 100, Seed: 3, Until: until}, nil); err != nil {
		t.Fatal(err)
	}
}

// split leaves each shard its hosts, and what is not flows the first.
func split(t *testing.T, db *cluster.Database) {
	t.Helper()
	for _, s := range db.Shards {
		household(t, s.Conn)
		exec(t, s.Conn, fmt.Sprintf("ALTER TABLE flows DELETE WHERE cityHash64(host) %% %d != %d SETTINGS mutations_sync = 2", len(db.Shards), s.Number-1))
		if s.Number == 1 {
			continue
		}
		for table := range strings.FieldsSeq("ledger exporter_state networks plans exporters settings devices addresses host_names people") {
			exec(t, s.Conn, "TRUNCATE TABLE "+table+" SYNC")
		}
	}
	if err := db.Rebuild(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// reports are those over a database whose settings are at home.
func reports(t *testing.T, home, all driver.Conn) *report.Reports {
	t.Helper()
	services, err := flow.NewServices()
	if err != nil {
		t.Fatal(err)
	}
	known := names.New(names.Config{Usage: all}, home, nil, func() time.Time { return until }, slog.New(slog.DiscardHandler))
	if err := known.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return report.New(all, site.NewStore(home, time.UTC).Current, services, known, func() time.Time { return until })
}

// everyQuery is the variable of the environment that has make cluster-test ask
// the reports in more ways than make test does.
const everyQuery = "FLATTRAFFIC_CLUSTER_REPORTS"

// answers are all reports, by what was asked: in several ways, or in one.
func answers(t *testing.T, r *report.Reports, thorough bool) map[string]string {
	t.Helper()
	all := map[string]string{}
	ask := func(kind report.Kind, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		request, err := report.Parse(kind, values)
		if err != nil {
			t.Fatal(err)
		}
		result, err := r.Run(t.Context(), request)
		if err != nil {
			t.Fatalf("%s?%s: %v", kind, query, err)
		}
		var text bytes.Buffer
		if err := report.WriteJSON(&text, result); err != nil {
			t.Fatal(err)
		}
		all[string(kind)+"?"+query] = text.String()
	}
	queries := []string{
		"", "period=previous", "period=2026-09-20", "from=2026-10-01T03:15:00Z&to=2026-10-20T17:45:00Z", "protocol=https", "compare=last", "network=192.168.0.0/16",
	}
	kinds := []report.Kind{report.Overview, report.Days, report.Hosts, report.Protocols, report.Networks, report.People, report.Ranges}
	hosts := []string{"192.168.1.10", "192.168.1.21", "::"}
	switch {
	case !thorough:
		queries, kinds, hosts = queries[2:3], []report.Kind{report.Overview, report.Hosts, report.Protocols}, hosts[1:2]
	case os.Getenv(everyQuery) == "":
		queries = queries[2:4]
	}
	for _, kind := range kinds {
		for _, q := range queries {
			ask(kind, q)
		}
	}
	ask(report.History, "")
	for _, host := range hosts {
		ask(report.Host, "host="+host)
		ask(report.Host, "host="+host+"&from=2026-10-01T03:15:00Z&to=2026-10-20T17:45:00Z&protocol=https")
	}
	return all
}

// sameReports compares every report over a cluster with one server's.
func sameReports(t *testing.T, when string, db *cluster.Database, alone driver.Conn) {
	t.Helper()
	thorough := when == "at first"
	want, got := answers(t, reports(t, alone, alone), thorough), answers(t, reports(t, db.Home, db.All), thorough)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s, reports differ (-one server +cluster):\n%s", when, diff)
	}
	if hosts := want["hosts?period=2026-09-20"]; strings.Count(hosts, `"host":`) < 5 {
		t.Errorf("%s, the reports say nothing: %s", when, hosts)
	}
}

// adHoc are queries whose parts all stand on tables of all shards: a join with
// settings, one without a condition, a subquery, names by a dictionary.
func adHoc(t *testing.T, db *cluster.Database, conn driver.Conn) []string {
	t.Helper()
	var list []string
	for _, query := range []string{
		`SELECT arrayStringConcat(groupArray(line), ' ') FROM (SELECT toString((n.name, sum(h.received))) AS line FROM daily_host AS h
			CROSS JOIN (SELECT network, name FROM networks FINAL WHERE NOT deleted) AS n
			WHERE h.host != toIPv6('::') AND isIPAddressInRange(replaceOne(IPv6NumToString(h.host), '::ffff:', ''), n.network) GROUP BY n.name ORDER BY n.name)`,
		`SELECT toString((sum(d.sent), sum(d.received))) FROM daily_host AS d INNER JOIN (SELECT address, any(name) AS name FROM host_names GROUP BY address) AS n ON n.address = d.host`,
		`SELECT toString((count(), sum(bytes))) FROM flows WHERE host IN (SELECT host FROM daily_host GROUP BY host ORDER BY sum(sent) DESC, host LIMIT 3)`,
		`SELECT arrayStringConcat(arraySort(groupUniqArray(dictGet('` + text(t, db.Home, "SELECT currentDatabase()") + `.protocol_names', 'title', toUInt64(protocol)))), ' ') FROM daily_protocol`,
	} {
		list = append(list, text(t, conn, query))
	}
	return list
}

// settled checks that every rollup of each shard equals raw.
func settled(t *testing.T, db *cluster.Database) {
	t.Helper()
	for _, s := range db.Shards {
		result, err := schema.Verify(t.Context(), s.Conn, schema.VerifyOptions{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if result.Days == 0 || len(result.Differences) > 0 {
			t.Errorf("%s: %d days compared, differences %v", db.Label(s), result.Days, result.Differences)
		}
	}
}

// Every report says the same over two shards as over one server with the same
// flows, also after the days were cut anew, flows told anew, and old raw flows
// dropped.
func TestReportsAreThoseOfOneServer(t *testing.T) {
	servers := clickhousetest.Cluster(t, 2)
	db := open(t, cluster.Config{DSN: servers[0].NewDSN(), Name: clickhousetest.ClusterName})
	apply(t, db)
	split(t, db)
	alone, dsn := clickhousetest.Database(t)
	one := cluster.Single(alone, dsn)
	apply(t, one)
	household(t, alone)
	sameReports(t, "at first", db, alone)
	settled(t, db)
	want := adHoc(t, one, alone)
	for _, s := range db.Shards {
		all, err := clickhouse.At(s.DSN, "", text(t, db.All, "SELECT currentDatabase()"), map[string]string{"distributed_product_mode": "global"})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := clickhouse.Open(t.Context(), all)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, adHoc(t, db, conn)); diff != "" {
			t.Errorf("ad-hoc SQL on %s (-one server +cluster):\n%s", db.Label(s), diff)
		}
		conn.Close()
	}

	both := func(what string, work func(context.Context, *cluster.Database) error) {
		t.Helper()
		for _, d := range []*cluster.Database{one, db} {
			if err := work(t.Context(), d); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		sameReports(t, what, db, alone)
	}
	both("days of another zone", func(ctx context.Context, d *cluster.Database) error {
		return d.SetZone(ctx, "Asia/Kathmandu", nil)
	})
	settled(t, db)
	if got, err := db.Zone(t.Context()); err != nil || got != "Asia/Kathmandu" {
		t.Errorf("the days are of zone %q, %v", got, err)
	}
	if got := text(t, db.All, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND comment LIKE '%time zone Asia/Kathmandu%'"); got != "5" {
		t.Errorf("%s daily tables over all shards name the new zone, want 5", got)
	}
	settings, err := site.NewStore(db.Home, time.UTC).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	four := slices.DeleteFunc(settings.Prefixes(), func(p netip.Prefix) bool { return p.Addr().Is6() })
	rules := schema.Rules{Networks: four, Counting: settings.CountRules(), Patience: time.Millisecond}
	both("fewer local networks", func(ctx context.Context, d *cluster.Database) error { return d.Retell(ctx, rules, nil) })
	settled(t, db)
	if n, err := db.Strays(t.Context(), rules); err != nil || n != 0 {
		t.Errorf("%d flows are told otherwise (%v)", n, err)
	}

	months, err := db.RawMonths(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	alike, err := one.RawMonths(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(months) < 3 || len(months) != len(alike) || months[0].Rows != alike[0].Rows {
		t.Errorf("raw months of the cluster: %v, of one server: %v", months, alike)
	}
	both("retention", func(ctx context.Context, d *cluster.Database) error {
		due, err := d.Retain(ctx, schema.Retention{Months: 1}, until, nil)
		if err == nil && (len(due) != 1 || due[0].Rows != months[0].Rows || due[0].Kept != "") {
			t.Errorf("dropped %v, want the first of %v", due, months)
		}
		return err
	})
	if drops, err := db.RawDrops(t.Context()); err != nil || len(drops) != 1 || drops[0].Rows != months[0].Rows {
		t.Errorf("noted as dropped: %v (%v), want the first of %v", drops, err, months)
	}
	settled(t, db)
}
