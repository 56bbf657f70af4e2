package server

import (
	"net/netip"
	"sync"
	"time"
)

// The pace of logins that do not succeed. An address may try five times at
// once and then every thirty seconds; all strangers together sixty times at
// once and then every second.
const (
	addressBurst = 5
	addressEvery = 30 * time.Second
	overallBurst = 60
	overallEvery = time.Second
	maxAddresses = 1024
)

// limiter slows down guessing and greed. Its state is bounded: an entry lives
// until its address may try freely again.
type limiter struct {
	now  func() time.Time
	each bucket // of an address, unused

	mu        sync.Mutex
	overall   bucket
	addresses map[netip.Prefix]*attempts
}

// attempts is what is remembered of an address.
type attempts struct {
	bucket
	known bool // somebody logged in from here; strangers elsewhere cannot lock it out
}

// newLimiter returns a limiter with these bounds for one address and for all.
func newLimiter(now func() time.Time, each, overall bucket) *limiter {
	return &limiter{
		now:       now,
		each:      each,
		overall:   overall,
		addresses: map[netip.Prefix]*attempts{},
	}
}

// allow reports whether the address may try now, and if not, how long to wait.
// A try is counted at once, before the password is checked.
func (l *limiter) allow(a netip.Addr) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	e := l.addresses[source(a)]
	if e != nil {
		if wait := e.wait(now); wait > 0 {
			return wait, false
		}
	}
	if e == nil || !e.known {
		if wait := l.overall.wait(now); wait > 0 {
			return wait, false
		}
		l.overall.take(now)
	}
	if e == nil {
		l.sweep(now)
		e = &attempts{bucket: l.each}
		l.addresses[source(a)] = e
	}
	e.take(now)
	return 0, true
}

// succeeded forgets the tries of an address and keeps its place.
func (l *limiter) succeeded(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.addresses[source(a)]; e != nil {
		e.known, e.used = true, 0
	}
}

// sweep drops what says nothing any more, and when all is taken, the entry
// that was quiet for longest.
func (l *limiter) sweep(now time.Time) {
	if len(l.addresses) < maxAddresses/2 {
		return
	}
	var oldest netip.Prefix
	for p, e := range l.addresses {
		if !e.known && e.level(now) == 0 {
			delete(l.addresses, p)
			continue
		}
		if o := l.addresses[oldest]; o == nil || e.last.Before(o.last) {
			oldest = p
		}
	}
	if len(l.addresses) >= maxAddresses {
		delete(l.addresses, oldest)
	}
}

// source is who is counted as one: an IPv4 address, or the /64 an IPv6 host
// can choose its addresses from.
func source(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // No address at all: counted together.
	}
	return p
}

// bucket allows burst at once and one more every interval.
type bucket struct {
	burst int
	every time.Duration
	used  float64 // at the time last
	last  time.Time
}

func (b *bucket) level(now time.Time) float64 {
	return max(0, b.used-float64(now.Sub(b.last))/float64(b.every))
}

// wait is how long until the next one is allowed, 0 = now.
func (b *bucket) wait(now time.Time) time.Duration {
	over := b.level(now) + 1 - float64(b.burst)
	if over <= 0 {
		return 0
	}
	return time.Duration(over * float64(b.every))
}

func (b *bucket) take(now time.Time) {
	b.used, b.last = b.level(now)+1, now
}
