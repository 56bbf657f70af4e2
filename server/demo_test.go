package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/demo"
)

// While the demo's rows are in the database every page says so, from the
// moment they are written until they are removed.
func TestEveryPageMarksTheDemo(t *testing.T) {
	const mark = "<strong>Sample data.</strong>"
	h := newHouse(t, Config{})
	pages := append([]string{"/settings/plan", "/settings/networks", "/settings/exporters", "/settings/display", "/settings/account", "/status", "/welcome/plan"}, reportPaths...)
	look := func(want int) {
		t.Helper()
		b := newHouseOn(t, Config{}, h.conn).local(t)
		for _, path := range pages {
			a := b.get(path)
			if a.status != http.StatusOK {
				t.Errorf("GET %s = %d", path, a.status)
			}
			if got := strings.Count(a.body, mark); got != want {
				t.Errorf("GET %s says %d times that it shows sample data, want %d", path, got, want)
			}
		}
	}
	look(0)
	if _, err := demo.Write(t.Context(), h.conn, demo.Options{Years: .02, FlowsPerDay: 200, Until: time.Now()}, nil); err != nil {
		t.Fatal(err)
	}
	look(1)
	if err := demo.Remove(t.Context(), h.conn, nil); err != nil {
		t.Fatal(err)
	}
	look(0)
}

// The empty overview and each step of the first run offer the sample data, and
// one click makes it.
func TestSampleDataInOneClick(t *testing.T) {
	h := newHouse(t, Config{})
	ready := make(chan error, 1)
	h.deps.MakeDemo = func(ctx context.Context, progress func(float64)) error {
		progress(.4)
		if err := <-ready; err != nil {
			return err
		}
		_, err := demo.Write(ctx, h.conn, demo.Options{Years: .02, FlowsPerDay: 200, Until: time.Now()}, nil)
		return err
	}
	h.restart(t)
	const offer = "form.sample[action=/welcome/sample] button"
	b := h.local(t)
	for _, path := range []string{"/", "/hosts", "/welcome/password", "/welcome/plan", "/welcome/router", "/welcome/networks"} {
		if got := len(find(b.get(path).document, offer)); got != 1 {
			t.Errorf("GET %s offers the sample data %d times, want once", path, got)
		}
	}
	if got := h.remote(t).post("/welcome/sample", url.Values{}).status; got != http.StatusForbidden {
		t.Errorf("a stranger who asks for the sample data = %d, want 403", got)
	}

	page := b.submit("/welcome/sample", url.Values{})
	if got := strings.Join(texts(page.document, ".notice"), " "); !strings.Contains(got, "being made") || len(find(page.document, offer)) != 0 {
		t.Errorf("while it is made the overview says %q, want that it is being made and no other offer", got)
	}
	ready <- errors.New("the disk is full")
	h.storage.wait()
	page = b.get("/")
	if got := strings.Join(texts(page.document, ".notice.bad"), " "); !strings.Contains(got, "could not be made") || len(find(page.document, offer)) != 1 {
		t.Errorf("after a failure the overview says %q, want that it failed, and the offer again", got)
	}
	ready <- nil
	b.submit("/welcome/sample", url.Values{})
	h.storage.wait()
	page = newHouseOn(t, Config{}, h.conn).local(t).get("/")
	if !strings.Contains(page.body, "<strong>Sample data.</strong>") || len(find(page.document, offer)) != 0 || len(find(page.document, ".answer")) != 1 {
		t.Errorf("after it is made: the overview is not that of the sample data: %.300s", page.body)
	}
}
