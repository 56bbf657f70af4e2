package server

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/schema"
)

func TestStoragePreviewsSavesAndDrops(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	old := time.Now().UTC().AddDate(0, -5, 0)
	for _, at := range []time.Time{old, time.Now().UTC()} {
		err := h.conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO flows (`end`, duration_ms, exporter, direction, host, peer, protocol, service, bytes, packets) VALUES (%d, 1000, '192.168.1.1', 'received', '192.168.1.20', '203.0.113.5', 6, 443, 5000, 5)", at.Unix()))
		if err != nil {
			t.Fatal(err)
		}
	}
	history := "/history.json"
	before := admin.get(history).body

	page := admin.post("/settings/storage", url.Values{"raw_months": {"lots"}, "raw_size": {"20"}})
	if got := texts(page.document, ".error"); page.status != 422 || len(got) == 0 {
		t.Errorf("wrong values: got status %d, errors %q, want 422 and a word at the field", page.status, got)
	}
	page = admin.post("/settings/storage", url.Values{"raw_months": {"2"}, "far_end_months": {"2"}})
	if got := texts(page.document, "#far-ends-error"); page.status != 422 || len(got) != 1 || !strings.Contains(got[0], "give 3 or more") {
		t.Errorf("far ends as short as raw flows: got status %d, errors %q", page.status, got)
	}
	page = admin.post("/settings/storage", url.Values{"raw_months": {"2"}, "far_end_months": {"3"}, "do": {"preview"}})
	if got := texts(page.document, "h3"); strings.Join(got, ", ") != "Raw flows, Far ends" {
		t.Errorf("preview: got tables of %q, want raw flows and far ends", got)
	}
	page = admin.post("/settings/storage", url.Values{"raw_months": {"2"}, "do": {"preview"}})
	if got := strings.Join(texts(page.document, "section:has(#preview)"), " "); page.status != 200 || !strings.Contains(page.body, old.Format("January 2006")) {
		t.Errorf("preview: got status %d, %q, want %s in it", page.status, got, old.Format("January 2006"))
	}
	if settings, err := h.store.Load(t.Context()); err != nil || settings.Retention.RawMonths != 0 {
		t.Errorf("after the preview: got %+v, %v, want nothing saved", settings.Retention, err)
	}
	admin.submit("/settings/storage", url.Values{"raw_months": {"2"}, "do": {"save"}})
	if page = admin.get("/settings/storage"); !strings.Contains(page.body, "Due to be dropped") {
		t.Error("the page does not say what is due")
	}
	admin.submit("/settings/storage/run", url.Values{})
	h.storage.wait()
	page = admin.get("/settings/storage")
	if got := texts(page.document, "#storage-state"); len(got) != 1 || !strings.Contains(got[0], "no total has changed") {
		t.Errorf("the page says %q, want that it is done", got)
	}
	months, err := schema.RawMonths(t.Context(), h.conn)
	if err != nil || len(months) != 1 {
		t.Errorf("months of raw flows left: got %v, %v, want one", months, err)
	}
	if after := admin.get(history).body; after != before {
		t.Errorf("history: got\n%s\nwant what it was before\n%s", after, before)
	}
}

func TestStorageIsForAdmins(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	admin.submit("/settings/account/add", url.Values{"name": {"lena"}, "role": {Viewer}, "new_password": {"viewers only please"}})
	if got := h.as(t, "lena", "viewers only please").get("/settings/storage").status; got != 403 {
		t.Errorf("a viewer: got status %d, want 403", got)
	}
}
