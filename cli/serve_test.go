package cli

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// An ingest that has run before takes flows while ClickHouse is away from its
// start on, and brings them there when it comes.
func TestIngestStartsBeforeClickHouse(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	opts, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t, "tcp")
	web, flows := freeAddress(t, "tcp"), freeAddress(t, "udp")
	data := t.TempDir()
	if err := os.MkdirAll(filepath.Join(data, "ingest"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "ingest", "settings.json"), []byte(`{"networks":["192.168.1.0/24"]}`), 0o600); err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(t.Context())
	var errs bytes.Buffer
	p := &program{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &errs, interrupted: &atomic.Bool{}}
	app := p.app()
	ended := make(chan int, 1)
	go func() {
		ended <- p.exitCode(app.RunContext(ctx, []string{
			"flattraffic", "ingest", "--data", data, "--clickhouse", strings.Replace(dsn, opts.Addr[0], address, 1),
			"--listen-http", web, "--listen-netflow", flows, "--listen-sflow", freeAddress(t, "udp"),
		}))
	}()
	until(t, "the ingest listens", func() bool { return get(t, "http://"+web+"/healthz") == http.StatusOK })
	send(t, flows)
	until(t, "the flow waits in the spool", func() bool {
		files, err := filepath.Glob(filepath.Join(data, "ingest", "spool", "*"))
		return err == nil && len(files) > 0 && get(t, "http://"+web+"/readyz") == http.StatusServiceUnavailable
	})
	forward(t, address, opts.Addr[0])
	until(t, "the flow is there", func() bool {
		var got uint64
		return conn.QueryRow(t.Context(), "SELECT sum(received) FROM daily_host WHERE host = toIPv6('192.168.1.20')").Scan(&got) == nil && got == 1234
	})
	until(t, "the ingest is ready", func() bool { return get(t, "http://"+web+"/readyz") == http.StatusOK })
	stop()
	if code := <-ended; code != exitFine {
		t.Errorf("exit code %d, want %d:\n%s", code, exitFine, errs.String())
	}
}

// freeAddress returns a loopback address with a port that was free just now.
func freeAddress(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := new(net.ListenConfig).ListenPacket(t.Context(), network, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), network, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// until waits for something to become true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 1200 {
		if is() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("it never came that %s", what)
}

// get returns the status of a page, 0 when nothing answers.
func get(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// send exports one flow of 1234 bytes to 192.168.1.20.
func send(t *testing.T, address string) {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	packet := decodetest.V5{Uptime: time.Hour, Time: time.Now(), Records: []decodetest.V5Record{{
		Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.MustParseAddr("192.168.1.20"),
		Packets: 3, Octets: 1234, First: time.Hour - time.Second, Last: time.Hour, SrcPort: 443, DstPort: 50000, Protocol: 6,
	}}}
	if _, err := c.Write(packet.Bytes()); err != nil {
		t.Fatal(err)
	}
}

// forward passes TCP connections on from one address to another until the test
// ends.
func forward(t *testing.T, from, to string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	pass := func(a, b net.Conn) {
		defer a.Close()
		defer b.Close()
		_, _ = io.Copy(a, b) // until one end closes
	}
	go func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := new(net.Dialer).DialContext(t.Context(), "tcp", to)
			if err != nil {
				a.Close()
				continue
			}
			go pass(a, b)
			go pass(b, a)
		}
	}()
}
