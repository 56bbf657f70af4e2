package names

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// rememberFor is how long a name learnt before the last start is shown
// without being confirmed.
const rememberFor = 30 * 24 * time.Hour

// confirmEvery is how often a name that stays the same is written down again,
// which moves its last-seen date.
const confirmEvery = 6 * time.Hour

// remembered is a name from a lease.
type remembered struct {
	name  string
	mac   uint64
	until time.Time // shown until then unless confirmed
	noted time.Time // last written down
	// recalled says that the store is all that is known of it: when it goes from
	// there, it goes from here.
	recalled bool
}

// NamesOf returns all names an address had, the newest first.
func (n *Names) NamesOf(ctx context.Context, addr netip.Addr) ([]Seen, error) {
	seen, err := n.store.of(ctx, addr.Unmap().WithZone(""))
	if err != nil {
		return nil, fmt.Errorf("names of %s: %w", addr, err)
	}
	return seen, nil
}

// pastNames are the names of spans that are over, kept ready while the tables
// that they are of stay the same.
type pastNames struct {
	version string
	own     map[netip.Addr]string // those of the user hold for all time
	spans   map[[2]int64]map[netip.Addr]Seen
}

// Then returns what Name would have said in [from, to), a time that is over:
// the names of then, not those of today. Own names are the user's and hold for
// all time; of the others the one last seen in the span counts, leases before
// DNS. An address that nobody named in the span has no name, whatever it is
// called today.
func (n *Names) Then(ctx context.Context, from, to time.Time) (func(netip.Addr) (name, source string), error) {
	own, seen, err := n.past(ctx, from, to)
	if err != nil {
		return nil, fmt.Errorf("names from %s to %s: %w", from, to, err)
	}
	dns := n.cfg.ReverseDNS()
	return func(addr netip.Addr) (name, source string) {
		addr = addr.Unmap().WithZone("")
		if name := own[addr]; name != "" {
			return name, Own
		}
		s := seen[addr]
		if s.Source == DNS && !dns {
			return "", ""
		}
		return s.Name, s.Source
	}, nil
}

// past reads the user's names and those of a span, unless they are kept ready
// and nothing has changed since.
func (n *Names) past(ctx context.Context, from, to time.Time) (own map[netip.Addr]string, seen map[netip.Addr]Seen, err error) {
	version, err := n.store.version(ctx, ownTables...)
	if err != nil {
		return nil, nil, err
	}
	span := [2]int64{from.Unix(), to.Unix()}
	n.mu.Lock()
	same := n.then.spans != nil && n.then.version == version
	if same {
		own, seen = n.then.own, n.then.spans[span]
	}
	n.mu.Unlock()
	if seen != nil {
		return own, seen, nil
	}
	if !same {
		if err := n.loadOwn(ctx); err != nil { // Run may not be running: the terminal asks, too.
			return nil, nil, err
		}
	}
	if seen, err = n.store.during(ctx, from, to); err != nil {
		return nil, nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !same {
		own = n.own
	}
	if n.then.version != version || n.then.spans == nil || len(n.then.spans) >= maxRosters {
		n.then = pastNames{version, own, map[[2]int64]map[netip.Addr]Seen{}}
	}
	n.then.spans[span] = seen
	return own, seen, nil
}

// load brings the names of before the last start back, and those that another
// process has stored since, as the demo's.
func (n *Names) load(ctx context.Context) error {
	recent, err := n.store.recent(ctx)
	if err != nil {
		return err
	}
	newestFirst := slices.SortedFunc(maps.Keys(recent), func(a, b sighting) int { return recent[b].Compare(recent[a]) })
	n.mu.Lock()
	defer n.mu.Unlock()
	for addr, r := range n.leases {
		if r.recalled {
			delete(n.leases, addr)
		}
	}
	for _, s := range newestFirst {
		last := recent[s]
		switch {
		case s.source == DHCP && n.leases[s.addr] == remembered{}:
			n.leases[s.addr] = remembered{name: s.name, until: last.Add(rememberFor), noted: last, recalled: true}
		case s.source == DNS:
			n.recall(s.addr, s.name, last)
		}
	}
	return nil
}

// recall takes a stored name from DNS unless a newer answer is there. The
// caller holds mu.
func (n *Names) recall(addr netip.Addr, name string, last time.Time) {
	l := n.dns[addr]
	switch {
	case l == nil && len(n.dns) < cacheLimit:
		n.dns[addr] = &lookup{name: name, until: last.Add(positiveTTL), asked: last}
	case l != nil && l.until.IsZero(): // A page asked for it, the resolver has not answered.
		l.name = name
	}
}

// loadOwn reads the names the user gave.
func (n *Names) loadOwn(ctx context.Context) error {
	own, err := n.store.own(ctx)
	if err != nil {
		return err
	}
	if err := n.deviceNames(ctx, own); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.own = own
	return nil
}

// note puts a name on the list of what to store. The caller holds mu.
func (n *Names) note(addr netip.Addr, source, name string, at time.Time) {
	if len(n.pending) < cacheLimit { // ClickHouse may be away for days.
		n.pending[sighting{addr, source, name}] = at
	}
}

// save stores what was learnt since the last time. What could not be stored
// stays for the next time.
func (n *Names) save(ctx context.Context) error {
	return errors.Join(
		saveNow(ctx, n, &n.pending, n.store.save),
		saveNow(ctx, n, &n.paired, n.store.saveMACs),
	)
}

// saveNow stores one of the lists of what was learnt.
func saveNow[K comparable](ctx context.Context, n *Names, list *map[K]time.Time, store func(context.Context, map[K]time.Time) error) error {
	n.mu.Lock()
	batch := *list
	*list = map[K]time.Time{}
	n.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := store(ctx, batch)
	if err == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for k, at := range batch {
		if _, newer := (*list)[k]; !newer {
			(*list)[k] = at
		}
	}
	return err
}
