package names

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/flattraffic/flattraffic/site"
)

// macsFresh is how long what was read of the table addresses is taken as
// current for a report.
const macsFresh = 5 * time.Second

// maxRosters bounds the spans whose devices are kept ready.
const maxRosters = 16

// roster is which addresses are of one device, for the spans asked for lately.
type roster struct {
	seen    []sightingOfMAC
	version string // of the table they were read of
	read    time.Time
	stored  []site.Device
	spans   map[[2]int64][]site.Device
}

// Devices returns the machines of the household with all their addresses in a
// span: those of stored, which the user named or set up, and those that are
// told by the MAC of their addresses alone. An address that has neither is in
// none of them, and none is in two. The result is shared: treat it as
// immutable.
func (n *Names) Devices(ctx context.Context, stored []site.Device, from, to time.Time) ([]site.Device, error) {
	if err := n.readMACs(ctx, macsFresh); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.roster.of(stored, from.Unix(), to.Unix()), nil
}

// readMACs reads the table addresses unless that was done lately, or it is as
// it was then.
func (n *Names) readMACs(ctx context.Context, maxAge time.Duration) error {
	n.mu.Lock()
	was, read := n.roster.version, n.roster.read
	n.mu.Unlock()
	if !read.IsZero() && n.now().Sub(read) < maxAge {
		return nil
	}
	began := n.now()
	version, err := n.store.version(ctx, "addresses")
	if err != nil {
		return err
	}
	var seen []sightingOfMAC
	same := !read.IsZero() && version == was
	if !same {
		if seen, err = n.store.macs(ctx); err != nil {
			return fmt.Errorf("read which MAC has which address: %w", err)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.roster.read = began
	if !same {
		n.roster.seen, n.roster.version, n.roster.spans = seen, version, nil
	}
	return nil
}

// of resolves the devices of a span, or takes them from those kept ready. The
// caller holds the lock.
func (r *roster) of(stored []site.Device, from, to int64) []site.Device {
	if !slices.EqualFunc(stored, r.stored, sameDevice) || len(r.spans) >= maxRosters {
		r.spans = nil
	}
	if r.spans == nil {
		r.stored, r.spans = stored, map[[2]int64][]site.Device{}
	}
	span := [2]int64{from, to}
	devices, ok := r.spans[span]
	if !ok {
		devices = resolve(stored, r.seen, from, to)
		r.spans[span] = devices
	}
	return devices
}

func sameDevice(a, b site.Device) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Owner == b.Owner && a.Apart == b.Apart &&
		slices.Equal(a.MACs, b.MACs) && slices.Equal(a.Addresses, b.Addresses)
}

// deviceNames adds the names of devices to those given to single addresses,
// and wins over them: all addresses of a device have its name.
func (n *Names) deviceNames(ctx context.Context, own map[netip.Addr]string) error {
	stored, err := n.store.devices(ctx)
	if err != nil {
		return err
	}
	if len(stored) == 0 {
		return nil
	}
	if err := n.readMACs(ctx, 0); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.roster.of(stored, 0, math.MaxInt64)[:len(stored)] {
		for _, a := range d.Addresses {
			if d.Name != "" {
				own[a] = d.Name
			}
		}
	}
	return nil
}
