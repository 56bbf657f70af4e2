package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func logIn(b *browser, name, password string) reply {
	b.t.Helper()
	return b.post("/login", url.Values{"name": {name}, "password": {password}, "next": {"/settings/account"}})
}

// as logs a browser in from the network.
func (h *house) as(t *testing.T, name, password string) *browser {
	t.Helper()
	b := h.remote(t)
	if got := logIn(b, name, password); got.status != http.StatusSeeOther {
		t.Fatalf("login of %s = %d: %q", name, got.status, got.errors())
	}
	return b
}

func TestLoginAndLogout(t *testing.T) {
	h := newHouse(t, Config{})
	h.setUp(t)
	b := h.remote(t)

	if got, want := b.get("/settings/plan?version=2026-01-01").header.Get("Location"), "/login?next=%2Fsettings%2Fplan%3Fversion%3D2026-01-01"; got != want {
		t.Errorf("a stranger is sent to %q, want %q", got, want)
	}
	page := b.get("/login?next=/settings/plan")
	if got, want := page.value("form input[name=next]"), "/settings/plan"; got != want {
		t.Errorf("the form goes on to %q, want %q", got, want)
	}
	for _, wrong := range [][2]string{{"admin", "nonsense"}, {"nobody", password}, {"", ""}, {"admin", strings.Repeat("x", 5000)}} {
		got := logIn(b, wrong[0], wrong[1])
		if got.status != http.StatusUnauthorized && got.status != http.StatusTooManyRequests {
			t.Errorf("login as %q = %d, want 401", wrong[0], got.status)
		}
		if len(b.cookies) > 0 {
			t.Errorf("login as %q leaves cookies %v", wrong[0], b.cookies)
		}
	}

	b = h.as(t, Admin, password)
	if got := b.get("/settings/plan").status; got != http.StatusOK {
		t.Errorf("GET /settings/plan logged in = %d, want 200", got)
	}
	token := b.cookies[cookieName]
	if got := b.post("/logout", url.Values{}); got.status != http.StatusSeeOther || len(b.cookies) > 0 {
		t.Errorf("logout = %d and leaves cookies %v", got.status, b.cookies)
	}
	b.cookies[cookieName] = token
	if got := b.get("/settings/plan").status; got != http.StatusSeeOther {
		t.Errorf("GET /settings/plan with the token of an ended session = %d, want a redirect to the login", got)
	}
}

func TestSessionCookie(t *testing.T) {
	h := newHouse(t, Config{})
	h.setUp(t)
	got := logIn(h.remote(t), Admin, password)
	cookie := got.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("cookie %q lacks %s", cookie, want)
		}
	}
	if strings.Contains(cookie, "Secure") {
		t.Errorf("cookie %q is Secure on plain HTTP, where browsers would drop it", cookie)
	}
}

func TestSessionCookieIsSecureBehindATrustedProxy(t *testing.T) {
	h := newHouse(t, Config{})
	h.setUp(t)
	for _, tt := range []struct {
		trusted string
		want    bool
	}{{"192.168.1.30/32", true}, {"10.0.0.1/32", false}} {
		h.cfg.TrustedProxies = prefixes(t, tt.trusted)
		h.restart(t)
		b := h.remote(t)
		b.header.Set("X-Forwarded-Proto", "https")
		cookie := logIn(b, Admin, password).header.Get("Set-Cookie")
		if got := strings.Contains(cookie, "Secure"); got != tt.want || cookie == "" {
			t.Errorf("proxy %s trusted: cookie %q, want Secure %v", tt.trusted, cookie, tt.want)
		}
	}
}

func TestSessionSurvivesARestart(t *testing.T) {
	h := newHouse(t, Config{})
	h.setUp(t)
	b := h.as(t, Admin, password)
	h.restart(t)
	b.handler = h.Handler()
	if got := b.get("/settings/plan").status; got != http.StatusOK {
		t.Errorf("GET /settings/plan after a restart = %d, want 200", got)
	}
}

