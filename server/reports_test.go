package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/site"
)

// The budgets of the pages, gzipped.
const (
	maxHTML = 40 << 10
	maxCSS  = 8 << 10
	maxJS   = 5 << 10
)

// Name lets a household name its machines, as the names package does.
func (h *household) Name(addr netip.Addr) (name, source string) {
	for _, m := range h.machines {
		if m.addr == addr {
			return m.name, m.from
		}
	}
	return "", ""
}

func (h *household) Rename(context.Context, netip.Addr, string) error { return nil }

func (h *household) Devices(_ context.Context, stored []site.Device, _, _ time.Time) ([]site.Device, error) {
	return stored, nil
}

// visit returns a browser on the report pages of a household.
func visit(t *testing.T, h *household) *browser {
	t.Helper()
	pages, err := newRenderer(false)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{pages: pages, names: h, now: func() time.Time { return h.now }, log: slog.New(slog.DiscardHandler)}
	r := chi.NewRouter()
	reportPages{s, h.run}.routes(r)
	s.get(r, "/static/*", pages.serveStatic)
	return &browser{t: t, handler: r, remote: "127.0.0.1:50000", host: "localhost:8080", header: http.Header{}, cookies: map[string]string{}}
}

func date(t *testing.T, s string) billing.Date {
	t.Helper()
	d, err := billing.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var reportPaths = []string{
	"/", "/?period=2026-10-12", "/?protocol=https", "/?compare=last", "/?from=2000-01-01&to=2026-11-24", "/?from=2026-11-20&to=2026-11-22",
	"/days", "/days?compare=last", "/days?from=2024-01-01&to=2026-11-24", "/days/2026-11-21", "/days/2026-11-23",
	"/hosts", "/hosts?compare=last", "/hosts?sort=-name&q=1", "/hosts?q=nobody", "/hosts/192.168.1.20", "/hosts/192.168.1.20?compare=year", "/hosts/::", "/days/2026-11-21?compare=last", "/?compare=year", "/days?from=2024-01-01&to=2026-11-24&compare=last",
	"/protocols", "/protocols?compare=last", "/networks", "/networks?compare=last", "/history", "/history?compare=year", "/history?year=2025",
}

func TestReportPagesAreWellMade(t *testing.T) {
	for name, h := range map[string]*household{
		"empty": newHousehold(0, date(t, "2026-12-01"), 500e9),
		"one":   newHousehold(1, date(t, "2026-11-20"), 0),
		"60":    newHousehold(60, date(t, "2025-01-05"), 300e9),
		"5,000": newHousehold(5000, date(t, "2026-11-08"), 2e12),
	} {
		t.Run(name, func(t *testing.T) {
			b := visit(t, h)
			for _, path := range reportPaths {
				a := b.get(path)
				if a.status != http.StatusOK {
					t.Errorf("GET %s = %d: %s", path, a.status, a.body)
					continue
				}
				for _, fault := range faults(a) {
					t.Errorf("GET %s: %s", path, fault)
				}
			}
		})
	}
}

// faults says what is wrong with a page, whatever it shows.
func faults(a reply) []string {
	var list []string
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if n := zipped(a.body); n > maxHTML {
		add("%d bytes gzipped, want at most %d", n, maxHTML)
	}
	if got := len(find(a.document, "h1")); got != 1 {
		add("%d h1, want 1", got)
	}
	if got := len(find(a.document, "main#main")); got != 1 {
		add("%d main, want 1", got)
	}
	ids := map[string]bool{}
	for n := range a.document.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for _, at := range n.Attr {
			switch {
			case at.Key == "style" || strings.HasPrefix(at.Key, "on"):
				add("<%s %s>: the content security policy forbids it", n.Data, at.Key)
			case at.Key == "id" && ids[at.Val]:
				add("id %q is there twice", at.Val)
			case at.Key == "id":
				ids[at.Val] = true
			case (at.Key == "href" || at.Key == "src" || at.Key == "action") && !strings.HasPrefix(at.Val, "/") && !strings.HasPrefix(at.Val, "#") && !strings.HasPrefix(at.Val, "?"):
				add("<%s %s=%q> leaves the site", n.Data, at.Key, at.Val)
			}
		}
		switch {
		case n.Data == "style", n.Data == "script" && (attr(n, "src") == "" || n.FirstChild != nil):
			add("inline <%s>", n.Data)
		case n.Data == "a" && attr(n, "href") != "" && text(n) == "" && attr(n, "aria-label") == "" && len(find(n, "title")) == 0:
			add("link to %q has no name", attr(n, "href"))
		case n.Data == "th" && attr(n, "scope") == "":
			add("th %q without scope", text(n))
		}
	}
	for _, n := range find(a.document, "[aria-labelledby]") {
		for id := range strings.FieldsSeq(attr(n, "aria-labelledby")) {
			if !ids[id] {
				add("aria-labelledby names %q, which is not there", id)
			}
		}
	}
	return list
}

