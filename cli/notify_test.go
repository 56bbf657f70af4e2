package cli

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestServiceManagerIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	hear := func(limit time.Duration) string {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(limit)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, err := socket.Read(b)
		if err != nil {
			return ""
		}
		return string(b[:n])
	}
	env := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000", "WATCHDOG_PID": strconv.Itoa(os.Getpid())}
	s := newSupervisor(func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
	var state atomic.Pointer[error]
	set := func(err error) { state.Store(&err) }
	set(errors.New("starting"))
	s.alive = []func(context.Context) error{func(context.Context) error { return *state.Load() }}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()

	if got := hear(300 * time.Millisecond); got != "" {
		t.Errorf("while it starts: got %q, want silence", got)
	}
	set(nil)
	if diff := cmp.Diff([]string{"READY=1", "WATCHDOG=1"}, []string{hear(time.Minute), hear(time.Minute)}); diff != "" {
		t.Errorf("when it is ready (-want +got):\n%s", diff)
	}
	set(errors.New("hangs"))
	for hear(200*time.Millisecond) != "" { // what was on its way
		continue
	}
	if got := hear(200 * time.Millisecond); got != "" {
		t.Errorf("while it hangs: got %q, want silence", got)
	}
	cancel()
	if got := hear(time.Minute); got != "STOPPING=1" {
		t.Errorf("at its end: got %q, want STOPPING=1", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestNoServiceManager(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"none":               {},
		"another's watchdog": {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
	} {
		s := newSupervisor(func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
		if err := s.run(t.Context()); err != nil || s.limit != 0 {
			t.Errorf("%s: got %v and a limit of %v, want neither", name, err, s.limit)
		}
	}
}
