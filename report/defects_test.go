package report

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/flow"
)

// These tests would have caught what was wrong with the reports of the first
// FlatTraffic. Those on periods alone are in package billing.

// received is a record of some bytes received by a host in a second.
func received(at time.Time, bytes uint64) record {
	return record{
		end: at.Unix(), exporter: router, direction: flow.Received, counted: true,
		host: hosts[0], peer: peers[0], protocol: 6, service: 443, bytes: bytes, packets: 1,
	}
}

func TestRenewalDayBelongsToTheNewPeriodOnly(t *testing.T) {
	const name = "Pacific/Auckland"
	zone := location(t, name)
	renewal := time.Date(2026, 11, 12, 0, 0, 0, 0, zone)
	conn := database(t, name)
	insert(t, conn, []record{
		received(renewal.Add(-time.Second), 1),
		received(renewal, 20),
		received(renewal.Add(12*time.Hour), 300),
	})
	settings := settingsOf(plan(t, name, "12", nil))
	for _, test := range []struct {
		now               time.Time
		current, previous uint64
	}{
		{renewal.Add(-time.Second), 1, 0},
		{renewal, 320, 1},
		{renewal.AddDate(0, 0, 9), 320, 1},
	} {
		r := newReports(t, conn, settings, test.now)
		if got := run(t, r, Request{Kind: Days}).Total.Received; got != test.current {
			t.Errorf("%s: got %d in the current period, want %d", test.now, got, test.current)
		}
		if got := run(t, r, parse(t, Days, "period=previous")).Total.Received; got != test.previous {
			t.Errorf("%s: got %d in the previous period, want %d", test.now, got, test.previous)
		}
	}
	r := newReports(t, conn, settings, renewal.AddDate(0, 0, 9))
	if got := run(t, r, Request{Kind: History}).Total.Received; got != 321 {
		t.Errorf("history: got %d, want every byte once: 321", got)
	}
}

func TestNewPeriodIsShownOnItsRenewalDay(t *testing.T) {
	const name = "America/Havana"
	zone := location(t, name)
	renewal := time.Date(2026, 11, 12, 0, 0, 0, 0, zone)
	conn := database(t, name)
	insert(t, conn, []record{received(renewal.Add(-time.Hour), 1), received(renewal, 20)})
	for now, want := range map[time.Time]time.Time{
		renewal.Add(-time.Second):   renewal.AddDate(0, -1, 0),
		renewal:                     renewal,
		renewal.Add(23 * time.Hour): renewal,
	} {
		got := run(t, newReports(t, conn, settingsOf(plan(t, name, "12", nil)), now), Request{Kind: Overview}).Span.Start
		if !got.Equal(want) {
			t.Errorf("at %s the period from %s is shown, want the one from %s", now, got, want)
		}
	}
}

func TestFlowAtMidnightIsInOneDay(t *testing.T) {
	const name = "Australia/Lord_Howe"
	zone := location(t, name)
	midnight := time.Date(2026, 11, 14, 0, 0, 0, 0, zone)
	conn := database(t, name)
	across := received(midnight.Add(30*time.Minute), 1000)
	across.durationMs = time.Hour.Milliseconds() // half before, half after
	insert(t, conn, []record{received(midnight, 7), across})
	r := newReports(t, conn, settingsOf(plan(t, name, "1", nil)), midnight.AddDate(0, 0, 3))
	got := map[string]uint64{}
	for _, row := range run(t, r, parse(t, Days, "from=2026-11-13&to=2026-11-15")).Rows {
		got[row.Date.String()] = row.Received
	}
	want := map[string]uint64{"2026-11-13": 500, "2026-11-14": 507}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A flow too small to have a byte for each day that it covers is no row of a
// day that got none.
func TestShareOfNothingIsNoRow(t *testing.T) {
	const name = "Europe/Berlin"
	conn := database(t, name)
	if err := conn.Exec(t.Context(), "SYSTEM STOP MERGES"); err != nil { // which would take rows of zeros away
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Exec(context.WithoutCancel(t.Context()), "SYSTEM START MERGES"); err != nil {
			t.Error(err)
		}
	})
	tiny := received(time.Date(2026, 11, 15, 12, 0, 0, 0, location(t, name)), 1)
	tiny.durationMs, tiny.packets = (48 * time.Hour).Milliseconds(), 1
	insert(t, conn, []record{tiny})
	r := newReports(t, conn, settingsOf(plan(t, name, "1", nil)), time.Date(2026, 11, 17, 0, 0, 0, 0, location(t, name)))
	host := "&host=" + tiny.host.Unmap().String()
	for day, want := range map[string]int{"from=2026-11-13&to=2026-11-14": 1, "from=2026-11-14&to=2026-11-15": 0, "from=2026-11-15&to=2026-11-16": 1} {
		for _, kind := range []Kind{Hosts, Protocols} {
			if got := len(run(t, r, parse(t, kind, day)).Rows); got != want {
				t.Errorf("%v, %s: got %d rows, want %d", kind, day, got, want)
			}
		}
		if got := len(run(t, r, parse(t, Host, day+host)).Detail.Peers); got != want {
			t.Errorf("%s: got %d far ends, want %d", day, got, want)
		}
	}
}

