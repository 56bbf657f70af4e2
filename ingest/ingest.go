// Package ingest takes flow exports from the network to ClickHouse: socket →
// worker → columns → tables, exactly once, with a ledger of what was lost. It
// joins the rooms below: listen reads datagrams, decode makes records of them,
// flow tells them from the local host's side, deliver brings them to the
// tables, ledger counts.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/deliver"
	"github.com/flattraffic/flattraffic/ingest/kafka"
	"github.com/flattraffic/flattraffic/ingest/ledger"
	"github.com/flattraffic/flattraffic/ingest/listen"
	"github.com/flattraffic/flattraffic/site"
)

const (
	settingsEvery   = 5 * time.Second  // how often settings are read
	ledgerNewsEvery = 5 * time.Second  // how often the ledger is delivered when it has something new to tell
	ledgerEvery     = 30 * time.Second // and when there is only more of the same
	ledgerAwayEvery = 5 * time.Minute  // and while ClickHouse is away: counts add up in memory
	stateEvery      = 10 * time.Second // how often what is known of exporters and addresses is written
	templatesEvery  = 30 * time.Second // how often templates are saved
	tickEvery       = 2 * time.Second  // how often a decoder's waiting sets and gaps are looked at
)

// Config says where flows come in and how they are kept.
type Config struct {
	NetFlow       []string      // addresses for NetFlow v5, v9 and IPFIX: host:port
	SFlow         []string      // addresses for sFlow; every address understands every protocol
	DataDir       string        // templates, last settings and the spool live in ingest/ below it
	FlushInterval time.Duration // longest time a record waits to be sent
	Workers       int           // decoders; 0 = one a processor
	SpoolLimit    int64         // bytes kept on disk while ClickHouse is away; each shard of a cluster has its part
	ReceiveBuffer int           // bytes of socket buffer to ask for; 0 = 32 MiB
	Kafka         kafka.Config  // where flows are handed to beside ClickHouse; the zero value is nowhere
}

// Deps is what an Ingest works with.
type Deps struct {
	Shards   []Shard     // where rows go: one ClickHouse, or the shards of a cluster in order
	Conn     driver.Conn // of the first, for reading
	Settings func(ctx context.Context) (*site.Settings, error)
	Registry prometheus.Registerer // may be nil
	Log      *slog.Logger
}

// Shard is a ClickHouse that flows go to. Settings, the ledger and what else is
// known go to the first.
type Shard struct {
	DSN  string
	Name string // in words, for messages; empty where there is only one
	// Ready returns nil when rows may be sent; nil = always.
	Ready func() error
	// Reconcile brings the rollups in line with flows for a span of time, after
	// an insert whose fate was unknown.
	Reconcile func(ctx context.Context, from, to time.Time) error
	// Exclusive runs fn while nobody else changes flows; nil = no maintenance
	// runs meanwhile.
	Exclusive func(ctx context.Context, fn func(ctx context.Context) error) error
}

// Ingest is the service.
type Ingest struct {
	cfg  Config
	deps Deps
	dir  string

	listener  *listen.Listener
	shards    []*deliver.Deliverer // the first takes what is not flows too
	kafka     *kafka.Producer      // nil when flows are not handed to Kafka
	ledger    *ledger.Ledger
	journal   *ledger.Journal
	services  *flow.Services
	policy    atomic.Pointer[policy]
	state     *stateTable
	workers   []*worker
	inserts   *insertMetrics
	listening atomic.Bool
}

