package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Times of supervision.
const (
	firstBackoff = 100 * time.Millisecond
	steady       = time.Minute // an engine that ran this long starts again at once
	startLimit   = 2 * time.Minute
	stopLimit    = 60 * time.Second
)

// stderrLimit is the size in bytes from which stderr.log is emptied.
const stderrLimit = 4 << 20

// Run starts the engine and keeps it running until ctx is done; then it stops
// it cleanly and returns nil. It returns an error, a sentence for the user,
// when the first start does not succeed; later it tries for ever.
func (e *Engine) Run(ctx context.Context) (err error) {
	defer func() {
		e.mu.Lock()
		e.err = err
		e.up = make(chan struct{})
		e.mu.Unlock()
		close(e.ended)
	}()
	if e.program, err = findProgram(ctx, e.cfg.Library, e.log); err != nil {
		return err
	}
	if err := e.dir.create(); err != nil {
		return err
	}
	lock, err := e.acquire(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	_, unclean := e.dir.readState()
	if err := e.choosePorts(); err != nil {
		return err
	}
	if e.guard, err = newGuard(e.dir, e.tcp, e.http, e.log); err != nil {
		return err
	}
	guarding, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { e.guard.run(guarding) })
	defer wg.Wait()
	defer stop()
	return e.supervise(ctx, lock, unclean)
}

// supervise runs one child after the other.
func (e *Engine) supervise(ctx context.Context, lock *os.File, unclean bool) error {
	backoff := firstBackoff
	for first := true; ; first = false {
		started := time.Now()
		wasUp, err := e.runOnce(ctx, lock, unclean)
		if ctx.Err() != nil {
			return nil
		}
		if first && !wasUp {
			return err
		}
		unclean = true
		if time.Since(started) > steady {
			backoff = firstBackoff
		}
		e.log.Error("embedded ClickHouse engine ended unexpectedly; starting it again", "error", err, "in", backoff)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, e.cfg.LongestPause)
		e.mu.Lock()
		e.restarts++
		e.mu.Unlock()
	}
}

// runOnce runs one child to its end. wasUp says whether it ever answered. The
// error is nil only when the child was stopped cleanly because ctx is done.
func (e *Engine) runOnce(ctx context.Context, lock *os.File, unclean bool) (wasUp bool, err error) {
	if unclean {
		n, err := healDeduplicationLogs(e.dir.Path("data"))
		if err != nil {
			e.log.Warn("deduplication logs could not all be mended", "error", err)
		}
		e.log.Info("embedded engine was not stopped cleanly; deduplication logs checked", "mended", n)
	}
	child, err := e.start(lock)
	if err != nil {
		return false, err
	}
	defer child.stdin.Close()
	if err := e.awaitUp(ctx, child); err != nil {
		stopped := child.stop()
		if ctx.Err() != nil && stopped == nil {
			return false, os.Remove(e.dir.Path("state.json"))
		}
		return false, err
	}
	e.setUp(child, unclean)
	defer e.setDown()
	return true, e.watch(ctx, child)
}

// watch waits for the child's end or for ctx, and keeps stderr.log bounded.
func (e *Engine) watch(ctx context.Context, child *childProcess) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-child.done:
			return e.ending(child)
		case <-tick.C:
			boundFile(e.dir.Path("stderr.log"))
		case <-ctx.Done():
			if err := child.stop(); err != nil {
				return fmt.Errorf("stop embedded engine: %w", err)
			}
			return os.Remove(e.dir.Path("state.json"))
		}
	}
}

// setUp lets clients in and publishes that the engine answers.
func (e *Engine) setUp(child *childProcess, unclean bool) {
	if unclean && e.cfg.OnUncleanStart != nil {
		e.cfg.OnUncleanStart()
	}
	e.guard.engineTCP.Store(int64(child.tcp))
	e.guard.engineHTTP.Store(int64(child.http))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.child = child.cmd.Process
	close(e.up)
}

func (e *Engine) setDown() {
	e.guard.engineTCP.Store(0)
	e.guard.engineHTTP.Store(0)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.child = nil
	e.up = make(chan struct{})
}

// childProcess is a started engine.
type childProcess struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	tcp   int           // its own native port, behind the guard
	http  int           // its own HTTP port, behind the guard
	done  chan struct{} // closed when the process has ended
	err   error         // how it ended, valid after done
}

