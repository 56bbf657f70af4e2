package report

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/site"
)

func freeTimes(t *testing.T, text string) billing.FreeTimes {
	t.Helper()
	f, err := billing.ParseFreeTimes(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFreeTimes checks for periods with a change of clocks in them, in several
// zones, what counts and what is free against the pieces of the raw flows, to
// the byte: with the daily tables of the plan's zone and of another one.
func TestFreeTimes(t *testing.T) {
	for i, test := range []struct {
		zone, dayZone, free string
		now                 time.Time
	}{
		{"Europe/Berlin", "Europe/Berlin", "02:00-06:00", time.Date(2026, 4, 20, 10, 20, 0, 0, time.UTC)},
		{"America/Havana", "America/Havana", "22:30-01:15; Sat,Sun 00:00-24:00", time.Date(2025, 11, 28, 10, 20, 0, 0, time.UTC)},
		{"Australia/Lord_Howe", "Asia/Kathmandu", "Mon-Fri 01:00-05:30", time.Date(2026, 4, 20, 10, 20, 0, 0, time.UTC)},
		{"Pacific/Chatham", "Pacific/Chatham", "Sun 02:00-04:00", time.Date(2026, 4, 20, 10, 20, 0, 0, time.UTC)},
	} {
		t.Run(test.zone, func(t *testing.T) {
			zone := location(t, test.zone)
			free := freeTimes(t, test.free)
			records := randomRecords(uint64(50+i), test.now.AddDate(0, -2, 0).In(zone), test.now, 500)
			pieces := piecesOf(records)
			conn := database(t, test.dayZone)
			insert(t, conn, records)
			for _, counts := range []billing.Counts{billing.CountBoth, billing.CountLarger} {
				settings := settingsOf(plan(t, test.zone, "12", func(p *billing.Plan) {
					p.Free, p.Counts, p.Cap = free, counts, 500*gb
				}))
				isFree := func(p piece) bool {
					return unmetered(p.host) || free.Holds(time.Unix(p.quarter, 0).In(zone))
				}
				r := newReports(t, conn, settings, test.now)
				for _, p := range settings.Lines[0].Plans.Between(firstOf(pieces), test.now) {
					checkSplit(t, r, p, pieces, isFree)
				}
				checkSplitHistory(t, r, settings, pieces, test.now, isFree)
			}
		})
	}
}

func checkSplit(t *testing.T, r *Reports, p billing.Period, pieces []piece, isFree func(piece) bool) {
	t.Helper()
	result := run(t, r, Request{Kind: Overview, Period: Period{Holding: p.First}})
	o := result.Overview
	all := sumPieces(pieces, p.Start, p.End, nil)
	free := sumPieces(pieces, p.Start, p.End, isFree)
	counted := all.less(free)
	if want := (Traffic{counted.Received, counted.Sent}); o.Counted != want {
		t.Errorf("period from %s: got %+v that counts, want %+v", p.First, o.Counted, want)
	}
	if want := (Traffic{free.Received, free.Sent}); o.Free != want {
		t.Errorf("period from %s: got %+v free, want %+v", p.First, o.Free, want)
	}
	if o.Counted.Received+o.Free.Received != result.Total.Received || o.Counted.Sent+o.Free.Sent != result.Total.Sent {
		t.Errorf("period from %s: %+v that counts and %+v free are not %+v", p.First, o.Counted, o.Free, result.Total)
	}
	if want := p.Plan.Used(counted.Received, counted.Sent); o.Used != want || o.Unmetered != free.Usage() {
		t.Errorf("period from %s: got used %d and free %d, want %d and %d", p.First, o.Used, o.Unmetered, want, free.Usage())
	}
	if slices.ContainsFunc(result.Completeness.Notes, func(n string) bool { return strings.Contains(n, "free times") }) {
		t.Errorf("period from %s: all quarter hours are there, but it says %q", p.First, result.Completeness.Notes)
	}
}

func checkSplitHistory(t *testing.T, r *Reports, settings *site.Settings, pieces []piece, now time.Time, isFree func(piece) bool) {
	t.Helper()
	history := run(t, r, Request{Kind: History})
	periods := settings.Lines[0].Plans.Between(firstOf(pieces), now)
	if len(history.Rows) != len(periods) {
		t.Fatalf("history: got %d periods, want %d", len(history.Rows), len(periods))
	}
	for i, p := range periods {
		all := sumPieces(pieces, p.Start, p.End, nil)
		free := sumPieces(pieces, p.Start, p.End, isFree)
		row, counted := history.Rows[i], all.less(free)
		if want := p.Plan.Used(counted.Received, counted.Sent); row.Used != want || row.Free != free.Usage() || row.Counters != all {
			t.Errorf("history from %s: got used %d, free %d of %+v, want %d, %d of %+v", p.First, row.Used, row.Free, row.Counters, want, free.Usage(), all)
		}
	}
}

// TestPlanChangesMidPeriod has free times and another cap from the middle of a
// period on: the period goes by the version in force when it ends, the ones
// before by theirs. Another renewal day ends the period.
func TestPlanChangesMidPeriod(t *testing.T) {
	const name = "Pacific/Auckland"
	zone := location(t, name)
	now := time.Date(2026, 11, 20, 18, 0, 0, 0, zone)
	var records []record
	for day := time.Date(2026, 9, 12, 0, 0, 0, 0, zone); day.Before(now); day = day.AddDate(0, 0, 1) {
		records = append(records, received(day.Add(3*time.Hour), 2*gb), received(day.Add(12*time.Hour), 10*gb))
	}
	conn := database(t, name)
	insert(t, conn, records)
	first := plan(t, name, "12", func(p *billing.Plan) { p.Cap = 300 * gb })
	second := plan(t, name, "12", func(p *billing.Plan) {
		p.EffectiveFrom, p.Cap, p.Free = date(2026, 10, 20), 400*gb, freeTimes(t, "02:00-06:00")
	})
	third := plan(t, name, "1", func(p *billing.Plan) { p.EffectiveFrom, p.Cap = date(2026, 11, 15), 500*gb })
	r := newReports(t, conn, settingsOf(first, second, third), now)
	var got []Row
	for _, row := range run(t, r, Request{Kind: History}).Rows {
		got = append(got, Row{Start: row.Start, End: row.End, Cap: row.Cap, Used: row.Used, Free: row.Free, Counters: Counters{Received: row.Received}})
	}
	at := func(m, d int) time.Time { return date(2026, m, d).Start(zone) }
	want := []Row{
		{Start: at(9, 12), End: at(10, 12), Cap: 300 * gb, Used: 30 * 12 * gb, Counters: Counters{Received: 30 * 12 * gb}},
		{Start: at(10, 12), End: at(11, 12), Cap: 400 * gb, Used: 31 * 10 * gb, Free: 31 * 2 * gb, Counters: Counters{Received: 31 * 12 * gb}},
		{Start: at(11, 12), End: at(11, 15), Cap: 400 * gb, Used: 3 * 10 * gb, Free: 3 * 2 * gb, Counters: Counters{Received: 3 * 12 * gb}},
		{Start: at(11, 15), End: at(12, 1), Cap: 500 * gb, Used: 6 * 12 * gb, Counters: Counters{Received: 6 * 12 * gb}},
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Error(diff)
	}
}

// TestFreeTimesWithoutQuarterHours has a period of which the quarter hours are
// gone: all of it counts, and it is said that the free part is not known.
func TestFreeTimesWithoutQuarterHours(t *testing.T) {
	now := time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)
	var records []record
	for day := time.Date(2026, 9, 1, 3, 0, 0, 0, time.UTC); day.Before(now); day = day.AddDate(0, 0, 1) {
		records = append(records, received(day, gb))
	}
	conn := database(t, "UTC")
	insert(t, conn, records)
	if err := conn.Exec(t.Context(), "ALTER TABLE usage_15m DROP PARTITION 202609"); err != nil {
		t.Fatal(err)
	}
	r := newReports(t, conn, settingsOf(plan(t, "UTC", "1", func(p *billing.Plan) { p.Free = freeTimes(t, "02:00-06:00") })), now)
	past := run(t, r, parse(t, Overview, "period=2026-09-10"))
	if o := past.Overview; o.Used != 30*gb || o.Unmetered != 0 || past.Total.Received != 30*gb {
		t.Errorf("got used %d, free %d of %d, want all of it to count", o.Used, o.Unmetered, past.Total.Received)
	}
	const want = "from 1 Sep 2026 to 30 Sep 2026 only days are left"
	if notes := strings.Join(past.Completeness.Notes, "\n"); !strings.Contains(notes, want) {
		t.Errorf("got the notes %q, want one with %q", notes, want)
	}
	for query, used := range map[string]uint64{"period=2026-10-10": 0, "": 0} {
		if o := run(t, r, parse(t, Overview, query)).Overview; o.Used != used || o.Unmetered == 0 {
			t.Errorf("%q: got used %d, free %d, want all of it free", query, o.Used, o.Unmetered)
		}
	}
	history := run(t, r, parse(t, History, "from=2026-09-01&to=2026-12-01"))
	if notes := strings.Join(history.Completeness.Notes, "\n"); !strings.Contains(notes, want) {
		t.Errorf("history: got the notes %q, want one with %q", notes, want)
	}
	if got := history.Rows[0]; got.Used != 30*gb || got.Free != 0 {
		t.Errorf("history: got %+v, want all of it to count", got)
	}
}

// TestLines has three lines: one that takes the rest, and two with plans and
// zones of their own. Their rows sum to the total of all lines.
func TestLines(t *testing.T) {
	const name = "Pacific/Auckland"
	zone := location(t, name)
	now := time.Date(2026, 11, 20, 18, 0, 0, 0, zone)
	stray := addr("10.0.0.77")
	var records []record
	for day := time.Date(2026, 10, 1, 12, 0, 0, 0, zone); day.Before(now); day = day.AddDate(0, 0, 1) {
		for i, exporter := range []netip.Addr{router, modem, stray} {
			r := received(day, uint64(i+1)*gb)
			r.exporter = exporter
			records = append(records, r)
		}
	}
	conn := database(t, name)
	insert(t, conn, records)
	settings := settingsOf(plan(t, name, "12", func(p *billing.Plan) { p.Cap = 100 * gb }))
	settings.Lines = append(settings.Lines,
		site.Line{ID: "lte", Name: "LTE", Exporters: []netip.Addr{modem}, Plans: billing.Plans{plan(t, "Europe/Berlin", "1", func(p *billing.Plan) {
			p.Name, p.Cap = "Mobile", 50*gb
		})}},
	)
	r := newReports(t, conn, settings, now)

	for query, want := range map[string]struct {
		used  uint64
		start time.Time
		cap   uint64
	}{
		"":          {9 * 4 * gb, date(2026, 11, 12).Start(zone), 100 * gb},
		"line=home": {9 * 4 * gb, date(2026, 11, 12).Start(zone), 100 * gb},
		// Noon of 1 November in Auckland is midnight in Berlin: 20 days.
		"line=lte": {20 * 2 * gb, date(2026, 11, 1).Start(location(t, "Europe/Berlin")), 50 * gb},
		"line=all": {9 * 6 * gb, date(2026, 11, 12).Start(zone), 0},
	} {
		got := run(t, r, parse(t, Overview, query))
		if got.Overview.Used != want.used || !got.Span.Start.Equal(want.start) || got.Span.Plan.Cap != want.cap {
			t.Errorf("%q: got used %d from %s of %d, want %d from %s of %d", query, got.Overview.Used, got.Span.Start, got.Span.Plan.Cap, want.used, want.start, want.cap)
		}
		if (query == "line=all") != (got.Overview.Lines != nil) {
			t.Errorf("%q: got the lines %+v", query, got.Overview.Lines)
		}
	}

	all := run(t, r, parse(t, Overview, "line=all"))
	want := []Row{
		{Line: "home", Name: "Home", Start: date(2026, 11, 12).Start(zone), End: date(2026, 12, 12).Start(zone), Cap: 100 * gb, Used: 36 * gb, Counters: Counters{Received: 36 * gb}},
		{Line: "lte", Name: "LTE", Start: date(2026, 11, 1).Start(location(t, "Europe/Berlin")), End: date(2026, 12, 1).Start(location(t, "Europe/Berlin")), Cap: 50 * gb, Used: 40 * gb, Counters: Counters{Received: 18 * gb}},
	}
	got := slices.Clone(all.Overview.Lines)
	for i := range got {
		got[i].Packets, got[i].Flows = 0, 0
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Error(diff)
	}
	if sum(all.Overview.Lines) != all.Total {
		t.Errorf("lines sum to %+v, want the total %+v", sum(all.Overview.Lines), all.Total)
	}
	var b bytes.Buffer
	var document struct{ Lines []struct{ Line string } }
	if err := WriteJSON(&b, all); err != nil || json.Unmarshal(b.Bytes(), &document) != nil || len(document.Lines) != 2 || document.Lines[1].Line != "lte" {
		t.Errorf("JSON: %v %s", err, b.String())
	}

	settings.Lines[0].Exporters = []netip.Addr{router}
	all = run(t, r, parse(t, Overview, "line=all"))
	if rows := all.Overview.Lines; len(rows) != 3 || rows[2].Name != noLineName || rows[2].Received != 27*gb || sum(rows) != all.Total {
		t.Errorf("with an exporter on no line: got %+v", rows)
	}
	if used := run(t, r, parse(t, Overview, "")).Overview.Used; used != 9*gb {
		t.Errorf("the first line with its exporter only: got used %d", used)
	}
	if _, err := r.Run(t.Context(), parse(t, Overview, "line=nowhere")); err == nil {
		t.Error("a line that is not there: got no error")
	}
}

// TestOneLineIsAllLines keeps cap and plan where there is nothing to add up.
func TestOneLineIsAllLines(t *testing.T) {
	now := time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)
	conn := database(t, "UTC")
	r := newReports(t, conn, settingsOf(plan(t, "UTC", "1", func(p *billing.Plan) { p.Cap = gb })), now)
	if got := run(t, r, parse(t, Overview, "line=all")); got.Span.Plan.Cap != gb || got.Overview.Lines != nil {
		t.Errorf("got the cap %d and lines %+v", got.Span.Plan.Cap, got.Overview.Lines)
	}
}

