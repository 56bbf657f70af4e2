package demo_test

import (
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/demo"
)

// TestHousehold looks for what makes the history plausible, in the rollups
// that reports read.
func TestHousehold(t *testing.T) {
	conn := database(t)
	s := write(t, conn, demo.Options{Years: 2, Seed: 1, FlowsPerDay: 1000})
	if days := s.Until.Sub(s.From).Hours() / 24; days < 729 || days > 732 {
		t.Errorf("the history of two years is %.1f days long", days)
	}
	verified(t, conn)
	for name, check := range map[string]func(*testing.T, driver.Conn){
		"evenings":          evenings,
		"weekdays":          weekdays,
		"holidays":          holidays,
		"console":           console,
		"privacy addresses": privacyAddresses,
		"over the cap":      overTheCap,
		"outages":           outages,
		"all directions":    directions,
		"names":             names,
	} {
		t.Run(name, func(t *testing.T) { check(t, conn) })
	}
}

func evenings(t *testing.T, conn driver.Conn) {
	t.Helper()
	got := one[float64](t, conn, `SELECT sumIf(received, toHour(bucket, 'Europe/Berlin') IN (19, 20, 21)) / sumIf(received, toHour(bucket, 'Europe/Berlin') IN (4, 5, 6)) FROM usage_15m`)
	if got < 3 {
		t.Errorf("three hours of the evening have %.1f times as much as three of the night, want over 3", got)
	}
}

// A laptop for work is used less at the weekend.
func weekdays(t *testing.T, conn driver.Conn) {
	t.Helper()
	got := one[float64](t, conn, `SELECT (sumIf(received + sent, toDayOfWeek(day) <= 5) / 5) / (sumIf(received + sent, toDayOfWeek(day) > 5) / 2)
		FROM daily_host WHERE host = toIPv6('192.168.42.31')`)
	if got < 1.2 {
		t.Errorf("a weekday has %.2f times a day of the weekend, want over 1.2", got)
	}
}

// Around the new year nobody is at home, but the machines are.
func holidays(t *testing.T, conn driver.Conn) {
	t.Helper()
	got := list[uint64](t, conn, `SELECT uniqExact(host) FROM daily_host WHERE (toMonth(day), toDayOfMonth(day)) = (12, 27)
		AND host IN (SELECT address FROM host_names WHERE source = 'dhcp') GROUP BY day`)
	usual := one[float64](t, conn, `SELECT avg(n) FROM (SELECT uniqExact(host) AS n FROM daily_host WHERE toMonth(day) = 10
		AND host IN (SELECT address FROM host_names WHERE source = 'dhcp') GROUP BY day)`)
	if len(got) != 2 {
		t.Fatalf("days of 27 December: %v, want two", got)
	}
	for _, n := range got {
		if n == 0 || float64(n) > .6*usual {
			t.Errorf("%d hosts on 27 December, %.1f on a day in October", n, usual)
		}
	}
}

func console(t *testing.T, conn driver.Conn) {
	t.Helper()
	first := one[time.Time](t, conn, `SELECT min(day) FROM daily_host WHERE host = (SELECT any(address) FROM host_names WHERE name ILIKE '%playstation%')`)
	if got := first.Format(time.DateOnly); got < "2026-03-14" || got > "2026-03-16" {
		t.Errorf("the console's first day is %s, want 14 March 2026", got)
	}
}