// start writes the configuration and starts the child.
func (e *Engine) start(lock *os.File) (*childProcess, error) {
	child := &childProcess{done: make(chan struct{})}
	var err error
	if child.tcp, child.http, err = freePorts(); err != nil {
		return nil, err
	}
	values := configValues{TCP: child.tcp, HTTP: child.http, MemoryLimit: e.cfg.MemoryLimit, Server: e.program.kind == "binary", Grants: e.cfg.Grants, Extra: e.cfg.Extra}
	if e.cfg.Fsync {
		values.Fsync = 1
	}
	if err := e.dir.writeConfig(values); err != nil {
		return nil, err
	}
	if err := e.dir.writeState(state{PID: os.Getpid(), TCP: e.tcp, HTTP: e.http}); err != nil {
		return nil, err
	}
	if err := e.setDSNs(); err != nil {
		return nil, err
	}
	// What the engine said last time is kept apart, so that it is not taken for
	// what it says now.
	_ = os.Rename(e.dir.Path("stderr.log"), e.dir.Path("stderr.last.log"))
	stderr, err := os.OpenFile(e.dir.Path("stderr.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, explainDir(string(e.dir), err)
	}
	defer stderr.Close()
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's file: %w", err)
	}
	cmd := exec.Command(exe, e.childArgs(child)...)
	cmd.Env = append(os.Environ(), childMarker+"="+e.program.kind+":"+e.program.path)
	cmd.Dir = string(e.dir)
	cmd.Stdout, cmd.Stderr = stderr, stderr
	cmd.ExtraFiles = []*os.File{lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	child.cmd = cmd
	if child.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("make pipe to embedded engine: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start embedded engine: %w", err)
	}
	go func() {
		child.err = cmd.Wait()
		close(child.done)
	}()
	return child, nil
}

// bootQuery makes the library listen and then read its stdin to the end. The
// boot user's quota in users.xml allows exactly these queries.
const bootQuery = "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; SELECT * FROM table FORMAT Null"

// childArgs are the arguments of the engine's own command line.
func (e *Engine) childArgs(child *childProcess) []string {
	config := "--config-file=" + e.dir.Path("config.xml")
	if e.program.kind == "binary" {
		return []string{"server", config}
	}
	return []string{
		config,
		"--path=" + e.dir.Path("data"),
		"--tcp_port=" + strconv.Itoa(child.tcp),
		"--http_port=" + strconv.Itoa(child.http),
		"--listen_host=127.0.0.1",
		"--input-format=LineAsString",
		"--structure=line String",
		"--query=" + bootQuery,
	}
}

func (e *Engine) setDSNs() error {
	owner, err := e.dir.dsn(ownerUser, e.tcp)
	if err != nil {
		return explainDir(string(e.dir), err)
	}
	reader, err := e.dir.dsn(readerUser, e.tcp)
	if err != nil {
		return explainDir(string(e.dir), err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dsn, e.reader = owner, reader
	return nil
}

// awaitUp polls until the engine answers, and makes the database. It goes
// round the guard, which keeps clients out until then.
func (e *Engine) awaitUp(ctx context.Context, child *childProcess) error {
	dsn, err := e.dir.dsn(ownerUser, child.tcp)
	if err != nil {
		return explainDir(string(e.dir), err)
	}
	opts, err := ParseDSN(dsn)
	if err != nil {
		return err
	}
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	for {
		// A connection that is cut off half-way would end the engine.
		err := createDatabase(context.WithoutCancel(ctx), opts)
		if err == nil {
			return nil
		}
		select {
		case <-child.done:
			return e.ending(child)
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return fmt.Errorf("the embedded engine does not answer after %v (%w); see %s", startLimit, err, e.dir.Path("stderr.log"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ending tells why the child ended, in a sentence for the user.
func (e *Engine) ending(child *childProcess) error {
	said := lastWords(e.dir.Path("stderr.log"))
	switch {
	case strings.Contains(said, "No space left"):
		return fmt.Errorf("the disk of the data directory %s is full; make room, or choose another with --data", e.dir)
	case strings.Contains(said, "load engine library"):
		return fmt.Errorf("the embedded engine %s cannot be loaded (%s); fetch it again with make engine", e.program.path, said)
	case said == "":
		said = "it said nothing"
	}
	how := "exit status 0"
	if child.err != nil {
		how = child.err.Error()
	}
	return fmt.Errorf("the embedded ClickHouse engine ended (%s): %s; its logs are in %s", how, said, e.dir)
}

// stop ends the child cleanly by closing its stdin, or kills it after a time.
func (c *childProcess) stop() error {
	c.stdin.Close()
	select {
	case <-c.done:
		return c.err
	case <-time.After(stopLimit):
	}
	_ = killGroup(c.cmd.Process.Pid)
	<-c.done
	return fmt.Errorf("killed: it did not end within %v", stopLimit)
}

func killGroup(pid int) error { return unix.Kill(-pid, unix.SIGKILL) }

func processExists(pid int) bool {
	if pid <= 0 {
		return false
	}
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}

// boundFile empties a log that has grown too long.
func boundFile(path string) {
	if info, err := os.Stat(path); err == nil && info.Size() > stderrLimit {
		_ = os.Truncate(path, 0)
	}
}

// lastWords returns the last line of a log that names an error, else its last
// line, shortened.
func lastWords(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > 16384 {
		_, _ = f.Seek(-16384, io.SeekEnd)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return ""
	}
	words := ""
	named := false
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		exception := strings.Contains(line, "Exception")
		if line != "" && !strings.HasPrefix(line, "Logging ") && (exception || !named) {
			words, named = line, exception || named
		}
	}
	words, _, _ = strings.Cut(words, ", Stack trace")
	if len(words) > 400 {
		words = words[:400] + "…"
	}
	return words
}
