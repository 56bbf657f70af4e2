package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// The ports an engine takes on its first start when they are free. Later
// starts take the same again, so that a client's command line stays right.
const (
	firstTCPPort  = 19000
	firstHTTPPort = 18123
	portsToTry    = 50
)

// How long a locked data directory is tried: the first while the program that
// ran there last still exists, the second in any case.
const (
	lockProbe = 300 * time.Millisecond
	lockWait  = 20 * time.Second
)

// EngineConfig says how to run the embedded engine.
type EngineConfig struct {
	Dir         string       // data directory; the engine keeps to the folder clickhouse in it
	MemoryLimit uint64       // bytes; 0 = 40 % of this machine's or container's memory, at most 1.2 GB
	Fsync       bool         // true: an acknowledged insert survives a power cut, at 10 to 40 % less speed
	Library     string       // path of libchdb.so; empty = a clickhouse binary on PATH, $FLATTRAFFIC_ENGINE or engine/libchdb.so beside the program
	TCPPort     int          // 0 = the port of the last run, else the first free one from 19000
	HTTPPort    int          // 0 = the port of the last run, else the first free one from 18123
	Log         *slog.Logger // nil = slog.Default()

	// Grants are further rights of the user that FlatTraffic logs in as, for
	// example "TABLE ENGINE ON Kafka". It needs none itself.
	Grants []string

	// Extra are further elements of the engine's configuration as XML, for
	// example <remote_servers>. It needs none itself.
	Extra string

	// LongestPause bounds the time between the end of an engine that keeps
	// dying and its next start; 0 = 30 s.
	LongestPause time.Duration

	// OnUncleanStart is called after each start that follows a crash or a
	// kill of the engine, this program's earlier run included, and before
	// Ready reports that start. Rollups may then lack what raw has: whoever
	// inserts reconciles them. May be nil.
	OnUncleanStart func()
}

// Engine is an embedded ClickHouse: a child process on loopback that is
// started again whenever it dies.
type Engine struct {
	cfg     EngineConfig
	dir     engineDir
	log     *slog.Logger
	program program
	guard   *guard

	mu       sync.Mutex
	up       chan struct{} // closed while the engine answers
	ended    chan struct{} // closed when Run has returned
	err      error         // why Run returned
	tcp      int
	http     int
	dsn      string
	reader   string
	restarts int
	child    *os.Process
}

// NewEngine returns an engine that Run starts.
func NewEngine(cfg EngineConfig) (*Engine, error) {
	if cfg.Dir == "" {
		return nil, errors.New("the embedded engine has no data directory; name one with --data")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("find data directory %s: %w", cfg.Dir, err)
	}
	if cfg.MemoryLimit == 0 {
		cfg.MemoryLimit = defaultMemoryLimit()
	}
	if cfg.MemoryLimit < leastMemory {
		return nil, fmt.Errorf("%d MB of memory are too little for the embedded engine; it needs %d MB", cfg.MemoryLimit/1e6, leastMemory/1_000_000)
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.LongestPause == 0 {
		cfg.LongestPause = 30 * time.Second
	}
	return &Engine{
		cfg:   cfg,
		dir:   engineDir(filepath.Join(dir, "clickhouse")),
		log:   cfg.Log,
		up:    make(chan struct{}),
		ended: make(chan struct{}),
	}, nil
}

// Ready waits until the engine answers and returns nil, or the reason why it
// never will.
func (e *Engine) Ready(ctx context.Context) error {
	e.mu.Lock()
	up := e.up
	e.mu.Unlock()
	select {
	case <-up:
		return nil
	case <-e.ended:
		if e.err != nil {
			return e.err
		}
		return errors.New("the embedded ClickHouse engine has been stopped")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// DSN returns the DSN of the user that owns everything; empty before the first
// Ready.
func (e *Engine) DSN() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dsn
}

// ReaderDSN returns the DSN of the user that only reads, and not accounts and
// sessions; empty before the first Ready.
func (e *Engine) ReaderDSN() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reader
}

// TCPAddr returns host:port of the native protocol; empty before the first
// Ready.
func (e *Engine) TCPAddr() string { return e.addr(&e.tcp) }

// HTTPAddr returns host:port of the HTTP protocol; empty before the first
// Ready.
func (e *Engine) HTTPAddr() string { return e.addr(&e.http) }

func (e *Engine) addr(port *int) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dsn == "" {
		return ""
	}
	return loopback(*port)
}

// Restarts returns how many times the engine has died and been started again.
func (e *Engine) Restarts() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.restarts
}

// Kill kills the engine's process at once, as the kernel does when memory runs
// out; Run then starts it again. It is for tests.
func (e *Engine) Kill() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.child == nil {
		return errors.New("kill engine: it does not run")
	}
	return killGroup(e.child.Pid)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// choosePorts picks the ports to listen on: the configured ones, else the ones
// of the last run, else the first free ones.
func (e *Engine) choosePorts() error {
	tcp, http := e.dir.readPorts()
	var err error
	if e.tcp, err = choosePort(e.cfg.TCPPort, tcp, firstTCPPort); err != nil {
		return err
	}
	e.http, err = choosePort(e.cfg.HTTPPort, http, firstHTTPPort)
	return err
}

func choosePort(configured, last, first int) (int, error) {
	if configured != 0 {
		return configured, nil
	}
	if last != 0 && portFree(last) {
		return last, nil
	}
	for port := first; port < first+portsToTry; port++ {
		if portFree(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("ports %d to %d of 127.0.0.1 are all taken; stop the programs that hold them", first, first+portsToTry-1)
}

func portFree(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// freePorts returns two ports of loopback that nobody listens on.
func freePorts() (tcp, http int, err error) {
	var ports [2]int
	for i := range ports {
		l, err := net.Listen("tcp", loopback(0))
		if err != nil {
			return 0, 0, fmt.Errorf("find a free port of 127.0.0.1: %w", err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // the address of a TCP listener
	}
	return ports[0], ports[1], nil
}

// acquire takes the data directory. When the program that held it is gone its
// engine is about to end: that is waited for. FindRunning takes the lock for
// an instant too.
func (e *Engine) acquire(ctx context.Context) (*os.File, error) {
	start := time.Now()
	for {
		f, err := e.dir.lock()
		if !errors.Is(err, errLocked) {
			return f, err
		}
		s, _ := e.dir.readState()
		if tried := time.Since(start); tried > lockProbe && processExists(s.PID) || tried > lockWait {
			return nil, fmt.Errorf("another FlatTraffic (process %d) runs on the data directory %s; stop it, or choose another directory with --data", s.PID, filepath.Dir(string(e.dir)))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
