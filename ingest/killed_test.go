package ingest_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/ingest"
	"github.com/flattraffic/flattraffic/schema"
)

// Variables of the environment that make this test binary an ingest.
const (
	childDSN = "FLATTRAFFIC_TEST_INGEST_DSN"
	childDir = "FLATTRAFFIC_TEST_INGEST_DIR"
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

// ingestChild runs an ingest until it is killed. It prints the address it
// listens on.
func ingestChild(dsn string) error {
	ctx := context.Background()
	conn, err := clickhouse.Open(ctx, dsn)
	if err != nil {
		return err
	}
	in, err := ingest.New(ingest.Config{
		NetFlow: []string{"127.0.0.1:0"}, DataDir: os.Getenv(childDir), FlushInterval: 100 * time.Millisecond, Workers: 2, SpoolLimit: 1 << 30,
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
	go func() {
		for len(in.Health().Listening) == 0 {
			time.Sleep(time.Millisecond)
		}
		fmt.Println(in.Health().Listening[0])
	}()
	return in.Run(ctx)
}

// The ingest is killed again and again while flows arrive, at times in the
// middle of an insert. Nothing is counted twice, every rollup agrees with the
// raw flows, and what is lost is what had been read for less than a flush
// interval.
func TestKilledIngest(t *testing.T) {
	conn, dsn := database(t)
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(31, 32))
	var sent, sealed, stored uint64
	sequence := uint32(0)
	for round := range 5 {
		child, address := startChild(t, dsn, dir)
		router := newRouter(t, address, "127.0.0.1")
		router.random, router.sequence = r, sequence
		end := time.Now().Add(time.Duration(400+r.IntN(400)) * time.Millisecond)
		for time.Now().Before(end) {
			router.export(20)
			time.Sleep(2 * time.Millisecond)
		}
		// Long enough for what was read to be sealed: it must not be lost.
		sealed += router.sent.Records
		time.Sleep(250 * time.Millisecond)
		for range r.IntN(30) {
			router.export(20)
			time.Sleep(2 * time.Millisecond)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed
		sent += router.sent.Records
		sequence = router.sequence
		t.Logf("kill %d: %d records sent", round+1, router.sent.Records)
	}
	last := start(t, options{conn: conn, dsn: dsn, dir: dir})
	waitFor(t, "the spool to drain", func() bool { return last.Health().SpoolBatches == 0 })
	last.stop()

	stored = number(t, conn, "(SELECT count() FROM flows)")
	if stored < sealed || stored > sent {
		t.Errorf("%d records are stored, want at least the %d sealed before a kill and at most the %d sent", stored, sealed, sent)
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
	t.Logf("%d records sent, %d sealed before a kill, %d stored", sent, sealed, stored)
}

// startChild starts an ingest of its own and waits until it listens.
func startChild(t *testing.T, dsn, dir string) (*exec.Cmd, netip.AddrPort) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), binary)
	child.Env = append(os.Environ(), childDSN+"="+dsn, childDir+"="+dir)
	child.Stderr = t.Output()
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child ended before it listened: %v", err)
	}
	address, err := netip.ParseAddrPort(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return child, address
}
