package report

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/schema"
)

// The zones and renewal days that the accounting rules name. In the time of
// the test clocks change in Havana (at midnight), Chatham and Lord Howe (by
// half an hour).
var (
	testZones    = []string{"Asia/Kolkata", "Asia/Kathmandu", "Pacific/Chatham", "Australia/Lord_Howe", "America/Havana"}
	testRenewals = []string{"1", "12", "31", "-2"}
)

// TestConservation checks that for every billing period each report has the
// rows, to the byte, that the raw flows give when they are added up in Go, and
// that all of them sum to the same.
func TestConservation(t *testing.T) {
	for i, name := range testZones {
		t.Run(name, func(t *testing.T) {
			zone := location(t, name)
			now := time.Date(2026, 4, 20, 10, 20, 0, 0, zone)
			records := randomRecords(uint64(i), time.Date(2025, 12, 25, 0, 0, 0, 0, zone), now, 500)
			pieces := piecesOf(records)
			conn := database(t, name)
			insert(t, conn, records)
			for n := range 2 { // every renewal comes with several zones
				renewal := testRenewals[(i+n)%len(testRenewals)]
				settings := settingsOf(plan(t, name, renewal, nil))
				r := newReports(t, conn, settings, now)
				periods := settings.Lines[0].Plans.Between(firstOf(pieces), now)
				if len(periods) < 4 {
					t.Fatalf("renewal %s: got %d periods", renewal, len(periods))
				}
				var all Counters
				for _, p := range periods {
					req := Request{Period: Period{Holding: p.First}}
					all.add(checkReports(t, r, req, pieces, p.Start, p.End, nil))
				}
				checkHistory(t, r, periods, pieces)
				if want := sumPieces(pieces, periods[0].Start, periods[len(periods)-1].End, nil); all != want {
					t.Errorf("renewal %s: periods sum to %+v, raw is %+v", renewal, all, want)
				}
			}
		})
	}
}

// checkReports asks every report for a span and compares rows and totals with
// those of the pieces. It returns the total.
func checkReports(t *testing.T, r *Reports, req Request, pieces []piece, start, end time.Time, match func(piece) bool) Counters {
	t.Helper()
	want := sumPieces(pieces, start, end, match)
	zone := start.Location()
	for kind, key := range map[Kind]func(piece) string{
		Days:      func(p piece) string { return billing.DateOf(time.Unix(p.quarter, 0).In(zone)).String() },
		Hosts:     func(p piece) string { return p.host.String() },
		Protocols: func(p piece) string { return fmt.Sprintf("%d/%d", p.protocol, p.service) },
		Networks:  func(p piece) string { return bookedOn(p.host) },
	} {
		req.Kind = kind
		got := run(t, r, req)
		if !got.Span.Start.Equal(start) || !got.Span.End.Equal(end) {
			t.Fatalf("%s %v: got span %s – %s, want %s – %s", kind, req.Query(), got.Span.Start, got.Span.End, start, end)
		}
		if got.Total != want || sum(got.Rows) != want {
			t.Errorf("%s %v: got total %+v, want %+v", kind, req.Query(), got.Total, want)
		}
		wantRows, gotRows := map[string]Counters{}, map[string]Counters{}
		for _, p := range pieces {
			if p.quarter >= start.Unix() && p.quarter < end.Unix() && (match == nil || match(p)) {
				c := wantRows[key(p)]
				c.add(p.Counters)
				wantRows[key(p)] = c
			}
		}
		for _, row := range got.Rows {
			k := rowKey(kind, row)
			if _, twice := gotRows[k]; twice {
				t.Errorf("%s %v: row %s twice", kind, req.Query(), k)
			}
			gotRows[k] = row.Counters
			if _, ok := wantRows[k]; !ok && kind != Hosts { // days and networks without traffic have rows too
				wantRows[k] = Counters{}
			}
		}
		if diff := cmp.Diff(wantRows, gotRows); diff != "" {
			t.Errorf("%s %v: %s", kind, req.Query(), diff)
		}
	}
	return want
}

