package report

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
)

const gb = 1_000_000_000

// TestOverview has 10 GB received and 1 GB sent a day at noon, by a metered
// host, and 2 GB by one of a network that does not count toward the cap.
func TestOverview(t *testing.T) {
	const name = "Pacific/Auckland"
	zone := location(t, name)
	noon := time.Date(2026, 9, 1, 12, 0, 0, 0, zone)
	now := time.Date(2026, 11, 12, 18, 0, 0, 0, zone) // day 12 of 30
	var records []record
	for day := noon; day.Before(now); day = day.AddDate(0, 0, 1) {
		down, up, guest := received(day, 10*gb), received(day, 1*gb), received(day, 2*gb)
		up.direction, guest.host = 2, addr("192.168.50.7")
		records = append(records, down, up, guest)
	}
	conn := database(t, name)
	insert(t, conn, records)
	settings := settingsOf(plan(t, name, "1", func(p *billing.Plan) { p.Cap, p.CapText = 300*gb, "300 GB" }))
	result := run(t, newReports(t, conn, settings, now), Request{Kind: Overview})
	o := *result.Overview

	want := OverviewResult{
		Used: 12 * 11 * gb, Unmetered: 12 * 2 * gb, Counted: Traffic{12 * 10 * gb, 12 * gb}, Free: Traffic{12 * 2 * gb, 0}, DayNumber: 12, DayCount: 30,
		EvenPace: 120 * gb, SafePerDay: (300 - 132) * gb / 18, PreviousUsed: 12 * 11 * gb,
		// 18 days and a quarter of today at 11 GB more; no day differs.
		LikelyLow: 332*gb + 750_000_000, LikelyHigh: 332*gb + 750_000_000,
		OverOn: date(2026, 11, 28), Driver: &Driver{Host: hosts[0], Name: "=nas", Used: 7 * 11 * gb, Share: 1, Days: 7}, HostCount: 2, ProtocolCount: 1,
	}
	got := o
	got.Days, got.Hosts, got.Protocols, got.Networks, got.BiggestDay, got.Today = nil, nil, nil, nil, Row{}, Row{}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Error(diff)
	}
	if len(o.Days) != 12 || !o.Days[11].Partial || o.Days[10].Partial {
		t.Errorf("got %d days, the last partial: %+v", len(o.Days), o.Days)
	}
	for list, rows := range map[string][]Row{"days": o.Days, "hosts": o.Hosts, "protocols": o.Protocols, "networks": o.Networks} {
		if got := sum(rows); got != result.Total {
			t.Errorf("%s: got %+v, want the total %+v", list, got, result.Total)
		}
	}
	if got := result.Total.Usage(); got != 12*13*gb {
		t.Errorf("total usage: got %d", got)
	}

	past := run(t, newReports(t, conn, settings, now), parse(t, Overview, "period=2026-10-05")).Overview
	if past.DayNumber != 31 || past.Used != 31*11*gb || past.OverOn != date(2026, 10, 28) || past.LikelyHigh != 0 || past.SafePerDay != 0 || past.PreviousUsed != 30*11*gb {
		t.Errorf("past period: got %+v", past)
	}
	chosen := run(t, newReports(t, conn, settings, now), parse(t, Overview, "from=2026-11-05&to=2026-11-08")).Overview
	if chosen.EvenPace != 0 || chosen.LikelyHigh != 0 || chosen.Used != 3*11*gb || chosen.PreviousUsed != 3*11*gb {
		t.Errorf("chosen range: got %+v", chosen)
	}
	early := run(t, newReports(t, conn, settings, time.Date(2026, 11, 2, 13, 0, 0, 0, zone)), Request{Kind: Overview}).Overview
	if early.DayNumber != 2 || early.LikelyHigh != 0 || !early.OverOn.IsZero() {
		t.Errorf("day 2: got a forecast: %+v", early)
	}

	history := run(t, newReports(t, conn, settings, now), Request{Kind: History})
	var used []uint64
	for _, row := range history.Rows {
		used = append(used, row.Used)
	}
	if want := []uint64{30 * 11 * gb, 31 * 11 * gb, 12 * 11 * gb}; !slices.Equal(used, want) {
		t.Errorf("history: got used %v, want %v", used, want)
	}
}

func TestHeadsSumToTheTotal(t *testing.T) {
	now := time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC)
	var records []record
	for i := range 30 {
		r := received(now.Add(-time.Hour), uint64(1000+i))
		r.host = netip.AddrFrom4([4]byte{192, 168, 1, byte(i)})
		r.service = uint16(i)
		records = append(records, r)
	}
	stray := received(now.Add(-time.Hour), 999_999)
	stray.host, stray.direction = netip.IPv6Unspecified(), 4
	conn := database(t, "UTC")
	insert(t, conn, append(records, stray))
	result := run(t, newReports(t, conn, settingsOf(plan(t, "UTC", "1", nil)), now), Request{Kind: Overview})
	o := result.Overview
	names := func(rows []Row) []string {
		var list []string
		for _, row := range rows {
			list = append(list, row.Name)
		}
		return list[max(len(list)-2, 0):]
	}
	if got := names(o.Hosts); !slices.Equal(got, []string{"Others (22)", "Unmatched"}) {
		t.Errorf("hosts end with %q", got)
	}
	if o.HostCount != 30 || sum(o.Hosts) != result.Total || sum(o.Protocols) != result.Total || sum(o.Networks) != result.Total {
		t.Errorf("got %d hosts, %+v, %+v, %+v, want the total %+v", o.HostCount, sum(o.Hosts), sum(o.Protocols), sum(o.Networks), result.Total)
	}
	if result.Total.Usage() != sum(result.Rows).Usage() || result.Total.Unmatched != 999_999 {
		t.Errorf("got total %+v", result.Total)
	}
}