func TestRenewalOn31DoesNotStickAt28(t *testing.T) {
	const name = "Asia/Kolkata"
	zone := location(t, name)
	conn := database(t, name)
	insert(t, conn, []record{received(time.Date(2026, 2, 1, 12, 0, 0, 0, zone), 1)})
	r := newReports(t, conn, settingsOf(plan(t, name, "31", nil)), time.Date(2026, 5, 1, 0, 0, 0, 0, zone))
	var got []string
	for _, row := range run(t, r, Request{Kind: History}).Rows {
		got = append(got, row.Start.Format(time.DateOnly))
	}
	if diff := cmp.Diff([]string{"2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestProtocolsSumToHosts(t *testing.T) {
	zone := location(t, "Asia/Kathmandu")
	now := time.Date(2026, 11, 14, 12, 0, 0, 0, zone)
	conn := database(t, "Asia/Kathmandu")
	insert(t, conn, randomRecords(11, now.AddDate(0, 0, -12), now, 400))
	r := newReports(t, conn, settingsOf(plan(t, "Asia/Kathmandu", "1", nil)), now)
	byHost, byProtocol := run(t, r, Request{Kind: Hosts}), run(t, r, Request{Kind: Protocols})
	if got, want := sum(byProtocol.Rows), sum(byHost.Rows); got != want || got.Received == 0 {
		t.Errorf("protocols sum to %+v, hosts to %+v", got, want)
	}
}

func TestIPv6HostHasItsRow(t *testing.T) {
	at := time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC)
	conn := database(t, "UTC")
	six := received(at, 700)
	six.host, six.peer = addr("2001:db8:1::20"), addr("2606:4700::1111")
	insert(t, conn, []record{six, received(at, 30)})
	r := newReports(t, conn, settingsOf(plan(t, "UTC", "1", nil)), at.Add(time.Hour))
	got := map[string]uint64{}
	for _, row := range run(t, r, Request{Kind: Hosts}).Rows {
		got[row.Host.String()] = row.Received
	}
	if diff := cmp.Diff(map[string]uint64{"2001:db8:1::20": 700, "192.168.1.20": 30}, got); diff != "" {
		t.Error(diff)
	}
}

func TestUncountedExporterIsInNoReport(t *testing.T) {
	at := time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC)
	conn := database(t, "UTC")
	again := received(at, 500)
	again.exporter, again.counted = modem, false
	insert(t, conn, []record{received(at, 500), again})
	r := newReports(t, conn, settingsOf(plan(t, "UTC", "1", nil)), at.Add(time.Hour))
	for _, kind := range []Kind{Overview, Days, Hosts, Protocols, Networks, History} {
		if got := run(t, r, Request{Kind: kind}).Total.Received; got != 500 {
			t.Errorf("%s: 500 bytes that two exporters saw are %d", kind, got)
		}
	}
}

func TestOtherIsASum(t *testing.T) {
	at := time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC)
	conn := database(t, "UTC")
	var records []record
	for i := range 5 {
		r := received(at, 10)
		r.service, r.host = 0, hosts[i]
		records = append(records, r)
	}
	insert(t, conn, records)
	r := newReports(t, conn, settingsOf(plan(t, "UTC", "1", nil)), at.Add(time.Hour))
	rows := run(t, r, Request{Kind: Protocols}).Rows
	if len(rows) != 1 || rows[0].Received != 50 || rows[0].Name != "other" || rows[0].Title != "Other TCP" {
		t.Errorf("got %+v, want one row Other TCP of 50 bytes", rows)
	}
}

func TestReportsChangeNothing(t *testing.T) {
	zone := location(t, "UTC")
	now := time.Date(2026, 11, 14, 12, 0, 0, 0, zone)
	conn := database(t, "UTC")
	insert(t, conn, randomRecords(3, now.AddDate(0, -2, 0), now, 150))
	count := func() (n, hash uint64) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), "SELECT count(), groupBitXor(cityHash64(end, duration_ms, host, peer, bytes)) FROM flows").Scan(&n, &hash); err != nil {
			t.Fatal(err)
		}
		return n, hash
	}
	n, hash := count()
	r := newReports(t, conn, settingsOf(plan(t, "UTC", "1", nil)), now)
	for _, kind := range []Kind{Overview, Days, Hosts, Protocols, Networks, History} {
		run(t, r, Request{Kind: kind})
	}
	if gotN, gotHash := count(); gotN != n || gotHash != hash {
		t.Errorf("got %d records after the reports, %d before", gotN, n)
	}
}

func TestUnitsMatchTheirLabels(t *testing.T) {
	at := time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC)
	conn := database(t, "UTC")
	insert(t, conn, []record{received(at, 500<<30)})
	for _, test := range []struct {
		base billing.Base
		want string
	}{{billing.Decimal, "537 GB"}, {billing.Binary, "500 GiB"}} {
		settings := settingsOf(plan(t, "UTC", "1", func(p *billing.Plan) { p.Base = test.base }))
		var b bytes.Buffer
		if err := WriteTable(&b, run(t, newReports(t, conn, settings, at.Add(time.Hour)), Request{Kind: Hosts})); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), test.want) {
			t.Errorf("base %d: got\n%s\nwant %s in it", test.base, b.String(), test.want)
		}
	}
}
