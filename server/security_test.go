package server

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
)

func TestLocal(t *testing.T) {
	tests := []struct {
		name, remote, host string
		header             string
		want               bool
	}{
		{"loopback by name", "127.0.0.1:5000", "localhost:8080", "", true},
		{"loopback by address", "127.0.0.1:5000", "127.0.0.1:8080", "", true},
		{"another loopback address", "127.0.0.1:5000", "127.1.2.3", "", true},
		{"loopback by IPv6", "[::1]:5000", "[::1]:8080", "", true},
		{"mapped", "[::ffff:127.0.0.1]:5000", "localhost", "", true},
		{"from the network", "192.168.1.30:5000", "localhost:8080", "", false},
		{"by an outside name", "127.0.0.1:5000", "traffic.example", "", false},
		{"by an outside address", "127.0.0.1:5000", "192.168.1.2:8080", "", false},
		{"through a proxy", "127.0.0.1:5000", "localhost:8080", "X-Forwarded-For", false},
		{"through another proxy", "127.0.0.1:5000", "localhost:8080", "Forwarded", false},
		{"through a proxy that says nothing", "127.0.0.1:5000", "localhost:8080", "HTTP/1.0", false},
		{"no address", "@", "localhost:8080", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr, r.Host = tt.remote, tt.host
			if tt.header == "HTTP/1.0" {
				r.Proto, r.ProtoMajor, r.ProtoMinor = tt.header, 1, 0
			} else if tt.header != "" {
				r.Header.Set(tt.header, "")
			}
			if got := local(r); got != tt.want {
				t.Errorf("local = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestClientBehindProxies(t *testing.T) {
	s := &Server{cfg: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}}}
	tests := []struct{ name, remote, forwarded, want string }{
		{"no proxy", "192.0.2.1:1", "", "192.0.2.1"},
		{"a stranger's header is not believed", "192.0.2.1:1", "127.0.0.1", "192.0.2.1"},
		{"one proxy", "10.0.0.1:1", "192.0.2.7", "192.0.2.7"},
		{"two proxies", "10.0.0.1:1", "192.0.2.7, 10.0.0.2", "192.0.2.7"},
		{"what the client wrote itself is not believed", "10.0.0.1:1", "127.0.0.1, 192.0.2.7", "192.0.2.7"},
		{"nonsense", "10.0.0.1:1", "unknown", "10.0.0.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tt.remote
			if tt.forwarded != "" {
				r.Header.Set("X-Forwarded-For", tt.forwarded)
			}
			if got := s.client(r).String(); got != tt.want {
				t.Errorf("client = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestSafeNext(t *testing.T) {
	for next, want := range map[string]string{
		"/hosts?period=2026-11-01": "/hosts?period=2026-11-01",
		"/":                        "/",
		"":                         "/",
		"https://evil.example/":    "/",
		"//evil.example/":          "/",
		"/\\evil.example":          "/",
		"/\tevil":                  "/",
		"javascript:alert(1)":      "/",
		"hosts":                    "/",
		"/login?next=/login":       "/",
		"///evil.example":          "/",
	} {
		if got := safeNext(next); got != want {
			t.Errorf("safeNext(%q) = %q, want %q", next, got, want)
		}
	}
}

// TestHostHeader is DNS rebinding: a page of a stranger whose name now leads
// to this machine.
func TestHostHeader(t *testing.T) {
	h := newHouse(t, Config{AllowedHosts: []string{"traffic.example"}})
	for host, want := range map[string]int{
		"localhost:8080":       http.StatusOK,
		"127.0.0.1:8080":       http.StatusOK,
		"[::1]:8080":           http.StatusOK,
		"LOCALHOST":            http.StatusOK,
		"traffic.example":      http.StatusForbidden, // known, but not this machine: no password yet
		"192.168.1.2:8080":     http.StatusForbidden,
		"evil.example":         http.StatusMisdirectedRequest,
		"localhost.evil.com":   http.StatusMisdirectedRequest,
		"evil.example:8080":    http.StatusMisdirectedRequest,
		"127.0.0.1.evil.com":   http.StatusMisdirectedRequest,
		"":                     http.StatusMisdirectedRequest,
		"evil.example@1.2.3.4": http.StatusMisdirectedRequest,
	} {
		b := h.local(t)
		b.host = host
		if got := b.get("/status").status; got != want {
			t.Errorf("GET with Host %q = %d, want %d", host, got, want)
		}
	}
}

func TestCrossOriginFormIsRefused(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	before, err := h.store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"name": {"Mine now"}, "zone": {"UTC"}, "renewal": {"3"}, "scope": {"all"}}
	for name, header := range map[string]http.Header{
		"by fetch metadata":     {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}},
		"same site, other port": {"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://localhost:9090"}},
		"by origin alone":       {"Origin": {"https://evil.example"}},
		"opaque origin":         {"Origin": {"null"}, "Sec-Fetch-Site": {"cross-site"}},
	} {
		admin.header = header
		for _, path := range []string{"/settings/plan", "/settings/networks", "/settings/people", "/settings/people/share", "/settings/hosts/192.168.1.20/who", "/settings/account/password", "/login", "/logout", "/welcome/next"} {
			if got := admin.post(path, form).status; got != http.StatusForbidden {
				t.Errorf("%s: POST %s = %d, want 403", name, path, got)
			}
		}
	}
	after, err := h.store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := after.Lines[0].Plans[0].Name, before.Lines[0].Plans[0].Name; got != want {
		t.Errorf("plan name = %q, want %q as before", got, want)
	}
	admin.header = http.Header{}
	if got := admin.get("/settings/plan").status; got != http.StatusOK {
		t.Errorf("the session has ended: GET /settings/plan = %d", got)
	}
}

func TestSecurityHeaders(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	for _, path := range []string{"/settings/plan", "/login", "/nothing", "/healthz", "/hosts.json?period=nonsense"} {
		got := admin.get(path).header
		for key, want := range map[string]string{
			"Content-Security-Policy": contentPolicy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
		} {
			if got.Get(key) != want {
				t.Errorf("GET %s: %s = %q, want %q", path, key, got.Get(key), want)
			}
		}
	}
}

// TestNoInlineScriptOrStyle holds every page to the policy it is sent with.
func TestNoInlineScriptOrStyle(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	for _, path := range []string{
		"/settings/plan", "/settings/networks", "/settings/exporters", "/settings/display", "/settings/account", "/settings/hosts", "/settings/hosts/192.168.1.20", "/settings/people", "/people",
		"/status", "/welcome/plan", "/welcome/router", "/welcome/networks", "/nothing",
	} {
		page := admin.get(path)
		if page.document == nil {
			t.Errorf("GET %s = %d, no page", path, page.status)
			continue
		}
		for _, n := range find(page.document, "script") {
			if attr(n, "src") == "" {
				t.Errorf("%s has an inline script: %s", path, text(n))
			}
		}
		if n := len(find(page.document, "style")) + len(find(page.document, "[style]")); n > 0 {
			t.Errorf("%s has %d inline styles", path, n)
		}
		for _, event := range []string{"onclick", "onload", "onerror", "onsubmit", "onchange"} {
			if n := len(find(page.document, "["+event+"]")); n > 0 {
				t.Errorf("%s has %d %s handlers", path, n, event)
			}
		}
	}
}

func prefixes(t *testing.T, list ...string) []netip.Prefix {
	t.Helper()
	var out []netip.Prefix
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}
