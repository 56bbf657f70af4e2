package names

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/flattraffic/flattraffic/site"
)

// pair is an address together with a MAC.
type pair struct {
	addr netip.Addr
	mac  uint64
}

// sightingOfMAC says that an address was seen with a MAC, and when, in Unix
// seconds.
type sightingOfMAC struct {
	pair
	leased      bool // a DHCP server said so; otherwise flows did
	exporter    bool // the address is one of a router that exports flows
	first, last int64
}

// The most addresses that a host's MAC has at once. A laptop that is in two
// networks has two of IPv4; privacy extensions keep some eight of each IPv6
// prefix. What has more is a router that forwards for other hosts.
const (
	maxIPv4AtOnce = 2
	maxIPv6AtOnce = 32
)

// resolve says which addresses are of one device in the span [from, to) of
// Unix seconds. What is set by hand wins; else the MAC of an address does, the
// one in the span if there is a choice, a leased one before one of flows, the
// last one seen. stored devices keep their place at the front, those found by
// their MAC alone follow in its order. No address is of two devices.
func resolve(stored []site.Device, seen []sightingOfMAC, from, to int64) []site.Device {
	devices := slices.Clone(stored)
	place, ofMAC := map[netip.Addr]int{}, map[uint64]int{}
	for i, d := range devices {
		devices[i].Addresses = slices.Clone(d.Addresses)
		for _, a := range d.Addresses {
			place[a] = i
		}
		for _, m := range d.MACs {
			ofMAC[m] = i
		}
	}
	chosen := chosenMACs(stored, seen, from, to)
	for _, s := range slices.SortedFunc(maps.Values(chosen), func(a, b sightingOfMAC) int {
		return cmp.Or(cmp.Compare(a.mac, b.mac), a.addr.Compare(b.addr))
	}) {
		if _, byHand := place[s.addr]; byHand {
			continue
		}
		i, ok := ofMAC[s.mac]
		if !ok {
			i = len(devices)
			ofMAC[s.mac] = i
			devices = append(devices, site.Device{ID: idOf(s.mac, stored), MACs: []uint64{s.mac}})
		}
		devices[i].Addresses = append(devices[i].Addresses, s.addr)
		place[s.addr] = i
	}
	return devices
}

// idOf is the id of a device that is told by its MAC alone: the MAC, unless a
// stored device that has lost it is still called so.
func idOf(mac uint64, stored []site.Device) string {
	id := site.FormatMAC(mac)
	if slices.ContainsFunc(stored, func(d site.Device) bool { return d.ID == id }) {
		id += "-found"
	}
	return id
}

// chosenMACs finds the MAC that tells whose each address is in a span.
func chosenMACs(stored []site.Device, seen []sightingOfMAC, from, to int64) map[netip.Addr]sightingOfMAC {
	trust := trusted(stored, seen)
	in := func(s sightingOfMAC) int {
		if s.first < to && s.last >= from {
			return 1
		}
		return 0
	}
	chosen := map[netip.Addr]sightingOfMAC{}
	for _, s := range seen {
		if s.addr.IsUnspecified() || s.addr.IsMulticast() || !trust(s) {
			continue
		}
		old, ok := chosen[s.addr]
		better := cmp.Or(cmp.Compare(in(s), in(old)), compareBool(s.leased, old.leased), cmp.Compare(s.last, old.last), cmp.Compare(s.mac, old.mac))
		if !ok || better > 0 {
			chosen[s.addr] = s
		}
	}
	return chosen
}

// trusted returns what says whether a sighting tells a host. A MAC that the
// user gave to a device does, one that the user set apart never. Of the others
// a lease is believed, and flows unless the MAC is a router's.
func trusted(stored []site.Device, seen []sightingOfMAC) func(sightingOfMAC) bool {
	byHand := map[uint64]bool{}
	for _, d := range stored {
		for _, m := range d.MACs {
			byHand[m] = !d.Apart
		}
	}
	routers := routersAmong(seen)
	return func(s sightingOfMAC) bool {
		if believed, ok := byHand[s.mac]; ok {
			return believed
		}
		return !group(s.mac) && (s.leased || !routers[s.mac])
	}
}

// routersAmong lists the MACs that stand for other hosts: those of routers that
// export flows, those that several routers share, and those with more addresses
// at once than a host has.
func routersAmong(seen []sightingOfMAC) map[uint64]bool {
	routers := map[uint64]bool{}
	four, six := map[uint64][]sightingOfMAC{}, map[uint64][]sightingOfMAC{}
	for _, s := range seen {
		switch {
		case s.leased:
		case s.exporter || virtual(s.mac):
			routers[s.mac] = true
		case s.addr.Is4():
			four[s.mac] = append(four[s.mac], s)
		default:
			six[s.mac] = append(six[s.mac], s)
		}
	}
	for mac, list := range four {
		routers[mac] = routers[mac] || atOnce(list) > maxIPv4AtOnce
	}
	for mac, list := range six {
		routers[mac] = routers[mac] || atOnce(list) > maxIPv6AtOnce
	}
	return routers
}

// atOnce is the largest number of sightings that were in force together.
func atOnce(list []sightingOfMAC) int {
	type edge struct {
		at int64
		by int
	}
	var edges []edge
	for _, s := range list {
		edges = append(edges, edge{s.first, +1}, edge{s.last + 1, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.by, b.by)) })
	most, now := 0, 0
	for _, e := range edges {
		now += e.by
		most = max(most, now)
	}
	return most
}

// group reports whether a MAC is one of many hosts, as of broadcast.
func group(mac uint64) bool { return mac == 0 || mac>>40&1 == 1 }

// virtual reports whether a MAC is one that routers hand to each other: of VRRP
// for IPv4 and IPv6, and of HSRP.
func virtual(mac uint64) bool {
	switch mac >> 8 {
	case 0x00005e0001, 0x00005e0002, 0x00000c07ac:
		return true
	}
	return false
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
