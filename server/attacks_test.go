package server

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
)

// postRoutes are the paths of all forms there are.
func (h *house) postRoutes(t *testing.T) []string {
	t.Helper()
	routes, ok := h.handler.(chi.Routes)
	if !ok {
		t.Fatal("the handler does not list its routes")
	}
	var paths []string
	err := chi.Walk(routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if method == http.MethodPost {
			paths = append(paths, strings.NewReplacer("{device}", "192.168.1.20", "{token}", "x").Replace(route))
		}
		return nil
	})
	if err != nil || len(paths) < 20 {
		t.Fatalf("%d forms, %v; want all of them", len(paths), err)
	}
	return paths
}

// Each form there is, also one that will be added, refuses to be sent by the
// page of a stranger: from another origin, or under a name that was re-pointed
// at this machine.
func TestEveryFormRefusesStrangers(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	for _, path := range h.postRoutes(t) {
		admin.header = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}
		if got := admin.post(path, url.Values{}).status; got != http.StatusForbidden {
			t.Errorf("POST %s from another origin = %d, want 403", path, got)
		}
		rebound := *admin
		rebound.host, rebound.header = "evil.example", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"http://evil.example"}}
		if got := rebound.post(path, url.Values{}).status; got != http.StatusMisdirectedRequest {
			t.Errorf("POST %s under a re-pointed name = %d, want 421", path, got)
		}
		// Without a session nothing is changed either; who signs in has none yet.
		stranger := h.remote(t)
		open := []string{"/login", "/logout", "/welcome/password"}
		if got := stranger.post(path, url.Values{}); got.status == http.StatusOK ||
			got.status == http.StatusSeeOther && !strings.HasPrefix(got.header.Get("Location"), "/login") && !slices.Contains(open, path) {
			t.Errorf("POST %s of a stranger = %d to %q, want the login or a refusal", path, got.status, got.header.Get("Location"))
		}
	}
}

// hostileValues are what breaks SQL, HTML, headers and shells.
var hostileValues = []string{
	"' OR 1=1 --", "'; DROP TABLE flows; --", `\' UNION SELECT password FROM accounts --`, "{x:String}", "192.168.1.20' OR '1'='1", "`accounts`",
	"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "\x00", "\xff\xfe", "../../etc/passwd", "$(id)", "a\r\nSet-Cookie: x=y", strings.Repeat("9", 3000), "-1", "1e999",
}

// TestHostileForms puts them into every field of every form: what comes back
// is a sentence or a page, no table is touched, and nothing becomes markup.
func TestHostileForms(t *testing.T) {
	h := newHouse(t, Config{})
	h.flow(t, "received", "192.168.1.20", "203.0.113.5", 1000)
	h.hear(t, "192.168.1.1")
	admin := h.setUp(t)
	fields := []string{
		"name", "password", "repeat", "next", "step", "line", "version", "renewal", "zone", "cap", "counts", "base", "free", "scope", "from", "exporters", "more",
		"range", "back", "range-0", "name-0", "metered-0", "new-0", "owner", "macs", "addresses", "other", "address", "id", "weight", "person", "days", "link",
		"sampling_rate", "interfaces", "direction", "history", "thresholds", "silence_hours", "completeness", "smtp_host", "smtp_port", "smtp_tls", "smtp_user", "smtp_from", "smtp_to",
		"hook_url", "hook_kind", "raw_months", "raw_size", "far_end_months", "do", "action", "role", "new_password", "current_password", "account", "says", "period", "reverse_dns",
	}
	for i, path := range h.postRoutes(t) {
		if path == "/logout" || path == "/settings/storage/demo" {
			continue // They take no field; one ends the session.
		}
		for j := range 4 {
			form := url.Values{}
			for k, field := range fields {
				form.Set(field, hostileValues[(i+5*j+k)%len(hostileValues)])
			}
			got := admin.post(path, form)
			if got.status >= 500 {
				t.Errorf("POST %s = %d: %.300s", path, got.status, got.body)
			}
			if got.document != nil && len(find(got.document, "main script"))+len(find(got.document, "[onerror]"))+len(find(got.document, "main img")) > 0 {
				t.Errorf("POST %s: a field became markup", path)
			}
			if location := got.header.Get("Location"); location != "" && !strings.HasPrefix(location, "/") || strings.HasPrefix(location, "//") {
				t.Errorf("POST %s leads away, to %q", path, location)
			}
			if got.header.Get("Set-Cookie") == "x=y" {
				t.Errorf("POST %s: a field became a header", path)
			}
		}
	}
	h.history.wait()
	var flows, accounts uint64
	if err := h.conn.QueryRow(t.Context(), "SELECT (SELECT count() FROM flows), (SELECT count() FROM accounts FINAL WHERE NOT deleted)").Scan(&flows, &accounts); err != nil || flows != 1 || accounts != 1 {
		t.Errorf("%d flows and %d accounts, %v; want the one of each that was there", flows, accounts, err)
	}
	for _, path := range []string{"/", "/hosts", "/hosts/192.168.1.20", "/people", "/networks", "/settings/plan", "/settings/lines", "/settings/networks", "/settings/hosts", "/settings/people", "/settings/exporters", "/settings/alerts", "/settings/account", "/status"} {
		got := admin.get(path)
		if got.status != http.StatusOK {
			t.Errorf("GET %s afterwards = %d: %.300s", path, got.status, got.body)
			continue
		}
		if len(find(got.document, "main script"))+len(find(got.document, "[onerror]"))+len(find(got.document, "main img")) > 0 {
			t.Errorf("GET %s: what was entered became markup", path)
		}
	}
}

// TestNamesOfEverythingAreText stores a script as the name of whatever can be
// named.
func TestNamesOfEverythingAreText(t *testing.T) {
	h := newHouse(t, Config{})
	h.flow(t, "received", "192.168.1.20", "203.0.113.5", 1000)
	h.hear(t, "192.168.1.1")
	admin := h.setUp(t)
	admin.submit("/settings/plan", planOf("name", hostileName))
	admin.submit("/settings/networks/add", url.Values{"range": {"198.51.100.0/24"}})
	admin.submit("/settings/networks", url.Values{"range-0": {"192.168.0.0/16"}, "name-0": {hostileName}, "metered-0": {"1"}})
	admin.submit("/settings/exporters", url.Values{"address": {"192.168.1.1"}, "name": {hostileName}, "direction": {"any"}})
	admin.submit("/settings/people", url.Values{"name": {hostileName}, "weight": {"1"}})
	admin.submit("/settings/lines", url.Values{"name": {"2" + hostileName}, "more": {"192.0.2.77"}})
	for path, where := range map[string]string{
		"/": "", "/?line=all": ".list", "/networks": "tbody", "/people": "tbody", "/status": ".exporter h2", "/settings/plan": "", "/settings/lines": "h2",
		"/settings/networks": "", "/settings/exporters": "h2", "/settings/people": "h2", "/welcome/plan": "", "/welcome/networks": "main", "/history": "",
	} {
		got := admin.get(path)
		if got.status != http.StatusOK {
			t.Errorf("GET %s = %d", path, got.status)
			continue
		}
		if len(find(got.document, "main script"))+len(find(got.document, "[onerror]"))+len(find(got.document, "main img")) > 0 {
			t.Errorf("GET %s: a name became markup", path)
		}
		if where != "" && !strings.Contains(strings.Join(texts(got.document, where), " "), strings.Join(strings.Fields(hostileName), " ")) {
			t.Errorf("GET %s does not show the name as text at %s", path, where)
		}
	}
}
