package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	cli "github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/flattraffic/flattraffic/alerts"
	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/cluster"
	"github.com/flattraffic/flattraffic/demo"
	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/imports"
	"github.com/flattraffic/flattraffic/ingest"
	"github.com/flattraffic/flattraffic/names"
	"github.com/flattraffic/flattraffic/report"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/server"
	"github.com/flattraffic/flattraffic/site"
)

func (p *program) upCommand() *cli.Command {
	return &cli.Command{
		Name:   "up",
		Usage:  "run everything in one process: migrate, ingest and serve; starts an embedded ClickHouse unless --clickhouse names one",
		Flags:  flags(options()),
		Action: func(c *cli.Context) error { return p.daemon(c, services{ingest: true, server: true}) },
	}
}

func (p *program) ingestCommand() *cli.Command {
	return &cli.Command{
		Name:  "ingest",
		Usage: "run the ingest alone: flow exports in, rows out; with --listen-http also /readyz and /metrics",
		Flags: flags(only("clickhouse", "cluster", "cluster-hosts", "data", "listen-http", "listen-netflow", "listen-sflow", "flush-interval", "workers", "spool-limit", "zone",
			"kafka-brokers", "kafka-topic", "kafka-format", "kafka-tls", "kafka-ca", "kafka-cert", "kafka-key", "kafka-sasl", "kafka-user", "kafka-password", "log-level", "log-format")),
		Action: func(c *cli.Context) error { return p.daemon(c, services{ingest: true}) },
	}
}

func (p *program) serveCommand() *cli.Command {
	return &cli.Command{
		Name:   "serve",
		Usage:  "run the web pages alone",
		Flags:  flags(only("clickhouse", "cluster", "cluster-hosts", "data", "listen-http", "zone", "admin-password", "allowed-hosts", "trusted-proxies", "public-reports", "public-metrics", "listen-netflow", "listen-sflow", "lease-files", "log-level", "log-format", "dev")),
		Action: func(c *cli.Context) error { return p.daemon(c, services{server: true}) },
	}
}

// services says which of the two run.
type services struct{ ingest, server bool }

// daemon runs services until it is told to stop. Parts start in the order they
// need each other, and stop the other way round: the ingest hands over its
// last flows before ClickHouse goes.
func (p *program) daemon(c *cli.Context, run services) (err error) {
	if err := noArgs(c); err != nil {
		return err
	}
	e, err := loadConfig(c)
	if err != nil {
		return err
	}
	log := p.logger(e.config)
	if e.ClickHouse == "" && run != (services{true, true}) {
		return usageError{errors.New("this service needs --clickhouse (or FLATTRAFFIC_CLICKHOUSE); flattraffic up runs everything, with a ClickHouse of its own")}
	}
	db, later, err := p.openForService(c.Context, e.config, run.ingest, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.stop()) }()

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	store := site.NewStore(db.Home, e.zone())
	manager := newSupervisor(os.Getenv, log)
	var tasks []func(context.Context) error
	if later != nil {
		tasks = append(tasks, later)
	}
	var listening func() error
	if run.ingest {
		in, err := newIngest(e.config, db, store, registry, log)
		if err != nil {
			return err
		}
		tasks, listening = append(tasks, in.Run), in.Ready
		manager.alive = append(manager.alive, func(context.Context) error {
			if in.Health().Listening == nil {
				return errors.New("the ingest is not listening for flows")
			}
			return nil
		})
		if !run.server && e.sources["listen-http"] != "default" {
			tasks = append(tasks, probe(e.ListenHTTP, in.Ready, registry))
		}
	}
	if run.server {
		more, err := newServer(e.config, db, store, registry, log)
		if err != nil {
			return err
		}
		tasks = append(tasks, more...)
		manager.alive = append(manager.alive, answersAt(dialable(e.ListenHTTP)))
		tasks = append(tasks, func(ctx context.Context) error { return p.greet(ctx, e.config, listening) })
	}
	tasks = append(tasks, manager.run)
	tuneMemory()
	group, ctx := errgroup.WithContext(c.Context)
	for _, task := range tasks {
		group.Go(func() error { return task(ctx) })
	}
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	log.Info("stopped")
	return nil
}

// tuneMemory has the collector run after a quarter more is allocated, not twice
// as much, unless GOGC says otherwise: nearly all memory of a busy ingest is
// columns of numbers, which cost it nothing to pass over.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
}

// patience is how long a service waits at its start for a ClickHouse that
// does not answer, as when all of a machine's services start together.
const patience = 30 * time.Second