// A phone has another IPv6 address each day, and the name of its device by
// its MAC.
func privacyAddresses(t *testing.T, conn driver.Conn) {
	t.Helper()
	mac := one[uint64](t, conn, `SELECT mac FROM addresses WHERE address = toIPv6('192.168.42.31')`)
	type counts struct{ Addresses, Days, Most uint64 }
	var got counts
	err := conn.QueryRow(t.Context(), `SELECT uniqExact(host), uniqExact(toDate(end, 'Europe/Berlin')), max(days) FROM flows
		INNER JOIN (SELECT host, uniqExact(toDate(end, 'Europe/Berlin')) AS days FROM flows GROUP BY host) AS d USING (host)
		WHERE host_mac = ? AND host != toIPv6('192.168.42.31')`, mac).Scan(&got.Addresses, &got.Days, &got.Most)
	if err != nil {
		t.Fatal(err)
	}
	if got.Addresses < 300 || got.Most > 2 {
		t.Errorf("%d IPv6 addresses of the laptop on %d days, one of them on %d; want a new one each day", got.Addresses, got.Days, got.Most)
	}
	if named := one[uint64](t, conn, `SELECT uniqExact(address) FROM addresses WHERE mac = `+`(SELECT any(mac) FROM addresses WHERE address = toIPv6('192.168.42.31'))`); named != got.Addresses+1 {
		t.Errorf("%d addresses are known for its MAC, want %d", named, got.Addresses+1)
	}
}

// Each year has one period over the cap, the others stay inside.
func overTheCap(t *testing.T, conn driver.Conn) {
	t.Helper()
	limit := one[uint64](t, conn, `SELECT cap FROM plans FINAL WHERE NOT deleted`)
	if limit != 650e9 {
		t.Errorf("the cap is %d, want 650 GB", limit)
	}
	got := list[uint64](t, conn, `SELECT sum(received + sent) AS used FROM daily_total
		WHERE day >= toDate('2024-12-12') AND day < toDate('2026-11-12') GROUP BY toStartOfMonth(day - 11) HAVING used > 650e9`)
	if len(got) != 2 {
		t.Errorf("periods over the cap: %v, want one a year", got)
	}
}

// Now and then nothing comes for hours. While the router was silent the
// ingest ran; while it did not run, the ledger says so.
func outages(t *testing.T, conn driver.Conn) {
	t.Helper()
	silent := one[uint64](t, conn, `SELECT count() FROM
		(SELECT end, dateDiff('minute', lagInFrame(end, 1, end) OVER (ORDER BY end ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), end) AS gap FROM (SELECT DISTINCT end FROM flows))
		WHERE gap >= 120`)
	if silent < 4 {
		t.Errorf("%d gaps of two hours or more in two years, want one a quarter", silent)
	}
	stopped := one[uint64](t, conn, `SELECT count() FROM (SELECT bucket, sumIf(count, event = 'running_seconds') AS ran FROM ledger GROUP BY bucket) WHERE ran < 900`)
	if stopped < 4 {
		t.Errorf("%d quarter hours in which the ingest did not run, want a few", stopped)
	}
	if lost := one[uint64](t, conn, `SELECT sum(count) FROM ledger WHERE event = 'lost_records'`); lost == 0 {
		t.Error("nothing was ever lost, want a little")
	}
}

func directions(t *testing.T, conn driver.Conn) {
	t.Helper()
	got := list[string](t, conn, `SELECT DISTINCT toString(direction) FROM flows ORDER BY 1`)
	if diff := cmp.Diff([]string{"internal", "received", "sent", "unmatched"}, got); diff != "" {
		t.Error(diff)
	}
	if got := one[uint64](t, conn, `SELECT count() FROM flows WHERE origin != 'demo' OR exporter != toIPv6('`+demo.Exporter().String()+`')`); got != 0 {
		t.Errorf("%d flows are not marked as made up", got)
	}
}

func names(t *testing.T, conn driver.Conn) {
	t.Helper()
	if got := one[uint64](t, conn, `SELECT count() FROM devices FINAL WHERE NOT deleted AND startsWith(device, 'demo-')`); got < 8 {
		t.Errorf("%d devices have names of their own, want more", got)
	}
	if got := one[uint64](t, conn, `SELECT uniqExact(owner) FROM devices FINAL WHERE NOT deleted AND owner != ''`); got != 4 {
		t.Errorf("%d people own devices, want four", got)
	}
}
