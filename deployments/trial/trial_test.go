//go:build compose

// Package trial_test runs the compose files for real: a Docker engine of its
// own, our image built by its Dockerfile, a stand-in for ClickHouse's image
// around the embedded engine, and a household's day that comes in while every
// container is killed and restarted.
package trial_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

// imageLimit is the size in bytes that our image stays below.
const imageLimit = 30_000_000

// The ports of the trial, away from those of a FlatTraffic that runs here.
const (
	webPort        = 38080
	clickhousePort = 39000
	flowPort       = 32055
	ingestPort     = 38081
)

// services are the long-running ones.
func services() []string { return []string{"clickhouse", "ingest", "server"} }

// stack is the compose project.
type stack struct {
	*docker
	t    *testing.T
	dir  string // copy of deployments/compose
	tool string // docker compose, as a program of its own
}

func TestCompose(t *testing.T) {
	tool, err := filepath.Abs(os.Getenv("COMPOSE"))
	if err != nil || os.Getenv("COMPOSE") == "" {
		t.Fatal("COMPOSE names no docker compose program; run make compose-test")
	}
	d := startDocker(t)
	goImage(t, d)
	d.must(t, "build", "-q", "-f", root+"/deployments/docker/Dockerfile", "-t", "flattraffic:local", "--network", "none", root)
	clickhouseImage(t, d, clickhouseName(t))
	size, err := strconv.Atoi(strings.TrimSpace(d.must(t, "image", "inspect", "-f", "{{.Size}}", "flattraffic:local")))
	if err != nil || size > imageLimit {
		t.Errorf("the image has %d bytes (%v), want less than %d", size, err, imageLimit)
	}
	t.Logf("docker image ls: flattraffic:local %.1f MB", float64(size)/1e6)

	s := newStack(t, d, tool)
	day := newHousehold(t)
	t.Logf("the household's day: %+v", day.totals)
	s.compose("up", "--detach", "--wait", "--no-build")
	s.checkClosed()
	s.run(string(day.settings), "server", "config", "import")
	s.compose("restart", "ingest") // a running one takes new networks over within seconds, not at once
	s.await()

	r := newRouter(t, fmt.Sprintf("127.0.0.1:%d", flowPort))
	killed := s.replay(r, day.flows)
	t.Logf("killed while flows came in: %v", killed)
	s.expect(r, day.totals, "after the kills")

	for _, service := range services() {
		s.compose("restart", service)
		s.await()
	}
	s.expect(r, day.totals, "after a restart of each service")

	s.compose("down")
	s.compose("up", "--detach", "--wait", "--no-build")
	s.expect(r, day.totals, "after down and up")
	if got := s.run("", "server", "schema", "verify"); !strings.Contains(got, "to the byte") {
		t.Errorf("schema verify: %s", got)
	}
}

// clickhouseName is the image that compose.yaml asks for.
func clickhouseName(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deployments/compose/compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`\$\{CLICKHOUSE_IMAGE:-([^}]+)\}`).FindStringSubmatch(string(text))[1]
}

func newStack(t *testing.T, d *docker, tool string) *stack {
	t.Helper()
	s := &stack{docker: d, t: t, dir: filepath.Join(t.TempDir(), "compose"), tool: tool}
	copyTree(t, filepath.Join(root, "deployments/compose"), s.dir)
	for _, made := range []string{"secrets", ".env"} {
		if err := os.RemoveAll(filepath.Join(s.dir, made)); err != nil {
			t.Fatal(err)
		}
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	env := fmt.Sprintf("CLICKHOUSE_PORT=%d\nFLATTRAFFIC_WEB=127.0.0.1:%d\nFLATTRAFFIC_LISTEN_NETFLOW=127.0.0.1:%d\nFLATTRAFFIC_LISTEN_SFLOW=off\nFLATTRAFFIC_INGEST_HTTP_PORT=%d\nFLATTRAFFIC_PUBLIC_REPORTS=true\nCLICKHOUSE_NOFILE=%d\n",
		clickhousePort, webPort, flowPort, ingestPort, min(files.Max, 262144))
	if err := os.WriteFile(filepath.Join(s.dir, ".env"), []byte(env), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, exec.CommandContext(t.Context(), "sh", filepath.Join(s.dir, "init.sh")))
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := s.command("logs", "--no-color", "--tail", "50").CombinedOutput()
			t.Logf("the services said:\n%s", out)
		}
		if out, err := s.command("down", "--volumes").CombinedOutput(); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
	})
	return s
}