func zipped(s string) int {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, _ = z.Write([]byte(s)) // A buffer takes everything.
	_ = z.Close()
	return buf.Len()
}

func TestStaticFiles(t *testing.T) {
	b := visit(t, newHousehold(0, date(t, "2026-12-01"), 0))
	page := b.get("/")
	b.header.Set("Accept-Encoding", "gzip, br")
	for selector, limit := range map[string]int{"link[rel=stylesheet]": maxCSS, "script": maxJS, "link[rel=icon]": 1 << 10} {
		elements := find(page.document, selector)
		if len(elements) != 1 {
			t.Fatalf("%d elements for %s, want 1", len(elements), selector)
		}
		url := attr(elements[0], "href") + attr(elements[0], "src")
		a := b.get(url)
		if a.status != http.StatusOK {
			t.Fatalf("GET %s = %d", url, a.status)
		}
		if len(a.body) > limit {
			t.Errorf("%s is %d bytes gzipped, want at most %d", url, len(a.body), limit)
		}
		if got := a.header.Get("Content-Encoding"); got != "gzip" && selector != "link[rel=icon]" {
			t.Errorf("%s: Content-Encoding %q, want gzip", url, got)
		}
		if got := a.header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("%s: Cache-Control %q, want immutable", url, got)
		}
	}
	if a := b.get("/static/style.0000.css"); a.status != http.StatusNotFound {
		t.Errorf("a file of another version = %d, want 404", a.status)
	}
}

