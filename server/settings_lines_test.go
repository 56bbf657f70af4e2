package server

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

func (h *house) lines(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, l := range h.settingsNow(t).Lines {
		parts := []string{l.ID, l.Label()}
		for _, a := range l.Exporters {
			parts = append(parts, a.String())
		}
		list = append(list, strings.Join(parts, " "))
	}
	return list
}

func TestLinesAreAddedChangedAndRemoved(t *testing.T) {
	h := newHouse(t, Config{})
	h.flow(t, "received", "192.168.1.20", "203.0.113.5", 1000)
	admin := h.setUp(t)
	admin.submit("/settings/plan", planOf("name", "Fibre <1000>", "cap", "500 GB"))
	if got := find(admin.get("/hosts").document, "details.lines"); len(got) != 0 {
		t.Error("a line can be chosen though there is one only")
	}

	page := admin.submit("/settings/lines", url.Values{"name": {"LTE"}, "more": {"192.168.2.1"}})
	if got, want := page.value("input[name=line]"), "lte"; got != want {
		t.Errorf("after a line was added the plan of %q is shown, want %q", got, want)
	}
	if got, want := h.lines(t), []string{"home Fibre <1000>", "lte LTE 192.168.2.1"}; !cmp.Equal(got, want) {
		t.Errorf("lines: %s", cmp.Diff(want, got))
	}
	admin.submit("/settings/plan", planOf("line", "lte", "name", "Mobile", "renewal", "3", "cap", "50 GB", "zone", "Europe/Berlin"))
	if got := h.settingsNow(t).Lines[1].Plans; len(got) != 1 || got[0].CapText != "50 GB" || got[0].Renewal.String() != "3" {
		t.Errorf("plan of the line: %+v", got)
	}
	select {
	case zone := <-h.zones:
		t.Errorf("days re-cut for %s, the zone of a line that is not the first", zone)
	default:
	}

	page = admin.submit("/settings/lines", url.Values{"line": {"home"}, "name": {"Fibre"}, "exporter": {"192.168.1.1"}})
	if got, want := h.lines(t), []string{"home Fibre 192.168.1.1", "lte LTE 192.168.2.1"}; !cmp.Equal(got, want) {
		t.Errorf("lines: %s", cmp.Diff(want, got))
	}
	if got := len(find(page.document, "input[name=exporter][checked]")); got != 2 {
		t.Errorf("%d exporters are marked, want one of each line", got)
	}

	for _, path := range []string{"/", "/days", "/hosts", "/protocols", "/networks", "/history"} {
		page := admin.get(path + "?line=lte")
		if got, want := texts(page.document, "details.lines a"), []string{"Fibre", "LTE", "All lines"}; !cmp.Equal(got, want) {
			t.Errorf("%s offers the lines %q, want %q", path, got, want)
		}
		if got, want := texts(page.document, "details.lines [aria-current]"), []string{"LTE"}; !cmp.Equal(got, want) {
			t.Errorf("%s marks the line %q, want %q", path, got, want)
		}
		i := slices.IndexFunc(find(page.document, "nav.pages a"), func(n *html.Node) bool { return attr(n, "href") == "/hosts?line=lte" })
		if i < 0 {
			t.Errorf("%s: the way to the hosts forgets the line", path)
		}
	}
	if got := admin.get("/?line=all"); len(find(got.document, "section.list")) != 4 {
		t.Errorf("the page of all lines has no list of them")
	}
	if got := admin.get("/hosts?line=nowhere").status; got != http.StatusBadRequest {
		t.Errorf("a line that is not there = %d, want 400", got)
	}
	if got := admin.get("/settings/plan?line=nowhere").status; got != http.StatusNotFound {
		t.Errorf("the plan of a line that is not there = %d, want 404", got)
	}

	admin.submit("/settings/lines/delete", url.Values{"line": {"lte"}})
	if got, want := h.lines(t), []string{"home Fibre 192.168.1.1"}; !cmp.Equal(got, want) {
		t.Errorf("lines after one was removed: %s", cmp.Diff(want, got))
	}
	if got := admin.post("/settings/lines/delete", url.Values{"line": {"home"}}).status; got != http.StatusConflict {
		t.Errorf("removing the first line = %d, want 409", got)
	}
}

func TestLineErrorsStandAtTheFields(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	admin.submit("/settings/lines", url.Values{"name": {"LTE"}, "exporter": {"192.168.2.1"}})
	want := h.lines(t)
	for name, tt := range map[string]struct {
		form  url.Values
		field string
	}{
		"no name":          {url.Values{"name": {""}, "more": {"192.168.3.1"}}, "name-error-new"},
		"a name twice":     {url.Values{"name": {"lte"}, "more": {"192.168.3.1"}}, "name-error-new"},
		"no address":       {url.Values{"name": {"DSL"}, "more": {"router"}}, "exporters-error-new"},
		"taken exporter":   {url.Values{"name": {"DSL"}, "exporter": {"192.168.2.1"}}, "exporters-error-new"},
		"the rest twice":   {url.Values{"name": {"DSL"}}, "exporters-error-new"},
		"second line rest": {url.Values{"line": {"lte"}, "name": {"LTE"}}, "exporters-error-1"},
	} {
		page := admin.post("/settings/lines", tt.form)
		said := texts(page.document, "#"+tt.field)
		if page.status != http.StatusUnprocessableEntity || len(said) != 1 || !strings.HasSuffix(said[0], ".") {
			t.Errorf("%s: status %d, %q at the field, want 422 and a sentence", name, page.status, said)
		}
		if got := h.lines(t); !cmp.Equal(got, want) {
			t.Errorf("%s: lines changed: %s", name, cmp.Diff(want, got))
		}
	}
}