func (s *stack) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.tool, append([]string{"--project-directory", s.dir, "--progress", "quiet"}, args...)...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+s.socket)
	return cmd
}

func (s *stack) compose(args ...string) string {
	s.t.Helper()
	return must(s.t, s.command(args...))
}

// run runs our program in the container of a service.
func (s *stack) run(stdin, service string, args ...string) string {
	s.t.Helper()
	cmd := s.command(append([]string{"exec", "-T", service, "/flattraffic"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	return must(s.t, cmd)
}

// container is the part of docker inspect that matters here.
type container struct {
	Name  string
	State struct {
		Pid    int
		Health struct{ Status string }
	}
	HostConfig struct{ ReadonlyRootfs bool }
}

func (s *stack) inspect(service string) (c container) {
	s.t.Helper()
	text := s.docker.must(s.t, "inspect", "flattraffic-"+service+"-1")
	var list []container
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		s.t.Fatal(err)
	}
	return list[0]
}

// await waits until all services are healthy.
func (s *stack) await() {
	s.t.Helper()
	for _, service := range services() {
		waitFor(s.t, service+" to be healthy", func() bool { return s.inspect(service).State.Health.Status == "healthy" })
	}
}

// checkClosed prints what is open and proves the rights of each process.
func (s *stack) checkClosed() {
	s.t.Helper()
	s.t.Logf("published ports:\n%s", s.docker.must(s.t, "ps", "--format", "{{.Names}}: {{.Ports}}"))
	for _, service := range services() {
		c := s.inspect(service)
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.State.Pid))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, want := range []string{`CapEff:\t0+\n`, `CapPrm:\t0+\n`, `CapBnd:\t0+\n`, `NoNewPrivs:\t1\n`, `Uid:\t[1-9]\d*\t`} {
			if !regexp.MustCompile(want).Match(status) {
				s.t.Errorf("%s: the process's status lacks %s", service, want)
			}
		}
		if !c.HostConfig.ReadonlyRootfs {
			s.t.Errorf("%s can write to its root", service)
		}
		var open []string
		for _, kind := range []string{"-lntp", "-lnup"} {
			list := must(s.t, exec.CommandContext(s.t.Context(), "nsenter", "-t", strconv.Itoa(c.State.Pid), "-n", "ss", "-H", kind))
			for line := range strings.Lines(list) {
				if f := strings.Fields(line); strings.Contains(line, fmt.Sprintf("pid=%d,", c.State.Pid)) {
					open = append(open, kind[3:4]+" "+f[3])
				}
			}
		}
		slices.Sort(open)
		s.t.Logf("%s listens on %s", service, strings.Join(slices.Compact(open), ", "))
		if want := []string{fmt.Sprintf("t 127.0.0.1:%d", ingestPort), fmt.Sprintf("u 127.0.0.1:%d", flowPort)}; service == "ingest" {
			if diff := cmp.Diff(want, slices.Compact(open)); diff != "" {
				s.t.Errorf("ports of the ingest (-want +got):\n%s", diff)
			}
		}
	}
}

// Pace of the replay: a day in about a minute.
const (
	flowsADatagram = 12
	pause          = 20 * time.Millisecond
)

