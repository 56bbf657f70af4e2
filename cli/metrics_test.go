package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
)

// The files that Prometheus and Grafana read name only metrics and reasons
// that /metrics has.
func TestAlertsNameMetricsThatExist(t *testing.T) {
	text := metricsOfARun(t)
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+)[{ ]`).FindAllStringSubmatch(text, -1) {
		known[m[1]] = true
	}
	values := map[string]bool{}
	for _, m := range regexp.MustCompile(`(reason|event|result)="([a-z_]+)"`).FindAllStringSubmatch(text, -1) {
		values[m[1]+" "+m[2]] = true
	}
	// Results that a test does not bring about in a moment.
	maps.Copy(values, map[string]bool{"result limited": true, "result accepted": true})

	for _, name := range []string{"alerts.yaml", "dashboard.json"} {
		file, err := os.ReadFile("../deployments/prometheus/" + name)
		if err != nil {
			t.Fatal(err)
		}
		used := regexp.MustCompile(`\b(?:flattraffic|process)_[a-z_]+`).FindAllString(string(file), -1)
		if len(used) < 8 {
			t.Errorf("%s names only %v", name, used)
		}
		for _, metric := range used {
			if !known[metric] {
				t.Errorf("%s names %s, which is not on /metrics", name, metric)
			}
		}
		for _, m := range regexp.MustCompile(`(reason|event|result)=~?\\?"([a-z_|]+)\\?"`).FindAllStringSubmatch(string(file), -1) {
			for value := range strings.SplitSeq(m[2], "|") {
				if !values[m[1]+" "+value] {
					t.Errorf("%s names %s %s, which is not on /metrics", name, m[1], value)
				}
			}
		}
		if strings.HasSuffix(name, ".json") && !json.Valid(file) {
			t.Errorf("%s is no JSON", name)
		}
	}
}

// metricsOfARun runs everything, lets a flow and a wrong login come in, and
// returns what /metrics says.
func metricsOfARun(t *testing.T) string {
	t.Helper()
	conn, dsn := clickhousetest.Database(t)
	web, flows := freeAddress(t, "tcp"), freeAddress(t, "udp")
	ctx, stop := context.WithCancel(t.Context())
	var errs bytes.Buffer
	p := &program{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &errs, interrupted: &atomic.Bool{}}
	app := p.app()
	ended := make(chan int, 1)
	go func() {
		ended <- p.exitCode(app.RunContext(ctx, []string{
			"flattraffic", "up", "--data", t.TempDir(), "--clickhouse", dsn, "--admin-password", "correct horse battery",
			"--listen-http", web, "--listen-netflow", flows, "--listen-sflow", freeAddress(t, "udp"), "--kafka-brokers", freeAddress(t, "tcp"),
		}))
	}()
	defer func() {
		stop()
		if code := <-ended; code != exitFine {
			t.Errorf("exit code %d:\n%s", code, errs.String())
		}
	}()
	until(t, "everything is ready", func() bool { return get(t, "http://"+web+"/readyz") == http.StatusOK })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+web+"/login", strings.NewReader("name=admin&password=wrong"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	until(t, "the flow is there", func() bool {
		send(t, flows) // again until the sockets are open, which /readyz does not wait for
		var n uint64
		return conn.QueryRow(t.Context(), "SELECT count() FROM flows").Scan(&n) == nil && n > 0
	})
	page := func() string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+web+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	var text string
	until(t, "the inserted row, the router's clock and the login are counted", func() bool {
		text = page()
		return strings.Contains(text, "flattraffic_rows_inserted_total{") && strings.Contains(text, "flattraffic_clock_offset_seconds{") && strings.Contains(text, "flattraffic_logins_total{")
	})
	return text
}

// With Prometheus's own tool at hand, it has the last word.
func TestPromtoolAccepts(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian package prometheus)")
	}
	if out, err := exec.CommandContext(t.Context(), tool, "check", "rules", "../deployments/prometheus/alerts.yaml").CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), tool, "check", "config", "--syntax-only", "../deployments/prometheus/prometheus.yaml").CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
