//go:build packages

// Package packages_test installs, upgrades and removes the packages in a fresh
// Debian made by debootstrap, and rates their units.
package packages_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
)

// exposureLimit is what systemd-analyze may say of a unit at most, from 0 (shut
// in) to 10 (may do anything).
const exposureLimit = 2.0

func TestUnitsAreShutIn(t *testing.T) {
	units, err := filepath.Glob("*.service")
	if err != nil || len(units) != 3 {
		t.Fatalf("units: %v, %v", units, err)
	}
	for _, unit := range units {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--no-pager", "./"+unit).CombinedOutput()
		if err != nil {
			t.Fatalf("systemd-analyze: %v\n%s", err, out)
		}
		m := regexp.MustCompile(`exposure level for \S+: ([\d.]+)`).FindSubmatch(out)
		if m == nil {
			t.Fatalf("systemd-analyze names no level:\n%s", out)
		}
		level, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil || level > exposureLimit {
			t.Errorf("%s: exposure %s (%v), want at most %.1f", unit, m[1], err, exposureLimit)
		}
		t.Logf("systemd-analyze security: %s %s", unit, m[1])
	}
}

// Every line of a unit that says something has a line above it that says why.
func TestUnitsAreExplained(t *testing.T) {
	units, err := filepath.Glob("*.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		_, service, _ := strings.Cut(string(text), "[Service]\n")
		service, _, _ = strings.Cut(service, "[Install]")
		blank := true
		for line := range strings.Lines(service) {
			switch line = strings.TrimSpace(line); {
			case line == "":
				blank = true
			case strings.HasPrefix(line, "#"):
				blank = false
			case blank:
				t.Errorf("%s: nothing explains %s", unit, line)
			}
		}
	}
}

// system is a Debian in a directory.
type system struct {
	t    *testing.T
	root string
}