// replay sends the flows and kills a container at random every few seconds.
func (s *stack) replay(r *router, flows []record) map[string]int {
	s.t.Helper()
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	killed := map[string]int{}
	victims := services()
	next := time.Now().Add(2 * time.Second)
	for n, sinceKill := 0, 0; n < len(flows); {
		batch := flows[n:min(n+flowsADatagram, len(flows))]
		r.export(batch)
		n, sinceKill = n+len(batch), sinceKill+len(batch)
		time.Sleep(pause)
		if time.Now().Before(next) {
			continue
		}
		if len(victims) == 0 {
			victims = services()
		}
		i := random.IntN(len(victims))
		victim := victims[i]
		victims = slices.Delete(victims, i, i+1)
		if victim == "ingest" {
			// What is in the socket when the ingest dies, or sent while it is
			// gone, nobody has; what was read a flush interval ago is safe.
			s.settle(sinceKill)
			sinceKill = 0
		}
		s.kill(victim)
		killed[victim]++
		if victim == "ingest" {
			s.await()
		}
		next = time.Now().Add(time.Duration(1000+random.IntN(3000)) * time.Millisecond)
	}
	s.await()
	return killed
}

// kill ends a container's process as the kernel does when memory runs out, so
// that Docker starts it again.
func (s *stack) kill(service string) {
	s.t.Helper()
	pid := s.inspect(service).State.Pid
	if pid <= 1 {
		return // between two lives
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		s.t.Fatalf("kill %s: %v", service, err)
	}
	waitFor(s.t, service+" to be started again", func() bool {
		now := s.inspect(service).State.Pid
		return now > 1 && now != pid
	})
}

// settle waits until the ingest has read the records sent since its start and
// has written them down.
func (s *stack) settle(records int) {
	s.t.Helper()
	waitFor(s.t, "the ingest to read what was sent", func() bool {
		return s.metric("flattraffic_records_decoded_total") >= float64(records)
	})
	time.Sleep(3 * time.Second) // the flush interval is one
}

// metric reads one figure of the ingest.
func (s *stack) metric(name string) float64 {
	text, err := get(fmt.Sprintf("http://127.0.0.1:%d/metrics", ingestPort))
	if err != nil {
		return -1
	}
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return -1
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return -1
	}
	return n
}

func get(url string) (string, error) {
	resp, err := http.Get(url) //nolint:noctx // the client of a test on loopback
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %s", url, resp.Status, body)
	}
	return string(body), err
}

// expect compares raw flows and the reports with what was sent.
func (s *stack) expect(r *router, want totals, when string) {
	s.t.Helper()
	s.await()
	waitFor(s.t, "the spool to drain", func() bool { return s.metric("flattraffic_spool_batches") == 0 })
	conn := s.connect()
	defer conn.Close()
	var got totals
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Second) {
		if got = sums(s.t, conn); got == want || time.Now().After(end) {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Fatalf("raw flows %s, of %d sent (-want +got):\n%s", when, r.sent, diff)
	}
	now := time.Now().UTC()
	for _, page := range []string{"overview", "days", "hosts", "protocols", "networks"} {
		text, err := get(fmt.Sprintf("http://127.0.0.1:%d/%s.json?from=%s&to=%s", webPort, page, now.AddDate(0, 0, -3).Format(time.DateOnly), now.AddDate(0, 0, 2).Format(time.DateOnly)))
		if err != nil {
			s.t.Fatalf("%s %s: %v", page, when, err)
		}
		var answer struct{ Total totals }
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			s.t.Fatal(err)
		}
		if diff := cmp.Diff(want, answer.Total); diff != "" {
			s.t.Errorf("report %s %s (-want +got):\n%s", page, when, diff)
		}
	}
	s.t.Logf("exact %s: %d flows in raw and in each report", when, got.Flows)
}

// connect reaches the database as the ingest does, by the loopback port.
func (s *stack) connect() driver.Conn {
	s.t.Helper()
	dsn, err := os.ReadFile(filepath.Join(s.dir, "secrets/clickhouse_dsn_host"))
	if err != nil {
		s.t.Fatal(err)
	}
	conn, err := clickhouse.Open(s.t.Context(), strings.Replace(strings.TrimSpace(string(dsn)), "@clickhouse:", "@127.0.0.1:", 1))
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}
