// Package cluster spreads FlatTraffic's database over the shards of a
// ClickHouse cluster, and asks all of them.
//
// Every shard is a whole FlatTraffic database for the hosts whose flows it
// gets: raw flows, views and rollups, so that whatever holds on one server
// holds on each of them, and work on tables is done shard by shard. Settings,
// accounts and the ledger are on the first, Home. A second database reads all
// shards: All. Sums over it are right however hosts are spread.
//
// One server is a cluster of one shard, which is Home and All too.
package cluster

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/clickhouse"
)

//go:embed sql/*.sql
var files embed.FS

// query returns the text of an embedded query.
func query(name string) string {
	b, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // a name misspelt in this package
	}
	return string(b)
}

// allSuffix ends the name of the database that reads all shards.
const allSuffix = "_all"

// Config says where a cluster is.
type Config struct {
	DSN    string   // of a server that knows the cluster; user, password, database and TLS hold for all shards
	Name   string   // of the cluster in system.clusters
	Hosts  []string // host:port of the shards in order, where they are other than the servers know them; empty = as they do
	Memory string   // file that keeps the shards' addresses for a start without the server; empty = none
}

// Database is FlatTraffic's database, on one server or on many.
type Database struct {
	Home   driver.Conn // settings, accounts and the ledger
	All    driver.Conn // reads the flows and rollups of all shards
	Shards []*Shard    // at least one; the first is at Home

	name     string // of the cluster; empty = one server
	database string // on each shard
}

// Shard is a part of the database.
type Shard struct {
	Number int    // from 1
	Addr   string // host:port
	DSN    string
	Conn   driver.Conn // dials when it is first used

	admitted atomic.Bool
}

// Single is the database of one server. The connection stays the caller's.
func Single(conn driver.Conn, dsn string) *Database {
	shard := &Shard{Number: 1, DSN: dsn, Conn: conn}
	shard.admitted.Store(true)
	return &Database{Home: conn, All: conn, Shards: []*Shard{shard}}
}

// Open finds the shards of a cluster. Besides the server of the DSN it asks
// none yet. An error is a sentence for the user.
func Open(ctx context.Context, cfg Config) (_ *Database, err error) {
	entry, err := clickhouse.ParseDSN(cfg.DSN)
	if err != nil {
		return nil, err
	}
	addresses, err := locate(ctx, cfg)
	if err != nil {
		return nil, err
	}
	d := &Database{name: cfg.Name, database: entry.Auth.Database}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	for i, addr := range addresses {
		s := &Shard{Number: i + 1, Addr: addr}
		if s.DSN, err = clickhouse.At(cfg.DSN, addr, "", nil); err != nil {
			return nil, err
		}
		if s.Conn, err = clickhouse.Connect(s.DSN); err != nil {
			return nil, err
		}
		d.Shards = append(d.Shards, s)
	}
	d.Home = d.Shards[0].Conn
	// What joins or looks up in tables of all shards does it once, here.
	dsn, err := clickhouse.At(d.Shards[0].DSN, d.Shards[0].Addr, d.database+allSuffix, map[string]string{"distributed_product_mode": "global"})
	if err != nil {
		return nil, err
	}
	d.All, err = clickhouse.Connect(dsn)
	return d, err
}

// Close closes the connections of Open.
func (d *Database) Close() error {
	if d.name == "" {
		return nil
	}
	var errs []error
	for _, s := range d.Shards {
		if s.Conn != nil {
			errs = append(errs, s.Conn.Close())
		}
	}
	if d.All != nil {
		errs = append(errs, d.All.Close())
	}
	return errors.Join(errs...)
}

// Clustered says whether there can be more shards than one.
func (d *Database) Clustered() bool { return d.name != "" }

// Label names the shard in words; empty on one server.
func (d *Database) Label(s *Shard) string {
	if d.name == "" {
		return ""
	}
	return fmt.Sprintf("shard %d of %d (%s)", s.Number, len(d.Shards), s.Addr)
}

// Admitted returns nil when the shard has been found to be the one it is taken
// for, and is of this program's schema: nothing may be sent to it before.
func (s *Shard) Admitted() error {
	if s.admitted.Load() {
		return nil
	}
	return fmt.Errorf("shard %d at %s has not answered yet", s.Number, s.Addr)
}

// pingLimit bounds the asking whether a shard is there.
const pingLimit = 2 * time.Second

// Away returns the shards that do not answer now; none on one server, where
// everything says so itself.
func (d *Database) Away(ctx context.Context) []*Shard {
	if d.name == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	silent := make([]bool, len(d.Shards))
	var asking sync.WaitGroup
	for i, s := range d.Shards {
		asking.Go(func() { silent[i] = s.Conn.Ping(ctx) != nil })
	}
	asking.Wait()
	var away []*Shard
	for i, s := range d.Shards {
		if silent[i] {
			away = append(away, s)
		}
	}
	return away
}

// each calls fn for the shards, one after the other, and names the one that
// fails.
func (d *Database) each(fn func(s *Shard) error) error {
	for _, s := range d.Shards {
		if err := fn(s); err != nil {
			return d.at(s, err)
		}
	}
	return nil
}

// at names the shard in an error.
func (d *Database) at(s *Shard, err error) error {
	if err == nil || d.name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", d.Label(s), err)
}

// backwards are the shards from the last to the first.
func (d *Database) backwards() []*Shard {
	list := slices.Clone(d.Shards)
	slices.Reverse(list)
	return list
}
