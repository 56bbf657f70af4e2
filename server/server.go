// Package server is the web interface: routes, pages, exports, accounts and
// settings over what report and site answer.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flattraffic/flattraffic/cluster"
	"github.com/flattraffic/flattraffic/report"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

// Config is what the operator decides about the web interface.
type Config struct {
	Listen         string         // host:port
	Dev            bool           // read templates and static files from disk at every request
	TrustedProxies []netip.Prefix // peers whose X-Forwarded-For and X-Forwarded-Proto are believed
	AllowedHosts   []string       // names, beside localhost and the machine's own, the interface may be opened by
	AdminPassword  string         // sets the password of "admin" at every start; empty = set in the browser
	PublicReports  bool           // reports can be read without a login
	PublicMetrics  bool           // /metrics can be read without a login from anywhere
	NetFlow, SFlow []string       // listen addresses of the ingest, for what is said about routers
	Version        string
}

// Names says what is known about an address beside its figures.
type Names interface {
	// Name returns the best name of an address now and who says so ("own",
	// "dhcp", "dns"), or two empty strings. It never waits for the network.
	Name(addr netip.Addr) (name, source string)
	// Rename gives an address a name of the user's; an empty one takes it away.
	Rename(ctx context.Context, addr netip.Addr, name string) error
	// Devices lists the machines of the household; see report.Names.
	Devices(ctx context.Context, stored []site.Device, from, to time.Time) ([]site.Device, error)
}

// Deps are the parts the server stands on. Conn need not be reachable: pages
// say so and recover by themselves.
type Deps struct {
	Conn     driver.Conn
	Database *cluster.Database // the shards of which Conn is the first; nil = it is all there is
	Reports  *report.Reports
	Site     *site.Store
	Names    Names
	Alerts   Alerter              // nil = nothing is sent
	Registry *prometheus.Registry // own metrics are added; all of it is served at /metrics
	Now      func() time.Time     // nil = time.Now
	Log      *slog.Logger         // nil = slog.Default
	// ChangeZone re-cuts the daily tables for another time zone. Nil when the schema cannot be changed from here.
	ChangeZone func(ctx context.Context, zone string, progress func(done, total int)) error
	// MakeDemo writes the sample data, and RemoveDemo takes it away; progress goes
	// from 0 to 1. Nil when that cannot be done from here.
	// Its flows come from the exporter Sample, which nobody can mend.
	MakeDemo   func(ctx context.Context, progress func(done float64)) error
	RemoveDemo func(ctx context.Context, progress func(done float64)) error
	Sample     netip.Addr
	// TellHistory tells all raw flows anew by the present networks and exporter
	// settings, and makes all rollups anew. Progress counts days twice: told,
	// then proven. Nil when the schema cannot be changed from here.
	TellHistory func(ctx context.Context, progress func(done, total int)) error
}

// Server is the web interface.
type Server struct {
	cfg      Config
	conn     driver.Conn // settings and accounts
	db       *cluster.Database
	reports  *report.Reports
	site     *site.Store
	names    Names
	alerts   Alerter
	registry *prometheus.Registry
	now      func() time.Time
	log      *slog.Logger

	pages      *renderer
	accounts   *Accounts
	sessions   *scs.SessionManager
	store      *sessionStore
	logins     *limiter
	shares     *shareStore
	shareViews *limiter
	feed       *feed
	zone       *job // days for another time zone
	history    *job // all flows told anew
	storage    *job
	makeDemo   func(ctx context.Context, progress func(done float64)) error
	sample     netip.Addr // the exporter of the sample data
	dropDemo   func(ctx context.Context, progress func(done float64)) error

	keptMonths struct { // what retention kept lately, with the reason
		sync.Mutex
		list []schema.Month
	}

	zones   zoneList
	metrics *metrics
	hosts   map[string]bool // names the Host header may have
	setup   sync.Mutex      // the first password is set once
	setUp   atomic.Bool     // the first run was gone through
	handler http.Handler
}

// New returns a server that does nothing yet.
func New(cfg Config, deps Deps) (*Server, error) {
	s := &Server{
		cfg: cfg, conn: deps.Conn, reports: deps.Reports, site: deps.Site, names: deps.Names, alerts: deps.Alerts,
		registry: deps.Registry, now: deps.Now, log: deps.Log, db: deps.Database,
	}
	if s.db == nil {
		s.db = cluster.Single(deps.Conn, "")
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.registry == nil {
		s.registry = prometheus.NewRegistry()
	}
	if cfg.AdminPassword != "" {
		if err := CheckPassword(cfg.AdminPassword); err != nil {
			return nil, fmt.Errorf("use the configured admin password: %w", err)
		}
	}
	var err error
	if s.pages, err = newRenderer(cfg.Dev); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(s.registry); err != nil {
		return nil, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		s.log.Warn("hostname unknown; the interface opens by address and localhost only", "error", err)
	}
	s.hosts = allowedNames(hostname, cfg.AllowedHosts)
	s.accounts = NewAccounts(deps.Conn)
	s.accounts.preset = cfg.AdminPassword
	s.store = &sessionStore{conn: deps.Conn}
	s.sessions = newSessions(s.store)
	s.logins = newLimiter(s.now, bucket{burst: addressBurst, every: addressEvery}, bucket{burst: overallBurst, every: overallEvery})
	s.shares = &shareStore{conn: deps.Conn}
	s.shareViews = newLimiter(s.now, bucket{burst: shareBurst, every: shareEvery}, bucket{burst: shareOverallBurst, every: shareOverallEvery})
	s.feed = &feed{conn: deps.Conn, all: s.db.All, now: s.now}
	s.zone = newJob("re-cut of days for another time zone", deps.ChangeZone, s.log)
	s.makeDemo, s.dropDemo, s.sample = deps.MakeDemo, deps.RemoveDemo, deps.Sample
	s.storage = newJob("clearing of storage", s.keepStorage, s.log)
	s.history = newJob("re-cut of history by other settings", s.tellHistory(deps.TellHistory), s.log)
	s.handler = s.routes()
	return s, nil
}

// Handler returns the whole interface, for tests and for other listeners.
func (s *Server) Handler() http.Handler { return s.handler }

// Run listens and serves until ctx ends, then lets requests in progress finish
// for some seconds.
func (s *Server) Run(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s for the web interface: %w; choose another address with --listen-http", s.cfg.Listen, err)
	}
	return s.Serve(ctx, l)
}

