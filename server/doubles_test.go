package server

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/flattraffic/flattraffic/site"
)

// formOf reads the fields of a form as a browser would send them.
func formOf(form *html.Node) url.Values {
	values := url.Values{}
	for _, n := range find(form, "input") {
		if name := attr(n, "name"); name != "" {
			values.Add(name, attr(n, "value"))
		}
	}
	return values
}

// Traffic that is counted twice is shown with its evidence; one click makes it
// count once, for all the past too, and another undoes that.
func TestDoublesAreMendedWithOneClick(t *testing.T) {
	h := newHouse(t, Config{})
	h.tells(t)
	admin := h.setUp(t)
	h.hear(t, "192.168.1.1")
	if err := h.store.SaveExporter(t.Context(), site.Exporter{Address: netip.MustParseAddr("192.168.1.1"), Name: "Gateway", SumOutBytes: true}); err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{"ingress", "egress"} {
		err := h.conn.Exec(t.Context(), `INSERT INTO flows
			(end, duration_ms, exporter, origin, in_if, out_if, flow_direction, direction, host, peer, unmatched_dst, host_port, peer_port, protocol, service, bytes, packets, sampling_rate)
			SELECT now() - 60 * (number + 1), 1000, toIPv6('192.168.1.1'), 'ipfix', 2, 1, $1, 'received', toIPv6('192.168.1.20'), toIPv6('203.0.113.5'), toIPv6('::'), 50000 + number, 443, 6, 443, 1000000, 10, 1
			FROM numbers(20)`, way)
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := admin.total("/overview.json"); got.Received != 40_000_000 {
		t.Fatalf("total %+v, want everything twice", got)
	}
	page := admin.get("/settings/exporters")
	card := texts(page.document, "section[aria-labelledby=doubles]")
	if len(card) != 1 {
		t.Fatalf("the page says nothing of doubles: %q", texts(page.document, "main"))
	}
	for _, want := range []string{
		"50.0 % of the bytes of the last 24 hours seem to be counted twice: 20 conversations were seen both by 192.168.1.1 at 2 → 1, coming in and by 192.168.1.1 at 2 → 1, leaving.",
		"TCP 203.0.113.5:443 → 192.168.1.20:500", "1.00 MB by 192.168.1.1 at 2 → 1, coming in",
		"20.0 MB of the last 24 hours would count once then.", "Count of 192.168.1.1 only what comes in",
	} {
		if !strings.Contains(card[0], want) {
			t.Errorf("the page says %q, want %q in it", card[0], want)
		}
	}
	if got := strings.Join(texts(admin.get("/status").document, ".exporter"), " "); !strings.Contains(got, "seem to be counted twice") {
		t.Errorf("the page Status says %q, want that traffic is counted twice", got)
	}

	admin.submit("/settings/exporters", formOf(find(page.document, "section[aria-labelledby=doubles] form")[0]))
	h.history.wait()
	if got := admin.total("/overview.json"); got.Received != 20_000_000 || got.Flows != 20 {
		t.Errorf("total %+v, want everything once", got)
	}
	set := settingsOf(h.settingsNow(t), netip.MustParseAddr("192.168.1.1"))
	if set.CountDirection != "ingress" || set.Name != "Gateway" || !set.SumOutBytes {
		t.Errorf("set: %+v, want the remedy beside what was set before", set)
	}
	page = admin.get("/settings/exporters")
	if len(find(page.document, "section[aria-labelledby=doubles]")) != 0 {
		t.Error("the page still says that traffic is counted twice")
	}

	for _, form := range find(page.document, ".exporter form") {
		if strings.HasPrefix(strings.Join(texts(form, "button"), ""), "Count all of") {
			admin.submit("/settings/exporters", formOf(form))
		}
	}
	h.history.wait()
	if got := admin.total("/overview.json"); got.Received != 40_000_000 {
		t.Errorf("total %+v, want everything twice again", got)
	}
}

// A form that leaves what counts as it is does not count the past again.
func TestExporterFormWithoutAChangeOfCounting(t *testing.T) {
	h := newHouse(t, Config{})
	h.tells(t)
	admin := h.setUp(t)
	admin.submit("/settings/exporters", url.Values{"address": {"192.168.1.1"}, "name": {"Gateway"}, "count_direction": {"any"}, "history": {"1"}})
	if got := h.historyWish(t.Context()); got != "" || h.history.now().Wish != "" {
		t.Errorf("wish %q, want none", got)
	}
}
