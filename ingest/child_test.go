package ingest_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/ingest"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

// Variables of the environment that make this test binary an ingest.
const (
	childDSN = "FLATTRAFFIC_TEST_INGEST_DSN"
	childDir = "FLATTRAFFIC_TEST_INGEST_DIR"
)

// flushInterval is the documented default, which the child runs with.
const flushInterval = time.Second

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

// ingestChild runs an ingest until it is killed or told to stop. It prints the
// address it listens on. The user has named one exporter, 127.0.0.1.
func ingestChild(dsn string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	conn, err := clickhouse.Open(ctx, dsn)
	if err != nil {
		return err
	}
	mine := defaultSettings()
	mine.Exporters = []site.Exporter{{Address: netip.MustParseAddr("127.0.0.1")}}
	in, err := ingest.New(ingest.Config{
		NetFlow: []string{"127.0.0.1:0"}, DataDir: os.Getenv(childDir), FlushInterval: flushInterval, Workers: 2, SpoolLimit: 2 << 30,
	}, ingest.Deps{
		Shards: []ingest.Shard{shard(dsn, conn)}, Conn: conn, Settings: (&settings{now: mine}).load, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
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

// child is an ingest in a process of its own.
type child struct {
	*exec.Cmd

	t       *testing.T
	address netip.AddrPort
}

// startChild starts an ingest of its own and waits until it listens.
func startChild(t *testing.T, dsn, dir string) *child {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, Cmd: exec.CommandContext(t.Context(), binary)}
	c.Env = append(os.Environ(), childDSN+"="+dsn, childDir+"="+dir)
	c.Stderr = t.Output()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child ended before it listened: %v", err)
	}
	if c.address, err = netip.ParseAddrPort(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	return c
}

// kill kills the child at once and returns when that was.
func (c *child) kill() time.Time {
	c.t.Helper()
	at := time.Now()
	if err := c.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	_ = c.Wait() // it was killed
	return at
}

// stop tells the child to stop, and waits.
func (c *child) stop() {
	c.t.Helper()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		c.t.Errorf("the child ended with %v, want exit code 0", err)
	}
}

// socket is what the kernel says of the child's socket: bytes that wait to be
// read, and datagrams dropped.
func (c *child) socket() (waiting, dropped uint64) {
	c.t.Helper()
	text, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		c.t.Fatal(err)
	}
	port := fmt.Sprintf(":%04X", c.address.Port())
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 13 || !strings.HasSuffix(f[1], port) || !strings.HasSuffix(f[2], ":0000") {
			continue
		}
		if _, err := fmt.Sscanf(f[4][strings.IndexByte(f[4], ':')+1:]+" "+f[12], "%x %d", &waiting, &dropped); err != nil {
			c.t.Fatalf("read %q: %v", line, err)
		}
		return waiting, dropped
	}
	c.t.Fatalf("the child's socket %s is not in /proc/net/udp", c.address)
	return 0, 0
}

// shard is a ClickHouse as the program hands it to its ingest.
func shard(dsn string, conn driver.Conn) ingest.Shard {
	return ingest.Shard{
		DSN: dsn,
		Reconcile: func(ctx context.Context, from, to time.Time) error {
			_, err := schema.Reconcile(ctx, conn, from, to)
			return err
		},
		Exclusive: func(ctx context.Context, fn func(context.Context) error) error {
			return schema.Exclusive(ctx, conn, fn)
		},
	}
}