// New returns an Ingest. It does no I/O.
func New(cfg Config, deps Deps) (*Ingest, error) {
	if deps.Log == nil || deps.Settings == nil || deps.Conn == nil || len(deps.Shards) == 0 {
		return nil, errors.New("ingest lacks Log, Settings, Conn or Shards")
	}
	if cfg.DataDir == "" {
		return nil, errors.New("no data directory is set; give one with --data")
	}
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	services, err := flow.NewServices()
	if err != nil {
		return nil, err
	}
	in := &Ingest{cfg: cfg, deps: deps, dir: filepath.Join(cfg.DataDir, "ingest"), ledger: ledger.New(), services: services, inserts: newInsertMetrics()}
	in.policy.Store(newPolicy(nil, services))
	in.listener, err = listen.New(listen.Config{
		Addresses: slices.Concat(cfg.NetFlow, cfg.SFlow), Workers: cfg.Workers, ReceiveBuffer: cfg.ReceiveBuffer,
	}, listen.Deps{Log: deps.Log, Count: in.ledger.Count})
	if err != nil {
		return nil, err
	}
	for i := range deps.Shards {
		if err := in.addShard(i); err != nil {
			return nil, err
		}
	}
	if cfg.Kafka.On() {
		if in.kafka, err = kafka.New(cfg.Kafka, deps.Log); err != nil {
			return nil, err
		}
	}
	in.journal = ledger.NewJournal(in.ledger, in.dir, in.shards[0].InsertAs)
	in.state = newStateTable(in.shards[0])
	for i := range cfg.Workers {
		in.workers = append(in.workers, newWorker(in, i))
	}
	if deps.Registry != nil {
		if err := in.register(deps.Registry); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// addShard makes what delivers to a shard. Each has a spool of its own: a batch
// is for one of them.
func (in *Ingest) addShard(i int) error {
	shard, log, dir := in.deps.Shards[i], in.deps.Log, "spool"
	dial, err := deliver.Dialer(shard.DSN)
	if err != nil {
		return err
	}
	if i > 0 {
		dir += "." + strconv.Itoa(i+1)
	}
	if shard.Name != "" {
		log = log.With("to", shard.Name)
	}
	d, err := deliver.New(deliver.Config{
		Dir: filepath.Join(in.dir, dir), SpoolLimit: in.cfg.SpoolLimit / int64(len(in.deps.Shards)), FlushInterval: in.cfg.FlushInterval,
	}, deliver.Deps{
		Dial: func(ctx context.Context) (*ch.Client, error) {
			if shard.Ready != nil {
				if err := shard.Ready(); err != nil {
					return nil, err
				}
			}
			return dial(ctx)
		},
		Log: log, Reconcile: shard.Reconcile, Exclusive: shard.Exclusive, Inserted: in.inserts.observe,
		Dropped: func(exporter netip.Addr, rows int) {
			in.ledger.Count(exporter, time.Now(), ledger.SpoolDrops, uint64(rows))
		},
	})
	in.shards = append(in.shards, d)
	return err
}

// Running says whether an ingest runs on a data directory.
func Running(dataDir string) bool { return deliver.InUse(filepath.Join(dataDir, "ingest", "spool")) }

// Run takes flows until ctx is done. Then it stops reading, decodes what was
// read, sends it, or leaves it in the spool if ClickHouse is away.
func (in *Ingest) Run(ctx context.Context) error {
	if err := in.open(ctx); err != nil {
		return err
	}
	// Delivery ends last, when nothing more can come.
	delivering, endDelivery := context.WithCancel(context.WithoutCancel(ctx))
	defer endDelivery()
	var delivered errgroup.Group
	for _, d := range in.shards {
		delivered.Go(func() error { return d.Run(delivering) })
	}
	if in.kafka != nil {
		delivered.Go(func() error { return in.kafka.Run(delivering) })
	}

	err := in.receive(ctx)
	in.finish()
	endDelivery()
	return errors.Join(err, delivered.Wait())
}

// open prepares everything that can fail at the start.
func (in *Ingest) open(ctx context.Context) error {
	if err := os.MkdirAll(in.dir, 0o750); err != nil {
		return fmt.Errorf("the data directory %s cannot be used: %w; correct its rights, or choose another with --data", in.cfg.DataDir, err)
	}
	in.recallPolicy()
	in.pollPolicy(ctx)
	for _, w := range in.workers {
		w.loadTemplates()
	}
	if err := in.listener.Open(ctx); err != nil {
		return err
	}
	for i, d := range in.shards {
		if err := d.Open(); err != nil {
			for _, opened := range in.shards[:i] {
				opened.Close()
			}
			return errors.Join(err, in.listener.Close())
		}
	}
	if err := in.journal.Recover(); err != nil {
		in.deps.Log.Warn("some counts of the last run are missing in the ledger", "error", err)
	}
	in.deps.Log.Info("listening for flows", "addresses", in.listener.Addrs(), "workers", in.cfg.Workers)
	return nil
}

// receive runs listener, workers and what goes along with them until ctx is
// done and every datagram read is decoded.
func (in *Ingest) receive(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	in.listening.Store(true)
	defer in.listening.Store(false)
	group.Go(func() error { return in.listener.Run(ctx) })
	for _, w := range in.workers {
		group.Go(func() error { w.run(); return nil })
	}
	group.Go(func() error { every(ctx, settingsEvery, func() { in.pollPolicy(ctx) }); return nil })
	group.Go(func() error { in.countSeconds(ctx); return nil })
	group.Go(func() error { in.flushLedger(ctx); return nil })
	group.Go(func() error { every(ctx, stateEvery, func() { in.writeState(ctx) }); return nil })
	return group.Wait()
}

// finish hands over what is not rows of flows.
func (in *Ingest) finish() {
	in.state.write()
	if err := in.journal.Flush(); err != nil {
		in.deps.Log.Error("the last counts of the ledger are lost", "error", err)
	}
}

// countSeconds counts the seconds the ingest listened, so that a gap in the
// flows can be told from a gap in the listening.
func (in *Ingest) countSeconds(ctx context.Context) {
	last := time.Now()
	every(ctx, time.Second, func() {
		n := time.Since(last) / time.Second
		last = last.Add(n * time.Second)
		in.ledger.Count(ledger.All, last, ledger.RunningSeconds, uint64(n))
	})
}

// flushLedger delivers the ledger now and then, and keeps it on disk as often
// as flows.
func (in *Ingest) flushLedger(ctx context.Context) {
	last := time.Now()
	every(ctx, in.cfg.FlushInterval, func() {
		since, task := time.Since(last), in.journal.Save
		if since >= in.ledgerDue() {
			last, task = time.Now(), in.journal.Flush
		}
		if err := task(); err != nil {
			in.deps.Log.Warn("the ledger waits", "error", err)
		}
	})
}

// ledgerDue is how long after the last delivery of the ledger the next one is
// due.
func (in *Ingest) ledgerDue() time.Duration {
	switch {
	case in.away():
		return ledgerAwayEvery
	case in.ledger.News():
		return ledgerNewsEvery
	default:
		return ledgerEvery
	}
}

// writeState writes what is known of exporters and addresses. While ClickHouse
// is away it waits: only the newest state is of use.
func (in *Ingest) writeState(ctx context.Context) {
	if in.away() {
		return
	}
	if err := in.state.recall(ctx, in.deps.Conn); err != nil {
		in.deps.Log.Warn("the state of exporters is not written", "error", err)
		return
	}
	in.state.write()
}

func (in *Ingest) away() bool { return !in.shards[0].Health().AwaySince.IsZero() }

// Health says how the service is.
type Health struct {
	Listening      []netip.AddrPort // addresses bound, nil when not running
	deliver.Health                  // of all shards together; away is the one that is so longest
}

// Health returns the state of the service.
func (in *Ingest) Health() Health {
	var h Health
	for i, d := range in.shards {
		s := d.Health()
		h.SpoolBytes += s.SpoolBytes
		h.SpoolBatches += s.SpoolBatches
		if s.AwaySince.IsZero() || !h.AwaySince.IsZero() && h.AwaySince.Before(s.AwaySince) {
			continue
		}
		h.AwaySince, h.Cause = s.AwaySince, s.Cause
		if name := in.deps.Shards[i].Name; name != "" {
			h.Cause = fmt.Errorf("%s: %w", name, s.Cause)
		}
	}
	if in.listening.Load() {
		h.Listening = in.listener.Addrs()
	}
	return h
}

// Ready returns nil when flows come in and reach ClickHouse, else a sentence.
func (in *Ingest) Ready() error {
	h := in.Health()
	switch {
	case h.Listening == nil:
		return errors.New("the ingest is not listening for flows")
	case !h.AwaySince.IsZero():
		return fmt.Errorf("ClickHouse has not taken flows for %s; %d batches wait in the spool: %w",
			time.Since(h.AwaySince).Round(time.Second), h.SpoolBatches, h.Cause)
	}
	return nil
}

// every calls f at an interval until ctx is done.
func every(ctx context.Context, interval time.Duration, f func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}
