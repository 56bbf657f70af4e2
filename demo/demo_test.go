package demo_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/demo"
	"github.com/flattraffic/flattraffic/schema"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

// until is when the histories of these tests end: a Monday.
var until = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// database returns a database with the schema, its days those of Berlin.
func database(t *testing.T) driver.Conn {
	t.Helper()
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: "Europe/Berlin"}); err != nil {
		t.Fatal(err)
	}
	return conn
}

func write(t *testing.T, conn driver.Conn, o demo.Options) demo.Summary {
	t.Helper()
	if o.Until.IsZero() {
		o.Until = until
	}
	s, err := demo.Write(t.Context(), conn, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// one returns the one value of a query.
func one[T any](t *testing.T, conn driver.Conn, sql string) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// list returns the one column of a query.
func list[T any](t *testing.T, conn driver.Conn, sql string) []T {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// verified fails the test unless every rollup equals raw.
func verified(t *testing.T, conn driver.Conn) {
	t.Helper()
	report, err := schema.Verify(t.Context(), conn, schema.VerifyOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]schema.Difference(nil), report.Differences, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Fatalf("rollups differ from raw (-want +got):\n%s", diff)
	}
}

// content tells the rows of every table, in any order and however merged, but
// not how they came there.
func content(t *testing.T, conn driver.Conn, where string) map[string]string {
	t.Helper()
	tables := list[string](t, conn, `SELECT name FROM system.tables
		WHERE database = currentDatabase() AND endsWith(engine, 'MergeTree') AND name NOT IN ('migrations') ORDER BY name`)
	all := map[string]string{}
	for _, table := range tables {
		condition := "1"
		if where != "" && one[uint64](t, conn, `SELECT count() FROM system.columns WHERE database = currentDatabase() AND table = '`+table+`' AND name = 'exporter'`) > 0 {
			condition = where
		}
		columns := list[string](t, conn, `SELECT name FROM system.columns WHERE database = currentDatabase() AND table = '`+table+`' AND default_kind != 'ALIAS' ORDER BY position`)
		final := ""
		if engine := one[string](t, conn, `SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = '`+table+`'`); engine != "MergeTree" {
			final = " FINAL"
		}
		all[table] = one[string](t, conn, fmt.Sprintf("SELECT concat(toString(count()), ' rows ', hex(sum(cityHash64(`%s`)))) FROM `%s`%s WHERE %s",
			strings.Join(columns, "`, `"), table, final, condition))
	}
	return all
}

func TestSameSeedSameFlows(t *testing.T) {
	for _, profile := range []demo.Profile{demo.Home, demo.ISP} {
		t.Run(string(profile), func(t *testing.T) {
			var got []map[string]string
			for _, seed := range []uint64{7, 7, 8} {
				conn := database(t)
				write(t, conn, demo.Options{Years: 0.02, Seed: seed, Profile: profile, FlowsPerDay: 3000})
				c := content(t, conn, "")
				for _, table := range []string{"settings", "exporters", "exporter_state", "devices", "networks", "people", "plans"} {
					delete(c, table) // these say when they were written
				}
				got = append(got, c)
			}
			if diff := cmp.Diff(got[0], got[1]); diff != "" {
				t.Errorf("the same seed made another history:\n%s", diff)
			}
			if got[0]["flows"] == got[2]["flows"] {
				t.Error("another seed made the same history")
			}
		})
	}
}

// The bytes are those of the household, however many flows they come in.
func TestFlowsPerDay(t *testing.T) {
	var got []demo.Summary
	for _, n := range []int{1000, 8000} {
		conn := database(t)
		s := write(t, conn, demo.Options{Years: 0.25, Seed: 1, FlowsPerDay: n})
		days := s.Until.Sub(s.From).Hours() / 24
		if mean := float64(s.Flows) / days; mean < .6*float64(n) || mean > 1.6*float64(n) {
			t.Errorf("%.0f flows a day, want about %d", mean, n)
		}
		verified(t, conn)
		got = append(got, s)
	}
	if ratio := float64(got[0].Bytes) / float64(got[1].Bytes); ratio < .8 || ratio > 1.25 {
		t.Errorf("%d bytes in few flows, %d in many", got[0].Bytes, got[1].Bytes)
	}
}

func TestProvider(t *testing.T) {
	conn := database(t)
	s := write(t, conn, demo.Options{Years: 2. / 365, Seed: 1, Profile: demo.ISP, FlowsPerDay: 300_000})
	verified(t, conn)
	got := one[uint64](t, conn, "SELECT uniqExact(host) FROM daily_host WHERE host BETWEEN toIPv6('10.20.0.0') AND toIPv6('10.20.254.255')")
	if got < 4980 || got > 5000 { // one or the other is not there in two days
		t.Errorf("%d subscribers by IPv4 address, want 5000 (%s)", got, s)
	}
	if six := one[uint64](t, conn, "SELECT uniqExact(host) FROM daily_host WHERE host BETWEEN toIPv6('2001:db8:8000::') AND toIPv6('2001:db8:8fff::')"); six < 2000 {
		t.Errorf("%d subscribers use IPv6, want a good half", six)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	conn := database(t)
	for name, tt := range map[string]struct {
		o    demo.Options
		want string
	}{
		"profile": {demo.Options{Years: 1, Profile: "moon"}, `there is no demo profile "moon"`},
		"short":   {demo.Options{Years: 0}, "from one day to"},
		"long":    {demo.Options{Years: 21}, "from one day to"},
		"end":     {demo.Options{Years: 1, Until: time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC)}, "can't end in the year 1971"},
		"few":     {demo.Options{Years: 1, FlowsPerDay: 1}, "flows a day"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := demo.Write(t.Context(), conn, tt.o, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
	if there, err := demo.Present(t.Context(), conn); err != nil || there {
		t.Errorf("present = %v, %v after refused options", there, err)
	}
}

// A demo that is stopped leaves nothing, and progress goes from 0 to 1.
func TestStoppedDemo(t *testing.T) {
	conn := database(t)
	before := content(t, conn, "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := demo.Options{Years: .3, Seed: 1, FlowsPerDay: 30_000, Until: until}
	_, err := demo.Write(ctx, conn, o, func(done float64) {
		if done > .5 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got error %v, want that it was cancelled", err)
	}
	if diff := cmp.Diff(before, content(t, conn, "")); diff != "" {
		t.Errorf("a stopped demo left something:\n%s", diff)
	}
	var last float64
	if _, err := demo.Write(t.Context(), conn, o, func(done float64) {
		if done < last || done > 1 {
			t.Errorf("progress went from %v to %v", last, done)
		}
		last = done
	}); err != nil {
		t.Fatal(err)
	}
	if last != 1 {
		t.Errorf("progress ended at %v", last)
	}
	if _, err := demo.Write(t.Context(), conn, o, nil); err == nil || !strings.Contains(err.Error(), "demo --remove") {
		t.Errorf("a second demo: got error %v, want one that says how to remove the first", err)
	}
}