// Serve is Run on a listener of the caller's, which it closes.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	jobs, stopJobs := context.WithCancel(ctx)
	s.zone.attach(jobs)
	s.history.attach(jobs)
	s.storage.attach(jobs)
	var watching sync.WaitGroup
	watching.Go(func() { s.watchJobs(jobs) })
	defer func() {
		stopJobs()
		watching.Wait()
		s.zone.wait()
		s.history.wait()
		s.storage.wait()
	}()
	hs := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      5 * time.Minute, // a long CSV over a slow line
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.log.Info("web interface listening", "url", "http://"+l.Addr().String())
	done := make(chan error, 1)
	go func() { done <- hs.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve the web interface: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := hs.Shutdown(grace); err != nil {
		_ = hs.Close() // What did not finish in the grace is cut off.
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the web interface: %w", err)
	}
	return nil
}

// routes wires every path to its handler. The groups are the answer to who
// may do what.
func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(s.recoverPanics, s.metrics.observe, securityHeaders, s.checkHost, s.refuseCrossOrigin, limitBody)
	r.NotFound(s.handle(func(http.ResponseWriter, *http.Request) error { return errNotFound }))
	r.MethodNotAllowed(s.handle(func(http.ResponseWriter, *http.Request) error {
		return &Problem{Status: http.StatusMethodNotAllowed, Detail: "This address does not take that kind of request."}
	}))

	r.Get("/healthz", s.handle(s.healthz))
	r.Get("/readyz", s.handle(s.readyz))
	s.get(r, "/metrics", s.serveMetrics)
	s.get(r, "/static/*", s.pages.serveStatic)

	r.Group(func(r chi.Router) {
		r.Use(compress, s.deadline)
		s.shareRoutes(r)
	})
	r.Group(func(r chi.Router) {
		r.Use(compress, s.deadline, s.identify)
		s.loginRoutes(r)
		s.welcomeRoutes(r)
		r.Group(func(r chi.Router) {
			r.Use(s.requireReader)
			s.reportRoutes(r)
			s.exportRoutes(r)
			s.statusRoutes(r)
			s.accountRoutes(r)
		})
		r.Group(func(r chi.Router) {
			r.Use(s.requireAdmin)
			s.settingsRoutes(r)
			s.post(r, "/bill", reportPages{s, s.reports.Run}.saveBill)
		})
	})
	return r
}

// get routes GET and HEAD.
func (s *Server) get(r chi.Router, pattern string, h handler) {
	r.Get(pattern, s.handle(h))
	r.Head(pattern, s.handle(h))
}

// post routes POST.
func (s *Server) post(r chi.Router, pattern string, h handler) {
	r.Post(pattern, s.handle(h))
}

// handle turns a handler into an http.HandlerFunc; an error becomes a page or
// a problem document.
func (s *Server) handle(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// visit fills in who asks, the receiving dot, the version and the settings.
// Strangers learn nothing about the site.
func (s *Server) visit(r *http.Request, b *Base) {
	v := visitorOf(r)
	b.User, b.Role = v.Account, v.Role
	b.Version = s.cfg.Version
	b.Flash = flashText(r.URL.Query().Get("done"))
	b.Settings = &site.Settings{}
	if v.Role == "" {
		return
	}
	b.Receiving, b.ReceivingText = s.feed.state(r.Context())
	b.Setup = s.setupLink(r, v)
	settings, err := s.settings(r.Context())
	if err != nil {
		// The frame is drawn without them; a page that needs them says so itself.
		return
	}
	b.Settings, b.Demo = settings, settings.Demo
	s.offerDemo(b)
}

// settings returns the site's settings, or why they cannot be read.
func (s *Server) settings(ctx context.Context) (*site.Settings, error) {
	if s.site == nil {
		return nil, errors.New("read settings: no store")
	}
	settings, err := s.site.Current(ctx)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return settings, nil
}

// redirect answers a form that was saved (post, redirect, get). done names the
// sentence said on the next page.
func redirect(w http.ResponseWriter, r *http.Request, path, done string) error {
	if done != "" {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		path += sep + "done=" + done
	}
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}
