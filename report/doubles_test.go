package report

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

func meter(exporter string, in, out uint32, observed flow.ObservedDirection) Meter {
	return Meter{netip.MustParseAddr(exporter), in, out, observed}
}

func TestJudge(t *testing.T) {
	const a, b = "192.168.1.1", "192.168.1.2"
	addr := netip.MustParseAddr
	saw := func(bytes uint64, meters ...Meter) sighting {
		return sighting{meters: meters, flows: 100, once: bytes, total: bytes * uint64(len(meters))}
	}
	for _, tt := range []struct {
		name  string
		seen  []sighting
		rules []flow.CountRule
		want  *Remedy // nil: nothing is found
		bytes uint64
	}{
		{
			name: "nothing is double",
			seen: []sighting{saw(1000, meter(a, 1, 2, 0)), saw(5000, meter(a, 2, 1, 0))},
		},
		{
			name: "coming in and leaving", bytes: 6000,
			seen: []sighting{
				saw(1000, meter(a, 1, 2, flow.Ingress), meter(a, 1, 2, flow.Egress)),
				saw(5000, meter(a, 2, 1, flow.Ingress), meter(a, 2, 1, flow.Egress)),
				saw(40, meter(a, 1, 0, flow.Ingress)), // to the router itself
			},
			want: &Remedy{Rule: flow.CountRule{Exporter: addr(a), Observed: flow.Ingress}},
		},
		{
			name: "leaving sees more", bytes: 6000,
			seen: []sighting{
				saw(6000, meter(a, 1, 2, flow.Ingress), meter(a, 1, 2, flow.Egress)),
				saw(40, meter(a, 0, 1, flow.Egress)),
			},
			want: &Remedy{Rule: flow.CountRule{Exporter: addr(a), Observed: flow.Egress}},
		},
		{
			name: "VLAN and its parent", bytes: 6000,
			seen: []sighting{
				saw(1000, meter(a, 10, 1, flow.Ingress), meter(a, 5, 1, flow.Ingress)),
				saw(5000, meter(a, 1, 10, flow.Ingress), meter(a, 1, 5, flow.Ingress)),
			},
			want: &Remedy{Rule: flow.CountRule{Exporter: addr(a), Interfaces: []uint32{5}}},
		},
		{
			name: "two VLANs and their parent", bytes: 6000,
			seen: []sighting{
				saw(1000, meter(a, 10, 1, 0), meter(a, 5, 1, 0)),
				saw(5000, meter(a, 20, 1, 0), meter(a, 5, 1, 0)),
			},
			want: &Remedy{Rule: flow.CountRule{Exporter: addr(a), Interfaces: []uint32{5}}},
		},
		{
			name: "an interface that others see too, of three", bytes: 3000,
			seen: []sighting{
				saw(1000, meter(a, 10, 0, 0), meter(a, 30, 0, 0)),
				saw(2000, meter(a, 20, 0, 0), meter(a, 30, 0, 0)),
				saw(500, meter(a, 10, 0, 0)), saw(500, meter(a, 20, 0, 0)),
			},
			want: &Remedy{Rule: flow.CountRule{Exporter: addr(a), Interfaces: []uint32{10, 20}}},
		},
		{
			name: "a switch sees what the router sees, and more", bytes: 6000,
			seen: []sighting{
				saw(6000, meter(a, 1, 2, 0), meter(b, 7, 8, 0)),
				saw(900, meter(b, 7, 9, 0)),
			},
			want: &Remedy{Rule: flow.CountRule{Exporter: addr(a), None: true}},
		},
		{
			name: "each of two exporters sees much that the other does not", bytes: 6000,
			seen: []sighting{
				saw(6000, meter(a, 1, 2, 0), meter(b, 1, 2, 0)),
				saw(9000, meter(a, 1, 2, 0)), saw(9000, meter(b, 1, 2, 0)),
			},
			want: &Remedy{}, // none
		},
		{
			name: "the rule in force is kept to", bytes: 6000,
			rules: []flow.CountRule{{Exporter: addr(a), Interfaces: []uint32{1, 2}}},
			seen:  []sighting{saw(6000, meter(a, 1, 9, flow.Ingress), meter(a, 2, 9, flow.Egress))},
			want:  &Remedy{Rule: flow.CountRule{Exporter: addr(a), Interfaces: []uint32{1, 2}, Observed: flow.Ingress}},
		},
		{
			name: "some would still be double, some lost", bytes: 6100,
			seen: []sighting{
				saw(6000, meter(a, 1, 2, flow.Ingress), meter(a, 1, 2, flow.Egress)),
				saw(100, meter(a, 1, 2, flow.Ingress), meter(a, 3, 2, flow.Ingress)),
				saw(70, meter(a, 2, 1, flow.Egress)),
			},
			want: &Remedy{Rule: flow.CountRule{Exporter: addr(a), Observed: flow.Egress}, Lost: 100},
		},
		{
			name: "three times", bytes: 12000,
			seen: []sighting{saw(6000, meter(a, 1, 2, flow.Ingress), meter(a, 1, 2, flow.Egress), meter(b, 1, 2, flow.Ingress))},
			want: &Remedy{Rule: flow.CountRule{Exporter: addr(a), None: true}}, // the other sees it all
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rules := map[netip.Addr]flow.CountRule{}
			for _, r := range tt.rules {
				rules[r.Exporter] = r
			}
			found := judge(tt.seen, rules, 10)
			if tt.want == nil {
				if len(found) > 0 {
					t.Fatalf("found %+v, want nothing", found)
				}
				return
			}
			if len(found) != 1 {
				t.Fatalf("found %d, want one", len(found))
			}
			if got := found[0].Bytes; got != 10*tt.bytes {
				t.Errorf("%d bytes are double, want %d", got, 10*tt.bytes)
			}
			if tt.want.Rule.Exporter == (netip.Addr{}) {
				tt.want = nil
			} else {
				tt.want.Lost, tt.want.Left = tt.want.Lost*10, tt.want.Left*10
			}
			if diff := cmp.Diff(tt.want, found[0].Remedy, same); diff != "" {
				t.Errorf("remedy (-want +got):\n%s", diff)
			}
		})
	}
}

