package names

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/site"
)

// day is an instant of the tests, in days.
const day = 86_400

func seen(addr string, mac uint64, first, last int64) sightingOfMAC {
	return sightingOfMAC{pair: pair{netip.MustParseAddr(addr), mac}, first: first * day, last: last * day}
}

func leased(s sightingOfMAC) sightingOfMAC {
	s.leased = true
	return s
}

// many are addresses of one MAC that are all in use at once.
func many(n int, format string, mac uint64) []sightingOfMAC {
	var list []sightingOfMAC
	for i := range n {
		list = append(list, seen(fmt.Sprintf(format, i+1), mac, 0, 9))
	}
	return list
}

func addresses(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

func TestResolve(t *testing.T) {
	const laptop, phone, router = 0x3c22fb000001, 0x3c22fb000002, 0x3c22fb0000ff
	const laptopID, phoneID = "3c:22:fb:00:00:01", "3c:22:fb:00:00:02"
	exporter := seen("192.168.1.1", router, 0, 9)
	exporter.exporter = true
	tests := []struct {
		name     string
		stored   []site.Device
		seen     []sightingOfMAC
		from, to int64 // days; 0, 0 = all time
		want     map[string][]netip.Addr
	}{
		{
			name: "privacy addresses and IPv4 of one device",
			seen: []sightingOfMAC{seen("192.168.1.20", laptop, 0, 9), seen("2001:db8::a", laptop, 0, 1), seen("2001:db8::b", laptop, 1, 9), seen("fe80::1", laptop, 0, 9), seen("192.168.1.21", phone, 0, 9)},
			want: map[string][]netip.Addr{laptopID: addresses("192.168.1.20", "2001:db8::a", "2001:db8::b", "fe80::1"), phoneID: addresses("192.168.1.21")},
		},
		{
			name: "a router's MAC joins nobody", // three of IPv4 at once
			seen: many(3, "192.168.1.%d", router),
			want: map[string][]netip.Addr{},
		},
		{
			name: "nor does it with many addresses of IPv6",
			seen: many(33, "2001:db8::%d", router),
			want: map[string][]netip.Addr{},
		},
		{
			name: "addresses one after the other are no router's",
			seen: []sightingOfMAC{seen("192.168.1.20", laptop, 0, 2), seen("192.168.1.21", laptop, 3, 5), seen("192.168.1.22", laptop, 6, 9)},
			want: map[string][]netip.Addr{laptopID: addresses("192.168.1.20", "192.168.1.21", "192.168.1.22")},
		},
		{
			name: "the MAC of an exporter joins nobody",
			seen: []sightingOfMAC{exporter, seen("192.168.1.20", router, 0, 9)},
			want: map[string][]netip.Addr{},
		},
		{
			name: "nor do group addresses and those that routers share",
			seen: []sightingOfMAC{seen("192.168.1.20", 0xffffffffffff, 0, 9), seen("192.168.1.21", 0x01005e000001, 0, 9), seen("192.168.1.22", 0x00005e000105, 0, 9), seen("192.168.1.23", 0x00000c07ac01, 0, 9), seen("192.168.1.24", 0, 0, 9)},
			want: map[string][]netip.Addr{},
		},
		{
			name: "a lease beats flows, and is believed behind a router",
			seen: append(many(3, "192.168.1.%d", router), leased(seen("192.168.1.2", phone, 0, 1)), seen("2001:db8::2", phone, 0, 9), leased(seen("192.168.1.30", phone, 0, 9)), seen("192.168.1.30", laptop, 0, 9)),
			want: map[string][]netip.Addr{phoneID: addresses("192.168.1.2", "192.168.1.30", "2001:db8::2")},
		},
		{
			name: "an address given on: each span has its own device", from: 0, to: 3,
			seen: []sightingOfMAC{seen("192.168.1.20", laptop, 0, 4), seen("192.168.1.20", phone, 5, 9), seen("2001:db8::a", laptop, 0, 9), seen("2001:db8::b", phone, 0, 9)},
			want: map[string][]netip.Addr{laptopID: addresses("192.168.1.20", "2001:db8::a"), phoneID: addresses("2001:db8::b")},
		},
		{
			name: "and later the other", from: 6, to: 7,
			seen: []sightingOfMAC{seen("192.168.1.20", laptop, 0, 4), seen("192.168.1.20", phone, 5, 9), seen("2001:db8::a", laptop, 0, 9), seen("2001:db8::b", phone, 0, 9)},
			want: map[string][]netip.Addr{laptopID: addresses("2001:db8::a"), phoneID: addresses("192.168.1.20", "2001:db8::b")},
		},
		{
			name:   "merged by hand: two MACs and an address",
			stored: []site.Device{{ID: "mine", MACs: []uint64{laptop, phone}, Addresses: addresses("10.0.0.1")}},
			seen:   []sightingOfMAC{seen("192.168.1.20", laptop, 0, 9), seen("192.168.1.21", phone, 0, 9)},
			want:   map[string][]netip.Addr{"mine": addresses("10.0.0.1", "192.168.1.20", "192.168.1.21")},
		},
		{
			name:   "split by hand: one address leaves its MAC",
			stored: []site.Device{{ID: "mine", Addresses: addresses("192.168.1.21")}},
			seen:   []sightingOfMAC{seen("192.168.1.20", laptop, 0, 9), seen("192.168.1.21", laptop, 0, 9)},
			want:   map[string][]netip.Addr{"mine": addresses("192.168.1.21"), laptopID: addresses("192.168.1.20")},
		},
		{
			name:   "set apart by hand: the MAC joins nobody",
			stored: []site.Device{{ID: "apart", MACs: []uint64{laptop}, Apart: true}},
			seen:   []sightingOfMAC{seen("192.168.1.20", laptop, 0, 9), leased(seen("192.168.1.21", laptop, 0, 9))},
			want:   map[string][]netip.Addr{"apart": nil},
		},
		{
			name:   "given to a device by hand: believed with many addresses",
			stored: []site.Device{{ID: "server", MACs: []uint64{router}}},
			seen:   many(3, "192.168.1.%d", router),
			want:   map[string][]netip.Addr{"server": addresses("192.168.1.1", "192.168.1.2", "192.168.1.3")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from, to := tt.from*day, tt.to*day
			if to == 0 {
				to = math.MaxInt64
			}
			got := map[string][]netip.Addr{}
			for _, d := range resolve(tt.stored, tt.seen, from, to) {
				got[d.ID] = d.Addresses
			}
			if diff := cmp.Diff(tt.want, got, equateAddr); diff != "" {
				t.Errorf("devices (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDevices goes through the tables: what the ingest and the leases write,
// what the user says, and the names that follow.
func TestDevices(t *testing.T) {
	conn := database(t)
	exec(t, conn, `INSERT INTO addresses (address, mac, first_seen, last_seen) VALUES
		('::ffff:192.168.1.20', 0x3c22fb000001, now() - 86400, now()), ('2001:db8::a', 0x3c22fb000001, now() - 86400, now()),
		('::ffff:192.168.1.1', 0x3c22fb0000ff, now() - 86400, now()), ('2001:db8::1', 0x3c22fb0000ff, now() - 86400, now())`)
	exec(t, conn, `INSERT INTO exporter_state (exporter, last_seen) VALUES ('::ffff:192.168.1.1', now())`)
	exec(t, conn, `INSERT INTO devices (device, name, macs, addresses) VALUES ('mine', 'Laptop', [0x3c22fb000001], [])`)
	n := New(Config{}, conn, nil, time.Now, quiet())
	n.lease([]Lease{{Address: netip.MustParseAddr("192.168.1.30"), MAC: 0x3c22fb000001}})
	if err := n.save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"192.168.1.20", "192.168.1.30", "2001:db8::a"} {
		wantName(t, n, a, "Laptop", Own)
	}
	stored, err := site.LoadDevices(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	got, err := n.Devices(t.Context(), stored, time.Now().Add(-time.Hour), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || len(got[0].Addresses) != 3 {
		t.Errorf("devices = %v, want the laptop with its three addresses, and not the router", got)
	}
}