func firstOf(pieces []piece) time.Time {
	first := pieces[0].quarter
	for _, p := range pieces {
		first = min(first, p.quarter)
	}
	return time.Unix(first, 0)
}

func rowKey(kind Kind, row Row) string {
	switch kind {
	case Hosts:
		return row.Host.String()
	case Protocols:
		return fmt.Sprintf("%d/%d", row.ProtocolNumber, row.Service)
	case Networks, Ranges:
		return row.Network
	case People:
		return row.Person
	case Days, History, Overview, Host:
	}
	return row.Date.String()
}

// bookedOn names the most specific local network of a host.
func bookedOn(host netip.Addr) string {
	if host == netip.IPv6Unspecified() {
		return "unmatched"
	}
	best, found := -1, "elsewhere"
	for _, n := range localNetworks() {
		if n.Prefix.Contains(host) && n.Prefix.Bits() > best {
			best, found = n.Prefix.Bits(), n.Prefix.String()
		}
	}
	return found
}

// unmetered says whether a host's network does not count toward the cap.
func unmetered(host netip.Addr) bool {
	b := bookedOn(host)
	return b == "192.168.50.0/24" || b == "2001:db8:1::/56"
}

func checkHistory(t *testing.T, r *Reports, periods []billing.Period, pieces []piece) {
	t.Helper()
	got := run(t, r, Request{Kind: History})
	var rows []Row
	for _, row := range got.Rows {
		rows = append(rows, Row{Start: row.Start, End: row.End, Counters: row.Counters})
	}
	var want []Row
	for _, p := range periods {
		c := sumPieces(pieces, p.Start, p.End, nil)
		if len(want) > 0 || c != (Counters{}) {
			want = append(want, Row{Start: p.Start, End: p.End, Counters: c})
		}
	}
	if diff := cmp.Diff(want, rows, same); diff != "" {
		t.Errorf("history: %s", diff)
	}
	if got.Total != sum(want) {
		t.Errorf("history: got total %+v, want %+v", got.Total, sum(want))
	}
}

