package report

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/site"
)

var ingest = netip.IPv6Unspecified()

// quarters makes a row of the ledger for each quarter hour of a time.
func quarters(from, to time.Time, exporter netip.Addr, event string, count uint64) []ledgerRow {
	var rows []ledgerRow
	for at := from; at.Before(to); at = at.Add(quarter) {
		rows = append(rows, ledgerRow{at, exporter, event, count})
	}
	return rows
}

// quiet is a ledger of two routers that lost nothing, in 4-hour days.
func quiet(from, to time.Time) []ledgerRow {
	return slices.Concat(
		quarters(from, to, ingest, "running_seconds", 900),
		quarters(from, to, router, "datagrams", 10), quarters(from, to, router, "records", 200),
		quarters(from, to, modem, "datagrams", 10), quarters(from, to, modem, "records", 50),
	)
}

func TestCompleteness(t *testing.T) {
	zone := location(t, "Pacific/Auckland")
	at := func(d, h, m int) time.Time { return time.Date(2026, 11, d, h, m, 0, 0, zone) }
	now := at(2, 12, 0) // the ledger begins at noon of the first: 96 quarters, 24,000 records
	one := func(exporter netip.Addr, event string, n uint64) []ledgerRow {
		return []ledgerRow{{at(1, 15, 7), exporter, event, n}}
	}
	without := func(rows []ledgerRow, drop func(ledgerRow) bool) []ledgerRow { return slices.DeleteFunc(rows, drop) }
	between := func(r ledgerRow, from, to time.Time) bool { return !r.at.Before(from) && r.at.Before(to) }
	for _, test := range []struct {
		name  string
		rows  []ledgerRow
		query string
		want  float64 // fraction; NaN: not known
		notes []string
	}{
		{"nothing", nil, "", math.NaN(), []string{"Nothing was received in this time. If there should be something, the page Status says what to check."}},
		{"to come", nil, "period=2026-12-05", math.NaN(), []string{"This time is still to come."}},
		{"all there", quiet(at(1, 12, 0), now), "", 1, nil},
		{
			"records lost", append(quiet(at(1, 12, 0), now), one(router, "lost_records", 1000)...), "", 24.0 / 25,
			[]string{"1,000 records of 192.168.1.1 were lost on the way (gaps in its sequence numbers). Give the way from it to FlatTraffic a better link, or raise net.core.rmem_max here."},
		},
		{
			"datagrams lost, of 5 records each", append(quiet(at(1, 12, 0), now), one(modem, "lost_datagrams", 200)...), "", 24.0 / 25,
			[]string{"200 datagrams of 2001:db8:1::1 were lost on the way, about 1,000 records by their mean size. Give the way from it to FlatTraffic a better link, or raise net.core.rmem_max here."},
		},
		{
			"dropped here", slices.Concat(quiet(at(1, 12, 0), now), one(ingest, "kernel_drops", 8), one(modem, "queue_drops", 20), one(ingest, "spool_drops", 100)), "", 24.0 / 24.3,
			[]string{
				"8 datagrams were dropped because the receive buffer of the system was full, about 100 records. Raise net.core.rmem_max and start FlatTraffic again.",
				"20 datagrams were dropped because decoding could not keep up, about 100 records. Give FlatTraffic more processor time, or have the router sample.",
				"100 records were dropped because ClickHouse was away for longer than the spool could hold. Give the spool more room.",
			},
		},
		{
			"not listening for an hour",
			without(quiet(at(1, 12, 0), now), func(r ledgerRow) bool { return between(r, at(1, 14, 0), at(1, 15, 0)) }), "", 23.0 / 24,
			[]string{"FlatTraffic was not listening for 1 hour (1 Nov 2026 14:00–15:00), and about 1,000 records were missed by the mean of the rest. Keep it running, also over restarts of the machine."},
		},
		{
			"stopped since", without(quiet(at(1, 12, 0), now), func(r ledgerRow) bool { return between(r, at(1, 23, 30), now) }), "", 11.5 / 24,
			[]string{"FlatTraffic was not listening for 12 hours 30 minutes (1 Nov 2026 23:30–2 Nov 12:00), and about 12,500 records were missed by the mean of the rest. Keep it running, also over restarts of the machine."},
		},
		{
			"one exporter silent", without(quiet(at(1, 12, 0), now), func(r ledgerRow) bool {
				return r.exporter == router && (between(r, at(1, 14, 0), at(1, 14, 45)) || between(r, at(2, 10, 0), now))
			}), "", 1,
			[]string{"No flows came from 192.168.1.1: 1 Nov 2026 14:00–14:45, 2 Nov 2026 10:00–12:00. If it was switched on, check its flow export and the network between."},
		},
		{
			"a quarter hour of silence is nothing", without(quiet(at(1, 12, 0), now), func(r ledgerRow) bool {
				return r.exporter == router && between(r, at(1, 14, 0), at(1, 14, 15))
			}), "", 1, nil,
		},
		{
			"no template, wrong clock, broken", slices.Concat(quiet(at(1, 12, 0), now), one(router, "template_missing", 50), one(modem, "time_fixed", 7), one(modem, "malformed", 1), one(addr("203.0.113.9"), "malformed", 99)), "", 24.0 / 25,
			[]string{
				"50 sets of 192.168.1.1 could not be read because the template for them never came, about 1,000 records. Have it send its templates every minute.",
				"7 records of 2001:db8:1::1 had times that cannot be right and are booked when they arrived. Set its clock (NTP).",
				"1 datagram or set from 2001:db8:1::1 broke the rules of the protocol and could not be read. Check its export version and update it.",
			},
		},
		{"another line's loss", append(quiet(at(1, 12, 0), now), one(router, "lost_records", 1000)...), "line=modem", 1, nil},
		{"before the loss", append(quiet(at(1, 12, 0), now), one(router, "lost_records", 1000)...), "from=2026-11-01T12:00:00%2B13:00&to=2026-11-01T15:00:00%2B13:00", 1, nil},
		{
			"range in between", quiet(at(1, 12, 0), now), "from=2026-11-01T12:05:00%2B13:00&to=2026-11-01T13:00:00%2B13:00", 1,
			[]string{"Usage is kept by quarter hours, so the range was widened to 2026-11-01T12:00:00+13:00 – 2026-11-01T13:00:00+13:00."},
		},
		{
			"no service", quiet(at(1, 12, 0), now), "protocol=tcp/4567", 1,
			[]string{"Port 4567 of tcp is not in the table of services: its traffic is counted as Other. Ask for tcp/0 to see it."},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := database(t, "Pacific/Auckland")
			insertLedger(t, conn, test.rows...)
			settings := settingsOf(plan(t, "Pacific/Auckland", "1", nil))
			spare := settings.Lines[0]
			spare.ID, spare.Exporters = "modem", []netip.Addr{modem}
			settings.Lines = append(settings.Lines, spare)
			req := parse(t, Hosts, test.query)
			if req.Filter.Line == "" {
				req.Filter.Line = site.AllLines
			}
			got := run(t, newReports(t, conn, settings, now), req).Completeness
			if got.Known == math.IsNaN(test.want) || got.Known && math.Abs(got.Fraction-test.want) > 1e-9 {
				t.Errorf("got %v, %t, want %v", got.Fraction, got.Known, test.want)
			}
			if diff := cmp.Diff(append([]string{}, test.notes...), got.Notes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompletenessOfImportsAndSampling(t *testing.T) {
	now := time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC)
	conn := database(t, "UTC")
	insert(t, conn, []record{received(now.Add(-time.Hour), 5)})
	settings := settingsOf(plan(t, "UTC", "1", nil))
	r := newReports(t, conn, settings, now)
	if got := run(t, r, Request{Kind: Days}).Completeness; got.Known || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "imported") {
		t.Errorf("got %+v", got)
	}
	insertLedger(t, conn, quiet(now.Add(-2*time.Hour), now)...)
	settings.Exporters = []site.Exporter{{Address: modem, SamplingRate: 64}}
	err := conn.Exec(t.Context(), "INSERT INTO exporter_state (exporter, first_seen, last_seen, sampling_rate) VALUES ('::ffff:192.168.1.1', '2026-11-14 10:00:00', '2026-11-14 11:00:00', 100)")
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, r, Request{Kind: Days}).Completeness
	if !got.Known || got.Fraction != 1 || len(got.Notes) != 2 || !strings.HasPrefix(got.Notes[0], "192.168.1.1 looks at one packet in 100 only") || !strings.HasPrefix(got.Notes[1], "2001:db8:1::1 looks at one packet in 64 only") {
		t.Errorf("got %+v", got)
	}
}

func TestInWords(t *testing.T) {
	for _, test := range []struct {
		d    time.Duration
		want string
	}{
		{20 * time.Second, "0 minutes"},
		{time.Minute, "1 minute"},
		{42 * time.Minute, "42 minutes"},
		{time.Hour, "1 hour"},
		{12*time.Hour + 30*time.Minute, "12 hours 30 minutes"},
		{51*time.Hour + 5*time.Minute, "2 days 3 hours"},
	} {
		if got := inWords(test.d); got != test.want {
			t.Errorf("%s: got %s, want %s", test.d, got, test.want)
		}
	}
}
