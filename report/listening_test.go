package report

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/site"
)

// TestBook holds what the ledger says, merged into days in ClickHouse, against
// the same rows looked at one by one: rows that come in pieces, two listeners,
// days with holes, and a window that begins and ends within a day.
func TestBook(t *testing.T) {
	zone := location(t, "Asia/Kathmandu")
	start := time.Date(2026, 10, 28, 7, 30, 0, 0, zone)
	end := start.AddDate(0, 0, 9).Add(5 * time.Hour)
	random := rand.New(rand.NewPCG(7, 7))
	var rows []ledgerRow
	for at := start.Add(-day); at.Before(end.Add(day)); at = at.Add(quarter) {
		whole := at.Sub(start) > 2*day && at.Sub(start) < 5*day // days without a hole
		switch {
		case whole && random.IntN(20) == 0: // in pieces, merged or not
			rows = append(rows, ledgerRow{at, ingest, eventRunning, 400}, ledgerRow{at, ingest, eventRunning, 500})
		case whole || random.IntN(4) > 0:
			rows = append(rows, ledgerRow{at, ingest, eventRunning, 900})
		default:
			rows = append(rows, ledgerRow{at, ingest, eventRunning, random.Uint64N(900)})
		}
		if random.IntN(10) == 0 { // another listener
			rows = append(rows, ledgerRow{at, ingest, eventRunning, 600})
		}
		for _, x := range []netip.Addr{router, modem} {
			if whole || random.IntN(3) > 0 {
				rows = append(rows, ledgerRow{at, x, eventDatagrams, 1 + random.Uint64N(50)}, ledgerRow{at, x, eventRecords, random.Uint64N(900)})
			}
		}
	}
	conn := database(t, zone.String())
	for from := 0; from < len(rows); from += 500 {
		insertLedger(t, conn, rows[from:min(from+500, len(rows))]...)
	}
	req := Request{Kind: Days, Filter: Filter{Line: site.AllLines}}
	q := questionOf(t, newReports(t, conn, settingsOf(plan(t, zone.String(), "1", nil)), end), req)
	b, err := q.book(newWindow(start, end))
	if err != nil {
		t.Fatal(err)
	}

	counts := map[netip.Addr]map[string]uint64{}
	ran := map[time.Time]time.Duration{}
	heard := map[netip.Addr]map[time.Time]bool{router: {}, modem: {}}
	days := map[billing.Date]bool{}
	for _, r := range rows {
		if r.at.Before(start) || !r.at.Before(end) || r.count == 0 {
			continue
		}
		if counts[r.exporter] == nil {
			counts[r.exporter] = map[string]uint64{}
		}
		counts[r.exporter][r.event] += r.count
		switch r.event {
		case eventRunning:
			ran[r.at] = min(ran[r.at]+time.Duration(r.count)*time.Second, quarter)
		case eventDatagrams:
			heard[r.exporter][r.at] = true
			days[billing.DateOf(r.at)] = true
		}
	}
	if diff := cmp.Diff(counts, b.counts, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	for at := start; at.Before(end); at = at.Add(quarter) {
		if got := b.running.in(at); got != ran[at] {
			t.Errorf("ran %s at %s, want %s", got, at, ran[at])
		}
	}
	if len(b.running.through) == 0 {
		t.Error("no day of UTC ran through")
	}
	for x, list := range b.heard {
		for _, s := range list {
			for at := s.from; at.Before(s.to); at = at.Add(quarter) {
				if !heard[x][at.In(zone)] {
					t.Errorf("%s was not heard at %s, or it is said twice", x, at)
				}
				delete(heard[x], at.In(zone))
			}
		}
		if len(heard[x]) > 0 {
			t.Errorf("%s was heard in %d more quarter hours", x, len(heard[x]))
		}
	}
	if diff := cmp.Diff(days, b.days(zone)); diff != "" {
		t.Error(diff)
	}
}