// TestSessionFixation plants a token before the login; it must be worth
// nothing after it.
func TestSessionFixation(t *testing.T) {
	h := newHouse(t, Config{})
	h.setUp(t)
	first := h.as(t, Admin, password)
	planted := first.cookies[cookieName]

	for _, token := range []string{"planted-by-a-stranger", planted} {
		victim := h.remote(t)
		victim.cookies[cookieName] = token
		if got := logIn(victim, Admin, password).status; got != http.StatusSeeOther {
			t.Fatalf("login = %d", got)
		}
		if victim.cookies[cookieName] == token {
			t.Errorf("the token %q is kept through the login", token)
		}
		attacker := h.remote(t)
		attacker.cookies[cookieName] = token
		if got := attacker.get("/settings/plan").status; got != http.StatusSeeOther {
			t.Errorf("GET /settings/plan with the planted token = %d, want a redirect to the login", got)
		}
	}
}

func TestSessionTokensAreStoredHashed(t *testing.T) {
	h := newHouse(t, Config{})
	h.setUp(t)
	b := h.as(t, Admin, password)
	var clear, there uint64
	err := h.conn.QueryRow(t.Context(), "SELECT countIf(position(concat(token, data), $1) > 0), count() FROM sessions", b.cookies[cookieName]).Scan(&clear, &there)
	if err != nil {
		t.Fatal(err)
	}
	if clear != 0 || there == 0 {
		t.Errorf("%d of %d session rows hold the token", clear, there)
	}
}

func TestBruteForce(t *testing.T) {
	h := newHouse(t, Config{})
	h.setUp(t)
	b := h.remote(t)
	statuses := map[int]int{}
	for range 20 {
		statuses[logIn(b, Admin, "guess "+time.Now().String()).status]++
	}
	if statuses[http.StatusUnauthorized] != addressBurst || statuses[http.StatusTooManyRequests] != 20-addressBurst {
		t.Errorf("statuses = %v, want %d refused and the rest limited", statuses, addressBurst)
	}
	got := logIn(b, Admin, password)
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("the right password = %d, Retry-After %q; want 429: the limit must not tell which is right", got.status, got.header.Get("Retry-After"))
	}
	other := h.remote(t)
	other.remote = "192.168.1.31:50000"
	if got := logIn(other, Admin, password).status; got != http.StatusSeeOther {
		t.Errorf("login from another address = %d, want a redirect", got)
	}
}

func TestConfiguredPassword(t *testing.T) {
	h := newHouse(t, Config{AdminPassword: password})
	b := h.as(t, Admin, password)
	h.restart(t)
	b.handler = h.Handler()
	if got := b.get("/settings/plan").status; got != http.StatusOK {
		t.Errorf("GET /settings/plan after a restart with the same password = %d, want 200", got)
	}
	page := b.post("/settings/account/password", url.Values{"current": {password}, "password": {"another password"}, "repeat": {"another password"}})
	if page.status != http.StatusUnprocessableEntity {
		t.Errorf("changing a configured password = %d, want 422", page.status)
	}

	h.cfg.AdminPassword = "a new one in the configuration"
	h.restart(t)
	b.handler = h.Handler()
	if got := b.get("/settings/plan").status; got != http.StatusSeeOther {
		t.Errorf("GET /settings/plan after the configured password changed = %d, want the login", got)
	}
	h.as(t, Admin, "a new one in the configuration")
}

func TestConfiguredPasswordTooShort(t *testing.T) {
	_, err := New(Config{AdminPassword: "short"}, Deps{})
	if err == nil || !strings.Contains(err.Error(), "at least 8 characters") {
		t.Errorf("New = %v, want the password refused with what to do", err)
	}
}

