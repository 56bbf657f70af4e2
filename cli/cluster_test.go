package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// run runs a service until the returned function is called, which checks how it
// ended.
func run(t *testing.T, args ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var errs bytes.Buffer
	p := &program{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &errs, interrupted: &atomic.Bool{}}
	app := p.app()
	ended := make(chan int, 1)
	go func() {
		ended <- p.exitCode(app.RunContext(ctx, append([]string{"flattraffic"}, args...)))
	}()
	return func() {
		t.Helper()
		cancel()
		if code := <-ended; code != exitFine {
			t.Errorf("%s ended with %d:\n%s", args[0], code, errs.String())
		}
	}
}

// export sends a flow of 1000 bytes to each of some hosts.
func export(t *testing.T, address string, hosts int) {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	packet := decodetest.V5{Uptime: time.Hour, Time: time.Now()}
	for n := range hosts {
		packet.Records = append(packet.Records, decodetest.V5Record{
			Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.AddrFrom4([4]byte{192, 168, 1, byte(20 + n)}),
			Packets: 3, Octets: 1000, First: time.Hour - time.Second, Last: time.Hour, SrcPort: 443, DstPort: 50000, Protocol: 6,
		})
	}
	if _, err := c.Write(packet.Bytes()); err != nil {
		t.Fatal(err)
	}
}

// page reads a page.
func page(t *testing.T, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, ""
	}
	return answer.StatusCode, string(text)
}