// TestUsedLately compares what hosts used in the last days, told from their days
// of the period, with what the tables say of those days.
func TestUsedLately(t *testing.T) {
	const name = "Australia/Lord_Howe"
	zone := location(t, name)
	now := time.Date(2026, 10, 9, 10, 20, 0, 0, zone)
	conn := database(t, name)
	insert(t, conn, randomRecords(5, time.Date(2026, 9, 20, 0, 0, 0, 0, zone), now, 500))
	settings := settingsOf(plan(t, name, "1", nil))
	for i := range settings.Networks {
		settings.Networks[i].Metered = true
	}
	for _, days := range []int{1, 7, 9} {
		q := questionOf(t, newReports(t, conn, settings, now), Request{Kind: Overview})
		w := newWindow(date(2026, 10, 10-days).Start(zone), date(2026, 10, 10).Start(zone))
		hosts, err := q.hosts(t.Context(), dims{host: true})
		check(t, err)
		rows, known := q.usedLately(hosts, w)
		told, err := q.countedByHost(t.Context(), w)
		check(t, err)
		got, want := map[netip.Addr]uint64{}, map[netip.Addr]uint64{}
		for _, row := range rows {
			got[row.Host] = row.Usage()
		}
		for _, row := range told {
			if row.Usage() > 0 {
				want[row.Host] = row.Usage()
			}
		}
		if diff := cmp.Diff(want, got, same); !known || len(want) == 0 || diff != "" {
			t.Errorf("%d days: known %v, -the tables +the days of the period\n%s", days, known, diff)
		}
	}
}
