//go:build compose

package trial_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
)

// root is the top of the source tree.
const root = "../.."

// must runs a program and returns what it printed.
func must(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// docker is a Docker engine of the test's own: its images, containers and
// networks are not those of the machine.
type docker struct {
	socket string
}

// startDocker runs a daemon until the test ends.
func startDocker(t *testing.T) *docker {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("the trial runs a Docker engine: run make compose-test as root")
	}
	dir, err := os.MkdirTemp("", "flattraffic-docker-")
	if err != nil {
		t.Fatal(err)
	}
	d := &docker{socket: "unix://" + filepath.Join(dir, "socket")}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dockerd", "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--host", d.socket, "--bridge", "none")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start the Docker engine (Debian package docker.io): %v", err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("the engine's log is %s", log.Name())
			return
		}
		// The engine leaves its own network namespace mounted.
		left, err := filepath.Glob(filepath.Join(dir, "exec/netns/*"))
		for _, path := range left {
			err = errors.Join(err, syscall.Unmount(path, syscall.MNT_DETACH))
		}
		if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	waitFor(t, "the Docker engine", func() bool {
		select {
		case <-ended:
			t.Fatalf("the Docker engine ended; its log is %s", log.Name())
		default:
		}
		return d.command(t.Context(), "version").Run() == nil
	})
	return d
}

func (d *docker) command(ctx context.Context, args ...string) *exec.Cmd {
	// Debian's own client has the builder in it; others want a plugin.
	cmd := exec.CommandContext(ctx, "/usr/bin/docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+d.socket, "DOCKER_BUILDKIT=1")
	return cmd
}

func (d *docker) must(t *testing.T, args ...string) string {
	t.Helper()
	return must(t, d.command(t.Context(), args...))
}

// importImage makes an image of a directory.
func (d *docker) importImage(t *testing.T, dir, name string, changes ...string) {
	t.Helper()
	args := []string{"import"}
	for _, c := range changes {
		args = append(args, "--change", c)
	}
	tar := exec.CommandContext(t.Context(), "tar", "-c", "-C", dir, ".")
	pipe, err := tar.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	load := d.command(t.Context(), append(args, "-", name)...)
	load.Stdin = pipe
	if err := tar.Start(); err != nil {
		t.Fatal(err)
	}
	must(t, load)
	if err := tar.Wait(); err != nil {
		t.Fatal(err)
	}
}

// copyFile puts a file into a tree, under its own path or another.
func copyFile(t *testing.T, tree, from, to string) {
	t.Helper()
	target := filepath.Join(tree, to)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		t.Fatal(err)
	}
	must(t, exec.CommandContext(t.Context(), "cp", "-L", from, target))
}

// copyProgram puts programs of this machine into a tree, with the libraries
// they load.
func copyProgram(t *testing.T, tree string, paths ...string) {
	t.Helper()
	for _, path := range paths {
		copyFile(t, tree, path, path)
		libraries, err := exec.CommandContext(t.Context(), "ldd", path).Output()
		if err != nil {
			continue // a static program
		}
		for _, m := range regexp.MustCompile(`(/\S+) \(0x`).FindAllStringSubmatch(string(libraries), -1) {
			copyFile(t, tree, m[1], m[1])
		}
	}
}

// goImage stands in for the official Go image: this machine's Go, and the
// modules that the build needs in place of the network.
func goImage(t *testing.T, d *docker) {
	t.Helper()
	tree := t.TempDir()
	copyProgram(t, tree, "/bin/sh", "/bin/mkdir")
	copyFile(t, tree, "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt")
	goroot := strings.TrimSpace(must(t, exec.CommandContext(t.Context(), "go", "env", "GOROOT")))
	copyTree(t, goroot, filepath.Join(tree, "usr/local/go"))

	cache := strings.TrimSpace(must(t, exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE")))
	modules := t.TempDir()
	download := exec.CommandContext(t.Context(), "go", "mod", "download")
	download.Dir = root
	proxies := "file://" + cache + "/cache/download," + strings.TrimSpace(must(t, exec.CommandContext(t.Context(), "go", "env", "GOPROXY")))
	download.Env = append(os.Environ(), "GOFLAGS=-modcacherw", "GOMODCACHE="+modules, "GOPROXY="+proxies)
	must(t, download)
	copyTree(t, filepath.Join(modules, "cache/download"), filepath.Join(tree, "proxy"))
	copyTree(t, warmCache(t), filepath.Join(tree, "cache"))
	makeTmp(t, tree)
	d.importImage(t, tree, fromImage(t), "ENV PATH=/usr/local/go/bin:/bin GOPROXY=file:///proxy GONOSUMDB=* GOTOOLCHAIN=local GOCACHE=/cache")
}

// warmCache is a build cache that is kept in bin, so that the image's build
// compiles only what has changed since the last trial.
func warmCache(t *testing.T) string {
	t.Helper()
	cache, err := filepath.Abs(filepath.Join(root, "bin/trial-cache"))
	if err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-tags", "noengine,timetzdata", "-ldflags", "-s -w", "-o", os.DevNull, "./cli/flattraffic")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOCACHE="+cache)
	must(t, build)
	return cache
}

// fromImage is the name of the image that the Dockerfile builds in.
func fromImage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deployments/docker/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^FROM --platform=\S+ (\S+) AS build$`).FindStringSubmatch(string(text))[1]
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	must(t, exec.CommandContext(t.Context(), "cp", "-a", from+"/.", to))
}

func makeTmp(t *testing.T, tree string) {
	t.Helper()
	dir := filepath.Join(tree, "tmp")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
}

// clickhouseConfig is the least of what the official image has for its
// config.d to be merged into.
const clickhouseConfig = `<clickhouse>
  <log-level>warning</log-level>
  <users_config>/tmp/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
</clickhouse>
`

// clickhouseImage makes an image around the embedded engine, with the name,
// the programs and the paths of the official one that compose.yaml relies on.
func clickhouseImage(t *testing.T, d *docker, name string) {
	t.Helper()
	library, err := clickhousetest.Library()
	if err != nil {
		t.Fatal(err)
	}
	tree := t.TempDir()
	copyProgram(t, tree, "/bin/sh", "/bin/cat", "/usr/bin/cut", "/usr/bin/sha256sum", "/usr/bin/wget")
	server := filepath.Join(t.TempDir(), "clickhouse-server")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", server, "./standin")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	must(t, build)
	copyProgram(t, tree, library, server)
	for from, to := range map[string]string{library: "/engine/libchdb.so", server: "/usr/bin/clickhouse-server"} {
		if err := os.MkdirAll(filepath.Join(tree, filepath.Dir(to)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(tree, from), filepath.Join(tree, to)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"etc/clickhouse-server/config.d", "etc/clickhouse-server/users.d", "var/lib/clickhouse", "var/log/clickhouse-server"} {
		if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(tree, "etc/clickhouse-server/config.xml"), []byte(clickhouseConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(tree, "var/lib/clickhouse"), 101, 101); err != nil {
		t.Fatal(err)
	}
	makeTmp(t, tree)
	d.importImage(t, tree, name, "ENV PATH=/usr/bin:/bin", `ENTRYPOINT ["clickhouse-server"]`)
}

// waitFor waits until ok, for three minutes at most.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited three minutes for %s", what)
}
