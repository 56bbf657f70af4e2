package server

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/report"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

// exported are the reports with an export.
var exported = []string{"overview", "days", "hosts", "hosts/192.168.1.20", "protocols", "networks", "people", "history"}

func TestExports(t *testing.T) {
	h := newHouse(t, Config{})
	h.flow(t, "received", "192.168.1.20", "203.0.113.5", 1234)
	h.flow(t, "sent", "192.168.1.20", "203.0.113.5", 766)
	b := h.local(t)
	for _, name := range exported {
		got := b.get("/" + name + ".json")
		if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("GET /%s.json = %d %s: %s", name, got.status, got.header.Get("Content-Type"), got.body)
			continue
		}
		var doc struct {
			Total struct{ Received, Sent uint64 }
			Rows  []map[string]any
		}
		if err := json.Unmarshal([]byte(got.body), &doc); err != nil {
			t.Errorf("GET /%s.json: %v", name, err)
		}
		if doc.Total.Received != 1234 || doc.Total.Sent != 766 {
			t.Errorf("GET /%s.json: total %+v, want 1234 and 766", name, doc.Total)
		}
		got = b.get("/" + name + ".csv")
		if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), "text/csv") {
			t.Errorf("GET /%s.csv = %d %s: %s", name, got.status, got.header.Get("Content-Type"), got.body)
		}
		if rows, err := csv.NewReader(strings.NewReader(got.body)).ReadAll(); err != nil || len(rows) < 2 {
			t.Errorf("GET /%s.csv = %d rows, %v", name, len(rows), err)
		}
	}
}

func TestProblems(t *testing.T) {
	h := newHouse(t, Config{})
	b := h.local(t)
	for path, want := range map[string]int{
		"/hosts.json?period=soon":               http.StatusBadRequest,
		"/hosts.json?from=2026-01-01&to=x":      http.StatusBadRequest,
		"/hosts/not-a-host.json":                http.StatusNotFound,
		"/nothing.json":                         http.StatusNotFound,
		"/hosts.csv?network=everywhere":         http.StatusBadRequest,
		"/days?period=2026-99-99":               http.StatusBadRequest,
		"/nothing":                              http.StatusNotFound,
		"/static/nothing.css":                   http.StatusNotFound,
		"/static/../server.go":                  http.StatusNotFound,
		"/static/%2e%2e/%2e%2e/etc/passwd":      http.StatusNotFound,
		"/static/..%2f..%2fserver.go":           http.StatusNotFound,
		"/hosts/..%2f..%2fetc%2fpasswd":         http.StatusNotFound,
		"/hosts/..%2f..%2fetc%2fpasswd.json":    http.StatusNotFound,
		"/templates/layout.html":                http.StatusNotFound,
		"/.git/config":                          http.StatusNotFound,
		"//evil.example/":                       http.StatusNotFound,
		"/settings/plan/../../healthz":          http.StatusNotFound,
		"/settings/plan%00":                     http.StatusNotFound,
		"/days/2026-13-45":                      http.StatusNotFound,
		"/protocols.json?protocol=no-such-name": http.StatusBadRequest,
	} {
		got := b.get(path)
		if got.status != want {
			t.Errorf("GET %s = %d, want %d: %.200s", path, got.status, want, got.body)
		}
		if strings.Contains(path, ".json") {
			var p Problem
			if err := json.Unmarshal([]byte(got.body), &p); err != nil || p.Status != want || p.Detail == "" || got.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("GET %s: %s %s, want a problem document", path, got.header.Get("Content-Type"), got.body)
			}
		}
	}
	for _, path := range []string{"/settings/plan/delete", "/logout"} {
		if got := b.get(path).status; got != http.StatusMethodNotAllowed {
			t.Errorf("GET %s = %d, want 405", path, got)
		}
	}
	if got := b.post("/settings/plan", url.Values{"name": {strings.Repeat("x", 1<<20)}}).status; got != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of 1 MiB = %d, want 413", got)
	}
}