// newBase makes a system to copy, with more packages of Debian if need be.
func newBase(t *testing.T, packages ...string) *system {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("the test makes a Debian in a directory: run make package-test as root")
	}
	s := &system{t: t, root: filepath.Join(t.TempDir(), "base")}
	s.must("debootstrap", "--variant=minbase", "--include="+strings.Join(append(packages, "bash"), ","), "bookworm", s.root)
	// An installer writes it.
	if err := os.WriteFile(filepath.Join(s.root, "etc/hosts"), []byte("127.0.0.1 localhost\n::1 localhost\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPackages takes each kind of package through its life.
func TestPackages(t *testing.T) {
	base := newBase(t)
	t.Run("deb", func(t *testing.T) { testDeb(t, base.copy(t)) })
	t.Run("rpm", func(t *testing.T) { testRPM(t, base.copy(t)) })
}

func (s *system) copy(t *testing.T) *system {
	t.Helper()
	from := s.root
	s = &system{t: t, root: filepath.Join(t.TempDir(), "debian")}
	s.must("cp", "-a", from, s.root)
	proc := filepath.Join(s.root, "proc")
	if err := syscall.Mount("proc", proc, "proc", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(proc, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *system) must(name string, args ...string) string {
	s.t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out.String())
	}
	return out.String()
}

// in runs a program in the system.
func (s *system) in(args ...string) string {
	s.t.Helper()
	return s.must("chroot", append([]string{s.root}, args...)...)
}

func (s *system) exists(path string) bool {
	_, err := os.Lstat(filepath.Join(s.root, path))
	return err == nil
}

// bring copies a package into the system and returns its path there.
func (s *system) bring(pattern string) string {
	s.t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) != 1 {
		s.t.Fatalf("%s: %v, %v; run make package-test", pattern, files, err)
	}
	s.must("cp", files[0], filepath.Join(s.root, "tmp"))
	return "/tmp/" + filepath.Base(files[0])
}

const config = "/etc/flattraffic/flattraffic.toml"

// packaged are files that a package must bring.
func packaged() []string {
	return []string{
		"/usr/bin/flattraffic", "/usr/lib/systemd/system/flattraffic.service", "/usr/lib/systemd/system/flattraffic-ingest.service",
		"/usr/lib/systemd/system/flattraffic-server.service", "/usr/lib/sysusers.d/flattraffic.conf", "/usr/lib/sysctl.d/90-flattraffic.conf",
		"/usr/lib/flattraffic/flattraffic", config,
	}
}

func testDeb(t *testing.T, s *system) {
	t.Helper()
	old, next := s.bring(os.Getenv("OLD")+"/flattraffic_*_amd64.deb"), s.bring(os.Getenv("NEW")+"/flattraffic_*_amd64.deb")
	s.in("dpkg", "-i", old)
	for _, path := range packaged() {
		if !s.exists(path) {
			t.Errorf("%s is not there after the installation", path)
		}
	}
	before := s.in("flattraffic", "version")
	if user := s.in("getent", "passwd", "flattraffic"); !strings.Contains(user, ":/var/lib/flattraffic:") {
		t.Errorf("user: %s", user)
	}
	s.appendTo(config, "zone = \"Asia/Kathmandu\"\n")
	s.in("dpkg", "-i", next)
	if after := s.in("flattraffic", "version"); after == before {
		t.Errorf("the version is %s before and after the upgrade", after)
	}
	if shown := s.in("flattraffic", "config", "show", "--config", config); !strings.Contains(shown, "Asia/Kathmandu") {
		t.Errorf("the upgrade has lost what was set:\n%s", shown)
	}
	s.run(t)
	s.in("dpkg", "-r", "flattraffic")
	if got, want := []bool{s.exists("/usr/bin/flattraffic"), s.exists(config), s.exists("/var/lib/flattraffic/clickhouse")}, []bool{false, true, true}; !cmp.Equal(want, got) {
		t.Errorf("after the removal program, settings, data are there: %v, want %v", got, want)
	}
	s.in("dpkg", "-P", "flattraffic")
	if got, want := []bool{s.exists(config), s.exists("/var/lib/flattraffic/clickhouse")}, []bool{false, true}; !cmp.Equal(want, got) {
		t.Errorf("after the purge settings, data are there: %v, want %v", got, want)
	}
}

// bringEngine puts the engine where its package does.
func (s *system) bringEngine() {
	s.t.Helper()
	library, err := clickhousetest.Library()
	if err != nil {
		s.t.Fatal(err)
	}
	engine := filepath.Join(s.root, "usr/lib/flattraffic/engine")
	if err := os.MkdirAll(engine, 0o755); err != nil {
		s.t.Fatal(err)
	}
	s.must("cp", library, engine)
}

// run runs everything as the unit does, as its user, with the engine where its
// package puts it.
func (s *system) run(t *testing.T) {
	t.Helper()
	s.bringEngine()
	s.must("chroot", s.root, "install", "-d", "-o", "flattraffic", "-g", "flattraffic", "-m", "0700", "/var/lib/flattraffic")
	cmd := exec.CommandContext(t.Context(), "chroot", "--userspec=flattraffic:flattraffic", s.root, "flattraffic", "up", "--config", config,
		"--listen-http", "127.0.0.1:38090", "--listen-netflow", "127.0.0.1:38091", "--listen-sflow", "off")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := false
	for end := time.Now().Add(2 * time.Minute); !ready && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		ready = exec.CommandContext(t.Context(), "chroot", s.root, "flattraffic", "health", "--listen-http", "127.0.0.1:38090").Run() == nil
	}
	if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil || !ready {
		t.Errorf("the installed program: ready %t, end %v\n%s", ready, err, out.String())
	}
}

func (s *system) appendTo(path, text string) {
	s.t.Helper()
	f, err := os.OpenFile(filepath.Join(s.root, path), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// The rpm goes through the same in a system of the same kind; what it depends
// on is not asked for, since no rpm provides it there.
func testRPM(t *testing.T, s *system) {
	t.Helper()
	old, next := s.bring(os.Getenv("OLD")+"/flattraffic-*.x86_64.rpm"), s.bring(os.Getenv("NEW")+"/flattraffic-*.x86_64.rpm")
	rpm := func(args ...string) {
		t.Helper()
		s.must("rpm", append([]string{"--root", s.root, "--nodeps"}, args...)...)
	}
	rpm("-i", filepath.Join(s.root, old))
	for _, path := range packaged() {
		if !s.exists(path) {
			t.Errorf("%s is not there after the installation", path)
		}
	}
	before := s.in("flattraffic", "version")
	s.appendTo(config, "zone = \"Asia/Kathmandu\"\n")
	rpm("-U", filepath.Join(s.root, next))
	if after := s.in("flattraffic", "version"); after == before {
		t.Errorf("the version is %s before and after the upgrade", after)
	}
	if shown := s.in("flattraffic", "config", "show", "--config", config); !strings.Contains(shown, "Asia/Kathmandu") {
		t.Errorf("the upgrade has lost what was set:\n%s", shown)
	}
	rpm("-e", "flattraffic")
	if s.exists("/usr/bin/flattraffic") {
		t.Error("the program is there after the removal")
	}
}
