package ingest_test

import (
	"context"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/cluster"
	"github.com/flattraffic/flattraffic/ingest"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// pair is a cluster of two engines with all tables.
func pair(t *testing.T) (*cluster.Database, []*clickhousetest.Server) {
	t.Helper()
	servers := clickhousetest.Cluster(t, 2)
	db, err := cluster.Open(t.Context(), cluster.Config{DSN: servers[0].NewDSN(), Name: clickhousetest.ClusterName})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Apply(t.Context(), "Pacific/Auckland"); err != nil {
		t.Fatal(err)
	}
	return db, servers
}

// shardsOf are the shards as the program hands them to its ingest.
func shardsOf(db *cluster.Database) []ingest.Shard {
	var list []ingest.Shard
	for _, s := range db.Shards {
		one := shard(s.DSN, s.Conn)
		one.Name, one.Ready = db.Label(s), s.Admitted
		list = append(list, one)
	}
	return list
}

// contents are what the tables hold, whatever has been merged and wherever a
// row lies: a number of keys and a print of them with their counters.
func contents(t *testing.T, conn driver.Conn) map[string][2]uint64 {
	t.Helper()
	const counters = "sum(received), sum(sent), sum(internal), sum(unmatched), sum(packets), sum(flows)"
	queries := map[string]string{
		"flows": "SELECT count(), sum(cityHash64(`end`, duration_ms, exporter, origin, in_if, out_if, flow_direction, direction, counted, host, peer, " +
			"host_port, peer_port, unmatched_dst, protocol, service, icmp_type, icmp_code, tcp_flags, tos, vlan, host_mac, peer_mac, host_as, peer_as, " +
			"sampling_rate, time_fixed, bytes, packets, import, src_addr, dst_addr, src_port, dst_port, `start`)) FROM flows",
		"usage_15m":           "SELECT count(), sum(cityHash64(*)) FROM (SELECT bucket, exporter, host, protocol, service, " + counters + " FROM usage_15m GROUP BY ALL)",
		"daily_total":         "SELECT count(), sum(cityHash64(*)) FROM (SELECT day, exporter, " + counters + " FROM daily_total GROUP BY ALL)",
		"daily_host":          "SELECT count(), sum(cityHash64(*)) FROM (SELECT day, exporter, host, " + counters + " FROM daily_host GROUP BY ALL)",
		"daily_protocol":      "SELECT count(), sum(cityHash64(*)) FROM (SELECT day, exporter, protocol, service, " + counters + " FROM daily_protocol GROUP BY ALL)",
		"daily_host_protocol": "SELECT count(), sum(cityHash64(*)) FROM (SELECT day, exporter, host, protocol, service, " + counters + " FROM daily_host_protocol GROUP BY ALL)",
		"daily_peer":          "SELECT count(), sum(cityHash64(*)) FROM (SELECT day, exporter, host, peer, " + counters + " FROM daily_peer GROUP BY ALL)",
	}
	all := map[string][2]uint64{}
	for table, q := range queries {
		var v [2]uint64
		if err := conn.QueryRow(context.WithoutCancel(t.Context()), q).Scan(&v[0], &v[1]); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		all[table] = v
	}
	return all
}

// The same datagrams become the same rows on two shards, by two ingests, as on
// one server by one ingest, in every table; and each host is on its own shard.
func TestClusterHoldsWhatOneServerHolds(t *testing.T) {
	db, _ := pair(t)
	conn, dsn := database(t)
	alone := start(t, options{conn: conn, dsn: dsn})
	var several []*service
	for range 2 {
		several = append(several, start(t, options{conn: db.Home, shards: shardsOf(db)}))
	}
	var want sums
	for i, from := range []string{"127.0.0.1", "127.0.0.2"} { // a balancer by source gives each router one ingest
		one := newRouter(t, alone.Health().Listening[0], from)
		two := newRouter(t, several[i].Health().Listening[0], from)
		for n := range 200 {
			payload, holds := one.datagram(1+n%30, func(int, *decodetest.V5Record) {})
			one.write(payload)
			two.write(payload)
			want.add(holds)
			if n%20 == 0 {
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
	for _, c := range []driver.Conn{conn, db.All} {
		waitFor(t, "all records", func() bool { return number(t, c, "(SELECT count() FROM flows)") == want.Records })
	}
	alone.stop()
	for _, s := range several {
		if err := s.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		s.stop()
	}
	check(t, db.All, want)
	if diff := cmp.Diff(contents(t, conn), contents(t, db.All)); diff != "" {
		t.Errorf("the tables of the cluster differ (-one server +cluster):\n%s", diff)
	}
	for _, s := range db.Shards {
		verify(t, s.Conn)
		if number(t, s.Conn, "(SELECT count() FROM flows)") == 0 {
			t.Errorf("%s has no flows", db.Label(s))
		}
	}
	if n := number(t, db.All, "(SELECT count() FROM flows WHERE _shard_num != cityHash64(host) % 2 + 1)"); n != 0 {
		t.Errorf("%d flows are not on the shard of their host", n)
	}
	for _, c := range []driver.Conn{conn, db.Home, db.All} {
		if got := number(t, c, "(SELECT sum(count) FROM ledger WHERE event = 'records')"); got != want.Records {
			t.Errorf("the ledger has %d records, want %d", got, want.Records)
		}
	}
}

// Each shard is killed under load in turn. Its flows wait while those of the
// other go on; in the end all of them are stored once, and every rollup of each
// shard equals raw.
func TestChaosCluster(t *testing.T) {
	kills := amount(t, "FLATTRAFFIC_CHAOS_CLUSTER", 2)
	rate := amount(t, "FLATTRAFFIC_CHAOS_RATE", 10_000)
	db, servers := pair(t)
	registry := prometheus.NewRegistry()
	s := start(t, options{conn: db.Home, shards: shardsOf(db), registry: registry, config: ingest.Config{FlushInterval: 200 * time.Millisecond}})
	l := newLoad(t)
	stop := l.run(s.Health().Listening[0], rate)
	r := newRandom()
	for n := range kills {
		within(t, 5*time.Minute, "both shards to be back", func() bool { return s.Health().AwaySince.IsZero() })
		time.Sleep(between(r, 300*time.Millisecond, 1500*time.Millisecond))
		servers[n%2].Kill9(t)
	}
	// One is away for longer: the other's flows arrive.
	back := servers[1].Away(t)
	before := number(t, db.Home, "(SELECT count() FROM flows)")
	waitFor(t, "flows on the shard that is there", func() bool { return number(t, db.Home, "(SELECT count() FROM flows)") > before+1000 })
	waitFor(t, "the other to be said to be away", func() bool { return s.Ready() != nil })
	back()
	stop()
	settle(t, s, registry, len(l.shipped))
	s.stop()
	unread(t, l, l.match(db.All), dropped(t, registry))
	for _, s := range db.Shards {
		verify(t, s.Conn)
	}
	t.Logf("the shards were killed %d times under %d records; every one is stored once and every rollup equals raw", kills+1, len(l.shipped)*perDatagram)
}
