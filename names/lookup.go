package names

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// lookup is what is known of an address from reverse DNS.
type lookup struct {
	name   string
	until  time.Time // when to ask the resolver again
	asked  time.Time // when a page last wanted it
	queued bool
}

// ask returns the cached name of an address and queues a lookup when there is
// none or it is old. The caller holds mu.
func (n *Names) ask(addr netip.Addr) string {
	if !worthAsking(addr) {
		return ""
	}
	now := n.now()
	l := n.dns[addr]
	if l == nil {
		n.makeRoom()
		l = &lookup{}
		n.dns[addr] = l
	}
	l.asked = now
	if !l.queued && !now.Before(l.until) {
		select {
		case n.queue <- addr:
			l.queued = true
		default: // The queue is full; the next page that shows it asks again.
		}
	}
	return l.name
}

// worthAsking keeps addresses that can't have a name of their own away from
// the resolver.
func worthAsking(addr netip.Addr) bool {
	return addr.IsValid() && !addr.IsUnspecified() && !addr.IsLoopback() && !addr.IsMulticast() &&
		!addr.IsLinkLocalUnicast() && addr != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// makeRoom forgets the eighth part of a full cache that was not asked for the
// longest time. The caller holds mu.
func (n *Names) makeRoom() {
	if len(n.dns) < cacheLimit {
		return
	}
	type aged struct {
		addr  netip.Addr
		asked time.Time
	}
	all := make([]aged, 0, len(n.dns))
	for addr, l := range n.dns {
		if !l.queued {
			all = append(all, aged{addr, l.asked})
		}
	}
	slices.SortFunc(all, func(a, b aged) int { return a.asked.Compare(b.asked) })
	for _, a := range all[:min(len(all), cacheLimit/8)] {
		delete(n.dns, a.addr)
	}
}

// lookUp is one worker: it takes an address for each tick, which all workers
// share and which so bounds the rate of all.
func (n *Names) lookUp(ctx context.Context, tick <-chan time.Time) {
	for {
		var addr netip.Addr
		select {
		case <-ctx.Done():
			return
		case addr = <-n.queue:
		}
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		n.resolve(ctx, addr)
	}
}

// resolve asks the resolver and books the answer.
func (n *Names) resolve(ctx context.Context, addr netip.Addr) {
	var found []string
	var err error
	off := !n.cfg.ReverseDNS() // Switched off while the address waited.
	if !off {
		lookupCtx, cancel := context.WithTimeout(ctx, lookupTimeout)
		// A resolver that drops malformed names returns the others together
		// with an error, so the names count first.
		found, err = n.resolver.LookupAddr(lookupCtx, addr.String())
		cancel()
	}
	name := choose(found)

	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.dns[addr]
	if l == nil {
		return
	}
	l.queued = false
	now := n.now()
	switch {
	case off:
	case name != "":
		l.name, l.until = name, now.Add(positiveTTL)
		n.note(addr, DNS, name, now)
	case err == nil || answered(err):
		l.name, l.until = "", now.Add(negativeTTL)
	default: // No answer says nothing: the name known so far stays.
		l.until = now.Add(failureTTL)
	}
}

// choose picks one of several names: the shortest, then the first by
// alphabet, so that it does not change with the order of the answer.
func choose(found []string) string {
	best := ""
	for _, f := range found {
		f = strings.ToLower(cleanForeign(f))
		if f == "" {
			continue
		}
		if best == "" || len(f) < len(best) || len(f) == len(best) && f < best {
			best = f
		}
	}
	return best
}

// queueHosts asks for the names of the local hosts seen lately, so that their
// names of today are kept even if nobody looks at a page.
func (n *Names) queueHosts(ctx context.Context) error {
	if !n.cfg.ReverseDNS() {
		return nil
	}
	hosts, err := n.store.hosts(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, addr := range hosts {
		n.ask(addr)
	}
	return nil
}
