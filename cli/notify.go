package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// supervisor tells the service manager, systemd, that the program is ready,
// that it is still alive and that it stops. See sd_notify(3).
type supervisor struct {
	socket string        // where to say so; empty = nobody listens
	limit  time.Duration // silence that the service manager takes for a hang; 0 = any
	alive  []func(context.Context) error
	log    *slog.Logger
}

// newSupervisor reads what systemd has put into the environment.
func newSupervisor(getenv func(string) string, log *slog.Logger) *supervisor {
	s := &supervisor{socket: getenv("NOTIFY_SOCKET"), log: log}
	if pid := getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if usec, err := strconv.ParseUint(getenv("WATCHDOG_USEC"), 10, 32); err == nil {
			s.limit = time.Duration(usec) * time.Microsecond //nolint:gosec // 32 bits
		}
	}
	return s
}

// readyPoll is how often a starting program is asked whether it is ready.
const readyPoll = 100 * time.Millisecond

// run speaks to the service manager until ctx is done. While a part of the
// program gives no sign of life it says nothing, so that the service manager
// starts the program anew.
func (s *supervisor) run(ctx context.Context) error {
	if s.socket == "" {
		return nil
	}
	for s.check(ctx) != nil {
		if !wait(ctx, readyPoll) {
			return nil
		}
	}
	s.say("READY=1")
	for s.limit > 0 && wait(ctx, s.limit/3) {
		if err := s.check(ctx); err != nil {
			s.log.Warn("no sign of life for the service manager", "error", err)
			continue
		}
		s.say("WATCHDOG=1")
	}
	<-ctx.Done()
	s.say("STOPPING=1")
	return nil
}

// check returns what is not alive.
func (s *supervisor) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, alive := range s.alive {
		if err := alive(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *supervisor) say(state string) {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err == nil {
		defer conn.Close()
		_, err = conn.Write([]byte(state))
	}
	if err != nil {
		s.log.Warn("service manager cannot be told the state", "state", state, "error", err)
	}
}

// wait waits and says whether ctx goes on.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// answersAt asks the pages for a sign of life.
func answersAt(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/healthz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s says %s", req.URL, resp.Status)
		}
		return nil
	}
}