// openForService connects and migrates. It waits a little for a server that is
// starting; what waiting does not mend, such as a refused password, fails at
// once. An ingest that has run on this data directory before does not wait: it
// knows its settings, and takes flows into its spool. What remains to be done
// when ClickHouse answers is then returned as later, for the caller to run.
func (p *program) openForService(ctx context.Context, cfg config, ingests bool, log *slog.Logger) (db *database, later func(context.Context) error, err error) {
	spools := cfg.ClickHouse != "" && ingests && ingest.KnowsSettings(cfg.Data)
	if ingests {
		cfg.clusterMemory = filepath.Join(cfg.Data, "ingest", "shards.json")
	}
	switch {
	case cfg.ClickHouse == "" && cfg.Cluster == "":
		db, err = migrated(ctx, cfg, func() (*database, error) { return startEngine(ctx, cfg, log) })
	case spools && cfg.Cluster != "":
		return p.joinLater(ctx, cfg, log)
	case spools:
		db, err = p.reach(ctx, cfg, 0, log)
	default:
		db, err = p.reach(ctx, cfg, patience, log)
	}
	if spools && isNetwork(err) {
		log.Warn("ClickHouse does not answer; flows wait in the spool directory until it does", "error", err)
		return p.migrateLater(cfg, log)
	}
	return db, nil, err
}

// migrateLater returns a database that is not there yet, and what migrates it
// once it is.
func (p *program) migrateLater(cfg config, log *slog.Logger) (*database, func(context.Context) error, error) {
	conn, err := clickhouse.Connect(cfg.ClickHouse)
	if err != nil {
		return nil, nil, err
	}
	later := func(ctx context.Context) error {
		db, err := p.reach(ctx, cfg, forever, log)
		if err != nil {
			return err
		}
		return db.stop()
	}
	return &database{Database: cluster.Single(conn, cfg.ClickHouse), dsn: cfg.ClickHouse, stop: conn.Close}, later, nil
}

// joinLater returns the shards of a cluster, of which some may not be there
// yet, and what migrates those once they are: nothing is sent to them before.
func (p *program) joinLater(ctx context.Context, cfg config, log *slog.Logger) (*database, func(context.Context) error, error) {
	db, err := p.openDatabase(ctx, cfg, log)
	if err != nil {
		return nil, nil, err
	}
	err = applySchema(ctx, db, cfg.zone())
	if err == nil {
		return db, nil, nil
	}
	if !isNetwork(err) {
		return nil, nil, errors.Join(err, db.stop())
	}
	log.Warn("not all shards answer; their flows wait in the spool directory until they do", "error", err)
	later := func(ctx context.Context) error {
		for isNetwork(err) && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(2 * time.Second):
				err = applySchema(ctx, db, cfg.zone())
			}
		}
		return err
	}
	return db, later, nil
}

const forever = time.Duration(math.MaxInt64)

