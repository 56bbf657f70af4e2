package listen_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flattraffic/flattraffic/ingest/ledger"
	"github.com/flattraffic/flattraffic/ingest/listen"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counts collects what a listener counts.
type counts struct {
	sync.Mutex
	byEvent    map[ledger.Event]uint64
	byExporter map[netip.Addr]uint64 // datagrams
}

func newCounts() *counts {
	return &counts{byEvent: map[ledger.Event]uint64{}, byExporter: map[netip.Addr]uint64{}}
}

func (c *counts) count(exporter netip.Addr, _ time.Time, event ledger.Event, n uint64) {
	c.Lock()
	defer c.Unlock()
	c.byEvent[event] += n
	if event == ledger.Datagrams {
		c.byExporter[exporter] += n
	}
}

func (c *counts) of(event ledger.Event) uint64 {
	c.Lock()
	defer c.Unlock()
	return c.byEvent[event]
}

// start opens and runs a listener; stop ends it and waits.
func start(t *testing.T, cfg listen.Config, c *counts) (l *listen.Listener, stop func()) {
	t.Helper()
	l, err := listen.New(cfg, listen.Deps{Log: slog.New(slog.DiscardHandler), Count: c.count})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return l, stop
}

// sendFrom sends payloads from an address of this machine.
func sendFrom(t *testing.T, from string, to netip.AddrPort, payloads ...[]byte) {
	t.Helper()
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
	conn, err := d.DialContext(t.Context(), "udp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, p := range payloads {
		if _, err := conn.Write(p); err != nil {
			t.Fatal(err)
		}
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 10 s for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// One exporter's datagrams come whole, in order and to one worker, over IPv4
// and IPv6, from a socket bound to all addresses too.
func TestDatagramsByOwner(t *testing.T) {
	c := newCounts()
	l, stop := start(t, listen.Config{Addresses: []string{"127.0.0.1:0", "[::1]:0", ":0"}, Workers: 3}, c)
	port4, port6, all := l.Addrs()[0], l.Addrs()[1], l.Addrs()[2].Port()
	long := bytes.Repeat([]byte{7}, 65000)
	sendFrom(t, "127.0.0.1", port4, []byte{1}, long, []byte{2})
	sendFrom(t, "127.0.0.2", port4, []byte{3})
	sendFrom(t, "::1", port6, []byte{4}, []byte{5})
	sendFrom(t, "127.0.0.3", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), all), []byte{6})
	waitFor(t, "7 datagrams", func() bool { return c.of(ledger.Datagrams) == 7 })
	stop()
	got := map[string][]byte{}
	for worker := range 3 {
		for d := range l.Queue(worker) {
			if l.Owner(d.Exporter) != worker {
				t.Errorf("%s came to worker %d, want %d", d.Exporter, worker, l.Owner(d.Exporter))
			}
			if len(d.Payload) > 1 && !bytes.Equal(d.Payload, long) {
				t.Errorf("a long datagram came with %d bytes, want %d", len(d.Payload), len(long))
			}
			if age := time.Since(d.Received); age < 0 || age > 10*time.Second {
				t.Errorf("received %s ago", age)
			}
			got[d.Exporter.String()] = append(got[d.Exporter.String()], d.Payload[0])
			d.Release()
		}
	}
	want := map[string][]byte{"127.0.0.1": {1, 7, 2}, "127.0.0.2": {3}, "::1": {4, 5}, "127.0.0.3": {6}}
	for exporter, payloads := range want {
		if !bytes.Equal(got[exporter], payloads) {
			t.Errorf("from %s: got %v, want %v", exporter, got[exporter], payloads)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got exporters %v", got)
	}
}

// What does not fit a worker's queue is counted to the datagram, and what fits
// is not lost.
func TestQueueOverflowIsCounted(t *testing.T) {
	c := newCounts()
	l, stop := start(t, listen.Config{Addresses: []string{"127.0.0.1:0"}, QueueBytes: 20_000}, c)
	payload := make([]byte, 1400)
	const sent = 100
	for range sent {
		sendFrom(t, "127.0.0.1", l.Addrs()[0], payload)
	}
	waitFor(t, "all datagrams", func() bool { return c.of(ledger.Datagrams) == sent })
	stop()
	var taken uint64
	for d := range l.Queue(0) {
		taken++
		d.Release()
	}
	if want := uint64(20_000 / (1400 + 256)); taken != want {
		t.Errorf("%d datagrams waited, want %d", taken, want)
	}
	if got := c.of(ledger.QueueDrops); got != sent-taken {
		t.Errorf("got %d queue drops, want %d", got, sent-taken)
	}
}

// Datagrams the kernel drops are counted although no later one brings the
// news.
func TestKernelDropsAreCounted(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux counts what a socket dropped")
	}
	c := newCounts()
	l, err := listen.New(listen.Config{Addresses: []string{"127.0.0.1:0"}, ReceiveBuffer: 8 << 10},
		listen.Deps{Log: slog.New(slog.DiscardHandler), Count: c.count})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Nobody reads yet, so the small buffer overflows.
	const sent = 200
	for range sent {
		sendFrom(t, "127.0.0.1", l.Addrs()[0], make([]byte, 1400))
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	waitFor(t, "read and dropped datagrams to add up", func() bool {
		return c.of(ledger.KernelDrops) > 0 && c.of(ledger.KernelDrops)+c.of(ledger.Datagrams) == sent
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestOpenErrorsSayTheRemedy(t *testing.T) {
	taken, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct{ name, address, want string }{
		{"port taken", taken.LocalAddr().String(), "another program already listens on UDP " + taken.LocalAddr().String()},
		{"foreign address", "192.0.2.1:0", "this machine has no address 192.0.2.1:0"},
		{"no port", "127.0.0.1", "write the address as host:port or :port"},
		{"port too large", "127.0.0.1:70000", "write the address as host:port or :port"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := listen.New(listen.Config{Addresses: []string{"127.0.0.1:0", tt.address}},
				listen.Deps{Log: slog.New(slog.DiscardHandler), Count: newCounts().count})
			if err != nil {
				t.Fatal(err)
			}
			err = l.Open(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got error %v, want one line with %q", err, tt.want)
			}
		})
	}
}

// A kernel that gives less receive buffer than asked for is told of, with the
// setting to change.
func TestSmallReceiveBufferWarns(t *testing.T) {
	var log bytes.Buffer
	l, err := listen.New(listen.Config{Addresses: []string{"127.0.0.1:0"}, ReceiveBuffer: 1<<31 - 1},
		listen.Deps{Log: slog.New(slog.NewTextHandler(&log, nil)), Count: newCounts().count})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" && !strings.Contains(log.String(), "net.core.rmem_max") {
		t.Errorf("got log %q, want the name of the setting", log.String())
	}
}