// TestFilters checks every report with every filter, alone and together, over
// a billing period, a range of days and a range of instants; and the same
// where the daily tables are of another zone.
func TestFilters(t *testing.T) {
	const name = "Asia/Kathmandu"
	zone := location(t, name)
	now := time.Date(2026, 3, 20, 10, 20, 0, 0, zone)
	records := randomRecords(99, time.Date(2026, 2, 1, 0, 0, 0, 0, zone), now, 600)
	pieces := piecesOf(records)
	filters := []struct {
		query string
		match func(piece) bool
	}{
		{"host=192.168.1.20", func(p piece) bool { return p.host == hosts[0] }},
		{"host=::ffff:192.168.1.20", func(p piece) bool { return p.host == hosts[0] }},
		{"host=2001:db8:1::20", func(p piece) bool { return p.host == hosts[4] }},
		{"host=::", func(p piece) bool { return p.host.IsUnspecified() }},
		{"host=unmatched", func(p piece) bool { return p.host.IsUnspecified() }},
		{"host=192.168.1.99", func(piece) bool { return false }},
		{"protocol=udp", func(p piece) bool { return p.protocol == 17 }},
		{"protocol=200", func(p piece) bool { return p.protocol == 200 }},
		{"protocol=icmp", func(p piece) bool { return p.protocol == 1 }},
		{"protocol=https", func(p piece) bool { return p.protocol == 6 && p.service == 443 }},
		{"protocol=tcp/443", func(p piece) bool { return p.protocol == 6 && p.service == 443 }},
		{"protocol=17/443", func(p piece) bool { return p.protocol == 17 && p.service == 443 }},
		{"protocol=dns", func(p piece) bool { return p.service == 53 }},
		{"protocol=tcp/0", func(p piece) bool { return p.protocol == 6 && p.service == 0 }},
		{"protocol=other", func(p piece) bool { return (p.protocol == 6 || p.protocol == 17) && p.service == 0 }},
		{"network=192.168.0.0/16", func(p piece) bool { return netip.MustParsePrefix("192.168.0.0/16").Contains(p.host) }},
		{"network=192.168.1.20", func(p piece) bool { return p.host == hosts[0] }},
		{"network=2001:db8::/32", func(p piece) bool { return netip.MustParsePrefix("2001:db8::/32").Contains(p.host) }},
		{"network=::/0", func(p piece) bool { return p.host.Is6() && !p.host.IsUnspecified() }},
		{"network=0.0.0.0/0", func(p piece) bool { return p.host.Is4() }},
		{"network=elsewhere", func(p piece) bool { return bookedOn(p.host) == "elsewhere" }},
		{"network=unmatched", func(p piece) bool { return p.host.IsUnspecified() }},
		{"host=192.168.1.20&protocol=https", func(p piece) bool { return p.host == hosts[0] && p.protocol == 6 && p.service == 443 }},
		{"network=192.168.0.0/16&protocol=udp", func(p piece) bool {
			return netip.MustParsePrefix("192.168.0.0/16").Contains(p.host) && p.protocol == 17
		}},
		{"network=elsewhere&protocol=dns", func(p piece) bool { return bookedOn(p.host) == "elsewhere" && p.service == 53 }},
		{"line=all", nil},
		{"line=modem", func(p piece) bool { return p.exporter == modem }},
		{"line=modem&network=10.0.0.0/8", func(p piece) bool {
			return p.exporter == modem && netip.MustParsePrefix("10.0.0.0/8").Contains(p.host)
		}},
	}
	at := func(y, m, d, h, min int) time.Time { return time.Date(y, time.Month(m), d, h, min, 0, 0, zone) }
	spans := []struct {
		name, query string
		start, end  time.Time
	}{
		{"billing period", "period=2026-02-20", at(2026, 2, 12, 0, 0), at(2026, 3, 12, 0, 0)},
		{"days", "from=2026-02-10&to=2026-02-14", at(2026, 2, 10, 0, 0), at(2026, 2, 14, 0, 0)},
		{"instants", "from=2026-02-10T05:07:00%2B05:45&to=2026-02-12T23:01:01%2B05:45", at(2026, 2, 10, 5, 0), at(2026, 2, 12, 23, 15)},
	}
	for _, dayZone := range []string{name, "America/Havana"} {
		conn := database(t, dayZone)
		insert(t, conn, records)
		settings := settingsOf(plan(t, name, "12", nil))
		spare := settings.Lines[0]
		spare.ID, spare.Exporters = "modem", []netip.Addr{modem}
		settings.Lines = append(settings.Lines, spare)
		r := newReports(t, conn, settings, now)
		for n, span := range spans {
			if n > 0 && dayZone != name { // all is read from quarter hours then
				break
			}
			for _, filter := range filters {
				t.Run(dayZone+"/"+span.name+"/"+filter.query, func(t *testing.T) {
					req := parse(t, Days, span.query+"&"+filter.query)
					match := filter.match
					if req.Filter.Line == "" { // the first line has what the other one does not name
						match = func(p piece) bool { return p.exporter != modem && filter.match(p) }
					}
					checkReports(t, r, req, pieces, span.start, span.end, match)
				})
			}
			t.Run(dayZone+"/"+span.name+"/one host", func(t *testing.T) {
				for _, query := range []string{"host=192.168.1.20", "host=::", "host=2001:db8:1::20&protocol=udp", "host=192.168.1.21&line=modem"} {
					checkHost(t, r, parse(t, Host, span.query+"&"+query), pieces, span.start, span.end)
				}
			})
		}
	}
}

// checkHost compares the page of a host: days, protocols and far ends.
func checkHost(t *testing.T, r *Reports, req Request, pieces []piece, start, end time.Time) {
	t.Helper()
	match := func(p piece) bool {
		return p.host == req.Filter.Host && (req.Filter.Line == "") == (p.exporter != modem) && (!req.Filter.Protocol.Set || p.protocol == 17)
	}
	got := run(t, r, req)
	want := sumPieces(pieces, start, end, match)
	if got.Total != want || sum(got.Detail.Days) != want || sum(got.Detail.Protocols) != want {
		t.Errorf("%v: got total %+v, days %+v, protocols %+v, want %+v", req.Query(), got.Total, sum(got.Detail.Days), sum(got.Detail.Protocols), want)
	}
	wantPeers, gotPeers := map[netip.Addr]Counters{}, map[netip.Addr]Counters{}
	for _, peer := range peers {
		c := sumPieces(pieces, start, end, func(p piece) bool { return match(p) && p.peer == peer })
		if c != (Counters{}) {
			wantPeers[peer] = c
		}
	}
	for _, p := range got.Detail.Peers {
		if p.Counters != (Counters{}) {
			gotPeers[p.Address] = p.Counters
		}
	}
	if diff := cmp.Diff(wantPeers, gotPeers, same); diff != "" {
		t.Errorf("%v: far ends: %s", req.Query(), diff)
	}
}

