package names

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/schema"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

func database(t *testing.T) driver.Conn {
	t.Helper()
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: "Asia/Kathmandu"}); err != nil {
		t.Fatal(err)
	}
	return conn
}

func exec(t *testing.T, conn driver.Conn, statement string) {
	t.Helper()
	if err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func ends(t *testing.T, n *Names, addr netip.Addr, want string) func() bool {
	t.Helper()
	return func() bool { got, _ := n.Name(addr); return got == want }
}

// A real name server, a real ClickHouse, and the program started twice.
func TestKeptAcrossRestart(t *testing.T) {
	conn := database(t)
	nas, six, far := netip.MustParseAddr("192.168.1.20"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.80")
	exec(t, conn, `INSERT INTO daily_host (day, host, received) VALUES (today(), '::ffff:192.168.1.20', 5), (today(), '::', 7)`)
	exec(t, conn, `INSERT INTO daily_host (day, host, received) VALUES (today(), '2001:db8::1', 5), (today() - 5, '::ffff:192.168.1.99', 7)`)
	resolver := zone{
		"20.1.168.192.in-addr.arpa.": {"nas.lan."},
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.": {"six.lan."},
		"80.2.0.192.in-addr.arpa.":   {"www.example."},
		"99.1.168.192.in-addr.arpa.": {"long-gone.lan."},
	}.serve(t)

	first := New(Config{}, conn, resolver, time.Now, quiet())
	first.lease([]Lease{{Address: netip.MustParseAddr("192.168.1.31"), Name: "phone"}})
	stop := run(t, first)
	first.Name(far) // a page shows the far end; the hosts are looked up unasked
	for addr, want := range map[netip.Addr]string{nas: "nas.lan", six: "six.lan", far: "www.example"} {
		waitFor(t, func() bool {
			first.mu.Lock()
			defer first.mu.Unlock()
			l := first.dns[addr]
			return l != nil && l.name == want
		})
	}
	if first.dns[netip.MustParseAddr("192.168.1.99")] != nil {
		t.Error("a host not seen for five days was looked up")
	}
	stop() // stores what is not stored yet

	second := New(Config{}, conn, zone{}.serve(t), time.Now, quiet()) // a name server that knows nothing
	defer run(t, second)()
	// Asked before the stored names are loaded, it would ask the name server,
	// whose newer answer counts.
	waitFor(t, func() bool {
		second.mu.Lock()
		defer second.mu.Unlock()
		return len(second.leases) > 0
	})
	waitFor(t, ends(t, second, nas, "nas.lan"))
	waitFor(t, ends(t, second, six, "six.lan"))
	waitFor(t, ends(t, second, far, "www.example"))
	wantName(t, second, "192.168.1.31", "phone", DHCP)

	terminal := New(Config{}, conn, nil, time.Now, quiet()) // has no Run
	if err := terminal.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantName(t, terminal, "192.168.1.20", "nas.lan", DNS)

	got, err := second.NamesOf(t.Context(), nas)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Name != "nas.lan" || got[0].Source != DNS {
		t.Fatalf("NamesOf(%s) = %v, want nas.lan by dns", nas, got)
	}
	if age := time.Since(got[0].First); age < 0 || age > time.Minute {
		t.Errorf("first seen %v ago, want just now", age)
	}
}

func TestNamesOverTime(t *testing.T) {
	conn := database(t)
	exec(t, conn, `INSERT INTO host_names (address, source, name, first_seen, last_seen) VALUES
		('::ffff:192.168.1.20', 'dns',  'old.lan', '2026-01-10 00:00:00', '2026-03-20 00:00:00'),
		('::ffff:192.168.1.20', 'dns',  'old.lan', '2026-03-20 00:00:00', '2026-05-01 00:00:00'),
		('::ffff:192.168.1.20', 'dns',  'new.lan', '2026-05-02 00:00:00', '2026-11-20 00:00:00'),
		('::ffff:192.168.1.20', 'dhcp', 'laptop',  '2026-04-01 00:00:00', '2026-04-20 00:00:00'),
		('::ffff:192.168.1.21', 'dns',  'tv.lan',  '2026-10-01 00:00:00', '2026-11-20 00:00:00'),
		('::ffff:192.168.1.22', 'own',  'Door',    '2026-10-01 00:00:00', '2026-10-01 00:00:00')`)
	n := New(Config{}, conn, zone{}.serve(t), time.Now, quiet())
	nas, tv, door := netip.MustParseAddr("192.168.1.20"), netip.MustParseAddr("192.168.1.21"), netip.MustParseAddr("192.168.1.22")
	day := func(month time.Month, d int) time.Time { return time.Date(2026, month, d, 0, 0, 0, 0, time.UTC) }

	got, err := n.NamesOf(t.Context(), nas)
	if err != nil {
		t.Fatal(err)
	}
	want := []Seen{
		{"new.lan", DNS, day(5, 2), day(11, 20)},
		{"old.lan", DNS, day(1, 10), day(5, 1)},
		{"laptop", DHCP, day(4, 1), day(4, 20)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("NamesOf (-want +got):\n%s", diff)
	}

	spans := []struct {
		name     string
		from, to time.Time
		nas, tv  string
	}{
		{"before anything", day(1, 1), day(1, 10), "", ""},
		{"the old name", day(2, 1), day(3, 1), "old.lan", ""},
		{"a lease beats DNS", day(4, 1), day(5, 1), "laptop", ""},
		{"the one seen last", day(5, 1), day(6, 1), "new.lan", ""},
		{"today", day(11, 1), day(12, 1), "new.lan", "tv.lan"},
		{"after", day(11, 21), day(12, 21), "", ""},
	}
	for _, s := range spans {
		t.Run(s.name, func(t *testing.T) {
			for _, when := range []string{"first", "again"} {
				called, err := n.Then(t.Context(), s.from, s.to)
				if err != nil {
					t.Fatal(err)
				}
				for addr, want := range map[netip.Addr]string{nas: s.nas, tv: s.tv, door: "Door"} {
					if got, _ := called(addr); got != want {
						t.Errorf("%s: %s was called %q, want %q", when, addr, got, want)
					}
				}
			}
		})
	}

	exec(t, conn, "INSERT INTO host_names (address, source, name, first_seen, last_seen) VALUES ('::ffff:192.168.1.21', 'dns', 'radio.lan', '2026-02-01 00:00:00', '2026-02-02 00:00:00')")
	called, err := n.Then(t.Context(), day(2, 1), day(3, 1))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := called(tv); got != "radio.lan" {
		t.Errorf("after another name was found, it was called %q, want radio.lan", got)
	}
}

func TestOwnNames(t *testing.T) {
	conn := database(t)
	n := New(Config{}, conn, zone{}.serve(t), time.Now, quiet())
	ctx := t.Context()
	nas := netip.MustParseAddr("192.168.1.20")
	round := n.whenChanged(n.loadOwn, ownTables...)
	step := func(what, addr, want string) {
		t.Helper()
		if err := round(ctx); err != nil {
			t.Fatal(err)
		}
		if got, _ := n.Name(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: Name(%s) = %q, want %q", what, addr, got, want)
		}
	}

	// Changes within one second keep their order.
	for _, name := range []string{"A", "B", "A", "", "C"} {
		if err := n.Rename(ctx, nas, name); err != nil {
			t.Fatal(err)
		}
		step("after renaming", "192.168.1.20", name)
	}

	exec(t, conn, `INSERT INTO devices (device, name, macs, addresses) VALUES ('1', 'Device', [5], ['::ffff:192.168.1.20'])`)
	step("the device's name wins", "192.168.1.20", "Device")
	exec(t, conn, `INSERT INTO addresses (address, mac, first_seen, last_seen) VALUES
		('fd00::20', 5, now(), now()), ('fd00::21', 5, now() - 60, now() - 60), ('fd00::21', 6, now(), now())`)
	step("found by MAC", "fd00::20", "Device")
	step("another MAC has the address now", "fd00::21", "")
	exec(t, conn, `INSERT INTO devices (device, name, macs, addresses, deleted) VALUES ('1', 'Device', [5], [], true)`)
	step("the device is gone", "192.168.1.20", "C")
	step("the device is gone", "fd00::20", "")
}
