package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFirstRun goes from nothing to the overview.
func TestFirstRun(t *testing.T) {
	h := newHouse(t, Config{})
	b := h.local(t)
	if got, want := b.get("/welcome").header.Get("Location"), "/welcome/password"; got != want {
		t.Errorf("the first step is %q, want %q", got, want)
	}
	for field, form := range map[string]url.Values{
		"password": {"password": {"short"}, "repeat": {"short"}},
		"repeat":   {"password": {password}, "repeat": {password + "x"}},
	} {
		page := b.post("/welcome/password", form)
		if page.status != http.StatusUnprocessableEntity || len(texts(page.document, "#"+field+"-error")) != 1 {
			t.Errorf("wrong %s: status %d, errors %q", field, page.status, page.errors())
		}
	}
	page := b.submit("/welcome/password", url.Values{"password": {password}, "repeat": {password}})
	if got, want := texts(page.document, "[aria-current=step]"), []string{"Plan"}; !cmp.Equal(got, want) {
		t.Fatalf("the step after the password is %q, want %q", got, want)
	}
	if b.cookies[cookieName] == "" {
		t.Fatal("not logged in after setting the password")
	}
	if got := h.local(t).post("/welcome/password", url.Values{"password": {"mine now, mine"}, "repeat": {"mine now, mine"}}).status; got != http.StatusForbidden {
		t.Errorf("setting the first password again = %d, want 403", got)
	}

	bad := b.post("/welcome/plan", planOf("renewal", "40"))
	if bad.status != http.StatusUnprocessableEntity || len(texts(bad.document, "#renewal-error")) != 1 {
		t.Errorf("wrong renewal: status %d, errors %q", bad.status, bad.errors())
	}
	page = b.submit("/welcome/plan", planOf())
	if got, want := texts(page.document, "[aria-current=step]"), []string{"Router"}; !cmp.Equal(got, want) {
		t.Fatalf("the step after the plan is %q, want %q", got, want)
	}
	if page.header.Get("Refresh") == "" {
		t.Error("the router step does not look again by itself")
	}
	h.hear(t, "192.168.1.1")
	for range 3 {
		h.flow(t, "received", "192.168.1.20", "203.0.113.5", 1000)
	}
	h.flow(t, "unmatched", "::", "2001:db8:77::9", 5000)
	page = b.get("/welcome/router?recipe=mikrotik")
	if got, want := texts(page.document, "li.receiving"), []string{"4 flows from 192.168.1.1"}; !cmp.Equal(got, want) {
		t.Errorf("heard: %q, want %q", got, want)
	}
	if got := strings.Join(texts(page.document, "pre"), ""); !strings.Contains(got, "port=2055") {
		t.Errorf("recipe = %q, want the port", got)
	}

	// Left here and resumed elsewhere.
	page = b.submit("/welcome/next", url.Values{"step": {"networks"}})
	again := h.as(t, Admin, password)
	if got, want := again.get("/welcome").header.Get("Location"), "/welcome/networks"; got != want {
		t.Errorf("resumed at %q, want %q", got, want)
	}
	all := strings.Join(texts(page.document, "tbody tr"), "; ")
	if !strings.Contains(all, "192.168.1.0/24 1 host 3.00 kB") || !strings.Contains(all, "2001:db8:77::/64 10.0 kB") {
		t.Errorf("ranges found = %q, want the local one and the unmatched one", all)
	}
	if got := b.post("/welcome/next", url.Values{"step": {"somewhere"}}).status; got != http.StatusBadRequest {
		t.Errorf("a step that is none = %d, want 400", got)
	}
	if got, want := b.post("/welcome/next", url.Values{"step": {"done"}}).header.Get("Location"), "/?done=set-up"; got != want {
		t.Errorf("after the last step: %q, want %q", got, want)
	}
	h.restart(t)
	if step, err := h.setupStep(t.Context()); step != stepDone || err != nil {
		t.Errorf("step after a restart = %q, %v; want done", step, err)
	}
}

// TestWelcomeCanBeSkipped goes through without entering anything.
func TestWelcomeCanBeSkipped(t *testing.T) {
	h := newHouse(t, Config{})
	b := h.local(t)
	if got := b.get("/welcome/plan").status; got != http.StatusOK {
		t.Errorf("the plan step without a password = %d, want 200", got)
	}
	b.submit("/welcome/next", url.Values{"step": {"done"}})
	if got := len(h.settingsNow(t).Lines[0].Plans); got != 1 {
		t.Errorf("%d plans, want the default", got)
	}
}

func TestWelcomeIsNotForStrangers(t *testing.T) {
	h := newHouse(t, Config{})
	if got := h.remote(t).get("/welcome").status; got != http.StatusForbidden {
		t.Errorf("GET /welcome from the network = %d, want 403", got)
	}
	h.setUp(t)
	for path, want := range map[string]string{"/welcome": "/login?next=/welcome", "/welcome/router": "/login?next=%2Fwelcome%2Frouter"} {
		if got := h.remote(t).get(path).header.Get("Location"); got != want {
			t.Errorf("GET %s leads to %q, want %q", path, got, want)
		}
	}
}
