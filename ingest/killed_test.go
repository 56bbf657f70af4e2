package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/ingest"
	"github.com/flattraffic/flattraffic/schema"
)

// Variables of the environment that make this test binary an ingest.
const (
	childDSN    = "FLATTRAFFIC_TEST_INGEST_DSN"
	childDir    = "FLATTRAFFIC_TEST_INGEST_DIR"
	childListen = "FLATTRAFFIC_TEST_INGEST_LISTEN"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childDSN); dsn != "" {
		if err := ingestChild(dsn); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	clickhousetest.Main(m)
}

// ingestChild runs an ingest until it is killed.
func ingestChild(dsn string) error {
	ctx := context.Background()
	conn, err := clickhouse.Open(ctx, dsn)
	if err != nil {
		return err
	}
	in, err := ingest.New(ingest.Config{
		NetFlow: []string{os.Getenv(childListen)}, DataDir: os.Getenv(childDir), FlushInterval: 100 * time.Millisecond, Workers: 2, SpoolLimit: 1 << 30,
	}, ingest.Deps{
		DSN: dsn, Conn: conn, Settings: (&settings{now: defaultSettings()}).load, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Reconcile: func(ctx context.Context, from, to time.Time) error {
			_, err := schema.Reconcile(ctx, conn, from, to)
			return err
		},
	})
	if err != nil {
		return err
	}
	return in.Run(ctx)
}

// The ingest is killed again and again while flows arrive, at times in the
// middle of an insert. Nothing is counted twice, every rollup agrees with the
// raw flows, and what is lost is what had been read for less than a flush
// interval.
func TestKilledIngest(t *testing.T) {
	conn, dsn := database(t)
	dir, address := t.TempDir(), freePort(t)
	r := rand.New(rand.NewPCG(31, 32))
	var sent, atKill, storedAtRestart uint64
	sequence := uint32(0)
	for round := range 5 {
		child := startChild(t, dsn, dir, address)
		waitFor(t, "the child to listen", func() bool { return !portFree(address) })
		router := newRouter(t, netip.MustParseAddrPort(address), "127.0.0.1")
		router.random, router.sequence = r, sequence
		end := time.Now().Add(time.Duration(400+r.IntN(400)) * time.Millisecond)
		for time.Now().Before(end) {
			router.export(20)
			time.Sleep(2 * time.Millisecond)
		}
		// Long enough for what was read to be sealed: it must not be lost.
		sealed := router.sent.Records
		time.Sleep(250 * time.Millisecond)
		for range r.IntN(30) {
			router.export(20)
			time.Sleep(2 * time.Millisecond)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() //nolint:errcheck // it was killed
		atKill += sealed
		sent += router.sent.Records
		sequence = router.sequence
		t.Logf("kill %d: %d records sent", round+1, router.sent.Records)
	}
	last := start(t, options{conn: conn, dsn: dsn, dir: dir})
	waitFor(t, "the spool to drain", func() bool { return last.Health().SpoolBatches == 0 })
	last.stop()

	storedAtRestart = number(t, conn, "(SELECT count() FROM flows)")
	if storedAtRestart < atKill || storedAtRestart > sent {
		t.Errorf("%d records are stored, want at least the %d sealed before a kill and at most the %d sent", storedAtRestart, atKill, sent)
	}
	if twice := number(t, conn, "(SELECT count() - uniqExact(host, peer, host_port, peer_port, bytes, packets, end, duration_ms) FROM flows)"); twice != 0 {
		t.Errorf("%d records are stored twice", twice)
	}
	var raw sums
	err := conn.QueryRow(t.Context(), `SELECT count(), sumIf(bytes, direction = 'received'), sumIf(bytes, direction = 'sent'),
		sumIf(bytes, direction = 'internal'), sumIf(bytes, direction = 'unmatched'), sum(packets) FROM flows`).
		Scan(&raw.Records, &raw.Received, &raw.Sent, &raw.Internal, &raw.Unmatched, &raw.Packets)
	if err != nil {
		t.Fatal(err)
	}
	check(t, conn, raw)
	t.Logf("%d records sent, %d sealed before a kill, %d stored", sent, atKill, storedAtRestart)
}

func startChild(t *testing.T, dsn, dir, address string) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), binary)
	child.Env = append(os.Environ(), childDSN+"="+dsn, childDir+"="+dir, childListen+"="+address)
	child.Stderr = t.Output()
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	return child
}

// freePort returns a UDP address of loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String()
}

func portFree(address string) bool {
	conn, err := new(net.ListenConfig).ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
