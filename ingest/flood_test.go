package ingest_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// memoryCap is what the process under the flood may have in all.
const memoryCap = 2 << 30

// residentBytes is the memory a process has in use.
func residentBytes(t *testing.T, pid int) uint64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseUint(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * uint64(os.Getpagesize())
}

// capMemory bounds the memory of a process: its data by a resource limit, and
// all of it by a control group where this user may make one. It says how.
func capMemory(t *testing.T, pid int) string {
	t.Helper()
	limit := unix.Rlimit{Cur: memoryCap, Max: memoryCap}
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, &limit, nil); err != nil {
		t.Fatal(err)
	}
	for _, group := range []struct{ parent, file string }{
		{"/sys/fs/cgroup", "memory.max"},                   // version 2
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, // version 1
	} {
		dir := filepath.Join(group.parent, fmt.Sprintf("flattraffic-flood-%d", pid))
		if os.Mkdir(dir, 0o750) != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(dir) }) // empty once the process has ended
		if putNumber(filepath.Join(dir, group.file), memoryCap) && putNumber(filepath.Join(dir, "cgroup.procs"), pid) {
			return "RLIMIT_DATA and a control group (" + group.file + ")"
		}
	}
	return "RLIMIT_DATA"
}

// putNumber writes a number to a file that is there already.
func putNumber(path string, n int) bool {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.WriteString(strconv.Itoa(n))
	return err == nil
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

// fuzzed is a real router's datagram with some bytes changed, cut or doubled;
// one in four is left as it is.
func fuzzed(r *rand.Rand, real [][]byte) []byte {
	b := bytes.Clone(real[r.IntN(len(real))])
	switch r.IntN(4) {
	case 0:
		for range 1 + r.IntN(8) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
	case 1: // a length or a count of its own
		at := 2 + r.IntN(len(b)-4)
		binary.BigEndian.PutUint16(b[at:], uint16(r.Uint32()))
	case 2:
		b = append(b[:4+r.IntN(len(b)-4)], b[r.IntN(len(b)):]...)
	}
	return b[:min(len(b), 1472)]
}

// payloads are what the flood is made of, half garbage and half fuzzed.
func payloads(r *rand.Rand) [][]byte {
	var real, list [][]byte
	for _, router := range decodetest.Routers(time.Now().Truncate(time.Second)) {
		real = append(real, router.Datagrams...)
	}
	for range 4096 {
		list = append(list, garbage(r), fuzzed(r, real))
	}
	return list
}

// flood sends as fast as the machine can until stop is closed, every other
// datagram from one of 65,000 forged addresses, and counts what left.
func flood(t *testing.T, to netip.AddrPort, stop <-chan struct{}) *atomic.Uint64 {
	t.Helper()
	socket, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp4", "127.1.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := newRandom()
	list := payloads(r)
	var sent atomic.Uint64
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	// One sender: it has as much of the processor as the one who reads.
	wg.Go(func() {
		defer socket.Close()
		conn := ipv4.NewPacketConn(socket)
		messages := make([]ipv4.Message, 64)
		for {
			select {
			case <-stop:
				return
			default:
			}
			for i := range messages {
				m := &messages[i]
				m.Addr, m.Buffers = net.UDPAddrFromAddrPort(to), [][]byte{list[r.IntN(len(list))]}
				m.OOB = nil
				if i%2 == 0 {
					m.OOB = (&ipv4.ControlMessage{Src: net.IPv4(127, 2, byte(r.Uint32()), byte(r.Uint32()))}).Marshal()
				}
			}
			n, err := conn.WriteBatch(messages, 0)
			if err != nil {
				t.Errorf("send: %v", err)
				return
			}
			sent.Add(uint64(n))
		}
	})
	return &sent
}

// Garbage, fuzzed datagrams and forged exporters at the speed of the machine
// neither bloat nor stop an ingest that may have no more than 2 GB: the flows
// that came through beside them are counted, those that did not are in the
// ledger, and so is every datagram that was dropped.
func TestFlood(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux counts what a socket dropped")
	}
	seconds := amount(t, "FLATTRAFFIC_FLOOD_SECONDS", 3)
	conn, dsn := database(t)
	dir := t.TempDir()
	c := startChild(t, dsn, dir)
	how := capMemory(t, c.Process.Pid)
	real := newRouter(t, c.address, "127.0.0.1")
	real.export(perDatagram)
	waitFor(t, "the first records", func() bool { return number(t, conn, "(SELECT count() FROM flows)") == perDatagram })
	before := residentBytes(t, c.Process.Pid)

	stop := make(chan struct{})
	sent := flood(t, c.address, stop)
	var most uint64
	datagrams := uint64(1)
	began := time.Now()
	for next := 10 * time.Second; time.Since(began) < time.Duration(seconds)*time.Second; datagrams++ {
		real.export(perDatagram)
		most = max(most, residentBytes(t, c.Process.Pid))
		if took := time.Since(began); took >= next {
			next += 10 * time.Second
			t.Logf("after %v: %d datagrams sent, memory %d MB", took.Round(time.Second), sent.Load(), most>>20)
		}
		time.Sleep(10 * time.Millisecond)
	}
	close(stop)
	took := time.Since(began)
	read := func() bool { waiting, _ := c.socket(); return waiting == 0 }
	waitFor(t, "the socket to be empty", read)
	// The workers' queues empty themselves within moments; then the next sequence
	// number shows what was lost before it.
	time.Sleep(3 * time.Second)
	real.export(perDatagram)
	datagrams++
	waitFor(t, "the last datagram", read)
	_, kernel := c.socket()
	c.stop()
	if spooled(t, dir) > 0 { // it had no time to deliver all
		last := startChild(t, dsn, dir)
		for waiting := spooled(t, dir); waiting > 0; waiting = spooled(t, dir) {
			t.Logf("%d batches of the flood wait for ClickHouse", waiting)
			within(t, 5*time.Minute, "the next batch", func() bool { return spooled(t, dir) < max(waiting-10, 1) })
		}
		last.stop()
	}

	if most > before+512<<20 {
		t.Errorf("memory grew from %d to %d MB", before>>20, most>>20)
	}
	stored := number(t, conn, "(SELECT count() FROM flows WHERE exporter = toIPv6('127.0.0.1'))")
	lost := counted(t, conn, "127.0.0.1", "lost_records")
	if stored+lost != real.sent.Records {
		t.Errorf("%d real records stored and %d counted as lost, want %d together", stored, lost, real.sent.Records)
	}
	if stored < real.sent.Records/20 { // far more, unless the sender takes most of the processor
		t.Errorf("only %d of %d real records were stored", stored, real.sent.Records)
	}
	got := number(t, conn, "(SELECT sum(count) FROM ledger WHERE event = 'datagrams')")
	drops := counted(t, conn, "::", "kernel_drops")
	if want := sent.Load() + datagrams; got+drops != want || drops != kernel {
		t.Errorf("the ledger has %d datagrams read and %d dropped by the kernel (which says %d), want %d together", got, drops, kernel, want)
	}
	refused := number(t, conn, "(SELECT sum(count) FROM ledger WHERE event IN ('unknown_version', 'malformed', 'bad_template', 'state_limit', 'template_missing'))")
	if refused == 0 {
		t.Error("the ledger has none of the garbage")
	}
	t.Logf("under a cap of %d MB by %s: %d datagrams in %v (%.0f a second) and %d real ones; %d read, %d dropped by the kernel, %d by the queues, all in the ledger; %d of %d real records stored, %d in the ledger as lost; memory %d MB before, at most %d MB",
		memoryCap>>20, how, sent.Load(), took.Round(time.Millisecond), float64(sent.Load())/took.Seconds(), datagrams, got, drops,
		number(t, conn, "(SELECT sum(count) FROM ledger WHERE event = 'queue_drops')"), stored, real.sent.Records, lost, before>>20, most>>20)
}
