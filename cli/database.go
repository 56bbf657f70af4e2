package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	cli "github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/cluster"
	"github.com/flattraffic/flattraffic/site"
)

// database is the configured ClickHouse: the one of the DSN, the embedded one
// that runs on the data directory, or one started for this command; or the
// shards of a cluster.
type database struct {
	*cluster.Database

	dsn    string             // of Home
	engine *clickhouse.Engine // set when this program runs it
	stop   func() error
}

// openDatabase connects for a command that comes and goes.
func (p *program) openDatabase(ctx context.Context, cfg config, log *slog.Logger) (*database, error) {
	dsn := cfg.ClickHouse
	if dsn == "" {
		if running, ok := clickhouse.FindRunning(cfg.Data); ok {
			dsn = running.DSN
		}
	}
	if cfg.Cluster != "" {
		return openCluster(ctx, cfg)
	}
	if dsn == "" {
		return startEngine(ctx, cfg, log)
	}
	conn, err := clickhouse.Open(ctx, dsn)
	if err != nil {
		return nil, err
	}
	return &database{Database: cluster.Single(conn, dsn), dsn: dsn, stop: conn.Close}, nil
}

// openCluster finds the shards of the configured cluster.
func openCluster(ctx context.Context, cfg config) (*database, error) {
	if cfg.ClickHouse == "" {
		return nil, usageError{errors.New("--cluster needs --clickhouse, the DSN of a server of the cluster; the embedded ClickHouse is none")}
	}
	db, err := cluster.Open(ctx, cluster.Config{DSN: cfg.ClickHouse, Name: cfg.Cluster, Hosts: cfg.ClusterHosts, Memory: cfg.clusterMemory})
	if err != nil {
		return nil, err
	}
	return &database{Database: db, dsn: db.Shards[0].DSN, stop: db.Close}, nil
}

// notOnCluster refuses a command that works on one server only.
func notOnCluster(cfg config, remedy string) error {
	if cfg.Cluster == "" {
		return nil
	}
	return usageError{errors.New("this does not work on a cluster; " + remedy)}
}

// startEngine runs an embedded ClickHouse until stop is called; it outlives
// the end of ctx so that whoever writes to it can finish first.
func startEngine(ctx context.Context, cfg config, log *slog.Logger) (*database, error) {
	engine, err := clickhouse.NewEngine(clickhouse.EngineConfig{
		Dir: cfg.Data, MemoryLimit: cfg.EngineMemory, Fsync: cfg.FSync, Log: log,
	})
	if err != nil {
		return nil, err
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running errgroup.Group
	running.Go(func() error { return engine.Run(own) })
	stop := func() error { cancel(); return running.Wait() }

	if err := engine.Ready(ctx); err != nil {
		if cause := stop(); cause != nil {
			return nil, cause // what Ready reports is why Run ended
		}
		return nil, err
	}
	conn, err := clickhouse.Open(ctx, engine.DSN())
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return &database{Database: cluster.Single(conn, engine.DSN()), dsn: engine.DSN(), engine: engine, stop: func() error {
		return errors.Join(conn.Close(), stop())
	}}, nil
}

// applySchema migrates the database; the first time the days are cut in zone.
func applySchema(ctx context.Context, db *database, zone *time.Location) error {
	return db.Apply(ctx, zone.String())
}

func (c config) zone() *time.Location {
	if c.Zone == "" {
		return site.LocalZone()
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return site.LocalZone() // checked when the configuration was read
	}
	return zone
}

// siteAccess is a migrated database with its settings, for commands.
type siteAccess struct {
	*database
	cfg   config
	log   *slog.Logger
	store *site.Store
}

// withSite runs a command's work on a migrated database.
func (p *program) withSite(c *cli.Context, work func(*siteAccess) error) error {
	e, err := loadConfig(c)
	if err != nil {
		return err
	}
	return p.withDatabase(c, e, func(s *siteAccess) error {
		if err := applySchema(c.Context, s.database, s.cfg.zone()); err != nil {
			return err
		}
		return work(s)
	})
}

// withDatabase runs a command's work on the database as it is.
func (p *program) withDatabase(c *cli.Context, e *effective, work func(*siteAccess) error) (err error) {
	log := p.logger(e.config)
	if !c.Bool("verbose") {
		log = slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: max(e.LogLevel, slog.LevelWarn)}))
	}
	db, err := p.openDatabase(c.Context, e.config, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.stop()) }()
	return work(&siteAccess{db, e.config, log, site.NewStore(db.Home, e.zone())})
}

// followZone re-cuts the daily tables when the settings now have another zone.
func (s *siteAccess) followZone(ctx context.Context, p *program) error {
	settings, err := s.store.Load(ctx)
	if err != nil {
		return err
	}
	cut, err := s.Zone(ctx)
	if err != nil {
		return err
	}
	zone := settings.DayZone()
	if cut == zone {
		return nil
	}
	if cut == "" {
		cut = "several zones"
	}
	fmt.Fprintf(p.stderr, "re-cutting the days of all history from %s to %s\n", cut, zone)
	bar := p.progress("re-cut")
	defer bar.done()
	return s.SetZone(ctx, zone, bar.set)
}

// readInput reads a file, or standard input for "" and "-".
func (p *program) readInput(path string) ([]byte, error) {
	if path == "" || path == "-" {
		return io.ReadAll(p.stdin)
	}
	return readFile(path)
}