// doubled is a database with flows of the last day, some of them seen twice.
func doubled(t *testing.T, now time.Time) (*Reports, func(sql string)) {
	t.Helper()
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: "UTC"}); err != nil {
		t.Fatal(err)
	}
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO flows (end, duration_ms, exporter, origin, in_if, out_if, flow_direction, direction, counted, host, peer, unmatched_dst, host_port, peer_port, protocol, bytes, packets, sampling_rate)")
	if err != nil {
		t.Fatal(err)
	}
	six := func(s string) netip.Addr { return netip.AddrFrom16(netip.MustParseAddr(s).As16()) }
	add := func(ago time.Duration, lasts uint32, exporter string, in, out uint32, observed, direction string, port uint16, bytes uint64) {
		t.Helper()
		if err := batch.Append(now.Add(-ago), lasts, six(exporter), "ipfix", in, out, observed, direction, true, six("192.168.1.20"), six("203.0.113.5"), six("::"),
			port, uint16(443), uint8(6), bytes, uint64(1), uint32(1)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 40 {
		port, bytes := uint16(10_000+i), uint64(1_000_000+1000*i)
		ago := time.Duration(i+1) * time.Minute
		// Coming in and leaving, a moment and a few bytes apart.
		add(ago, 10_000, "192.168.1.1", 1, 2, "ingress", "sent", port, bytes)
		add(ago-time.Second, 10_000, "192.168.1.1", 1, 2, "egress", "sent", port, bytes+bytes/100)
		// The same in two slices one way, in three the other.
		for range 2 {
			add(ago, 60_000, "192.168.1.1", 2, 1, "ingress", "received", port, 3*bytes)
		}
		for range 3 {
			add(ago, 60_000, "192.168.1.1", 2, 1, "egress", "received", port, 2*bytes)
		}
		// Not double: other bytes, another time, the same meter, long ago.
		add(ago, 1000, "192.168.1.1", 1, 2, "ingress", "sent", 20_000+uint16(i), bytes)
		add(ago, 1000, "192.168.1.1", 1, 2, "egress", "sent", 20_000+uint16(i), bytes-bytes/40)
		add(ago, 1000, "192.168.1.1", 1, 2, "ingress", "sent", 30_000+uint16(i), bytes)
		add(ago+3*time.Hour, 1000, "192.168.1.1", 1, 2, "egress", "sent", 30_000+uint16(i), bytes)
		add(ago, 1000, "192.168.1.3", 1, 2, "ingress", "sent", 40_000+uint16(i), bytes)
		add(ago, 1000, "192.168.1.3", 1, 2, "ingress", "sent", 40_000+uint16(i), bytes)
		add(ago+30*time.Hour, 1000, "192.168.1.3", 1, 2, "ingress", "sent", 50_000+uint16(i), bytes)
		add(ago+30*time.Hour, 1000, "192.168.1.4", 1, 2, "ingress", "sent", 50_000+uint16(i), bytes)
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	settings := &site.Settings{Lines: []site.Line{{ID: "home", Plans: billing.Plans{{ID: "home", Name: "Home", Zone: time.UTC}}}}}
	exec := func(sql string) {
		t.Helper()
		if err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return newReports(t, conn, settings, now), exec
}

func TestDoubles(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	reports, exec := doubled(t, now)
	got, err := reports.Doubles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Found) != 1 || got.Every != 1 || !got.To.Equal(now) {
		t.Fatalf("got %+v, want one reason, all looked at", got)
	}
	d := got.Found[0]
	var want uint64 // one of each pair
	for i := range uint64(40) {
		bytes := 1_000_000 + 1000*i
		want += bytes + 6*bytes
	}
	if d.Flows != 80 || d.Bytes != want {
		t.Errorf("%d conversations, %d bytes are double, want 80 and %d", d.Flows, d.Bytes, want)
	}
	if diff := cmp.Diff(&Remedy{Rule: flow.CountRule{Exporter: netip.MustParseAddr("192.168.1.1"), Observed: flow.Ingress}, Lost: d.Remedy.Lost}, d.Remedy, same); diff != "" {
		t.Errorf("remedy (-want +got):\n%s", diff)
	}
	wantExample := DoubleFlow{
		Protocol: 6, Src: netip.MustParseAddrPort("203.0.113.5:443"), Dst: netip.MustParseAddrPort("192.168.1.20:10039"), At: now.Add(-41 * time.Minute),
		Meters: []Meter{meter("192.168.1.1", 2, 1, flow.Ingress), meter("192.168.1.1", 2, 1, flow.Egress)}, Bytes: []uint64{6 * 1_039_000, 6 * 1_039_000},
	}
	if len(d.Examples) != 3 || !d.Examples[0].At.Equal(wantExample.At) {
		t.Fatalf("examples %+v, want three, first that of %s", d.Examples, wantExample.At)
	}
	wantExample.At = d.Examples[0].At
	if diff := cmp.Diff(wantExample, d.Examples[0], cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }), same); diff != "" {
		t.Errorf("example (-want +got):\n%s", diff)
	}

	// The reports say it, of spans that hold the time.
	request := func(from, to string) []string {
		t.Helper()
		req := Request{Kind: Days}
		if req.Period.FromDate, err = billing.ParseDate(from); err != nil {
			t.Fatal(err)
		}
		if req.Period.ToDate, err = billing.ParseDate(to); err != nil {
			t.Fatal(err)
		}
		return run(t, reports, req).Completeness.Notes
	}
	says := func(notes []string) bool {
		return strings.Contains(strings.Join(notes, " "), "seem to be counted twice: 80 conversations were seen both by 192.168.1.1 at 2 → 1, coming in and by 192.168.1.1 at 2 → 1, leaving. Settings → Exporters says what to set")
	}
	if notes := request("2026-11-01", "2026-12-01"); !says(notes) {
		t.Errorf("notes %q, want that traffic is counted twice", notes)
	}
	if notes := request("2026-10-01", "2026-11-01"); says(notes) {
		t.Errorf("notes %q of a time before", notes)
	}

	// There is no ledger in this database; why, depends.
	for _, tt := range []struct{ sql, to, want string }{
		{"SELECT 1", "2026-12-01", "have just come in"},
		{"SELECT 1", "2026-11-23", "The ledger has no counts of this time"},
		{"ALTER TABLE flows UPDATE origin = 'import' WHERE true SETTINGS mutations_sync = 2", "2026-12-01", "were not received here"},
	} {
		exec(tt.sql)
		if notes := strings.Join(request("2026-11-01", tt.to), " "); !strings.Contains(notes, tt.want) {
			t.Errorf("after %s, up to %s: notes %q, want that they %q", tt.sql, tt.to, notes, tt.want)
		}
	}

	// What is stored and not counted is not double.
	exec("ALTER TABLE flows UPDATE counted = false WHERE exporter = toIPv6('192.168.1.1') AND flow_direction = 'egress' SETTINGS mutations_sync = 2")
	reports.ForgetDoubles()
	if got, err := reports.Doubles(t.Context()); err != nil || len(got.Found) != 0 {
		t.Errorf("got %+v, %v, want nothing", got.Found, err)
	}
}