func TestForecast(t *testing.T) {
	today := date(2026, 11, 12) // a Thursday
	var november []billing.Date
	for d := date(2026, 11, 1); d.Before(date(2026, 12, 1)); d = d.AddDays(1) {
		november = append(november, d)
	}
	make := func(usage func(billing.Date) Counters) *forecast {
		f := &forecast{plan: billing.Plan{Cap: 1 << 60}, usage: map[billing.Date]Counters{}, today: today, part: 0.5, days: november}
		for n := range 60 {
			if c := usage(today.AddDays(-n)); c != (Counters{}) {
				f.usage[today.AddDays(-n)] = c
			}
		}
		return f
	}
	t.Run("weekdays differ", func(t *testing.T) {
		f := make(func(d billing.Date) Counters {
			if d.Weekday() == time.Sunday {
				return Counters{Received: 700}
			}
			return Counters{Received: 100}
		})
		if !f.learn() {
			t.Fatal("nothing learnt from 56 days")
		}
		// Half of Thursday, 18 days with Sundays on the 15th, 22nd and 29th.
		low, high := f.likely(1000)
		if want := uint64(1000 + 50 + 15*100 + 3*700); low != want || high != want {
			t.Errorf("got %d to %d, want %d: no Sunday differs from another", low, high, want)
		}
	})
	t.Run("days differ", func(t *testing.T) {
		f := make(func(d billing.Date) Counters { return Counters{Received: uint64(50 + 10*(d.Day%11))} })
		f.learn()
		low, high := f.likely(1000)
		if low >= high || low < 1000 || high > 1000+19*150 {
			t.Errorf("got %d to %d", low, high)
		}
	})
	t.Run("too little to learn from", func(t *testing.T) {
		f := make(func(d billing.Date) Counters {
			if d.Before(today.AddDays(-2)) {
				return Counters{}
			}
			return Counters{Received: 5}
		})
		if f.learn() {
			t.Error("learnt from two days")
		}
	})
	t.Run("larger direction", func(t *testing.T) {
		f := make(func(billing.Date) Counters { return Counters{Received: 10, Sent: 30} })
		f.plan.Counts = billing.CountLarger
		f.learn()
		if low, _ := f.likely(360); low != 360+15+18*30 {
			t.Errorf("got %d, want what was sent", low)
		}
	})
	t.Run("cap", func(t *testing.T) {
		f := make(func(billing.Date) Counters { return Counters{Received: 10} })
		f.learn()
		f.plan.Cap = 95
		if got := f.crossed(); got != date(2026, 11, 10) {
			t.Errorf("crossed on %s, want 2026-11-10", got)
		}
		f.plan.Cap = 160
		if got := f.crossed(); !got.IsZero() {
			t.Errorf("crossed on %s, want never", got)
		}
		if got := f.overOn(120); got != date(2026, 11, 16) {
			t.Errorf("over on %s, want 2026-11-16", got)
		}
		f.plan.Cap = 10_000
		if got := f.overOn(120); !got.IsZero() {
			t.Errorf("over on %s, want never", got)
		}
	})
}

func TestShare(t *testing.T) {
	for _, test := range []struct {
		value uint64
		n, of int
		want  uint64
	}{{500, 12, 30, 200}, {1<<64 - 1, 30, 31, 17851687813267308014}, {7, 1, 2, 3}, {7, 30, 30, 7}} {
		if got := share(test.value, test.n, test.of); got != test.want {
			t.Errorf("share(%d, %d, %d): got %d, want %d", test.value, test.n, test.of, got, test.want)
		}
	}
}

func TestDaysGapsAndToday(t *testing.T) {
	at := func(d, h int) time.Time { return time.Date(2026, 11, d, h, 0, 0, 0, time.UTC) }
	conn := database(t, "UTC")
	other := received(at(4, 12), 40)
	other.host = hosts[1]
	insert(t, conn, []record{received(at(2, 12), 20), other})
	insertLedger(t, conn, ledgerRow{at(3, 8), router, "datagrams", 5}) // heard, but nothing in it
	r := newReports(t, conn, settingsOf(plan(t, "UTC", "1", nil)), at(5, 9))
	for _, test := range []struct{ query, want string }{
		{"", "1:gap 2:20 3:0 4:40 5:gap today"},
		{"host=192.168.1.20", "1:gap 2:20 3:0 4:0 5:gap today"}, // others had traffic on the 4th
		{"period=2026-12-24", ""},                               // still to come
	} {
		var days []string
		for _, row := range run(t, r, parse(t, Days, test.query)).Rows {
			day := fmt.Sprintf("%d:%d", row.Date.Day, row.Received)
			if row.Gap {
				day = fmt.Sprintf("%d:gap", row.Date.Day)
			}
			if row.Partial {
				day += " today"
			}
			days = append(days, day)
		}
		if got := strings.Join(days, " "); got != test.want {
			t.Errorf("%q: got %s, want %s", test.query, got, test.want)
		}
	}
}

