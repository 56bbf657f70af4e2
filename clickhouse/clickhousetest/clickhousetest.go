// Package clickhousetest gives tests a real ClickHouse: the embedded engine,
// one for each test binary, and a fresh database for each test.
package clickhousetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/clickhouse"
)

// startLimit bounds the start of an engine and the making of a database.
const startLimit = 2 * time.Minute

// shared is the engine of this test binary.
var shared struct {
	sync.Mutex
	server *Server
	count  atomic.Int64
}

// Main runs a package's tests and exits. Call it from TestMain: the engine is
// this test binary, started once more.
func Main(m *testing.M) {
	clickhouse.EngineChild()
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		if err := shared.server.close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Database returns a connection to a fresh, empty database and its DSN. The
// database is dropped when the test ends.
func Database(t testing.TB) (driver.Conn, string) {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		server, err := start()
		if err != nil {
			t.Fatal(err)
		}
		shared.server = server
	}
	return shared.server.Database(t)
}

// Engine starts an engine for this test alone, which may kill it. Its user may
// do what FlatTraffic needs, and what else is granted.
func Engine(t testing.TB, grants ...string) *Server {
	t.Helper()
	s, err := prepare(grants...)
	if err != nil {
		t.Fatal(err)
	}
	s.runFor(t)
	return s
}

// runFor runs a prepared engine until the test ends.
func (s *Server) runFor(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
}

// Server is a running engine.
type Server struct {
	*clickhouse.Engine
	Dir string // its data directory

	cfg     clickhouse.EngineConfig
	unclean atomic.Int64
	stop    context.CancelFunc
	ended   chan error
}

// start runs an engine on a new directory. Like the engine itself it is not
// bound to the context of the first test that asks for it.
func start() (*Server, error) {
	s, err := prepare()
	if err != nil {
		return nil, err
	}
	return s, s.run()
}

// prepare makes a directory for an engine, and chooses its ports.
func prepare(grants ...string) (*Server, error) {
	library, err := Library()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "flattraffic-engine-")
	if err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	tcp, http, err := freePorts()
	if err != nil {
		return nil, err
	}
	s := &Server{Dir: dir}
	s.cfg = clickhouse.EngineConfig{
		Dir: dir, Library: library, TCPPort: tcp, HTTPPort: http,
		MemoryLimit:    1_200_000_000,
		Grants:         grants,
		LongestPause:   200 * time.Millisecond, // tests kill it often
		Log:            slog.New(slog.DiscardHandler),
		OnUncleanStart: func() { s.unclean.Add(1) },
	}
	return s, nil
}

// run starts the engine and waits until it answers.
func (s *Server) run() (err error) {
	if s.Engine, err = clickhouse.NewEngine(s.cfg); err != nil {
		return err
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	engine, ended := s.Engine, make(chan error, 1)
	s.ended = ended
	go func() {
		ended <- engine.Run(ctx)
		close(ended)
	}()
	ready, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := s.Ready(ready); err != nil {
		return errors.Join(err, s.close())
	}
	return nil
}

func (s *Server) close() error {
	s.stop()
	return errors.Join(<-s.ended, os.RemoveAll(s.Dir))
}

// Database returns a connection to a fresh, empty database and its DSN. The
// database is dropped when the test ends.
func (s *Server) Database(t testing.TB) (driver.Conn, string) {
	t.Helper()
	dsn := s.NewDSN()
	conn, err := clickhouse.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	opts, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startLimit)
		defer cancel()
		if err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+opts.Auth.Database+" SYNC"); err != nil {
			t.Errorf("drop database: %v", err)
		}
		if err := conn.Close(); err != nil {
			t.Errorf("close connection: %v", err)
		}
	})
	return conn, dsn
}

// NewDSN returns a DSN with a database name that is not used yet.
func (s *Server) NewDSN() string {
	return fmt.Sprintf("%s_test_%d", s.DSN(), shared.count.Add(1))
}

// Kill9 kills the engine at once and waits until it answers again.
func (s *Server) Kill9(t testing.TB) {
	t.Helper()
	before := s.Restarts()
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	for s.Restarts() == before {
		select {
		case <-ctx.Done():
			t.Fatal("the killed engine was not started again")
		case <-time.After(5 * time.Millisecond):
		}
	}
	if err := s.Ready(ctx); err != nil {
		t.Fatal(err)
	}
}

// Away kills the engine at once and keeps it away until back is called, which
// starts it on the same directory and ports and waits until it answers.
func (s *Server) Away(t testing.TB) (back func()) {
	t.Helper()
	err := s.Kill()
	s.stop() // before the next start, which comes after a pause
	if err = errors.Join(err, <-s.ended); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := s.run(); err != nil {
			t.Fatal(err)
		}
	}
}

// UncleanStarts returns how many starts followed a kill.
func (s *Server) UncleanStarts() int { return int(s.unclean.Load()) }

// Library finds the engine library: by the environment, or in bin/engine under
// the module's root. Without it tests fail: they never skip.
func Library() (string, error) {
	if path := os.Getenv(clickhouse.EngineVariable); path != "" {
		return path, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("find engine library: no go.mod above the working directory; set " + clickhouse.EngineVariable)
		}
		dir = filepath.Dir(dir)
	}
	path := filepath.Join(dir, "bin", "engine", "libchdb.so")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the engine that tests need is not at %s; fetch it with make engine", path)
	}
	return path, nil
}

// freePorts returns two ports of loopback that nobody listens on.
func freePorts() (a, b int, err error) {
	var ports [2]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, 0, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports[0], ports[1], nil
}
