package server

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/net/html"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/report"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

// house is a server on a database of its own.
type house struct {
	*Server
	conn  driver.Conn
	store *site.Store
	cfg   Config
	deps  Deps
	zones chan string // zones that days were re-cut for
}

// newHouse returns a migrated, empty site at UTC.
func newHouse(t *testing.T, cfg Config) *house {
	t.Helper()
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: "UTC"}); err != nil {
		t.Fatal(err)
	}
	return newHouseOn(t, cfg, conn)
}

func newHouseOn(t *testing.T, cfg Config, conn driver.Conn) *house {
	t.Helper()
	services, err := flow.NewServices()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{conn: conn, store: site.NewStore(conn, time.UTC), cfg: cfg, zones: make(chan string, 8)}
	h.deps = Deps{
		Conn: conn, Site: h.store, Names: nameless{}, Reports: newReports(conn, h.store, services),
		Log: slog.New(slog.DiscardHandler),
		ChangeZone: func(_ context.Context, zone string, progress func(int, int)) error {
			progress(1, 2)
			h.zones <- zone
			return nil
		},
	}
	h.restart(t)
	return h
}

// restart replaces the server by a new one, as after a restart of the program.
func (h *house) restart(t *testing.T) {
	t.Helper()
	h.deps.Registry = nil
	s, err := New(h.cfg, h.deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.zone.wait)
	t.Cleanup(s.history.wait)
	t.Cleanup(s.storage.wait)
	h.Server = s
}

// browser asks a server the way a browser does: it keeps cookies and says
// where a form came from.
type browser struct {
	t       *testing.T
	handler http.Handler
	remote  string // address and port
	host    string // Host header
	header  http.Header
	cookies map[string]string
}

func (h *house) local(t *testing.T) *browser {
	t.Helper()
	return &browser{t: t, handler: h.Handler(), remote: "127.0.0.1:50000", host: "localhost:8080", header: http.Header{}, cookies: map[string]string{}}
}

func (h *house) remote(t *testing.T) *browser {
	t.Helper()
	b := h.local(t)
	b.remote, b.host = "192.168.1.30:50000", "192.168.1.2:8080"
	return b
}

// reply is what came back.
type reply struct {
	status   int
	header   http.Header
	body     string
	document *html.Node
}

func (b *browser) do(method, target string, form url.Values) reply {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequestWithContext(b.t.Context(), method, target, body)
	r.RemoteAddr, r.Host = b.remote, b.host
	maps.Copy(r.Header, b.header)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if len(b.header) == 0 {
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	a := reply{status: w.Code, header: w.Header(), body: w.Body.String()}
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		a.document = parseHTML(b.t, a.body)
	}
	return a
}

func (b *browser) get(target string) reply { b.t.Helper(); return b.do(http.MethodGet, target, nil) }

func (b *browser) post(target string, form url.Values) reply {
	b.t.Helper()
	return b.do(http.MethodPost, target, form)
}

// submit sends a form and goes where the answer leads; it fails the test when
// the form was not accepted.
func (b *browser) submit(target string, form url.Values) reply {
	b.t.Helper()
	a := b.post(target, form)
	if a.status != http.StatusSeeOther {
		b.t.Fatalf("POST %s = %d, want a redirect; the page says %q", target, a.status, a.errors())
	}
	return b.get(a.header.Get("Location"))
}

// errors are the sentences at the fields and in bad notices.
func (a reply) errors() []string {
	if a.document == nil {
		return []string{strings.TrimSpace(a.body)}
	}
	return append(texts(a.document, ".error"), texts(a.document, ".empty p")...)
}

// value is what a field holds.
func (a reply) value(selector string) string {
	for _, n := range find(a.document, selector) {
		return attr(n, "value")
	}
	return "(no field)"
}

const password = "correct horse battery"

// setUp sets the admin's password and returns the browser logged in.
func (h *house) setUp(t *testing.T) *browser {
	t.Helper()
	b := h.local(t)
	b.submit("/welcome/password", url.Values{"password": {password}, "repeat": {password}})
	return b
}

func newReports(conn driver.Conn, store *site.Store, services *flow.Services) *report.Reports {
	return report.New(conn, store.Current, services, nameless{}, time.Now)
}

// nameless knows no names.
type nameless struct{}

func (nameless) Rename(context.Context, netip.Addr, string) error { return nil }

func (nameless) Name(netip.Addr) (name, source string) { return "", "" }

func (nameless) Then(context.Context, time.Time, time.Time) (func(netip.Addr) (name, source string), error) {
	return nameless{}.Name, nil
}

func (nameless) Devices(_ context.Context, stored []site.Device, _, _ time.Time) ([]site.Device, error) {
	return stored, nil
}
