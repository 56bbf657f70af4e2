package cluster_test

import (
	"context"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/cluster"
	"github.com/flattraffic/flattraffic/ingest/deliver"
	"github.com/flattraffic/flattraffic/schema"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

const zone = "Europe/Berlin"

// open finds the shards of a cluster, without making tables.
func open(t *testing.T, cfg cluster.Config) *cluster.Database {
	t.Helper()
	db, err := cluster.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func apply(t *testing.T, db *cluster.Database) {
	t.Helper()
	if err := db.Apply(t.Context(), zone); err != nil {
		t.Fatal(err)
	}
}

// text asks for one string.
func text(t *testing.T, conn driver.Conn, query string) string {
	t.Helper()
	var s string
	if err := conn.QueryRow(context.WithoutCancel(t.Context()), "SELECT toString(("+query+"))").Scan(&s); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return s
}

// addressOf is host:port of an engine.
func addressOf(t *testing.T, s *clickhousetest.Server) string {
	t.Helper()
	opts, err := clickhouse.ParseDSN(s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	return opts.Addr[0]
}

// The shards are told by what they say of themselves, so that neither a changed
// definition of the cluster nor an empty disk is taken for what was there.
func TestMembership(t *testing.T) {
	servers := clickhousetest.Cluster(t, 2)
	dsn := servers[0].NewDSN()
	memory := filepath.Join(t.TempDir(), "ingest", "shards.json")
	db := open(t, cluster.Config{DSN: dsn, Name: clickhousetest.ClusterName, Memory: memory})
	for _, s := range db.Shards {
		if s.Admitted() == nil {
			t.Errorf("%s takes flows before it was looked at", db.Label(s))
		}
	}
	apply(t, db)
	made := text(t, db.Home, "SELECT max(metadata_modification_time) || groupArray(name)::String FROM (SELECT * FROM system.tables WHERE database = currentDatabase() || '_all' ORDER BY name)")
	apply(t, db)
	if again := text(t, db.Home, "SELECT max(metadata_modification_time) || groupArray(name)::String FROM (SELECT * FROM system.tables WHERE database = currentDatabase() || '_all' ORDER BY name)"); again != made {
		t.Errorf("applied twice, the tables over all shards were made twice: %s, then %s", made, again)
	}
	for _, secret := range []string{"accounts", "sessions", "secrets", "share_links"} {
		if text(t, db.Home, "SELECT count() FROM system.tables WHERE database = currentDatabase() || '_all' AND name = '"+secret+"'") != "0" {
			t.Errorf("the secrets of %s can be read over all shards", secret)
		}
	}
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}

	refused := func(name, want string, cfg cluster.Config) {
		t.Helper()
		if cfg.DSN == "" {
			cfg.DSN = dsn
		}
		db, err := cluster.Open(t.Context(), cfg)
		if err == nil {
			err = db.Apply(t.Context(), zone)
			db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, want)
		}
	}
	one, two := addressOf(t, servers[0]), addressOf(t, servers[1])
	refused("an unknown cluster", "knows no cluster", cluster.Config{Name: "nobody"})
	refused("shards in another order", "back in their order", cluster.Config{Name: clickhousetest.ClusterName, Hosts: []string{two, one}})
	refused("too few addresses", "names 1 addresses", cluster.Config{Name: clickhousetest.ClusterName, Hosts: []string{one}})

	conn, err := clickhouse.Open(t.Context(), db.Shards[1].DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := cluster.Single(conn, db.Shards[1].DSN).Apply(t.Context(), zone); err == nil || !strings.Contains(err.Error(), "shard 2 of cluster") {
		t.Errorf("a shard is taken for a whole database: %v", err)
	}
	exec(t, conn, "INSERT INTO shards (cluster, shard, shards) VALUES ('other', 2, 2)")
	refused("a shard of another cluster", "of cluster other", cluster.Config{Name: clickhousetest.ClusterName})
	exec(t, conn, "TRUNCATE TABLE shards")
	refused("a shard that was emptied", "is empty now", cluster.Config{Name: clickhousetest.ClusterName})
	exec(t, conn, "INSERT INTO shards (cluster, shard, shards) VALUES ('"+clickhousetest.ClusterName+"', 2, 2)")
	exec(t, db.Home, "INSERT INTO shards (cluster, shard, shards) VALUES ('"+clickhousetest.ClusterName+"', 1, 3)")
	refused("a shard was taken out", "had 3 shards", cluster.Config{Name: clickhousetest.ClusterName})

	back := servers[0].Away(t)
	known, err := cluster.Open(t.Context(), cluster.Config{DSN: dsn, Name: clickhousetest.ClusterName, Memory: memory})
	if err != nil {
		t.Fatalf("the shards are not remembered: %v", err)
	}
	defer known.Close()
	if len(known.Shards) != 2 || known.Shards[1].Addr != two {
		t.Errorf("remembered %d shards, the second at %s, want 2 and %s", len(known.Shards), known.Shards[1].Addr, two)
	}
	back()
}

func exec(t *testing.T, conn driver.Conn, statement string) {
	t.Helper()
	if err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// A server that had everything becomes the first of two shards with what it
// has, and a third is added later; one that has flows of its own cannot become
// one.
func TestGrow(t *testing.T) {
	servers := clickhousetest.Cluster(t, 2)
	dsn := servers[0].NewDSN()
	opts, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	fill := func(s *clickhousetest.Server) driver.Conn {
		dsn, err := clickhouse.At(s.DSN(), "", opts.Auth.Database, nil)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := clickhouse.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: "Asia/Kathmandu"}); err != nil {
			t.Fatal(err)
		}
		exec(t, conn, oneFlow)
		return conn
	}
	fill(servers[0])
	second := fill(servers[1])
	db := open(t, cluster.Config{DSN: dsn, Name: clickhousetest.ClusterName})
	if err := db.Apply(t.Context(), zone); err == nil || !strings.Contains(err.Error(), "1 flows of its own") {
		t.Errorf("a server with flows became the second shard: %v", err)
	}
	exec(t, second, "DROP DATABASE "+opts.Auth.Database)
	apply(t, db)
	exec(t, db.Shards[1].Conn, oneFlow)
	if got := text(t, db.All, "SELECT sum(sent) FROM daily_host"); got != "14" {
		t.Errorf("two shards have %s bytes, want 14", got)
	}

	clickhousetest.Grow(t, servers)
	three := open(t, cluster.Config{DSN: dsn, Name: clickhousetest.ClusterName})
	apply(t, three)
	exec(t, three.Shards[2].Conn, oneFlow)
	if got := text(t, three.All, "SELECT count() || ' ' || sum(sent) FROM (SELECT host, sum(sent) AS sent FROM daily_host GROUP BY host)"); got != "1 21" {
		t.Errorf("three shards have hosts and bytes %s, want one host with the 21 of all", got)
	}
	if got, err := three.Zone(t.Context()); err != nil || got != "Asia/Kathmandu" {
		t.Errorf("the days are of zone %q (%v), want that of the first shard", got, err)
	}
}

const oneFlow = "INSERT INTO flows (`end`, exporter, origin, direction, host, peer, bytes, packets) VALUES ('2026-11-01 10:00:00', '::1', 'ipfix', 'sent', '192.168.1.2', '192.0.2.1', 7, 1)"

// ClickHouse and the ingest agree where a host is.
func TestShardOf(t *testing.T) {
	conn, _ := clickhousetest.Database(t)
	for _, host := range []string{"::", "192.168.1.20", "10.0.0.1", "2001:db8::1", "fe80::1"} {
		a := netip.MustParseAddr(host)
		for _, n := range []int{2, 3, 7} {
			var want uint64
			if err := conn.QueryRow(t.Context(), "SELECT toUInt64(cityHash64(toIPv6(?)) % ?)", netip.AddrFrom16(a.As16()).String(), n).Scan(&want); err != nil {
				t.Fatal(err)
			}
			if got := deliver.ShardOf(a, n); got != int(want) {
				t.Errorf("%s is on shard %d of %d, ClickHouse says %d", host, got, n, want)
			}
		}
	}
}