// Of very many flows a part is looked at, and figures are estimates of all.
func TestDoublesOfManyAreSampled(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	reports, exec := doubled(t, now)
	exec("TRUNCATE TABLE flows")
	const n = 600_000
	for _, way := range []string{"ingress", "egress"} {
		exec(fmt.Sprintf(`INSERT INTO flows (end, duration_ms, exporter, origin, in_if, out_if, flow_direction, direction, host, peer, unmatched_dst, host_port, peer_port, protocol, bytes, packets, sampling_rate)
			SELECT toDateTime('2026-11-23 11:00:00', 'UTC') - number %% 3600, 1000, toIPv6('192.168.1.1'), 'ipfix', 1, 2, '%s', 'sent', toIPv6('192.168.1.20'),
				toIPv6(concat('::ffff:203.0.', toString(intDiv(number, 60000)), '.7')), toIPv6('::'), number %% 60000, 443, 6, 1000 + number, 1, 1
			FROM numbers(%d)`, way, n))
	}
	got, err := reports.Doubles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Every != 3 || got.Flows != 2*n || len(got.Found) != 1 {
		t.Fatalf("got one of %d, %d flows, %d reasons; want one of 3, %d, and one", got.Every, got.Flows, len(got.Found), 2*n)
	}
	if d := got.Found[0]; d.Flows < n*95/100 || d.Flows > n*105/100 || d.Share < 0.49 || d.Share > 0.51 {
		t.Errorf("about %d conversations, share %.3f; want about %d and a half", d.Flows, d.Share, n)
	}
	if text := got.Found[0].Text(true); !strings.HasPrefix(text, "About ") {
		t.Errorf("the sentence %q does not say that it is an estimate", text)
	}
}