func TestHostRows(t *testing.T) {
	at := func(d, h, m int) time.Time { return time.Date(2026, 11, d, h, m, 0, 0, time.UTC) }
	conn := database(t, "UTC")
	first, second := received(at(2, 12, 20), 20), received(at(5, 8, 50), 5)
	other := received(at(2, 12, 20), 3)
	other.host = hosts[1]
	insert(t, conn, []record{first, second, other})
	rows := run(t, newReports(t, conn, settingsOf(plan(t, "UTC", "1", nil)), at(5, 9, 0)), Request{Kind: Hosts}).Rows
	if len(rows) != 2 {
		t.Fatalf("got %d rows", len(rows))
	}
	if got := rows[0]; got.Host != hosts[0] || got.Name != "=nas" || got.NameFrom != "own" || !got.LastSeen.Equal(at(5, 8, 45)) || !slices.Equal(got.Days, []uint64{0, 20, 0, 0, 5}) {
		t.Errorf("got %+v", got)
	}
	if got := rows[1]; got.Host != hosts[1] || !got.LastSeen.Equal(at(2, 0, 0)) || !slices.Equal(got.Days, []uint64{0, 3, 0, 0, 0}) {
		t.Errorf("got %+v", got)
	}
}

// TestHistoryAcrossPlans has a change of zone, renewal and cap on the way.
func TestHistoryAcrossPlans(t *testing.T) {
	zone := location(t, "Asia/Kathmandu")
	before := plan(t, "Asia/Kathmandu", "12", func(p *billing.Plan) { p.Cap = 100 })
	after := plan(t, "Pacific/Chatham", "1", func(p *billing.Plan) { p.Cap, p.EffectiveFrom = 200, date(2026, 3, 20) })
	now := time.Date(2026, 4, 20, 0, 0, 0, 0, zone)
	records := randomRecords(5, time.Date(2026, 1, 20, 0, 0, 0, 0, zone), now, 300)
	pieces := piecesOf(records)
	for _, dayZone := range []string{"Asia/Kathmandu", "Pacific/Chatham", "UTC"} {
		conn := database(t, dayZone)
		insert(t, conn, records)
		settings := settingsOf(before, after)
		r := newReports(t, conn, settings, now)
		checkHistory(t, r, settings.Lines[0].Plans.Between(firstOf(pieces), now), pieces)
		var caps []uint64
		for _, row := range run(t, r, Request{Kind: History}).Rows {
			caps = append(caps, row.Cap)
		}
		if want := []uint64{100, 100, 100, 200, 200}; !slices.Equal(caps[len(caps)-5:], want) {
			t.Errorf("%s: got caps %v, want them to end with %v", dayZone, caps, want)
		}
		if got := len(run(t, r, parse(t, History, "from=2026-02-01&to=2026-03-01")).Rows); got != 2 {
			t.Errorf("%s: got %d periods of February, want 2", dayZone, got)
		}
	}
}

func TestRunErrors(t *testing.T) {
	now := time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC)
	settings := settingsOf(plan(t, "UTC", "1", nil))
	t.Run("not reachable", func(t *testing.T) {
		conn, err := ch.Open(&ch.Options{Addr: []string{"127.0.0.1:1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := newReports(t, conn, settings, now).Run(t.Context(), Request{Kind: Days}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want %v", err, ErrUnavailable)
		}
	})
	t.Run("not migrated", func(t *testing.T) {
		conn, _ := clickhousetest.Database(t)
		if _, err := newReports(t, conn, settings, now).Run(t.Context(), Request{Kind: Days}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want %v", err, ErrUnavailable)
		}
	})
	conn := database(t, "UTC")
	r := newReports(t, conn, settings, now)
	t.Run("client left", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Run(ctx, Request{Kind: Days}); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	})
	for _, test := range []struct {
		kind         Kind
		query, param string
	}{
		{Host, "", "host"},
		{Hosts, "line=nowhere", "line"},
		{Hosts, "protocol=htps", "protocol"},
		{Hosts, "from=2026-11-08&to=2026-11-08", "to"},
		{Hosts, "from=2027-01-01", "to"},
		{"nonsense", "", "kind"},
	} {
		_, err := r.Run(t.Context(), parse(t, test.kind, test.query))
		var refused *RequestError
		if !errors.As(err, &refused) || refused.Param != test.param {
			t.Errorf("%s?%s: got %v, want an error of %s", test.kind, test.query, err, test.param)
		}
	}
}
