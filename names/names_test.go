package names

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flattraffic/flattraffic/site"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// memory is a store without ClickHouse.
type memory struct {
	mu     sync.Mutex
	saved  map[sighting]time.Time
	paired map[pair]time.Time
	owned  map[netip.Addr]string
	recall map[sighting]time.Time
	locals []netip.Addr
	asked  int // for the version
	down   bool
}

func newMemory() *memory {
	return &memory{saved: map[sighting]time.Time{}, paired: map[pair]time.Time{}, owned: map[netip.Addr]string{}}
}

var errDown = errors.New("connection refused")

func (m *memory) failure() error {
	if m.down {
		return errDown
	}
	return nil
}

// version changes each time, as it may.
func (m *memory) version(context.Context, ...string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	return strconv.Itoa(m.asked), m.failure()
}

func (m *memory) recent(context.Context) (map[sighting]time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.recall, m.failure()
}

func (m *memory) own(context.Context) (map[netip.Addr]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.owned), m.failure()
}

func (m *memory) hosts(context.Context) ([]netip.Addr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.locals, m.failure()
}

func (m *memory) save(_ context.Context, seen map[sighting]time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return errDown
	}
	maps.Copy(m.saved, seen)
	return nil
}

func (m *memory) rename(_ context.Context, addr netip.Addr, name string, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owned[addr] = name
	return m.failure()
}

func (m *memory) devices(context.Context) ([]site.Device, error) { return nil, m.failure() }

func (m *memory) macs(context.Context) ([]sightingOfMAC, error) { return nil, m.failure() }

func (m *memory) saveMACs(_ context.Context, paired map[pair]time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return errDown
	}
	maps.Copy(m.paired, paired)
	return nil
}

func (m *memory) of(context.Context, netip.Addr) ([]Seen, error) { return nil, m.failure() }

func (m *memory) during(context.Context, time.Time, time.Time) (map[netip.Addr]Seen, error) {
	return map[netip.Addr]Seen{}, m.failure()
}

// pause lets time pass in a synctest bubble, and all that happens in it happen.
func pause(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// resolverFunc is a Resolver made of a function.
type resolverFunc func(ctx context.Context, addr string) ([]string, error)

func (f resolverFunc) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	return f(ctx, addr)
}

// run starts n in a synctest bubble and returns what stops it.
func run(t *testing.T, n *Names) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func wantName(t *testing.T, n *Names, addr, name, source string) {
	t.Helper()
	gotName, gotSource := n.Name(netip.MustParseAddr(addr))
	if gotName != name || gotSource != source {
		t.Errorf("Name(%s) = %q, %q; want %q, %q", addr, gotName, gotSource, name, source)
	}
}

func TestNameIsCachedAndAskedAgainDaily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		resolver := resolverFunc(func(context.Context, string) ([]string, error) {
			asked++
			if asked == 1 {
				return []string{"Old.lan."}, nil
			}
			return []string{"new.lan."}, nil
		})
		store := newMemory()
		n := newNames(Config{}, store, resolver, time.Now, quiet())
		defer run(t, n)()

		wantName(t, n, "192.168.1.20", "", "")
		pause(time.Second)
		wantName(t, n, "192.168.1.20", "old.lan", DNS)
		wantName(t, n, "::ffff:192.168.1.20", "old.lan", DNS)
		pause(23 * time.Hour)
		wantName(t, n, "192.168.1.20", "old.lan", DNS)
		pause(time.Second)
		if asked != 1 {
			t.Errorf("asked %d times within a day, want once", asked)
		}
		pause(time.Hour)
		wantName(t, n, "192.168.1.20", "old.lan", DNS) // shown until the new answer is there
		pause(10 * time.Second)
		wantName(t, n, "192.168.1.20", "new.lan", DNS)

		addr := netip.MustParseAddr("192.168.1.20")
		for _, name := range []string{"old.lan", "new.lan"} {
			if _, ok := store.saved[sighting{addr, DNS, name}]; !ok {
				t.Errorf("%s is not stored", name)
			}
		}
	})
}

func TestNegativeAnswersAndFailures(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		before time.Duration // not asked again so soon
		after  time.Duration // but by then
	}{
		{"no such name", &net.DNSError{Err: "no such host", IsNotFound: true}, 5 * time.Hour, 7 * time.Hour},
		{"nothing but bad names", &net.DNSError{Err: "DNS response contained records which contain invalid names"}, 5 * time.Hour, 7 * time.Hour},
		{"server failure", &net.DNSError{Err: "server misbehaving", IsTemporary: true}, 9 * time.Minute, 11 * time.Minute},
		{"no route", fmt.Errorf("dial: %w", errDown), 9 * time.Minute, 11 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				resolver := resolverFunc(func(context.Context, string) ([]string, error) { asked++; return nil, tt.err })
				n := newNames(Config{}, newMemory(), resolver, time.Now, quiet())
				defer run(t, n)()
				ask := func() {
					wantName(t, n, "192.168.1.20", "", "")
					pause(time.Second)
				}
				ask()
				pause(tt.before)
				ask()
				if asked != 1 {
					t.Errorf("asked %d times within %v, want once", asked, tt.before)
				}
				pause(tt.after - tt.before)
				ask()
				if asked != 2 {
					t.Errorf("asked %d times within %v, want twice", asked, tt.after)
				}
			})
		})
	}
}

