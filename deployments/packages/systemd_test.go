//go:build packages

package packages_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// patience is how long a slow machine may take for a step.
const patience = 3 * time.Minute

// The installed unit under systemd itself: it starts with the machine, takes
// flows, comes back when it is killed and when it hangs, and loses nothing.
func TestUnderSystemd(t *testing.T) {
	base := newBase(t, "systemd-sysv", "dbus")
	s := base.copy(t)
	s.in("dpkg", "-i", s.bring(os.Getenv("NEW")+"/flattraffic_*_amd64.deb"))
	s.bringEngine()
	quick := filepath.Join(s.root, "etc/systemd/system/flattraffic.service.d")
	if err := os.MkdirAll(quick, 0o755); err != nil {
		t.Fatal(err)
	}
	// A minute without a sign of life is long for a test.
	if err := os.WriteFile(filepath.Join(quick, "quick.conf"), []byte("[Service]\nWatchdogSec=10\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.in("systemctl", "enable", "flattraffic.service")
	m := s.boot()

	m.await("the service to be up", m.up)
	for _, disturb := range []struct {
		what string
		args []string
	}{
		{"restarted", []string{"systemctl", "restart", "flattraffic"}},
		{"killed", []string{"systemctl", "kill", "--signal=KILL", "flattraffic"}},
		{"stopped in its tracks", []string{"systemctl", "kill", "--signal=STOP", "--kill-whom=main", "flattraffic"}},
	} {
		m.send(10)
		m.await("the flows to be stored", func() bool { return m.count() == m.sent })
		started := m.must("systemctl", "show", "--property=ExecMainStartTimestampMonotonic", "flattraffic")
		m.must(disturb.args...)
		m.await("the service to be up after it was "+disturb.what, func() bool {
			return m.up() && m.must("systemctl", "show", "--property=ExecMainStartTimestampMonotonic", "flattraffic") != started
		})
		if got := m.count(); got != m.sent {
			t.Errorf("after the service was %s there are %d flows, want %d", disturb.what, got, m.sent)
		}
		t.Logf("%s, it came back with its %d flows", disturb.what, m.sent)
	}
	m.flattraffic("schema", "verify")
	m.must("systemctl", "stop", "flattraffic")
	if got := m.must("systemctl", "show", "--property=Result", "flattraffic"); strings.TrimSpace(got) != "Result=success" {
		t.Errorf("stopping: got %s, want success\n%s", got, m.must("journalctl", "--unit=flattraffic", "--no-pager"))
	}
}

// machine is a system with systemd as its first process and a network of its
// own.
type machine struct {
	*system

	leader string // the process id of its systemd
	sent   uint32 // records
}

// boot starts the system until the test ends.
func (s *system) boot() *machine {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "systemd-nspawn", "--directory="+s.root, "--boot", "--register=no", "--keep-unit", "--private-network", "--console=pipe")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start a machine (Debian: systemd-container): %v", err)
	}
	s.t.Cleanup(func() { s.t.Logf("the machine ended: %v", cmd.Wait()) }) // at the end of the test's context
	m := &machine{system: s}
	m.await("the machine to boot", func() bool {
		pids, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
		if err != nil {
			s.t.Fatalf("the machine ended: %v", err)
		}
		m.leader = strings.TrimSpace(string(pids))
		_, err = m.run("systemctl", "is-system-running", "--wait")
		return m.leader != "" && err == nil
	})
	return m
}

// run runs a program in the machine.
func (m *machine) run(args ...string) (string, error) {
	enter := []string{"--target=" + m.leader, "--mount", "--uts", "--ipc", "--net", "--pid"}
	out, err := exec.CommandContext(m.t.Context(), "nsenter", append(enter, args...)...).CombinedOutput()
	return string(out), err
}

func (m *machine) must(args ...string) string {
	m.t.Helper()
	out, err := m.run(args...)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (m *machine) await(what string, done func() bool) {
	m.t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(500 * time.Millisecond) {
		if time.Now().After(end) {
			log, _ := m.run("journalctl", "--unit=flattraffic", "--no-pager")
			m.t.Fatalf("waited in vain for %s\n%s", what, log)
		}
	}
}

// up reports whether the service is active, and healthy by its own word.
func (m *machine) up() bool {
	_, active := m.run("systemctl", "is-active", "flattraffic")
	_, healthy := m.run("flattraffic", "health")
	return active == nil && healthy == nil
}

// flattraffic runs a command on the service's data, as its user.
func (m *machine) flattraffic(args ...string) string {
	m.t.Helper()
	as := []string{"setpriv", "--reuid=flattraffic", "--regid=flattraffic", "--clear-groups", "flattraffic"}
	return m.must(append(append(as, args...), "--data", "/var/lib/flattraffic")...)
}

// count is how many flows are stored.
func (m *machine) count() uint32 {
	m.t.Helper()
	var n uint32
	if _, err := fmt.Sscanf(m.flattraffic("sql", "--format", "csv", "SELECT count() AS n FROM flows"), "n\n%d", &n); err != nil {
		m.t.Fatalf("count flows: %v", err)
	}
	return n
}

// send sends a NetFlow v5 datagram of n records to the service.
func (m *machine) send(n int) {
	m.t.Helper()
	packet := decodetest.V5{Uptime: time.Hour, Time: time.Now(), Sequence: m.sent}
	for i := range n {
		packet.Records = append(packet.Records, decodetest.V5Record{
			Src: netip.AddrFrom4([4]byte{192, 168, 1, byte(i + 1)}), Dst: netip.MustParseAddr("198.51.100.7"),
			Packets: 10, Octets: 1000, First: time.Hour - 2*time.Second, Last: time.Hour - time.Second, SrcPort: 50000, DstPort: 443, Protocol: 6,
		})
	}
	m.sent += uint32(n)
	path := filepath.Join(m.root, "var/datagram")
	if err := os.WriteFile(path, packet.Bytes(), 0o644); err != nil {
		m.t.Fatal(err)
	}
	m.must("bash", "-c", "cat /var/datagram > /dev/udp/127.0.0.1/2055")
}
