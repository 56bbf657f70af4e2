package names

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// zone answers PTR queries: the names of each in-addr.arpa name. A name that
// is not in it does not exist; one with nil is never answered.
type zone map[string][]string

// serve answers on a UDP port of loopback until the test ends and returns a
// resolver that asks there.
func (z zone) serve(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := z.answer(buf[:size]); answer != nil {
				conn.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
		},
	}
}

func (z zone) answer(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	names, ok := z[q.Name.String()]
	if ok && names == nil {
		return nil
	}
	m.Response = true
	m.Additionals = nil
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
	}
	header := dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET, TTL: 60}
	for _, name := range names {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(name)}})
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// The names that real DNS messages carry, hostile ones among them, through
// the resolver of the standard library.
func TestRealResolver(t *testing.T) {
	long := strings.Repeat(strings.Repeat("a", 50)+".", 4)
	tests := []struct {
		name, addr, arpa string
		ptr              []string
		want             string
	}{
		{"plain", "192.0.2.20", "20.2.0.192.in-addr.arpa.", []string{"nas.lan."}, "nas.lan"},
		{"IPv6", "2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", []string{"six.lan."}, "six.lan"},
		{"several", "192.0.2.21", "21.2.0.192.in-addr.arpa.", []string{"zz.lan.", "aa.example.", "AB.lan."}, "ab.lan"},
		{"long", "192.0.2.22", "22.2.0.192.in-addr.arpa.", []string{long}, strings.TrimSuffix(long, ".")},
		{"control characters", "192.0.2.23", "23.2.0.192.in-addr.arpa.", []string{"a\x1b[2J.lan."}, ""},
		{"bidi", "192.0.2.24", "24.2.0.192.in-addr.arpa.", []string{"\u202enas.lan."}, ""},
		{"markup", "192.0.2.25", "25.2.0.192.in-addr.arpa.", []string{"<b>x</b>.lan."}, ""},
		{"an address", "192.0.2.26", "26.2.0.192.in-addr.arpa.", []string{"192.168.1.1."}, ""},
		{"the root", "192.0.2.27", "27.2.0.192.in-addr.arpa.", []string{"."}, ""},
		{"a good one among bad ones", "192.0.2.28", "28.2.0.192.in-addr.arpa.", []string{"a\x00b.", "good.lan."}, "good.lan"},
		{"no name", "192.0.2.29", "29.2.0.192.in-addr.arpa.", []string{}, ""},
		{"last", "192.0.2.30", "30.2.0.192.in-addr.arpa.", []string{"last.lan."}, "last.lan"},
	}
	z := zone{"99.2.0.192.in-addr.arpa.": nil}
	for _, tt := range tests {
		z[tt.arpa] = tt.ptr
	}
	n := newNames(Config{}, newMemory(), z.serve(t), time.Now, quiet())
	defer run(t, n)()
	n.Name(netip.MustParseAddr("192.0.2.99")) // is never answered and must not hold the others up
	n.Name(netip.MustParseAddr("192.0.2.98")) // does not exist
	for _, tt := range tests {
		n.Name(netip.MustParseAddr(tt.addr))
	}
	waitFor(t, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		for addr, l := range n.dns {
			if l.queued && addr != netip.MustParseAddr("192.0.2.99") {
				return false
			}
		}
		return true
	})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := n.Name(netip.MustParseAddr(tt.addr)); got != tt.want {
				t.Errorf("Name(%s) = %q, want %q", tt.addr, got, tt.want)
			}
		})
	}
	wantName(t, n, "192.0.2.98", "", "")
	n.mu.Lock()
	until := n.dns[netip.MustParseAddr("192.0.2.98")].until
	n.mu.Unlock()
	if left := time.Until(until); left < negativeTTL-time.Minute {
		t.Errorf("an answer that the name does not exist is good for %v, want %v", left, negativeTTL)
	}
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for range 6000 {
		if condition() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("waited a minute in vain")
}
