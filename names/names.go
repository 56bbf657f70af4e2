// Package names turns addresses into names: names the user gave, names from
// DHCP leases, names from reverse DNS. It answers at once from memory and
// looks things up behind the page's back; what it learns is kept with dates, so
// that an old month can show the name of then.
package names

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// The sources of names, best first. The texts are those of host_names.source.
const (
	Own  = "own"  // the user said so
	DHCP = "dhcp" // a lease file said so
	DNS  = "dns"  // reverse DNS said so: anyone who runs a zone can say anything
)

// Bounds of the lookups. A home network stays far below all of them; they are
// there for a page of 5,000 hosts and for a resolver that does not answer.
const (
	queueLength    = 4096                  // addresses waiting for a lookup
	cacheLimit     = 50_000                // addresses remembered
	lookupInterval = 50 * time.Millisecond // 20 lookups a second
	lookupTimeout  = 2 * time.Second
	workers        = 8 // enough for the full rate when each lookup takes 0.4 s
)

// How long an answer of the resolver is good for.
const (
	positiveTTL = 24 * time.Hour
	negativeTTL = 6 * time.Hour
	failureTTL  = 10 * time.Minute
)

// How often Run does its rounds.
const (
	ownInterval   = 10 * time.Second // names the user gave
	leaseInterval = 10 * time.Second // modification times of lease files
	saveInterval  = 5 * time.Second  // names learnt, to ClickHouse
	hostInterval  = time.Hour        // local hosts seen lately, for lookup
	loadInterval  = 20 * time.Second // names that other processes have stored
)

// ownTables are those that loadOwn reads.
var ownTables = []string{"host_names", "devices", "addresses"}

// Resolver asks for the names of an address. *net.Resolver is one.
type Resolver interface {
	LookupAddr(ctx context.Context, addr string) ([]string, error)
}

// Config is what Names needs to know. The zero value is useful: no lease
// files, reverse DNS on.
type Config struct {
	LeaseFiles []string    // of dnsmasq, Kea (CSV) or ISC dhcpd; the format is recognised
	ReverseDNS func() bool // asked before each lookup; nil = always on
	Usage      driver.Conn // reads the usage of all hosts; nil = where names are kept
}

// Names knows the names of addresses. Its methods are safe for concurrent use.
type Names struct {
	cfg      Config
	store    store
	resolver Resolver
	now      func() time.Time
	log      *slog.Logger
	queue    chan netip.Addr

	mu      sync.Mutex
	own     map[netip.Addr]string
	leases  map[netip.Addr]remembered
	dns     map[netip.Addr]*lookup
	pending map[sighting]time.Time // names learnt and not yet stored
	paired  map[pair]time.Time     // MACs of leases, not yet stored
	roster  roster
	then    pastNames
}

// New returns Names that keep what they learn in the table host_names of conn.
// It does no I/O; Run does.
func New(cfg Config, conn driver.Conn, resolver Resolver, now func() time.Time, log *slog.Logger) *Names {
	t := &table{conn: conn, usage: cfg.Usage}
	if t.usage == nil {
		t.usage = conn
	}
	return newNames(cfg, t, resolver, now, log)
}

func newNames(cfg Config, s store, resolver Resolver, now func() time.Time, log *slog.Logger) *Names {
	if cfg.ReverseDNS == nil {
		cfg.ReverseDNS = func() bool { return true }
	}
	return &Names{
		cfg: cfg, store: s, resolver: resolver, now: now, log: log,
		queue:   make(chan netip.Addr, queueLength),
		own:     map[netip.Addr]string{},
		leases:  map[netip.Addr]remembered{},
		dns:     map[netip.Addr]*lookup{},
		pending: map[sighting]time.Time{},
		paired:  map[pair]time.Time{},
	}
}

// Name returns the name of an address and its source (own, dhcp or dns), or
// two empty strings. It never blocks and does no I/O: an address not yet known
// is queued, and has its name when the page is next asked for.
func (n *Names) Name(addr netip.Addr) (name, source string) {
	addr = addr.Unmap().WithZone("")
	n.mu.Lock()
	defer n.mu.Unlock()
	if name := n.own[addr]; name != "" {
		return name, Own
	}
	if r := n.leases[addr]; r.name != "" && n.now().Before(r.until) {
		return r.name, DHCP
	}
	if !n.cfg.ReverseDNS() {
		return "", ""
	}
	if name := n.ask(addr); name != "" {
		return name, DNS
	}
	return "", ""
}

// Load reads what is stored, once, for a command that shows names and ends. It
// looks nothing up.
func (n *Names) Load(ctx context.Context) error {
	return errors.Join(n.loadOwn(ctx), n.load(ctx))
}

// Run loads what is stored and looks up, polls and stores until ctx ends. It
// survives any failure of ClickHouse, the resolver and the lease files.
func (n *Names) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	tick := time.NewTicker(lookupInterval)
	defer tick.Stop()
	loaded := make(chan struct{})
	for range workers {
		wg.Go(func() { n.lookUp(ctx, tick.C) })
	}
	wg.Go(func() {
		n.every(ctx, ownInterval, "read own names", n.whenChanged(n.loadOwn, ownTables...))
	})
	wg.Go(func() { n.every(ctx, leaseInterval, "read lease files", n.leaseRound()) })
	wg.Go(func() {
		n.untilDone(ctx, "read stored names", n.load)
		close(loaded)
		n.every(ctx, saveInterval, "store names", n.save)
	})
	wg.Go(func() {
		<-loaded
		n.every(ctx, loadInterval, "read stored names", n.whenChanged(n.load, "host_names"))
	})
	wg.Go(func() {
		<-loaded // Names that are known and new enough need no lookup.
		n.every(ctx, hostInterval, "list hosts", n.queueHosts)
	})
	wg.Wait()
	// What was learnt in the last seconds is worth one more try.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
	defer cancel()
	if err := n.save(last); err != nil {
		n.log.Warn("names of the last seconds are not stored", "error", err)
	}
	return nil
}

// every runs a round now and after each interval. A failure is logged when it
// begins, not each time it lasts.
func (n *Names) every(ctx context.Context, interval time.Duration, what string, round func(context.Context) error) {
	failing := false
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		err := round(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			n.log.Warn("names are not up to date", "doing", what, "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// whenChanged is a round that is done only when a row of the tables has
// changed since it was done last.
func (n *Names) whenChanged(round func(context.Context) error, tables ...string) func(context.Context) error {
	var done string
	return func(ctx context.Context) error {
		version, err := n.store.version(ctx, tables...) // before the round: a change since then makes another
		if err != nil || version == done {
			return err
		}
		if err := round(ctx); err != nil {
			return err
		}
		done = version
		return nil
	}
}

// untilDone repeats a step until it works, with growing pauses.
func (n *Names) untilDone(ctx context.Context, what string, step func(context.Context) error) {
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		err := step(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		n.log.Warn("names are not up to date", "doing", what, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// Rename gives an address a name of the user's choice, which beats all others;
// an empty name takes the own name away. The name is cleaned of outer blanks
// and refused when it can't be shown.
func (n *Names) Rename(ctx context.Context, addr netip.Addr, name string) error {
	addr = addr.Unmap().WithZone("")
	if name != "" {
		clean, err := Clean(name)
		if err != nil {
			return err
		}
		name = clean
	}
	if err := n.store.rename(ctx, addr, name, n.now()); err != nil {
		return fmt.Errorf("rename %s: %w", addr, err)
	}
	return n.loadOwn(ctx)
}

// answered tells an answer "there is no name" from a failure to answer.
func answered(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && !e.IsTimeout && !e.IsTemporary
}
