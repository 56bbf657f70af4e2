package server

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/report"
)

func TestPeriodPicker(t *testing.T) {
	b := visit(t, newHousehold(9, date(t, "2025-01-01"), 900e9))
	for _, test := range []struct {
		path, label, earlier, later string
	}{
		{"/hosts", "12 Nov – 11 Dec 2026", "/hosts?period=2026-10-12", ""},
		{"/hosts?period=2026-11-20", "12 Nov – 11 Dec 2026", "/hosts?period=2026-10-12", ""},
		{"/hosts?period=2026-10-12", "12 Oct – 11 Nov 2026", "/hosts?period=2026-09-12", "/hosts"},
		{"/hosts?period=2026-01-01&protocol=https", "12 Dec 2025 – 11 Jan 2026", "/hosts?period=2025-11-12&protocol=https", "/hosts?period=2026-01-12&protocol=https"},
		{"/hosts?from=2026-01-01&to=2027-01-01", "2026", "/hosts?from=2025-01-01&to=2026-01-01", ""},
		{"/hosts?from=2026-03-01&to=2026-04-01", "1 – 31 Mar 2026", "/hosts?from=2026-02-01&to=2026-03-01", "/hosts?from=2026-04-01&to=2026-05-01"},
		{"/hosts?from=2026-03-30&to=2026-04-06", "30 Mar – 5 Apr 2026", "/hosts?from=2026-03-23&to=2026-03-30", "/hosts?from=2026-04-06&to=2026-04-13"},
		{"/hosts?from=2000-01-01&to=2026-11-24", "All time", "", ""},
		{"/days/2026-11-22", "Sun 22 Nov", "/days/2026-11-21", "/days/2026-11-23"},
		{"/days/2026-11-23?host=192.168.1.20", "Mon 23 Nov", "/days/2026-11-22?host=192.168.1.20", ""},
		{"/history", "All periods", "", ""},
	} {
		t.Run(test.path, func(t *testing.T) {
			a := b.get(test.path)
			if got := text(find(a.document, ".menu summary")[0]); got != "Period: "+test.label {
				t.Errorf("label %q, want %q", got, test.label)
			}
			for key, want := range map[string]string{"ArrowLeft": test.earlier, "ArrowRight": test.later} {
				got := ""
				for _, l := range find(a.document, "[data-key="+key+"]") {
					got = attr(l, "href")
				}
				if got != want {
					t.Errorf("%s leads to %q, want %q", key, got, want)
				}
			}
			var keys []string
			for _, l := range find(a.document, ".period .sheet [data-key]") {
				keys = append(keys, attr(l, "data-key"))
			}
			if diff := cmp.Diff([]string{"T", "L", "Y", "A"}, keys); diff != "" {
				t.Errorf("keys of the menu (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFiltersAndPeriodStayAcrossPages(t *testing.T) {
	a := visit(t, newHousehold(9, date(t, "2026-09-01"), 900e9)).get("/hosts?period=2026-10-12&protocol=https&q=lan&sort=name")
	for _, l := range find(a.document, "nav.pages a") {
		if got, want := attr(l, "href"), "?period=2026-10-12&protocol=https"; got[len(got)-len(want):] != want {
			t.Errorf("%s leads to %q, want it to keep %q", text(l), got, want)
		}
	}
	var removes []string
	for _, l := range find(a.document, ".chips a") {
		removes = append(removes, attr(l, "href"))
	}
	if diff := cmp.Diff([]string{"/hosts?period=2026-10-12"}, removes); diff != "" {
		t.Errorf("removing the filter (-want +got):\n%s", diff)
	}
	exports := find(a.document, ".exports a")
	if got, want := attr(exports[0], "href"), "/hosts.csv?period=2026-10-12&protocol=https&q=lan&sort=name"; got != want {
		t.Errorf("CSV is at %q, want %q", got, want)
	}
}

func TestCompareMenu(t *testing.T) {
	b := visit(t, newHousehold(9, date(t, "2025-01-01"), 900e9))
	for _, test := range []struct {
		path, label, x, compared string
	}{
		{"/hosts", "Compare: nothing", "/hosts?compare=last", ""},
		{"/?compare=last", "Compare: last period", "/", "Compared with 12 – 23 Oct 2026, 18:30"},
		{"/?compare=year", "Compare: a year before", "/", "Compared with 12 – 23 Nov 2025, 18:30"},
		{"/days?from=2026-11-01&to=2026-11-08&compare=last", "Compare: the time before", "/days?from=2026-11-01&to=2026-11-08", "Compared with 25 – 31 Oct 2026"},
		{"/days/2026-11-21?compare=last", "Compare: a week before", "/days/2026-11-21", "Compared with 14 Nov 2026"},
		{"/hosts/192.168.1.20?compare=last", "Compare: last period", "/hosts/192.168.1.20", "Compared with 12 – 23 Oct 2026, 18:30"},
		{"/protocols?compare=last", "Compare: last period", "/protocols", "Compared with 12 – 23 Oct 2026, 18:30"},
		{"/networks?period=2026-10-12&compare=year", "Compare: a year before", "/networks?period=2026-10-12", "Compared with 12 Oct – 11 Nov 2025"},
	} {
		t.Run(test.path, func(t *testing.T) {
			a := b.get(test.path)
			if diff := cmp.Diff([]string{test.label}, texts(a.document, ".compare summary")); diff != "" {
				t.Errorf("label (-want +got):\n%s", diff)
			}
			if got := attr(find(a.document, "[data-key=X]")[0], "href"); got != test.x {
				t.Errorf("X leads to %q, want %q", got, test.x)
			}
			if test.compared != "" && !strings.Contains(text(find(a.document, ".title")[0]), test.compared) {
				t.Errorf("the title says %q, want %q in it", text(find(a.document, ".title")[0]), test.compared)
			}
		})
	}
	if got := find(b.get("/?from=2000-01-01&to=2026-11-24").document, ".compare"); len(got) != 0 {
		t.Error("all time can be compared")
	}
}

// The help lists the keys that links carry, and those that app.js knows.
func TestKeysAreOneList(t *testing.T) {
	b := visit(t, newHousehold(9, date(t, "2025-01-01"), 900e9))
	a := b.get("/days?period=2026-10-12")
	var listed []string
	for _, k := range find(a.document, "footer [data-shortcut]") {
		listed = append(listed, attr(k, "data-shortcut"))
	}
	want := []string{"/", "?", "Escape"}
	for _, l := range find(a.document, "[data-key]") {
		want = append(want, attr(l, "data-key"))
	}
	slices.Sort(want)
	slices.Sort(listed)
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("keys of links and scripts against the list of the help (-want +got):\n%s", diff)
	}
}

func TestFigures(t *testing.T) {
	for _, test := range []struct{ name, got, want string }{
		{"nothing", percent(0, 10), "0 %"},
		{"of nothing", percent(1, 0), "0 %"},
		{"little", percent(1, 1000), "< 1 %"},
		{"nearly all", percent(999, 1000), "> 99 %"},
		{"all", percent(5, 5), "100 %"},
		{"more", percent(3, 2), "150 %"},
		{"grown", change(150, 100), "+50 %"},
		{"shrunk", change(20, 100), "−80 %"},
		{"the same", change(1000, 1001), "±0 %"},
		{"new", change(1, 0), "new"},
		{"never", change(0, 0), ""},
		{"gone", change(0, 7), "−100 %"},
		{"many times", change(5000, 100), "×50"},
		{"from next to nothing", change(5e9, 100), "> ×1,000"},
		{"thousands", count(12345, "host", "hosts"), "12,345 hosts"},
		{"one", count(1, "host", "hosts"), "1 host"},
		{"complete", fraction(1), "100 %"},
		{"nearly complete", fraction(0.99999), "99.9 %"},
		{"less", fraction(0.5), "50 %"},
		{"wide", width(7, 5), "100%"},
		{"third", width(1, 3), "33.3%"},
		{"of none", width(1, 0), "0"},
		{"a day", dateRange(date(t, "2026-11-23"), date(t, "2026-11-24")), "23 Nov 2026"},
		{"over the year", dateRange(date(t, "2025-12-12"), date(t, "2026-01-12")), "12 Dec 2025 – 11 Jan 2026"},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, test.got, test.want)
		}
	}
}

func TestLastSeenIsShorterTheNearer(t *testing.T) {
	h := newHousehold(1, date(t, "2026-11-20"), 0)
	f := newFigures(h.plans[0], h.now.UTC())
	for at, want := range map[time.Time]string{
		h.now: "18:40", h.now.Add(-20 * time.Hour): "yesterday", h.now.AddDate(0, -1, 0): "23 Oct", h.now.AddDate(-1, 0, 0): "23 Nov 2025", {}: "",
	} {
		if got := f.seen(at.UTC()).Text; got != want {
			t.Errorf("seen at %s: %q, want %q", at, got, want)
		}
	}
}

func TestHostsSortAndSearch(t *testing.T) {
	b := visit(t, newHousehold(60, date(t, "2026-10-01"), 0))
	names := func(path string) []string { return texts(b.get(path).document, "tbody tr th") }
	for _, test := range []struct {
		path string
		less func(a, b *row) bool
	}{
		{"/hosts", func(a, b *row) bool { return a.usage >= b.usage }},
		{"/hosts?sort=-usage", func(a, b *row) bool { return a.usage <= b.usage }},
		{"/hosts?sort=received", func(a, b *row) bool { return a.received >= b.received }},
		{"/hosts?sort=sent", func(a, b *row) bool { return a.sent >= b.sent }},
		{"/hosts?sort=nonsense", func(a, b *row) bool { return a.usage >= b.usage }},
	} {
		var rows []*row
		for _, n := range find(b.get(test.path).document, "tbody tr") {
			if attr(n, "class") == "" {
				rows = append(rows, &row{columnOf(t, n, 1), columnOf(t, n, 2), columnOf(t, n, 3)})
			}
		}
		if len(rows) != 60 || !slices.IsSortedFunc(rows, func(x, y *row) int {
			if test.less(x, y) {
				return -1
			}
			return 1
		}) {
			t.Errorf("%s: %d rows, out of order", test.path, len(rows))
		}
	}
	if got := names("/hosts?sort=name")[0]; got != "Anna’s laptop 192.168.1.22" {
		t.Errorf("the first by name is %q", got)
	}
	if diff := cmp.Diff([]string{"nas.lan 192.168.1.21 · said by DHCP"}, names("/hosts?q=NAS.")); diff != "" {
		t.Errorf("search by name (-want +got):\n%s", diff)
	}
	if got := len(names("/hosts?q=192.168.20.")); got != 10 {
		t.Errorf("search by address finds %d, want 10", got)
	}
	sorted := find(b.get("/hosts?sort=received&q=lan").document, "[aria-sort]")
	if len(sorted) != 1 || attr(sorted[0], "aria-sort") != "descending" || attr(find(sorted[0], "a")[0], "href") != "/hosts?q=lan&sort=-received" {
		t.Errorf("the sorted column does not say so, or does not turn around")
	}
}

type row struct{ received, sent, usage uint64 }

func TestManyHostsEndInOthers(t *testing.T) {
	b := visit(t, newHousehold(250, date(t, "2026-11-01"), 0))
	rows := find(b.get("/hosts").document, "tbody tr")
	last := rows[len(rows)-2]
	if got, want := text(find(last, "th")[0]), "Others (150)"; got != want {
		t.Errorf("the last row is %q, want %q", got, want)
	}
	if got := len(find(b.get(attr(find(last, "a")[0], "href")).document, "tbody tr")); got != 251 {
		t.Errorf("Others leads to %d rows, want all 250 and Unmatched", got)
	}
}

func TestNetworksAreATree(t *testing.T) {
	rows := []report.Row{
		{Network: "unmatched"},
		{Network: "192.168.1.0/24"},
		{Network: "fd00::/8"},
		{Network: "192.168.1.64/26"},
		{Network: "10.0.0.0/8"},
		{Network: "192.168.0.0/16"},
		{Network: "fd00:1::/32"},
		{Network: "192.168.2.0/24"},
		{Network: "elsewhere"},
	}
	var got []string
	for _, n := range tree(rows) {
		s := "      "[:2*n.depth] + n.row.Network
		if n.parent {
			s += " +"
		}
		got = append(got, s)
	}
	want := []string{
		"10.0.0.0/8", "192.168.0.0/16 +", "  192.168.1.0/24 +", "    192.168.1.64/26", "  192.168.2.0/24", "fd00::/8 +", "  fd00:1::/32", "unmatched", "elsewhere",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMonthsOfLongSpans(t *testing.T) {
	day := func(s string, n uint64) report.Row {
		return report.Row{Date: date(t, s), Counters: report.Counters{Received: n}, Gap: n == 0}
	}
	got := byMonth([]report.Row{day("2026-01-30", 0), day("2026-01-31", 0), day("2026-02-01", 5), day("2026-02-02", 0), day("2026-03-01", 0), day("2026-04-01", 2), day("2026-05-01", 0)})
	want := []report.Row{
		{Date: billing.Date{Year: 2026, Month: time.February, Day: 1}, Counters: report.Counters{Received: 5}},
		{Date: billing.Date{Year: 2026, Month: time.March, Day: 1}, Gap: true},
		{Date: billing.Date{Year: 2026, Month: time.April, Day: 1}, Counters: report.Counters{Received: 2}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