// A name known keeps being shown while the resolver does not answer.
func TestFailureKeepsTheName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := false
		resolver := resolverFunc(func(ctx context.Context, _ string) ([]string, error) {
			if broken {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return []string{"nas.lan."}, nil
		})
		n := newNames(Config{}, newMemory(), resolver, time.Now, quiet())
		defer run(t, n)()
		n.Name(netip.MustParseAddr("192.168.1.20"))
		pause(time.Second)
		broken = true
		pause(25 * time.Hour)
		wantName(t, n, "192.168.1.20", "nas.lan", DNS)
		pause(5 * time.Second)
		wantName(t, n, "192.168.1.20", "nas.lan", DNS)
	})
}

func TestNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deadline := make(chan time.Duration, 2*workers)
		resolver := resolverFunc(func(ctx context.Context, _ string) ([]string, error) {
			start := time.Now()
			<-ctx.Done()
			select {
			case deadline <- time.Since(start):
			default:
			}
			return nil, ctx.Err()
		})
		n := newNames(Config{}, newMemory(), resolver, time.Now, quiet())
		defer run(t, n)()
		start := time.Now()
		addr := netip.MustParseAddr("10.0.0.1")
		for range 3 * queueLength { // a page of more addresses than the queue holds
			if name, _ := n.Name(addr); name != "" {
				t.Fatalf("Name(%s) = %q, want none", addr, name)
			}
			addr = addr.Next()
		}
		if spent := time.Since(start); spent != 0 {
			t.Errorf("Name waited %v", spent)
		}
		if got := <-deadline; got != lookupTimeout {
			t.Errorf("a lookup was given %v, want %v", got, lookupTimeout)
		}
	})
}

func TestLookupRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := 0
		resolver := resolverFunc(func(context.Context, string) ([]string, error) {
			mu.Lock()
			defer mu.Unlock()
			asked++
			return []string{"x."}, nil
		})
		n := newNames(Config{}, newMemory(), resolver, time.Now, quiet())
		defer run(t, n)()
		addr := netip.MustParseAddr("10.0.0.1")
		for range 1000 {
			n.Name(addr)
			addr = addr.Next()
		}
		pause(10 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if asked < 190 || asked > 201 {
			t.Errorf("%d lookups in 10 s, want 200", asked)
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	n := newNames(Config{}, newMemory(), nil, func() time.Time { return now }, quiet())
	kept := netip.MustParseAddr("10.0.0.1")
	n.dns[kept] = &lookup{name: "kept", until: now.Add(time.Hour), asked: now.Add(time.Hour)}
	addr := kept
	for range 3 * cacheLimit {
		addr = addr.Next()
		now = now.Add(time.Millisecond)
		n.Name(addr)
	}
	if got := len(n.dns); got > cacheLimit {
		t.Errorf("%d addresses remembered, want at most %d", got, cacheLimit)
	}
	wantName(t, n, "10.0.0.1", "kept", DNS)
}

func TestBestSourceWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]bool{}
		resolver := resolverFunc(func(_ context.Context, addr string) ([]string, error) {
			asked[addr] = true
			return []string{"dns.lan."}, nil
		})
		store := newMemory()
		store.owned[netip.MustParseAddr("192.168.1.20")] = "Own"
		n := newNames(Config{}, store, resolver, time.Now, quiet())
		n.lease([]Lease{
			{Address: netip.MustParseAddr("192.168.1.20"), Name: "lease"},
			{Address: netip.MustParseAddr("192.168.1.21"), Name: "lease"},
			{Address: netip.MustParseAddr("192.168.1.22"), Name: "over", Expires: time.Now().Add(-time.Hour)},
		})
		defer run(t, n)()
		synctest.Wait()
		n.Name(netip.MustParseAddr("192.168.1.22"))
		pause(time.Second)
		wantName(t, n, "192.168.1.20", "Own", Own)
		wantName(t, n, "192.168.1.21", "lease", DHCP)
		wantName(t, n, "192.168.1.22", "dns.lan", DNS)
		if err := n.Rename(t.Context(), netip.MustParseAddr("192.168.1.22"), " Telly "); err != nil {
			t.Fatal(err)
		}
		wantName(t, n, "192.168.1.22", "Telly", Own)
		if err := n.Rename(t.Context(), netip.MustParseAddr("192.168.1.22"), "a\u202eb"); !errors.Is(err, ErrUnprintable) {
			t.Errorf("Rename with a bidi mark: %v, want %v", err, ErrUnprintable)
		}
		if err := n.Rename(t.Context(), netip.MustParseAddr("192.168.1.22"), ""); err != nil {
			t.Fatal(err)
		}
		wantName(t, n, "192.168.1.22", "dns.lan", DNS)
		if len(asked) != 1 {
			t.Errorf("asked DNS for %v, want only 192.168.1.22", asked)
		}
	})
}

func TestReverseDNSOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on, asked := false, 0
		resolver := resolverFunc(func(context.Context, string) ([]string, error) { asked++; return []string{"nas.lan."}, nil })
		store := newMemory()
		store.locals = []netip.Addr{netip.MustParseAddr("192.168.1.20")}
		n := newNames(Config{ReverseDNS: func() bool { return on }}, store, resolver, time.Now, quiet())
		defer run(t, n)()
		wantName(t, n, "192.168.1.20", "", "")
		pause(3 * time.Hour)
		wantName(t, n, "192.168.1.20", "", "")
		if asked != 0 {
			t.Errorf("asked DNS %d times although it is off", asked)
		}
		on = true
		n.Name(netip.MustParseAddr("192.168.1.20"))
		pause(time.Second)
		wantName(t, n, "192.168.1.20", "nas.lan", DNS)
		on = false
		wantName(t, n, "192.168.1.20", "", "")
	})
}

func TestWhatIsNotAsked(t *testing.T) {
	n := newNames(Config{}, newMemory(), nil, time.Now, quiet())
	for _, a := range []string{"::", "0.0.0.0", "127.0.0.1", "::1", "224.0.0.251", "ff02::fb", "fe80::1", "169.254.1.1", "255.255.255.255"} {
		wantName(t, n, a, "", "")
	}
	n.Name(netip.Addr{})
	if len(n.queue) != 0 {
		t.Errorf("%d addresses queued, want none", len(n.queue))
	}
}

// Local hosts are looked up even if nobody opens a page.
func TestHostsAreLookedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resolver := resolverFunc(func(context.Context, string) ([]string, error) { return []string{"nas.lan."}, nil })
		store := newMemory()
		addr := netip.MustParseAddr("192.168.1.20")
		store.locals = []netip.Addr{addr}
		n := newNames(Config{}, store, resolver, time.Now, quiet())
		stop := run(t, n)
		pause(49 * time.Hour)
		stop()
		at := store.saved[sighting{addr, DNS, "nas.lan"}]
		if age := time.Since(at); age > 26*time.Hour {
			t.Errorf("last seen %v ago, want within about a day", age)
		}
	})
}

// What is learnt while ClickHouse is away is stored when it is back.
func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resolver := resolverFunc(func(context.Context, string) ([]string, error) { return []string{"nas.lan."}, nil })
		store := newMemory()
		store.down = true
		seen := sighting{netip.MustParseAddr("192.168.1.9"), DHCP, "before"}
		store.recall = map[sighting]time.Time{seen: time.Now().Add(-time.Hour)}
		n := newNames(Config{}, store, resolver, time.Now, quiet())
		defer run(t, n)()
		n.Name(netip.MustParseAddr("192.168.1.20"))
		pause(time.Minute)
		wantName(t, n, "192.168.1.20", "nas.lan", DNS)
		if len(store.saved) != 0 {
			t.Fatalf("stored %v while the store was down", store.saved)
		}
		store.mu.Lock()
		store.down = false
		store.mu.Unlock()
		pause(2 * time.Minute)
		if _, ok := store.saved[sighting{netip.MustParseAddr("192.168.1.20"), DNS, "nas.lan"}]; !ok {
			t.Errorf("stored %v, want nas.lan among it", store.saved)
		}
		wantName(t, n, "192.168.1.9", "before", DHCP)
	})
}

// Names that another process stores, as the demo does, are shown without a
// restart, and go when it takes them away.
func TestNamesStoredByAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		resolver := resolverFunc(func(context.Context, string) ([]string, error) {
			return nil, &net.DNSError{IsNotFound: true}
		})
		n := newNames(Config{}, store, resolver, time.Now, quiet())
		defer run(t, n)()
		wantName(t, n, "192.168.42.20", "", "")
		pause(time.Minute)
		set := func(recall map[sighting]time.Time) {
			store.mu.Lock()
			defer store.mu.Unlock()
			store.recall = recall
		}
		set(map[sighting]time.Time{{netip.MustParseAddr("192.168.42.20"), DHCP, "tv.lan"}: time.Now()})
		pause(loadInterval + time.Second)
		wantName(t, n, "192.168.42.20", "tv.lan", DHCP)
		set(nil)
		pause(loadInterval + time.Second)
		wantName(t, n, "192.168.42.20", "", "")
	})
}
