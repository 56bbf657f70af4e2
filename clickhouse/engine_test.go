package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
)

// parentMarker makes this test binary a program that runs an engine on the
// directory the variable names, and is killed.
const parentMarker = "FLATTRAFFIC_TEST_PARENT"

func TestMain(m *testing.M) {
	if dir, ok := os.LookupEnv(parentMarker); ok {
		clickhouse.EngineChild()
		parent(dir)
	}
	clickhousetest.Main(m)
}

func parent(dir string) {
	library, err := clickhousetest.Library()
	if err == nil {
		var e *clickhouse.Engine
		if e, err = clickhouse.NewEngine(clickhouse.EngineConfig{Dir: dir, Library: library}); err == nil {
			err = e.Run(context.Background())
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestEngineSurvivesKill(t *testing.T) {
	s := clickhousetest.Engine(t)
	conn, dsn := s.Database(t)
	ctx := t.Context()
	for _, q := range []string{
		"CREATE TABLE n (n UInt64) ENGINE = MergeTree ORDER BY n",
		"INSERT INTO n SELECT number FROM numbers(1000)",
	} {
		if err := conn.Exec(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	s.Kill9(t)
	after, err := clickhouse.Open(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	var got uint64
	if err := after.QueryRow(ctx, "SELECT count() FROM n").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != 1000 {
		t.Errorf("rows after kill: got %d, want 1000", got)
	}
	if s.Restarts() != 1 || s.UncleanStarts() != 1 {
		t.Errorf("restarts, unclean starts: got %d, %d, want 1, 1", s.Restarts(), s.UncleanStarts())
	}
}

// run starts an engine on a directory and returns what ends it.
func run(t *testing.T, dir string, unclean func()) (e *clickhouse.Engine, stop func() error) {
	t.Helper()
	library, err := clickhousetest.Library()
	if err != nil {
		t.Fatal(err)
	}
	e, err = clickhouse.NewEngine(clickhouse.EngineConfig{
		Dir: dir, Library: library, OnUncleanStart: unclean, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	if err := e.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e, stop
}

func TestEngineStopsCleanly(t *testing.T) {
	dir := t.TempDir()
	e, stop := run(t, dir, func() { t.Error("the first start is said to be unclean") })
	dsn := e.DSN()
	running, ok := clickhouse.FindRunning(dir)
	if !ok || running.DSN != dsn || running.ReaderDSN != e.ReaderDSN() || running.TCPAddr != e.TCPAddr() || running.PID != os.Getpid() {
		t.Errorf("running engine: got %+v, %v, want %s of process %d", running, ok, dsn, os.Getpid())
	}
	err := filepath.WalkDir(filepath.Join(dir, "clickhouse"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".password") && !strings.HasSuffix(path, ".xml") {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, want 0600", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := e.Ready(t.Context()); err == nil {
		t.Error("a stopped engine is ready")
	}
	if _, ok := clickhouse.FindRunning(dir); ok {
		t.Error("a stopped engine is said to run")
	}
	again, _ := run(t, dir, func() { t.Error("a start after a clean stop is said to be unclean") })
	if got := again.DSN(); got != dsn {
		t.Errorf("DSN of the second start: got %s, want %s", got, dsn)
	}
}

func TestSecondEngineIsRefused(t *testing.T) {
	s := clickhousetest.Engine(t)
	library, err := clickhousetest.Library()
	if err != nil {
		t.Fatal(err)
	}
	second, err := clickhouse.NewEngine(clickhouse.EngineConfig{Dir: s.Dir, Library: library})
	if err != nil {
		t.Fatal(err)
	}
	err = second.Run(t.Context())
	if want := fmt.Sprintf("another FlatTraffic (process %d) runs on the data directory %s;", os.Getpid(), s.Dir); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if ready := second.Ready(t.Context()); !errors.Is(ready, err) {
		t.Errorf("ready: got %v, want %v", ready, err)
	}
	if s.Restarts() != 0 {
		t.Error("the first engine was harmed")
	}
}

func TestEngineEndsWithKilledParent(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), parentMarker+"="+dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var old clickhouse.Running
	await(t, "the engine's start", func() bool {
		r, ok := clickhouse.FindRunning(dir)
		if !ok {
			return false
		}
		old = r
		conn, err := clickhouse.Open(t.Context(), r.DSN)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the killed parent ended by itself")
	}
	await(t, "the engine's end", func() bool {
		_, ok := clickhouse.FindRunning(dir)
		return !ok
	})
	unclean := false
	e, _ := run(t, dir, func() { unclean = true })
	if e.DSN() != old.DSN {
		t.Errorf("DSN after a kill: got %s, want %s", e.DSN(), old.DSN)
	}
	if !unclean {
		t.Error("a start after a kill is not said to be unclean")
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s takes more than a minute", what)
		}
	}
}

func TestEngineRefusals(t *testing.T) {
	library, err := clickhousetest.Library()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cfg  clickhouse.EngineConfig
		want string
	}{
		{"no directory", clickhouse.EngineConfig{Library: library}, "name one with --data"},
		{"a file in the way", clickhouse.EngineConfig{Dir: file, Library: library}, "a file is in its way"},
		{"no library", clickhouse.EngineConfig{Dir: t.TempDir(), Library: file + ".so"}, "fetch it with make engine"},
		{"not a library", clickhouse.EngineConfig{Dir: t.TempDir(), Library: file}, "cannot be loaded"},
		{"too little memory", clickhouse.EngineConfig{Dir: t.TempDir(), Library: library, MemoryLimit: 100e6}, "it needs 400 MB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := clickhouse.NewEngine(c.cfg)
			if err == nil {
				err = e.Run(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one sentence with %q", err, c.want)
			}
		})
	}
}
