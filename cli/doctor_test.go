package cli

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/ingest"
)

// The doctor knows the ports of a running ingest, also with a ClickHouse of
// one's own, and no others.
func TestDoctorKnowsTheIngestsPorts(t *testing.T) {
	_, dsn := clickhousetest.Database(t)
	data, netflow, sflow := t.TempDir(), freeAddress(t, "udp"), freeAddress(t, "udp")
	ctx, stop := context.WithCancel(t.Context())
	p := &program{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &bytes.Buffer{}, interrupted: &atomic.Bool{}}
	app := p.app()
	ended := make(chan int, 1)
	go func() {
		ended <- p.exitCode(app.RunContext(ctx, []string{
			"flattraffic", "ingest", "--data", data, "--clickhouse", dsn, "--listen-netflow", netflow, "--listen-sflow", sflow,
		}))
	}()
	until(t, "the ingest runs", func() bool { return ingest.Running(data) })
	args := []string{"doctor", "--clickhouse", dsn, "--listen-netflow", netflow, "--listen-sflow", sflow}
	until(t, "the ports are taken", func() bool {
		_, stdout, _ := call(t, append(args, "--data", data)...)
		return strings.Contains(stdout, "ok    UDP "+netflow+" is in use, by the flattraffic that runs on "+data) &&
			strings.Contains(stdout, "ok    UDP "+sflow+" is in use")
	})
	if code, stdout, _ := call(t, append(args, "--data", t.TempDir())...); code != exitFailed || !strings.Contains(stdout, "BAD   UDP "+netflow+" is in use by another program") {
		t.Errorf("with another data directory: exit code %d: %s", code, stdout)
	}
	if code, stdout, _ := call(t, append(args, "--data", data)...); code != exitFailed || !strings.Contains(stdout, "NetFlow or IPFIX to UDP "+netflow) {
		t.Errorf("exit code %d: %s; want that no exporter has sent anything, and where to", code, stdout)
	}
	stop()
	if code := <-ended; code != exitFine {
		t.Errorf("the ingest ended with %d", code)
	}
	if ingest.Running(data) {
		t.Error("the ingest seems to run though it ended")
	}
}