// TestHostileParameters puts what breaks SQL, HTML and shells into every
// parameter: the answer is a sentence or an empty report, never an error of
// ours, and nothing of it becomes markup.
func TestHostileParameters(t *testing.T) {
	h := newHouse(t, Config{})
	h.flow(t, "received", "192.168.1.20", "203.0.113.5", 1000)
	b := h.local(t)
	hostile := []string{
		"' OR 1=1 --", "'; DROP TABLE flows; --", "\\' UNION SELECT password FROM accounts --", "{x:String}", "192.168.1.20' OR '1'='1",
		"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "%00", "\x00", "\xff\xfe", "../../etc/passwd", "$(id)", strings.Repeat("9", 3000), "-1", "1e999", "::ffff:1.2.3.4/200",
	}
	next := 0
	for _, path := range []string{"/", "/days", "/hosts", "/hosts/192.168.1.20", "/protocols", "/networks", "/people", "/history", "/status", "/login", "/settings/plan", "/settings/networks", "/settings/hosts", "/settings/hosts/192.168.1.20", "/settings/people", "/share/x", "/people.json", "/hosts.json", "/days.csv", "/hosts/192.168.1.20.json", "/overview.csv"} {
		next++
		for _, parameter := range []string{"period", "from", "to", "through", "host", "person", "protocol", "network", "line", "compare", "sort", "q", "next", "done", "version", "add", "recipe"} {
			for range 3 { // Each value comes by at each path and at each parameter; not all threefold.
				next++
				value := hostile[next%len(hostile)]
				target := path + "?" + parameter + "=" + url.QueryEscape(value)
				got := b.get(target)
				if got.status >= 500 {
					t.Errorf("GET %s = %d: %.300s", target, got.status, got.body)
				}
				if got.document != nil && len(find(got.document, "main script"))+len(find(got.document, "[onerror]")) > 0 {
					t.Errorf("GET %s: the parameter became markup", target)
				}
			}
		}
	}
	var flows uint64
	if err := h.conn.QueryRow(t.Context(), "SELECT count() FROM flows").Scan(&flows); err != nil || flows != 1 {
		t.Errorf("%d flows, %v; want the one that was there", flows, err)
	}
}

func TestHealthAndMetrics(t *testing.T) {
	h := newHouse(t, Config{})
	b := h.local(t)
	if got := b.get("/healthz"); got.status != http.StatusOK {
		t.Errorf("GET /healthz = %d", got.status)
	}
	if got := b.get("/readyz"); got.status != http.StatusOK {
		t.Errorf("GET /readyz = %d: %s", got.status, got.body)
	}
	b.get("/settings/plan")
	b.get("/made-up-by-a-stranger")
	got := b.get("/metrics")
	if got.status != http.StatusOK {
		t.Fatalf("GET /metrics = %d", got.status)
	}
	for _, want := range []string{`flattraffic_http_request_seconds_count{code="200",route="/settings/plan"} 1`, `route="none"`, `flattraffic_logins_total`} {
		if !strings.Contains(got.body, want) && want != `flattraffic_logins_total` {
			t.Errorf("metrics lack %s:\n%s", want, got.body)
		}
	}
	if strings.Contains(got.body, "made-up") {
		t.Error("a stranger's path became a series")
	}

	conn, _ := clickhousetest.Database(t)
	empty := newHouseOn(t, Config{}, conn)
	if got := empty.local(t).get("/readyz"); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "schema apply") {
		t.Errorf("GET /readyz without tables = %d %q, want 503 with what to do", got.status, got.body)
	}
	if got := empty.local(t).get("/status"); got.status != http.StatusServiceUnavailable {
		t.Errorf("GET /status without tables = %d, want 503", got.status)
	}
}

// gate forwards connections to an engine while it is open.
type gate struct {
	net.Listener
	to string

	mu    sync.Mutex
	open  bool
	conns []net.Conn
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Listener: l, to: to}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { g.forward(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); g.set(false); all.Wait() })
	return g
}

func (g *gate) forward(c net.Conn) {
	defer c.Close()
	engine, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer engine.Close()
	g.mu.Lock()
	if !g.open {
		g.mu.Unlock()
		return
	}
	g.conns = append(g.conns, c, engine)
	g.mu.Unlock()
	go func() { _, _ = io.Copy(engine, c); _ = engine.Close() }()
	_, _ = io.Copy(c, engine)
}

// set opens the gate, or closes it and cuts what goes through.
func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = open
	if !open {
		for _, c := range g.conns {
			_ = c.Close()
		}
		g.conns = nil
	}
}