// figure reads a <data> element back.
func figure(t *testing.T, n *html.Node) uint64 {
	t.Helper()
	found := find(n, "data")
	if len(found) == 0 {
		return 0
	}
	v, err := strconv.ParseUint(attr(found[0], "value"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTablesSumToTheirTotals(t *testing.T) {
	h := newHousehold(300, date(t, "2024-03-01"), 300e9)
	b := visit(t, h)
	for _, path := range []string{
		"/days", "/days?from=2024-01-01&to=2026-11-24", "/days?protocol=https", "/hosts", "/hosts?all=1", "/hosts?q=2", "/networks", "/networks?period=2026-10-12", "/history",
	} {
		t.Run(path, func(t *testing.T) {
			var a reply
			for _, table := range find(b.get(path).document, "table") {
				if len(find(table, "tfoot")) > 0 {
					a.document = table
				}
			}
			for column := 1; column <= 3; column++ {
				var got uint64
				for _, row := range find(a.document, "tbody tr") {
					got += columnOf(t, row, column)
				}
				feet := find(a.document, "tfoot tr")
				if len(feet) != 1 {
					t.Fatalf("%d rows of totals, want 1", len(feet))
				}
				if want := columnOf(t, feet[0], column); got != want || want == 0 {
					t.Errorf("column %d: rows sum to %d, the total is %d", column, got, want)
				}
			}
		})
	}
}

// columnOf is the n-th figure of a row of a table.
func columnOf(t *testing.T, row *html.Node, n int) uint64 {
	t.Helper()
	figures := find(row, "td data")
	if len(figures) < n {
		return 0
	}
	v, err := strconv.ParseUint(attr(figures[n-1], "value"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestProtocolCategoriesSum(t *testing.T) {
	b := visit(t, newHousehold(23, date(t, "2026-10-01"), 300e9))
	a := b.get("/protocols")
	var all uint64
	names := texts(a.document, "details.group summary b")
	if want := "Other"; names[len(names)-1] != want {
		t.Errorf("the last category is %q, want %q", names[len(names)-1], want)
	}
	for _, group := range find(a.document, "details.group") {
		head := find(find(group, "summary")[0], "data")
		want := attr(head[2], "value")
		all += figure(t, find(group, "summary .n")[2])
		var got uint64
		for _, row := range find(group, "tbody tr") {
			got += columnOf(t, row, 3)
		}
		if strconv.FormatUint(got, 10) != want {
			t.Errorf("%s: services sum to %d, the category says %s", text(find(group, "b")[0]), got, want)
		}
	}
	if want := attr(find(a.document, ".total data")[2], "value"); strconv.FormatUint(all, 10) != want {
		t.Errorf("categories sum to %d, the total is %s", all, want)
	}
	if links := find(a.document, "details.group tbody a"); attr(links[0], "href") != "/hosts?protocol=tcp%2F443" {
		t.Errorf("the first service leads to %q", attr(links[0], "href"))
	}
}

func TestHostileNamesAreEscaped(t *testing.T) {
	h := newHousehold(9, date(t, "2026-11-01"), 300e9)
	nasty := []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `javascript:alert(1)`, `' onmouseover='x`, "\u202egnp.exe", `{{.Title}}`}
	for i, name := range nasty {
		h.machines[i].name, h.machines[i].from = name, "dns"
	}
	h.networks[0].Name = `</td><script>alert(2)</script>`
	b := visit(t, h)
	for _, path := range []string{"/", "/hosts", "/hosts/192.168.1.20", "/networks", "/hosts?q=%3Cscript%3Ealert(1)%3C/script%3E", "/hosts?host=192.168.1.20", "/hosts?sort=%22%3E%3Cimg+src=x%3E&q=zz"} {
		a := b.get(path)
		if a.status != http.StatusOK {
			t.Errorf("GET %s = %d", path, a.status)
			continue
		}
		for _, fault := range faults(a) {
			t.Errorf("GET %s: %s", path, fault)
		}
		if got := len(find(a.document, "script")) + len(find(a.document, "img")); got != 1 {
			t.Errorf("GET %s: %d scripts and images, want only our script", path, got)
		}
	}
	if got := texts(b.get("/hosts/192.168.1.20").document, "h1"); !cmp.Equal(got, []string{nasty[0]}) {
		t.Errorf("the heading is %q, want the name as it is", got)
	}
}

func TestEmptyStatesSayWhatToDo(t *testing.T) {
	empty := visit(t, newHousehold(0, date(t, "2026-12-01"), 500e9))
	full := visit(t, newHousehold(9, date(t, "2026-10-20"), 500e9))
	for _, test := range []struct {
		name, path string
		b          *browser
		title      string
		links      []string
		waits      bool
	}{
		{"nothing ever", "/", empty, "No flows yet", []string{"/status", "/welcome/router"}, true},
		{"nothing ever, hosts", "/hosts", empty, "No flows yet", []string{"/status", "/welcome/router"}, true},
		{"nothing then", "/?period=2025-01-12", full, "Nothing was received then", []string{"/", "/history"}, false},
		{"not yet", "/days/2027-01-01", full, "Not yet", []string{"/"}, false},
		{"filter", "/hosts?protocol=gopher", full, "Nothing matches", []string{"/hosts"}, false},
		{"search", "/hosts?q=zz&sort=name", full, "No host matches “zz”", []string{"/hosts?sort=name"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := test.b.get(test.path)
			if got := texts(a.document, ".empty h2"); !cmp.Equal(got, []string{test.title}) {
				t.Errorf("says %q, want %q", got, test.title)
			}
			var links []string
			for _, l := range find(a.document, ".empty a") {
				links = append(links, attr(l, "href"))
			}
			if diff := cmp.Diff(test.links, links); diff != "" {
				t.Errorf("links (-want +got):\n%s", diff)
			}
			if got := a.header.Get("Refresh") != ""; got != test.waits {
				t.Errorf("asks again by itself: %v, want %v", got, test.waits)
			}
		})
	}
}

func TestUnknownHostsAndDays(t *testing.T) {
	h := newHousehold(3, date(t, "2026-11-13"), 0)
	b := visit(t, h)
	for path, want := range map[string]string{
		"/hosts/nas.lan": "/hosts/192.168.1.21",
		"/hosts/NAS.LAN?from=2026-11-13&to=2026-11-15": "/hosts/192.168.1.21?from=2026-11-13&to=2026-11-15",
		"/hosts/::ffff:192.168.1.20":                   "/hosts/192.168.1.20",
		"/hosts/FD00:0::1":                             "/hosts/fd00::1",
		"/?from=2026-11-01&through=2026-11-07&host=192.168.1.20&period=2026-11-01": "/?from=2026-11-01&host=192.168.1.20&to=2026-11-08",
	} {
		a := b.get(path)
		if got := a.header.Get("Location"); a.status != http.StatusSeeOther || got != want {
			t.Errorf("GET %s = %d to %q, want a redirect to %q", path, a.status, got, want)
		}
	}
}

// Far ends of a long time are one click away; everything else is there at once.
func TestFarEndsOfALongTime(t *testing.T) {
	b := visit(t, newHousehold(9, date(t, "2026-06-20"), 500e9))
	const path = "/hosts/192.168.1.20?from=2026-07-01&to=2026-11-24"
	links := func(path string) (list []string) {
		for _, a := range find(b.get(path).document, "#ends a") {
			list = append(list, attr(a, "href"))
		}
		return list
	}
	want := "/hosts/192.168.1.20?ends=all&from=2026-07-01&to=2026-11-24#ends"
	if got := links(path); !cmp.Equal(got, []string{want}) {
		t.Fatalf("got links %q, want %q", got, want)
	}
	page := strings.Join(texts(b.get(strings.TrimSuffix(want, "#ends")).document, "#ends"), " ")
	if !strings.Contains(page, "cdn.example.net") {
		t.Errorf("got %q, want the far ends", page)
	}
	if got := strings.Join(texts(b.get("/hosts/192.168.1.20").document, "#ends"), " "); !strings.Contains(got, "cdn.example.net") {
		t.Errorf("got %q for the period, want the far ends", got)
	}
}

// The pages stand on the real reports just as well as on made-up ones.
func TestReportPagesOnTheEngine(t *testing.T) {
	h := newHouse(t, Config{PublicReports: true})
	h.flow(t, "received", "192.168.1.20", "203.0.113.5", 1500)
	h.flow(t, "sent", "192.168.1.20", "203.0.113.5", 500)
	h.flow(t, "internal", "192.168.1.21", "192.168.1.20", 70)
	h.flow(t, "unmatched", "::", "198.51.100.7", 9)
	b := h.local(t)
	today := time.Now().UTC().Format(time.DateOnly)
	all := "from=2000-01-01&to=" + time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	for _, path := range []string{
		"/", "/?compare=last", "/days", "/days/" + today, "/hosts", "/hosts?compare=last", "/hosts/192.168.1.20", "/protocols", "/networks", "/history",
		"/?" + all, "/days?" + all, "/hosts?" + all, "/hosts?from=2000-01-01&to=2100-01-01&compare=last", "/hosts?host=192.168.1.20&network=192.168.0.0/16&protocol=tcp/443",
	} {
		a := b.get(path)
		if a.status != http.StatusOK {
			t.Errorf("GET %s = %d: %s", path, a.status, a.errors())
			continue
		}
		for _, fault := range faults(a) {
			t.Errorf("GET %s: %s", path, fault)
		}
		if len(find(a.document, ".empty")) == 0 && len(find(a.document, `data[value=2000]`)) == 0 {
			t.Errorf("GET %s: nowhere says 2,000 bytes", path)
		}
	}
	if got := len(find(b.get("/hosts").document, "tbody tr")); got != 3 {
		t.Errorf("%d hosts, want 192.168.1.20, 192.168.1.21 and Unmatched", got)
	}
	if got := texts(b.get("/").document, ".list tbody tr.rest")[0]; got != "Unmatched 0 B 0 B ( 9 B ) 0 %" {
		t.Errorf("unmatched traffic is shown as %q", got)
	}
}