// TestBeforeThePasswordIsSet is who may do what on a fresh installation.
func TestBeforeThePasswordIsSet(t *testing.T) {
	h := newHouse(t, Config{})
	local, remote := h.local(t), h.remote(t)
	proxied := h.local(t)
	proxied.header.Set("X-Forwarded-For", "192.168.1.30")
	for _, path := range []string{"/status", "/settings/plan", "/settings/account", "/hosts.json", "/metrics"} {
		if got := local.get(path).status; got != http.StatusOK {
			t.Errorf("GET %s at the machine = %d, want 200", path, got)
		}
		for name, b := range map[string]*browser{"from the network": remote, "through a proxy": proxied} {
			if got := b.get(path).status; got != http.StatusForbidden {
				t.Errorf("GET %s %s = %d, want 403", path, name, got)
			}
		}
	}
	page := remote.get("/status")
	if got := strings.Join(texts(page.document, "main p"), " "); !strings.Contains(got, "flattraffic password") {
		t.Errorf("the page for strangers says %q, want how to set a password", got)
	}
	form := url.Values{"password": {password}, "repeat": {password}}
	if got := remote.post("/welcome/password", form).status; got != http.StatusForbidden {
		t.Errorf("setting the first password from the network = %d, want 403", got)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if got := remote.get(path).status; got != http.StatusOK {
			t.Errorf("GET %s from the network = %d, want 200", path, got)
		}
	}
}

func TestPublicReports(t *testing.T) {
	h := newHouse(t, Config{PublicReports: true, PublicMetrics: true})
	h.setUp(t)
	b := h.remote(t)
	for path, want := range map[string]int{
		"/hosts.json": http.StatusOK, "/status": http.StatusOK, "/metrics": http.StatusOK,
		"/settings/plan": http.StatusSeeOther, "/settings/account": http.StatusSeeOther,
	} {
		if got := b.get(path).status; got != want {
			t.Errorf("GET %s = %d, want %d", path, got, want)
		}
	}
}

func TestViewer(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	admin.submit("/settings/account/add", url.Values{"name": {"lena"}, "role": {Viewer}, "new_password": {"viewers only please"}})
	viewer := h.as(t, "lena", "viewers only please")
	for path, want := range map[string]int{
		"/hosts.json": http.StatusOK, "/status": http.StatusOK, "/settings/account": http.StatusOK, "/metrics": http.StatusOK,
		"/settings/plan": http.StatusForbidden, "/settings/networks": http.StatusForbidden, "/welcome/plan": http.StatusForbidden,
		"/settings/hosts": http.StatusForbidden, "/settings/people": http.StatusForbidden, "/people": http.StatusOK,
	} {
		if got := viewer.get(path).status; got != want {
			t.Errorf("GET %s as viewer = %d, want %d", path, got, want)
		}
	}
	for _, path := range []string{"/settings/plan", "/settings/networks", "/settings/exporters", "/settings/display", "/settings/hosts/192.168.1.20", "/settings/hosts/192.168.1.20/who", "/settings/people", "/settings/people/share", "/settings/people/revoke", "/settings/account/add", "/settings/account/delete", "/welcome/next"} {
		if got := viewer.post(path, url.Values{"name": {"admin"}, "role": {Admin}}).status; got != http.StatusForbidden {
			t.Errorf("POST %s as viewer = %d, want 403", path, got)
		}
	}
	if got := len(find(viewer.get("/settings/account").document, "section table")); got != 0 {
		t.Error("a viewer sees the list of accounts")
	}

	admin.submit("/settings/account/delete", url.Values{"name": {"lena"}})
	if got := viewer.get("/status").status; got != http.StatusSeeOther {
		t.Errorf("GET /status after the account was removed = %d, want the login", got)
	}
}

func TestStrangersGetProblemsNotLogins(t *testing.T) {
	h := newHouse(t, Config{})
	h.setUp(t)
	got := h.remote(t).get("/hosts.json")
	if got.status != http.StatusUnauthorized || got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("GET /hosts.json = %d %s, want 401 application/problem+json", got.status, got.header.Get("Content-Type"))
	}
	if got := h.remote(t).get("/metrics").status; got != http.StatusUnauthorized && got != http.StatusForbidden {
		t.Errorf("GET /metrics = %d, want it refused", got)
	}
}
