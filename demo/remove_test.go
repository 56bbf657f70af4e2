package demo_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/demo"
)

// real inserts flows of a router that exists, in the demo's months and partly
// of the demo's hosts, and what the ingest and the user would store with them.
func realFlows(t *testing.T, conn driver.Conn, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO flows (end, duration_ms, exporter, origin, direction, counted, host, peer, protocol, service, sampling_rate, bytes, packets)")
	if err != nil {
		t.Fatal(err)
	}
	hosts := []string{"192.168.42.31", "192.168.42.10", "192.168.1.20", "2001:db8:5f00:a201::1"}
	for range 3000 {
		err := batch.Append(until.Add(-time.Duration(r.Int64N(int64(80*24*time.Hour)))).Truncate(time.Second), uint32(r.IntN(4_000_000)),
			netip.MustParseAddr("192.168.1.1"), int8(9), int8(1+r.IntN(2)), r.IntN(10) > 0, netip.MustParseAddr(hosts[r.IntN(len(hosts))]),
			netip.MustParseAddr("198.51.100.7"), uint8(6), uint16(443), uint32(1), r.Uint64N(1e9), r.Uint64N(1e6))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"INSERT INTO ledger (bucket, exporter, event, count) SELECT toDateTime(1790000000, 'UTC') - number * 900, toIPv6('192.168.1.1'), 'records', 100 FROM numbers(2000)",
		"INSERT INTO addresses (address, mac, first_seen, last_seen) VALUES ('192.168.1.20', 42, now(), now())",
		"INSERT INTO host_names (address, source, name, first_seen, last_seen) VALUES ('192.168.1.20', 'dns', 'nas.lan', now(), now()), ('192.168.42.31', 'dns', 'laptop', now(), now())",
	} {
		if err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// settings are what a user may have set, before or while the demo is there.
func settings(t *testing.T, conn driver.Conn) {
	t.Helper()
	for _, sql := range []string{
		"INSERT INTO plans (plan, effective_from, name, zone, renewal, cap, cap_text, counts, unit_base) VALUES ('home', '1970-01-01', 'Mine', 'Europe/Berlin', '3', 1000, '1 kB', 'both', 1000)",
		"INSERT INTO networks (network, name) VALUES ('192.168.0.0/16', 'Mine'), ('192.168.42.0/24', 'Also mine')",
		"INSERT INTO devices (device, name, owner, macs, addresses) VALUES ('mine', 'My box', 'Me', [42], [])",
		"INSERT INTO exporters (exporter, name) VALUES ('192.168.1.1', 'My router')",
		"INSERT INTO settings (key, value) VALUES ('reverse_dns', 'false')",
	} {
		if err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRemoveIsExact: what the demo wrote goes, and real flows beside it keep
// every byte, also those that came in meanwhile and were merged with the
// demo's.
func TestRemoveIsExact(t *testing.T) {
	for name, merge := range map[string]bool{"apart": false, "merged": true} {
		t.Run(name, func(t *testing.T) {
			conn := database(t)
			settings(t, conn)
			realFlows(t, conn, 1)
			before := content(t, conn, "")

			write(t, conn, demo.Options{Years: 0.25, Seed: 1, FlowsPerDay: 3000})
			if there, err := demo.Present(t.Context(), conn); err != nil || !there {
				t.Fatalf("present = %v, %v", there, err)
			}
			verified(t, conn)
			if diff := cmp.Diff(before["flows"], content(t, conn, "exporter = toIPv6('192.168.1.1')")["flows"]); diff != "" {
				t.Errorf("the demo changed real flows:\n%s", diff)
			}
			if merge {
				for _, table := range list[string](t, conn, "SELECT name FROM system.tables WHERE database = currentDatabase() AND endsWith(engine, 'MergeTree')") {
					if err := conn.Exec(t.Context(), "OPTIMIZE TABLE `"+table+"` FINAL"); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := demo.Remove(t.Context(), conn, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, content(t, conn, "")); diff != "" {
				t.Errorf("removing is not exact:\n%s", diff)
			}
			if there, err := demo.Present(t.Context(), conn); err != nil || there {
				t.Errorf("present = %v, %v after it was removed", there, err)
			}
			verified(t, conn)
		})
	}
}

// What comes in while the demo is there stays too, with the settings that the
// user has made since.
func TestRemoveKeepsWhatCameSince(t *testing.T) {
	want := database(t)
	realFlows(t, want, 2)
	settings(t, want)
	conn := database(t)
	write(t, conn, demo.Options{Years: 0.25, Seed: 1, FlowsPerDay: 3000})
	realFlows(t, conn, 2)
	settings(t, conn)
	if err := demo.Remove(t.Context(), conn, nil); err != nil {
		t.Fatal(err)
	}
	verified(t, conn)
	a, b := content(t, want, ""), content(t, conn, "")
	for _, table := range []string{"flows", "usage_15m", "daily_total", "daily_host", "daily_protocol", "daily_host_protocol", "daily_peer", "ledger"} {
		if a[table] != b[table] {
			t.Errorf("%s: got %s, want %s", table, b[table], a[table])
		}
	}
	for query, want := range map[string]string{
		"SELECT name FROM plans FINAL WHERE NOT deleted":                                    "Mine",
		"SELECT arrayStringConcat(groupArray(name)) FROM devices FINAL WHERE NOT deleted":   "My box",
		"SELECT name FROM networks FINAL WHERE NOT deleted AND network = '192.168.42.0/24'": "Also mine",
	} {
		if got := one[string](t, conn, query); got != want {
			t.Errorf("%s = %q, want %q", query, got, want)
		}
	}
	// A second removal finds nothing and harms nothing.
	if err := demo.Remove(t.Context(), conn, nil); err != nil {
		t.Error(err)
	}
}
