package names

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var equateAddr = cmpopts.EquateComparable(netip.Addr{})

func TestParseLeases(t *testing.T) {
	unix := func(s int64) time.Time { return time.Unix(s, 0) }
	tests := []struct {
		file string
		want []Lease
	}{
		{"dnsmasq.leases", []Lease{
			{netip.MustParseAddr("192.168.1.20"), "nas", 0x3c22fb102030, unix(1795428000)},
			{netip.MustParseAddr("192.168.1.31"), "", 0xa483e7001122, unix(1795428100)},
			{netip.MustParseAddr("192.168.1.2"), "printer", 0x001132aabbcc, time.Time{}},
			{netip.MustParseAddr("192.168.1.40"), "", 0xdeadbeef0001, unix(1795428200)}, // its "name" is an address
			{netip.MustParseAddr("fd00:1::20"), "nas", 0, unix(1795428300)},
		}},
		{"kea-leases4.csv", []Lease{
			{netip.MustParseAddr("192.168.1.21"), "phone", 0xa483e7001122, unix(1795428000)},
			{netip.MustParseAddr("192.168.1.20"), "nas.home.arpa", 0x3c22fb102030, unix(1795432000)},
			{netip.MustParseAddr("192.168.1.22"), "", 0, unix(0)},
			{netip.MustParseAddr("192.168.1.23"), "", 0, unix(0)},
			{netip.MustParseAddr("192.168.1.24"), "Ann, Bob", 0xa483e7001125, unix(1795428000)},
		}},
		{"kea-leases6.csv", []Lease{
			{netip.MustParseAddr("2001:db8:1::20"), "nas.home.arpa", 0x3c22fb102030, unix(1795428000)},
		}},
		{"dhcpd.leases", []Lease{
			{netip.MustParseAddr("192.168.1.20"), "nas", 0, time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)},
			{netip.MustParseAddr("192.168.1.21"), "Bob's phone", 0, time.Time{}},
			{netip.MustParseAddr("192.168.1.22"), "tv", 0, unix(1795428000)},
			{netip.MustParseAddr("192.168.1.23"), "gone", 0, unix(0)},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			f, err := os.Open(filepath.Join("testdata", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := ParseLeases(f)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, equateAddr); diff != "" {
				t.Errorf("leases (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseLeasesNonsense(t *testing.T) {
	for _, in := range []string{"", "\n\n", "lease {", "address,\n,,,,", "0 0 0 0", "lease 1.2.3.4 {\n ends epoch x;\n}", "address,expire\n192.168.1.1", strings.Repeat("x", 1<<20)} {
		leases, err := ParseLeases(strings.NewReader(in))
		if err != nil {
			t.Errorf("ParseLeases(%.20q): %v", in, err)
		}
		for _, l := range leases {
			if l.Name != "" {
				t.Errorf("ParseLeases(%.20q) found the name %q", in, l.Name)
			}
		}
	}
}

func TestLeaseFileFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dnsmasq.leases")
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	store := newMemory()
	n := newNames(Config{LeaseFiles: []string{path}}, store, nil, func() time.Time { return now }, quiet())
	round := n.leaseRound()
	nas, phone := netip.MustParseAddr("192.168.1.20"), netip.MustParseAddr("192.168.1.21")
	write := func(text string, mtime time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, mtime, mtime); err != nil {
			t.Fatal(err)
		}
	}
	check := func(addr netip.Addr, want string) {
		t.Helper()
		if got, source := n.Name(addr); got != want || want != "" && source != DHCP {
			t.Errorf("Name(%s) = %q, %q; want %q", addr, got, source, want)
		}
	}

	if err := round(t.Context()); err == nil {
		t.Error("a missing lease file is no error")
	}
	write("0 aa:bb:cc:dd:ee:ff 192.168.1.20 nas *\n", now)
	if err := round(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(nas, "nas")
	check(phone, "")

	// The address goes to a client with another name, and another client comes.
	write("0 aa:bb:cc:dd:ee:00 192.168.1.20 tv *\n0 aa:bb:cc:dd:ee:01 192.168.1.21 phone *\n", now.Add(time.Second))
	if err := round(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(nas, "tv")
	check(phone, "phone")

	// A new client without a name does not inherit the last one's.
	write("0 aa:bb:cc:dd:ee:02 192.168.1.20 * *\n0 aa:bb:cc:dd:ee:01 192.168.1.21 phone *\n", now.Add(2*time.Second))
	if err := round(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(nas, "")

	if err := n.save(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[sighting]time.Time{{nas, DHCP, "nas"}: now, {nas, DHCP, "tv"}: now, {phone, DHCP, "phone"}: now}
	if diff := cmp.Diff(want, store.saved, cmp.AllowUnexported(sighting{}), equateAddr); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	paired := map[pair]time.Time{
		{nas, 0xaabbccddeeff}: now, {nas, 0xaabbccddee00}: now, {nas, 0xaabbccddee02}: now, {phone, 0xaabbccddee01}: now,
	}
	if diff := cmp.Diff(paired, store.paired, cmp.AllowUnexported(pair{}), equateAddr); diff != "" {
		t.Errorf("stored MACs (-want +got):\n%s", diff)
	}
}

// Kea keeps the older leases in a second file while and after it cleans up.
func TestKeaParts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kea-leases4.csv")
	header := "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state\n"
	for name, text := range map[string]string{
		path + ".2": "192.168.1.20,,,4000,1795428000,1,0,0,old,0\n192.168.1.21,,,4000,1795428000,1,0,0,tv,0\n",
		path:        "192.168.1.20,,,4000,1795428000,1,0,0,nas,0\n",
	} {
		if err := os.WriteFile(name, []byte(header+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readLeases(path)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1795428000, 0)
	want := []Lease{
		{netip.MustParseAddr("192.168.1.21"), "tv", 0, at},
		{netip.MustParseAddr("192.168.1.20"), "nas", 0, at},
	}
	if diff := cmp.Diff(want, got, equateAddr); diff != "" {
		t.Errorf("leases (-want +got):\n%s", diff)
	}
}