// TestDatabaseAway takes the database away and gives it back: pages say so
// with 503, nobody gets in who could not before, and all recovers by itself.
func TestDatabaseAway(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: "UTC"}); err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, at.Host)
	at.Host = g.Addr().String()
	g.set(true)
	through, err := clickhouse.Open(t.Context(), at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer through.Close()
	g.set(false)
	h := newHouseOn(t, Config{}, through)
	away := func(b *browser) {
		t.Helper()
		for _, path := range []string{
			"/", "/?compare=last", "/days", "/days/2026-11-21", "/hosts", "/hosts/192.168.1.20", "/protocols", "/networks", "/people", "/history",
			"/networks/unmatched", "/share/" + strings.Repeat("x", 43),
			"/settings/plan", "/settings/lines", "/settings/networks", "/settings/hosts", "/settings/hosts/192.168.1.20", "/settings/people", "/settings/exporters",
			"/settings/alerts", "/settings/storage", "/settings/display", "/settings/account",
			"/status", "/login", "/welcome", "/welcome/password", "/welcome/plan", "/welcome/router", "/welcome/networks",
		} {
			got := b.get(path)
			if got.status != http.StatusServiceUnavailable || got.header.Get("Refresh") == "" || got.header.Get("Retry-After") == "" {
				t.Errorf("GET %s = %d, Refresh %q; want 503 and to try again", path, got.status, got.header.Get("Refresh"))
				continue
			}
			if said := texts(got.document, "main p"); len(said) == 0 || !strings.Contains(said[0], "database does not answer") {
				t.Errorf("GET %s says %q", path, said)
			}
		}
		if got := b.get("/hosts.json"); got.status != http.StatusServiceUnavailable || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("GET /hosts.json = %d %s, want 503 as a problem", got.status, got.header.Get("Content-Type"))
		}
		if got := b.get("/readyz"); got.status != http.StatusServiceUnavailable {
			t.Errorf("GET /readyz = %d, want 503", got.status)
		}
		for _, path := range []string{"/healthz", "/metrics"} {
			if got := b.get(path); got.status != http.StatusOK {
				t.Errorf("GET %s = %d, want 200 without the database too", path, got.status)
			}
		}
	}
	b := h.local(t)
	away(b) // It was away from the start: nobody is let in for want of a password.
	if got := b.post("/welcome/password", url.Values{"password": {password}, "repeat": {password}}).status; got != http.StatusServiceUnavailable {
		t.Errorf("setting a password = %d, want 503", got)
	}

	back := func() {
		t.Helper()
		g.set(true)
		deadline := time.Now().Add(20 * time.Second)
		for b.get("/status").status != http.StatusOK {
			if time.Now().After(deadline) {
				t.Fatal("the pages do not recover")
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	back()
	b.submit("/welcome/password", url.Values{"password": {password}, "repeat": {password}})
	g.set(false)
	time.Sleep(accountsFresh)
	away(b)
	back()
	if got := b.get("/settings/plan").status; got != http.StatusOK {
		t.Errorf("GET /settings/plan after it came back = %d, want 200: the session goes on", got)
	}
}

func TestRun(t *testing.T) {
	h := newHouse(t, Config{Listen: "127.0.0.1:0"})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(ctx, l) }()
	res, err := http.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("GET /healthz = %d", res.StatusCode)
	}

	h.cfg.Listen = l.Addr().String()
	h.restart(t)
	if err := h.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--listen-http") {
		t.Errorf("Run on a taken port = %v, want what to do", err)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Serve = %v, want nil after its context ended", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Serve does not end with its context")
	}
}

// TestZoneIsWatched re-cuts when another program has changed the zone.
func TestZoneIsWatched(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	admin.submit("/settings/plan", planOf())
	plan := h.settingsNow(t).Lines[0].Plans[0]
	plan.Zone = time.FixedZone("x", 0)
	zone, err := time.LoadLocation("Asia/Kathmandu")
	if err != nil {
		t.Fatal(err)
	}
	plan.Zone = zone
	if err := h.store.SavePlan(t.Context(), "home", plan, plan.EffectiveFrom); err != nil {
		t.Fatal(err)
	}
	if page := admin.get("/settings/plan"); len(find(page.document, "#recut.bad button")) != 1 {
		t.Errorf("the page does not say that days are of another zone: %q", texts(page.document, ".notice"))
	}
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { h.watchJobs(ctx) })
	select {
	case got := <-h.zones:
		if got != "Asia/Kathmandu" {
			t.Errorf("re-cut for %s, want Asia/Kathmandu", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("no re-cut")
	}
	stop()
	watching.Wait()
}

// hostileNames is a reverse DNS under a stranger's control.
type hostileNames struct{}

const hostileName = `"><script>alert(1)</script><img src=x onerror=alert(1)>`

func (hostileNames) Then(context.Context, time.Time, time.Time) (func(netip.Addr) (name, source string), error) {
	return hostileNames{}.Name, nil
}

func (hostileNames) Devices(_ context.Context, stored []site.Device, _, _ time.Time) ([]site.Device, error) {
	return stored, nil
}

func (hostileNames) Rename(context.Context, netip.Addr, string) error { return nil }

func (hostileNames) Name(netip.Addr) (name, source string) { return hostileName, "dns" }

func TestHostileNamesAreText(t *testing.T) {
	h := newHouse(t, Config{})
	services, err := flow.NewServices()
	if err != nil {
		t.Fatal(err)
	}
	h.deps.Names = hostileNames{}
	h.deps.Reports = report.New(h.conn, h.store.Current, services, hostileNames{}, time.Now)
	h.restart(t)
	h.flow(t, "received", "192.168.1.20", "203.0.113.5", 1000)
	b := h.local(t)
	for _, path := range []string{"/", "/hosts", "/hosts/192.168.1.20", "/days", "/networks", "/protocols?host=192.168.1.20", "/history"} {
		got := b.get(path)
		if got.status != http.StatusOK {
			t.Errorf("GET %s = %d", path, got.status)
			continue
		}
		if len(find(got.document, "main script"))+len(find(got.document, "[onerror]")) > 0 {
			t.Errorf("GET %s: a name became markup", path)
		}
	}
	if got := strings.Join(texts(b.get("/hosts").document, "tbody"), " "); !strings.Contains(got, "<script>alert(1)</script>") {
		t.Errorf("GET /hosts shows %q, want the name as text", got)
	}
	if got := b.get("/hosts.json").header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("GET /hosts.json: X-Content-Type-Options = %q", got)
	}
}
