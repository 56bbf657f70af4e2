package clickhouse

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// childMarker is the environment variable that makes the program an engine
// child. Its value is the kind of engine and its path.
const childMarker = "FLATTRAFFIC_ENGINE_CHILD"

// How long a child goes on after a SIGTERM, so that a parent that was asked to
// stop at the same instant can still deliver its last batch, and how long the
// engine may then take to end.
const (
	lastBatch  = 15 * time.Second
	engineStop = 60 * time.Second
)

// EngineChild turns this process into the engine when the embedded engine has
// started it as its child, and then never returns. Otherwise it does nothing.
// It must be the first call of main.
func EngineChild() {
	marker, ok := os.LookupEnv(childMarker)
	if !ok {
		return
	}
	os.Unsetenv(childMarker)
	kind, path, _ := strings.Cut(marker, ":")
	parent, err := takeStdin()
	if err == nil {
		stop := make(chan struct{})
		go awaitStop(parent, stop)
		switch kind {
		case "library":
			err = serveLibrary(path, os.Args[1:], stop)
		case "binary":
			err = serveBinary(path, os.Args[1:], stop)
		default:
			err = fmt.Errorf("unknown kind of engine %q", kind)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// takeStdin moves the pipe from the parent away from file descriptor 0.
func takeStdin() (*os.File, error) {
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("take over stdin: %w", err)
	}
	return os.NewFile(uintptr(fd), "parent"), nil
}

// awaitStop closes stop when the parent closes its end of the pipe, which also
// happens when it is killed, or some time after a SIGTERM. SIGINT is ignored:
// a terminal sends it to the parent too, which then ends the engine when it
// needs it no more.
func awaitStop(parent io.Reader, stop chan<- struct{}) {
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	gone := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, parent)
		close(gone)
	}()
	select {
	case <-gone:
	case <-terminate:
		select {
		case <-gone:
		case <-time.After(lastBatch):
		}
	}
	close(stop)
	// An engine that does not end in time must not outlive its parent.
	time.Sleep(engineStop)
	_ = unix.Kill(os.Getpid(), unix.SIGKILL)
}

// serveLibrary runs the library until stop is closed. The library's boot query
// reads file descriptor 0 to its end.
func serveLibrary(path string, args []string, stop <-chan struct{}) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	if err := unix.Dup2(int(r.Fd()), 0); err != nil {
		return fmt.Errorf("put pipe on stdin: %w", err)
	}
	r.Close()
	go func() {
		<-stop
		w.Close()
	}()
	return runLibrary(path, args)
}

// serveBinary runs a clickhouse server until stop is closed.
func serveBinary(path string, args []string, stop <-chan struct{}) error {
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err == nil {
			err = errors.New("ended by itself")
		}
		return fmt.Errorf("%s: %w", path, err)
	case <-stop:
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-ended //nolint:errcheck // it was told to end; how it did makes no difference
	return nil
}
