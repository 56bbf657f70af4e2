package server

import (
	"net/netip"
	"testing"
	"time"
)

// clock is a time that tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time       { return c.t }
func (c *clock) pass(d time.Duration) { c.t = c.t.Add(d) }

func newClock() *clock { return &clock{time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)} }

func TestLoginLimiterSlowsOneAddress(t *testing.T) {
	c := newClock()
	l := newLimiter(c.now, bucket{burst: addressBurst, every: addressEvery}, bucket{burst: overallBurst, every: overallEvery})
	guesser, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	tries := func(a netip.Addr, n int) (allowed int) {
		for range n {
			if _, ok := l.allow(a); ok {
				allowed++
			}
		}
		return allowed
	}
	if got, want := tries(guesser, 100), addressBurst; got != want {
		t.Errorf("%d of 100 tries allowed at once, want %d", got, want)
	}
	if got := tries(other, 1); got != 1 {
		t.Error("another address has to wait too")
	}
	wait, ok := l.allow(guesser)
	if ok || wait != addressEvery {
		t.Errorf("allow = %v, %v; want to wait %v", wait, ok, addressEvery)
	}
	c.pass(time.Hour)
	if got, want := tries(guesser, 100), addressBurst; got != want {
		t.Errorf("%d tries allowed after an hour, want %d", got, want)
	}
	l.succeeded(guesser)
	if got, want := tries(guesser, 100), addressBurst; got != want {
		t.Errorf("%d tries allowed after a login, want %d", got, want)
	}
}

func TestLoginLimiterCountsAnIPv6NetworkAsOne(t *testing.T) {
	l := newLimiter(newClock().now, bucket{burst: addressBurst, every: addressEvery}, bucket{burst: overallBurst, every: overallEvery})
	allowed := 0
	for i := range 100 {
		a := netip.MustParseAddr("2001:db8::").As16()
		a[15] = byte(i)
		if _, ok := l.allow(netip.AddrFrom16(a)); ok {
			allowed++
		}
	}
	if allowed != addressBurst {
		t.Errorf("%d tries allowed from one /64, want %d", allowed, addressBurst)
	}
}

// TestLoginLimiterBounds tries from ever new addresses: the rate of all
// together is bounded, and so is what is remembered; who logged in before is
// not locked out by them.
func TestLoginLimiterBounds(t *testing.T) {
	c := newClock()
	l := newLimiter(c.now, bucket{burst: addressBurst, every: addressEvery}, bucket{burst: overallBurst, every: overallEvery})
	home := netip.MustParseAddr("192.168.1.30")
	if _, ok := l.allow(home); !ok {
		t.Fatal("first login not allowed")
	}
	l.succeeded(home)
	allowed := 0
	const seconds, perSecond = 600, 50
	for i := range seconds * perSecond {
		a := netip.AddrFrom4([4]byte{203, byte(i >> 16), byte(i >> 8), byte(i)})
		if _, ok := l.allow(a); ok {
			allowed++
		}
		c.pass(time.Second / perSecond)
	}
	if want := overallBurst + seconds; allowed > want {
		t.Errorf("%d tries allowed in %d s, want at most %d", allowed, seconds, want)
	}
	if len(l.addresses) > maxAddresses {
		t.Errorf("%d addresses remembered, want at most %d", len(l.addresses), maxAddresses)
	}
	if _, ok := l.allow(home); !ok {
		t.Error("strangers lock out an address that logged in before")
	}
}

func TestLoginLimiterRemembersABoundedNumberOfKnownAddresses(t *testing.T) {
	c := newClock()
	l := newLimiter(c.now, bucket{burst: addressBurst, every: addressEvery}, bucket{burst: overallBurst, every: overallEvery})
	for i := range 3 * maxAddresses {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if _, ok := l.allow(a); ok {
			l.succeeded(a)
		}
		c.pass(2 * time.Second)
	}
	if len(l.addresses) > maxAddresses {
		t.Errorf("%d addresses remembered, want at most %d", len(l.addresses), maxAddresses)
	}
}