// The services and commands work on a cluster as on one server, also when a
// shard is away while the ingest starts.
func TestClusterByCommands(t *testing.T) {
	servers := clickhousetest.Cluster(t, 2)
	dsn := servers[0].NewDSN()
	opts, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	second, err := clickhouse.At(servers[1].DSN(), "", opts.Auth.Database, nil)
	if err != nil {
		t.Fatal(err)
	}
	on := []string{"--clickhouse", dsn, "--cluster", clickhousetest.ClusterName}
	command := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := call(t, append(args, on...)...)
		if code != exitFine {
			t.Fatalf("%v: exit code %d: %s", args, code, stderr)
		}
		return stdout
	}
	command("schema", "apply", "--zone", "Europe/Berlin")

	data, flows, probe := t.TempDir(), freeAddress(t, "udp"), freeAddress(t, "tcp")
	ingest := append([]string{"ingest", "--data", data, "--listen-http", probe, "--listen-netflow", flows, "--listen-sflow", freeAddress(t, "udp")}, on...)
	stopIngest := run(t, ingest...)
	var webs []string
	for range 2 {
		web := "http://" + freeAddress(t, "tcp")
		webs = append(webs, web)
		defer run(t, append([]string{"serve", "--public-reports", "--listen-http", strings.TrimPrefix(web, "http://")}, on...)...)()
	}
	until(t, "the ingest is ready", func() bool { return get(t, "http://"+probe+"/readyz") == http.StatusOK })
	const hosts = 20
	export(t, flows, hosts)
	used := func(bytes int) func() bool {
		return func() bool {
			_, body := page(t, webs[0]+"/hosts.json")
			return strings.Contains(body, fmt.Sprintf(`"total":{"received":%d,`, bytes))
		}
	}
	until(t, "the flows are in the report", used(hosts*1000))
	_, one := page(t, webs[0]+"/hosts.json")
	until(t, "the other server says the same", func() bool { _, other := page(t, webs[1]+"/hosts.json"); return other == one })
	if n := strings.Count(one, `"host":`); n != hosts {
		t.Errorf("the report has %d hosts, want %d", n, hosts)
	}

	if got := command("report", "overview", "--format", "json"); !strings.Contains(got, fmt.Sprintf(`"received":%d,`, hosts*1000)) {
		t.Errorf("report overview says %s", got)
	}
	if got := command("sql", "--format", "csv", "SELECT uniqExact(host), uniqExact(_shard_num), sum(received) FROM daily_host"); !strings.Contains(got, "20,2,20000") {
		t.Errorf("sql says %s", got)
	}
	verified := command("schema", "verify")
	if strings.Count(verified, "every rollup equals raw, to the byte") != 2 || !strings.Contains(verified, "shard 2 of 2") {
		t.Errorf("schema verify says %s", verified)
	}
	command("schema", "rebuild")
	if got := command("schema", "retention"); !strings.Contains(got, "flows") || !strings.Contains(got, "20") {
		t.Errorf("retention says %s", got)
	}
	if _, stdout, _ := call(t, append([]string{"doctor", "--data", data}, on...)...); !strings.Contains(stdout, "cluster pair, 2 shards") {
		t.Errorf("the doctor says %s", stdout)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{append([]string{"backup", "-"}, on...), "run it for each shard"},
		{append([]string{"demo"}, on...), "is not spread over a cluster"},
		{append([]string{"sql", "--write", "SELECT 1"}, on...), "run it on each shard"},
		{[]string{"up", "--cluster", "x", "--data", t.TempDir()}, "needs --clickhouse"},
		{[]string{"schema", "verify", "--clickhouse", second}, "is shard 2 of cluster pair; give --cluster pair"},
		{[]string{"schema", "verify", "--clickhouse", dsn, "--cluster", "nobody"}, "knows no cluster nobody"},
	} {
		if code, _, stderr := call(t, tt.args...); code == exitFine || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d, stderr %q; want one line with %q", tt.args[0], code, stderr, tt.want)
		}
	}
	if code, stdout, stderr := call(t, "backup", "-", "--clickhouse", second); code != exitFine || stdout == "" {
		t.Errorf("backup of a shard: exit code %d, %d bytes: %s", code, len(stdout), stderr)
	}

	home, err := clickhouse.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	received := func() (n uint64) {
		t.Helper()
		if err := home.QueryRow(t.Context(), "SELECT sum(received) FROM daily_host").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := received()

	stopIngest()
	back := servers[1].Away(t)
	if status, body := page(t, webs[0]+"/hosts.json"); status != http.StatusServiceUnavailable || !strings.Contains(body, "Shard 2 of 2 does not answer") {
		t.Errorf("without a shard the report answers %d: %s", status, body)
	}
	if code, _, stderr := call(t, append([]string{"sql", "SELECT count() FROM flows"}, on...)...); code != exitFailed || !strings.Contains(stderr, "a shard of the cluster does not answer") {
		t.Errorf("without a shard sql ends with %d: %s", code, stderr)
	}
	if _, stdout, _ := call(t, append([]string{"doctor", "--data", data}, on...)...); !strings.Contains(stdout, "BAD   shard 2 of 2") {
		t.Errorf("without a shard the doctor says %s", stdout)
	}
	stopIngest = run(t, ingest...)
	until(t, "the ingest listens", func() bool { return get(t, "http://"+probe+"/readyz") == http.StatusOK })
	export(t, flows, hosts)
	until(t, "the flows of the shard that is there arrive", func() bool {
		return received() == 2*before && get(t, "http://"+probe+"/readyz") == http.StatusServiceUnavailable
	})
	back()
	until(t, "all flows are in the report", used(2*hosts*1000))
	until(t, "the ingest is ready again", func() bool { return get(t, "http://"+probe+"/readyz") == http.StatusOK })
	stopIngest()
	if diff := cmp.Diff(2, strings.Count(command("schema", "verify"), "every rollup equals raw, to the byte")); diff != "" {
		t.Errorf("shards that verify (-want +got):\n%s", diff)
	}

	// The disk of the second shard is lost, and comes back from its backup.
	saved := filepath.Join(t.TempDir(), "second.backup")
	if code, _, stderr := call(t, "backup", saved, "--clickhouse", second); code != exitFine {
		t.Fatalf("backup of a shard: %s", stderr)
	}
	if code, _, stderr := call(t, "sql", "--write", "DROP DATABASE "+opts.Auth.Database+" SYNC", "--clickhouse", strings.Replace(second, opts.Auth.Database, "default", 1)); code != exitFine {
		t.Fatalf("drop the second shard: %s", stderr)
	}
	if code, _, stderr := call(t, append([]string{"schema", "apply"}, on...)...); code == exitFine || !strings.Contains(stderr, "restore its backup") {
		t.Errorf("with an empty shard: exit code %d: %s", code, stderr)
	}
	if code, _, stderr := call(t, "restore", saved, "--clickhouse", second); code != exitFine {
		t.Fatalf("restore of a shard: %s", stderr)
	}
	command("schema", "apply")
	until(t, "all flows are in the report again", used(2*hosts*1000))
}
