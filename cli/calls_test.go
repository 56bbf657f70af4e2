package cli

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

// call runs the program as main does, and returns its exit code and what it
// wrote.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := &program{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, interrupted: &atomic.Bool{}}
	app := p.app()
	code = p.exitCode(app.RunContext(t.Context(), intersperse(app, append([]string{"flattraffic"}, args...))))
	return code, out.String(), errs.String()
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each wrong call ends with its documented exit code and one line that says
// what to do.
func TestWrongCalls(t *testing.T) {
	_, dsn := clickhousetest.Database(t)
	library, err := clickhousetest.Library()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("FLATTRAFFIC_ENGINE", library)
	wrongPassword := strings.Replace(dsn, "@", "wrong@", 1)
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no such command", []string{"frobnicate"}, exitUsage, "is not a command; the commands are up,"},
		{"no such flag", []string{"up", "--nope"}, exitUsage, "see flattraffic up --help"},
		{"DSN of another kind", []string{"up", "--clickhouse", "mysql://x"}, exitUsage, "write it as clickhouse://"},
		{"DSN with a wrong password", []string{"schema", "verify", "--clickhouse", wrongPassword}, exitFailed, "correct them in the DSN"},
		{"nothing listens at the DSN", []string{"schema", "verify", "--clickhouse", "clickhouse://127.0.0.1:1/x"}, exitFailed, "start it, or correct host and port"},
		{"unknown key", []string{"up", "--config", write(t, `lisen-http = ":80"`)}, exitUsage, `unknown key "lisen-http"; the keys are`},
		{"not TOML", []string{"up", "--config", write(t, "x = = 3")}, exitUsage, "line 1"},
		{"no configuration file", []string{"up", "--config", "nowhere.toml"}, exitUsage, "nowhere.toml"},
		{"no address", []string{"up", "--listen-http", "nonsense"}, exitUsage, "write host:port"},
		{"no level", []string{"up", "--log-level", "loud"}, exitUsage, "write debug, info, warn or error"},
		{"data directory is a file", []string{"up", "--data", write(t, "")}, exitFailed, "choose another with --data"},
		{"services apart need a DSN", []string{"ingest", "--data", t.TempDir()}, exitUsage, "needs --clickhouse"},
		{"renewal day", []string{"config", "import", write(t, "[[plan]]\nname = \"x\"\nzone = \"UTC\"\nrenewal = \"32\"\n"), "--clickhouse", dsn}, exitFailed, `"32" is outside the month`},
		{"period", []string{"report", "days", "--period", "2026-13-45", "--clickhouse", dsn}, exitUsage, "name any day of the billing period"},
		{"range", []string{"report", "days", "--from", "2027-01-01", "--to", "2026-01-01", "--clickhouse", dsn}, exitUsage, "later than from"},
		{"format", []string{"report", "days", "--format", "xml", "--clickhouse", dsn}, exitUsage, "write table, csv or json"},
		{"report", []string{"report", "nonsense"}, exitUsage, "the commands are overview,"},
		{"SQL", []string{"sql", "--clickhouse", dsn, "SELECT nope"}, exitFailed, "Unknown expression identifier"},
		{"SQL that writes", []string{"sql", "--clickhouse", dsn, "INSERT INTO flows VALUES (1)"}, exitFailed, "add --write"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, stderr := call(t, tt.args...)
			if code != tt.code || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit code %d, stderr %q; want %d and a line with %q", code, stderr, tt.code, tt.want)
			}
			if lines := strings.Count(stderr, "\n"); lines != 1 || strings.Contains(stderr, "goroutine ") {
				t.Errorf("wrote %d lines, want 1:\n%s", lines, stderr)
			}
		})
	}
}

func TestPortsTaken(t *testing.T) {
	udp, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	_, dsn := clickhousetest.Database(t)
	up := func(web, flows string) []string {
		return []string{"up", "--clickhouse", dsn, "--data", t.TempDir(), "--log-level", "error", "--listen-http", web, "--listen-netflow", flows, "--listen-sflow", flows}
	}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"UDP", up("127.0.0.1:0", udp.LocalAddr().String()), "choose another port with --listen-netflow"},
		{"TCP", up(tcp.Addr().String(), "127.0.0.1:0"), "choose another address with --listen-http"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, stderr := call(t, tt.args...)
			if code != exitFailed || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit code %d, stderr %q; want %d and one line with %q", code, stderr, exitFailed, tt.want)
			}
		})
	}
}
