package ingest_test

import (
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// residentBytes is the memory the process has in use.
func residentBytes(t *testing.T) uint64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseUint(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * uint64(os.Getpagesize())
}

// garbage is a datagram that looks like a flow export to different degrees.
func garbage(r *rand.Rand) []byte {
	b := make([]byte, 4+r.IntN(1400))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	switch r.IntN(6) {
	case 0:
		b[0], b[1] = 0, 5
	case 1:
		b[0], b[1] = 0, 9
	case 2:
		b[0], b[1], b[2], b[3] = 0, 10, byte(len(b)>>8), byte(len(b))
	case 3:
		b[0], b[1], b[2], b[3] = 0, 0, 0, 5
	}
	return b
}

// flood sends garbage from some addresses as fast as the machine can until
// stop is closed, and returns how many datagrams left.
func flood(t *testing.T, to string, stop <-chan struct{}) *atomic.Uint64 {
	t.Helper()
	r := rand.New(rand.NewPCG(21, 22))
	var payloads [][]byte
	for range 500 {
		payloads = append(payloads, garbage(r))
	}
	var conns []net.Conn
	for source := range 4 {
		d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 1, byte(1+source))}}
		conn, err := d.DialContext(t.Context(), "udp", to)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	var sent atomic.Uint64
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	// One sender: it has as much of the processor as the one who reads.
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				for _, c := range conns {
					c.Close()
				}
				return
			default:
			}
			if _, err := conns[i%len(conns)].Write(payloads[i%len(payloads)]); err == nil {
				sent.Add(1)
			}
		}
	})
	return &sent
}

// Garbage at the speed of the machine neither bloats nor stops the ingest: the
// flows read beside it are counted to the byte, and every datagram that was
// not is in the ledger.
func TestFlood(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux counts what a socket dropped")
	}
	seconds := 3
	if s := os.Getenv("FLATTRAFFIC_FLOOD_SECONDS"); s != "" {
		var err error
		if seconds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	conn, dsn := database(t)
	registry := prometheus.NewRegistry()
	s := start(t, options{conn: conn, dsn: dsn, registry: registry})
	s.router.export(30)
	waitFor(t, "the first records", func() bool { return number(t, conn, "(SELECT count() FROM flows)") == 30 })
	before := residentBytes(t)

	stop := make(chan struct{})
	sent := flood(t, s.Health().Listening[0].String(), stop)
	var most uint64
	real := uint64(1)
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); real++ {
		s.router.export(30)
		most = max(most, residentBytes(t))
		time.Sleep(10 * time.Millisecond)
	}
	close(stop)
	settled := func() bool {
		return metric(t, registry, "flattraffic_datagrams_received_total")+kernelDrops(t, registry) == float64(sent.Load()+real)
	}
	waitFor(t, "every datagram to be read or dropped", settled)
	s.router.export(30) // shows by its sequence number what was lost before it
	real++
	waitFor(t, "the last datagram", settled)
	waitFor(t, "the spool to drain", func() bool { return s.Health().SpoolBatches == 0 })
	s.stop()

	if grown := int64(most) - int64(before); grown > 256<<20 {
		t.Errorf("memory grew by %d MB", grown>>20)
	}
	// Of the real datagrams some may have met a full buffer, like any other; the
	// exporter's sequence numbers tell how many records those held.
	stored := number(t, conn, "(SELECT count() FROM flows WHERE exporter = toIPv6('127.0.0.1'))")
	lost := counted(t, conn, "127.0.0.1", "lost_records")
	if stored+lost != s.router.sent.Records {
		t.Errorf("%d records stored and %d counted as lost, want %d together", stored, lost, s.router.sent.Records)
	}
	if stored < s.router.sent.Records/20 { // far more, unless the sender takes most of the processor
		t.Errorf("only %d of %d real records were stored", stored, s.router.sent.Records)
	}
	refused := number(t, conn, "(SELECT sum(count) FROM ledger WHERE event IN ('unknown_version', 'malformed', 'bad_template', 'state_limit', 'template_missing'))")
	if refused == 0 {
		t.Error("the ledger has none of the garbage")
	}
	t.Logf("%d datagrams of garbage and %d real ones in %d s; %d read, %.0f dropped by the kernel, %d by the queues; %d of %d real records stored, %d lost; memory %d MB, at most %d MB",
		sent.Load(), real, seconds, number(t, conn, "(SELECT sum(count) FROM ledger WHERE event = 'datagrams')"), kernelDrops(t, registry),
		number(t, conn, "(SELECT sum(count) FROM ledger WHERE event = 'queue_drops')"), stored, s.router.sent.Records, lost, before>>20, most>>20)
}

func kernelDrops(t *testing.T, registry *prometheus.Registry) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "flattraffic_datagrams_dropped_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == "kernel_drops" {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}