// TestTotalOfAnyWindow checks totals that are put together from whole days and
// the quarter hours around them.
func TestTotalOfAnyWindow(t *testing.T) {
	const name = "America/Havana"
	zone := location(t, name)
	now := time.Date(2026, 3, 20, 10, 20, 0, 0, zone)
	records := randomRecords(11, time.Date(2026, 3, 1, 0, 0, 0, 0, zone), now, 300)
	pieces := piecesOf(records)
	conn := database(t, name)
	insert(t, conn, records)
	q := questionOf(t, newReports(t, conn, settingsOf(plan(t, name, "1", nil)), now), Request{Kind: Days})
	at := func(d, h, m int) time.Time { return time.Date(2026, 3, d, h, m, 0, 0, zone) }
	for _, test := range []struct {
		start, end time.Time
		parts      int
	}{
		{at(2, 0, 0), at(9, 0, 0), 1},
		{at(2, 0, 0), at(9, 13, 15), 2},
		{at(2, 7, 45), at(9, 13, 15), 3},
		{at(2, 7, 45), at(2, 8, 0), 1},
		{at(2, 7, 45), at(3, 8, 0), 2},
		{at(2, 7, 45), at(4, 0, 0), 2},
		{at(7, 23, 45), at(8, 3, 0), 2}, // the clocks skip the midnight of the 8th
	} {
		w := newWindow(test.start, test.end)
		if got := len(q.split(w)); got != test.parts {
			t.Errorf("%s – %s: got %d parts, want %d", test.start, test.end, got, test.parts)
		}
		got, err := q.total(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		if want := sumPieces(pieces, test.start, test.end, nil); got != want {
			t.Errorf("%s – %s: got %+v, want %+v", test.start, test.end, got, want)
		}
		usage, err := q.splitOf(t.Context(), w, q.span.Plan)
		if err != nil {
			t.Fatal(err)
		}
		want := sumPieces(pieces, test.start, test.end, func(p piece) bool { return !unmetered(p.host) })
		if got := usage.counted(); got.Received != want.Received || got.Sent != want.Sent {
			t.Errorf("%s – %s, metered: got %+v, want %+v", test.start, test.end, got, want)
		}
	}
}

// TestDuringChangeOfZone asks for the same days again and again while the
// daily tables are cut anew for other zones: the answer never changes.
func TestDuringChangeOfZone(t *testing.T) {
	const name = "Asia/Kathmandu"
	zone := location(t, name)
	now := time.Date(2026, 3, 20, 10, 20, 0, 0, zone)
	records := randomRecords(21, time.Date(2026, 2, 20, 0, 0, 0, 0, zone), now, 200)
	pieces := piecesOf(records)
	conn := database(t, name)
	insert(t, conn, records)
	r := newReports(t, conn, settingsOf(plan(t, name, "1", nil)), now)
	done := make(chan error)
	go func() {
		var err error
		for _, next := range []string{"America/Havana", name} {
			err = errors.Join(err, schema.SetZone(t.Context(), conn, next, func(int, int) {}))
		}
		done <- err
	}()
	start, end := date(2026, 3, 1).Start(zone), date(2026, 4, 1).Start(zone)
	for asked := 0; ; asked++ {
		select {
		case err := <-done:
			if err != nil || asked < 2 {
				t.Errorf("asked %d times while the zone changed: %v", asked, err)
			}
			return
		default:
			checkReports(t, r, Request{}, pieces, start, end, nil)
		}
	}
}
