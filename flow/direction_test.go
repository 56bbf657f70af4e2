package flow_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/flattraffic/flattraffic/flow"
)

func services(t testing.TB) *flow.Services {
	t.Helper()
	s, err := flow.NewServices()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestClassifyDecidesDirectionHostAndPeer(t *testing.T) {
	c := flow.NewClassifier(append(flow.DefaultLocal(), netip.MustParsePrefix("2001:db8:1::/48"), netip.MustParsePrefix("198.51.100.8/29")), services(t))
	for _, tt := range []struct {
		name, src, dst string
		direction      flow.Direction
		host, peer     string
	}{
		{"out", "192.168.1.20", "203.0.113.9", flow.Sent, "192.168.1.20", "203.0.113.9"},
		{"in", "203.0.113.9", "192.168.1.20", flow.Received, "192.168.1.20", "203.0.113.9"},
		{"IPv6 out", "2001:db8:1::5", "2001:db8:2::5", flow.Sent, "2001:db8:1::5", "2001:db8:2::5"},
		{"IPv6 in", "2001:db8:2::5", "2001:db8:1::5", flow.Received, "2001:db8:1::5", "2001:db8:2::5"},
		{"public server of ours", "203.0.113.9", "198.51.100.10", flow.Received, "198.51.100.10", "203.0.113.9"},
		{"between local hosts", "192.168.1.20", "10.0.0.3", flow.Internal, "192.168.1.20", "10.0.0.3"},
		{"multicast", "192.168.1.20", "239.255.255.250", flow.Internal, "192.168.1.20", "239.255.255.250"},
		{"IPv6 multicast", "fe80::1", "ff02::fb", flow.Internal, "fe80::1", "ff02::fb"},
		{"broadcast", "192.168.1.20", "255.255.255.255", flow.Internal, "192.168.1.20", "255.255.255.255"},
		{"link-local", "192.168.1.20", "169.254.1.1", flow.Internal, "192.168.1.20", "169.254.1.1"},
		{"neither", "203.0.113.9", "198.51.100.1", flow.Unmatched, "::", "203.0.113.9"},
		{"remote to multicast", "203.0.113.9", "239.1.1.1", flow.Unmatched, "::", "203.0.113.9"},
		{"just outside RFC 1918", "172.32.0.1", "172.15.255.255", flow.Unmatched, "::", "172.32.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := flow.Record{Src: netip.MustParseAddr(tt.src), Dst: netip.MustParseAddr(tt.dst), SrcPort: 1000, DstPort: 2000, SrcMAC: 1, DstMAC: 2, SrcAS: 3, DstAS: 4, Protocol: 6}
			got := c.Classify(&r)
			want := flow.Ends{
				Direction: tt.direction, Host: netip.MustParseAddr(tt.host), Peer: netip.MustParseAddr(tt.peer),
				HostPort: 1000, PeerPort: 2000, HostMAC: 1, PeerMAC: 2, HostAS: 3, PeerAS: 4, UnmatchedDst: netip.IPv6Unspecified(),
			}
			if tt.direction == flow.Received || tt.direction == flow.Unmatched {
				want.HostPort, want.PeerPort, want.HostMAC, want.PeerMAC, want.HostAS, want.PeerAS = 2000, 1000, 2, 1, 4, 3
			}
			if tt.direction == flow.Unmatched {
				want.UnmatchedDst = r.Dst
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("ends (-want +got):\n%s", diff)
			}
		})
	}
}

// Each flow has exactly one direction, and the two ways of a conversation
// between a local and a remote end have the same host and peer.
func TestClassifyBothWaysMeetTheSameHost(t *testing.T) {
	c := flow.NewClassifier(flow.DefaultLocal(), services(t))
	addr := rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "six") {
			return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "v6"))).Unmap()
		}
		first := rapid.SampledFrom([]byte{10, 172, 192, 169, 8, 203, 239, 255}).Draw(t, "first")
		rest := rapid.SliceOfN(rapid.Byte(), 3, 3).Draw(t, "rest")
		return netip.AddrFrom4([4]byte{first, rest[0], rest[1], rest[2]})
	})
	rapid.Check(t, func(t *rapid.T) {
		r := flow.Record{Src: addr.Draw(t, "src"), Dst: addr.Draw(t, "dst"), SrcPort: rapid.Uint16().Draw(t, "sp"), DstPort: rapid.Uint16().Draw(t, "dp"), Protocol: 17}
		back := r
		back.Src, back.Dst, back.SrcPort, back.DstPort = r.Dst, r.Src, r.DstPort, r.SrcPort
		there, again := c.Classify(&r), c.Classify(&back)
		if there.Service != again.Service {
			t.Fatalf("service %d one way, %d the other", there.Service, again.Service)
		}
		switch there.Direction {
		case flow.Sent:
			if again.Direction != flow.Received && again.Direction != flow.Unmatched || again.Direction == flow.Received && (again.Host != there.Host || again.Peer != there.Peer || again.HostPort != there.HostPort) {
				t.Fatalf("sent as %+v, back as %+v", there, again)
			}
		case flow.Received:
			if again.Direction == flow.Sent && (again.Host != there.Host || again.Peer != there.Peer || again.HostPort != there.HostPort) {
				t.Fatalf("received as %+v, back as %+v", there, again)
			}
		case flow.Internal, flow.Unmatched:
			if there.Direction == flow.Unmatched && there.Host != netip.IPv6Unspecified() {
				t.Fatalf("unmatched flow has host %s", there.Host)
			}
		default:
			t.Fatalf("direction %d is none of the four", there.Direction)
		}
	})
}

func TestServiceIsTheKnownPort(t *testing.T) {
	s := services(t)
	for _, tt := range []struct {
		name     string
		protocol uint8
		a, b     uint16
		want     uint16
	}{
		{"client to server", 6, 51000, 443, 443},
		{"server to client", 6, 443, 51000, 443},
		{"both known: the lower", 6, 8080, 443, 443},
		{"QUIC", 17, 443, 60000, 443},
		{"neither", 6, 50001, 50002, 0},
		{"a TCP port over UDP", 17, 22, 50000, 0},
		{"a protocol without ports", 47, 443, 443, 0},
		{"port zero", 6, 0, 0, 0},
	} {
		if got := s.Of(tt.protocol, tt.a, tt.b); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestServiceNamesAreUniquePerProtocol(t *testing.T) {
	s := services(t)
	type key struct {
		protocol uint8
		port     uint16
	}
	seen := map[key]bool{}
	for _, v := range s.All() {
		k := key{v.Protocol, v.Port}
		if seen[k] {
			t.Errorf("%s/%d stands twice in the table", s.Protocol(v.Protocol).Name, v.Port)
		}
		seen[k] = true
		if v.Name == "" || v.Title == "" || v.Category == "" {
			t.Errorf("%+v has an empty name, title or category", v)
		}
		if got, ok := s.Lookup(v.Protocol, v.Port); !ok || got != v {
			t.Errorf("lookup of %+v got %+v", v, got)
		}
	}
	if got := s.Protocol(200); got.Name != "200" || got.Title != "Protocol 200" {
		t.Errorf("an unnamed protocol is %+v", got)
	}
}

func BenchmarkClassify(b *testing.B) {
	c := flow.NewClassifier(flow.DefaultLocal(), services(b))
	r := flow.Record{Src: netip.MustParseAddr("192.168.1.20"), Dst: netip.MustParseAddr("203.0.113.9"), SrcPort: 51000, DstPort: 443, Protocol: 6}
	for b.Loop() {
		c.Classify(&r)
	}
}