// reach connects to the configured server and migrates it, and tries again for
// so long while the network does not let it.
func (p *program) reach(ctx context.Context, cfg config, patience time.Duration, log *slog.Logger) (*database, error) {
	began := time.Now()
	for tries := 0; ; tries++ {
		db, err := migrated(ctx, cfg, func() (*database, error) { return p.openDatabase(ctx, cfg, log) })
		if err == nil || !isNetwork(err) || time.Since(began) >= patience || ctx.Err() != nil {
			return db, err
		}
		if tries == 0 && patience != forever {
			log.Warn("waiting for ClickHouse", "error", err, "giving_up_in", patience)
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}

// migrated opens a database and brings it to this program's schema.
func migrated(ctx context.Context, cfg config, open func() (*database, error)) (*database, error) {
	db, err := open()
	if err != nil {
		return nil, err
	}
	if err := applySchema(ctx, db, cfg.zone()); err != nil {
		return nil, errors.Join(err, db.stop())
	}
	return db, nil
}

func isNetwork(err error) bool {
	var network *net.OpError
	return errors.As(err, &network)
}

func newIngest(cfg config, db *database, store *site.Store, registry *prometheus.Registry, log *slog.Logger) (*ingest.Ingest, error) {
	var shards []ingest.Shard
	for _, s := range db.Shards {
		shards = append(shards, ingestShard(db, s, log))
	}
	return ingest.New(ingest.Config{
		NetFlow:       cfg.ListenNetFlow,
		SFlow:         cfg.ListenSFlow,
		DataDir:       cfg.Data,
		FlushInterval: cfg.FlushInterval,
		Workers:       cfg.Workers,
		SpoolLimit:    int64(cfg.SpoolLimit),
		Kafka:         cfg.Kafka,
	}, ingest.Deps{
		Conn:     db.Home,
		Shards:   shards,
		Settings: store.Fresh,
		Registry: registry,
		Log:      log,
	})
}

// ingestShard is a shard as the ingest delivers to it.
func ingestShard(db *database, s *cluster.Shard, log *slog.Logger) ingest.Shard {
	return ingest.Shard{
		DSN:   s.DSN,
		Name:  db.Label(s),
		Ready: s.Admitted,
		Exclusive: func(ctx context.Context, fn func(context.Context) error) error {
			return schema.Exclusive(ctx, s.Conn, fn)
		},
		Reconcile: func(ctx context.Context, from, to time.Time) error {
			mended, err := schema.Reconcile(ctx, s.Conn, from, to)
			for _, d := range mended {
				log.Info("rollup mended after an interrupted insert", "difference", d.String())
			}
			return err
		},
	}
}

// newServer wires the web pages and the names beside them.
func newServer(cfg config, db *database, store *site.Store, registry *prometheus.Registry, log *slog.Logger) ([]func(context.Context) error, error) {
	known, err := flow.NewServices()
	if err != nil {
		return nil, err
	}
	lookups := &lookups{store: store}
	hosts := names.New(names.Config{LeaseFiles: cfg.LeaseFiles, ReverseDNS: lookups.wanted.Load, Usage: db.All}, db.Home, net.DefaultResolver, time.Now, log)
	reports := report.New(db.All, store.Current, known, hosts, time.Now)
	speaker := alerts.New(alerts.Deps{
		Conn: db.Home, Reports: reports, Settings: store.Current, Secrets: store.Secrets, Now: time.Now, Log: log,
	})
	makeDemo := func(ctx context.Context, progress func(float64)) error {
		_, err := demo.Write(ctx, db.Home, demo.Options{Years: 1}, progress)
		return err
	}
	if db.Clustered() { // it is written past the views, to one server
		makeDemo = nil
	}
	web, err := server.New(server.Config{
		Listen:         cfg.ListenHTTP,
		Dev:            cfg.Dev,
		TrustedProxies: cfg.TrustedProxies,
		AllowedHosts:   cfg.AllowedHosts,
		AdminPassword:  cfg.AdminPassword,
		PublicReports:  cfg.PublicReports,
		PublicMetrics:  cfg.PublicMetrics,
		NetFlow:        cfg.ListenNetFlow,
		SFlow:          cfg.ListenSFlow,
		Version:        version(),
	}, server.Deps{
		Conn: db.Home, Database: db.Database, Reports: reports, Site: store, Names: hosts, Alerts: speaker, Registry: registry, Now: time.Now, Log: log,
		ChangeZone: func(ctx context.Context, zone string, progress func(done, total int)) error {
			return db.SetZone(ctx, zone, progress)
		},
		Sample:     demo.Exporter(),
		MakeDemo:   makeDemo,
		RemoveDemo: func(ctx context.Context, progress func(float64)) error { return demo.Remove(ctx, db.Home, progress) },
		TellHistory: func(ctx context.Context, progress func(done, total int)) error {
			settings, err := store.Load(ctx)
			if err != nil {
				return err
			}
			return db.Retell(ctx, rulesOf(settings), progress)
		},
	})
	if err != nil {
		return nil, err
	}
	importer, err := imports.New(imports.Deps{Database: db.Database, Settings: store.Load, Now: time.Now, Log: log})
	if err != nil {
		return nil, err
	}
	undo := func(ctx context.Context) error {
		if err := importer.Recover(ctx); err != nil && ctx.Err() == nil {
			log.Error("an interrupted import is not undone yet; flattraffic import --list tries again", "error", err)
		}
		return nil
	}
	return []func(context.Context) error{lookups.run, hosts.Run, web.Run, speaker.Run, undo}, nil
}

// lookups knows whether the user wants reverse DNS without asking ClickHouse
// each time.
type lookups struct {
	store  *site.Store
	wanted atomic.Bool
}

// run follows the setting until ctx ends.
func (l *lookups) run(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		if settings, err := l.store.Current(ctx); err == nil {
			l.wanted.Store(settings.Display.ReverseDNS)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// greet says where the pages are, once they answer and, where there is an
// ingest in this process, it is listening.
func (p *program) greet(ctx context.Context, cfg config, listening func() error) error {
	addr := dialable(cfg.ListenHTTP)
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err == nil {
			conn.Close()
		}
		if err == nil && (listening == nil || listening() == nil) {
			fmt.Fprintf(p.stderr, "\n  FlatTraffic is at http://%s\n", addr)
			if listening != nil {
				fmt.Fprintf(p.stderr, "  flow exports are taken on UDP %s (NetFlow, IPFIX) and %s (sFlow)\n",
					strings.Join(cfg.ListenNetFlow, ", "), strings.Join(cfg.ListenSFlow, ", "))
			}
			fmt.Fprintln(p.stderr)
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}
