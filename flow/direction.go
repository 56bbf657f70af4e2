package flow

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// Direction is the direction of a flow as seen from the local networks. The
// values are those of flows.direction.
type Direction uint8

// The four directions; each flow has exactly one.
const (
	Received  Direction = 1 // remote → local
	Sent      Direction = 2 // local → remote
	Internal  Direction = 3 // local → local, multicast, broadcast or link-local
	Unmatched Direction = 4 // neither end is local
)

// String returns the name used in SQL and JSON.
func (d Direction) String() string {
	switch d {
	case Received:
		return "received"
	case Sent:
		return "sent"
	case Internal:
		return "internal"
	case Unmatched:
		return "unmatched"
	}
	return "unknown"
}

// DefaultLocal are the ranges that are local until the user says otherwise:
// RFC 1918, unique local and link-local addresses.
func DefaultLocal() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("fc00::/7"),
		netip.MustParsePrefix("fe80::/10"),
	}
}

// Ends is a flow told from the local host's side.
type Ends struct {
	Direction          Direction
	Host, Peer         netip.Addr // Host is :: when Direction is Unmatched
	HostPort, PeerPort uint16
	HostMAC, PeerMAC   uint64
	HostAS, PeerAS     uint32
	UnmatchedDst       netip.Addr // destination of an unmatched flow, else ::
	Service            uint16     // 0 = Other
}

// Classifier decides direction, host, peer and service of records. It is safe
// for concurrent use; a change of networks makes a new one.
type Classifier struct {
	local    bart.Lite
	services *Services
}

// NewClassifier returns a classifier for the given local networks.
func NewClassifier(local []netip.Prefix, services *Services) *Classifier {
	c := &Classifier{services: services}
	for _, p := range local {
		c.local.Insert(p.Masked())
	}
	return c
}

// Local reports whether the address (unmapped) lies in a local network.
func (c *Classifier) Local(a netip.Addr) bool {
	return c.local.Contains(a)
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Classify tells the record from the local host's side.
func (c *Classifier) Classify(r *Record) Ends {
	srcLocal, dstLocal := c.Local(r.Src), c.Local(r.Dst)
	e := Ends{
		Host: r.Src, HostPort: r.SrcPort, HostMAC: r.SrcMAC, HostAS: r.SrcAS,
		Peer: r.Dst, PeerPort: r.DstPort, PeerMAC: r.DstMAC, PeerAS: r.DstAS,
		UnmatchedDst: netip.IPv6Unspecified(),
		Service:      c.services.Of(r.Protocol, r.SrcPort, r.DstPort),
	}
	switch {
	case srcLocal && (dstLocal || r.Dst.IsMulticast() || r.Dst == broadcast || r.Dst.IsLinkLocalUnicast()):
		e.Direction = Internal
	case srcLocal:
		e.Direction = Sent
	case dstLocal:
		e.Direction = Received
		e.Host, e.HostPort, e.HostMAC, e.HostAS = r.Dst, r.DstPort, r.DstMAC, r.DstAS
		e.Peer, e.PeerPort, e.PeerMAC, e.PeerAS = r.Src, r.SrcPort, r.SrcMAC, r.SrcAS
	default:
		e.Direction = Unmatched
		e.Host, e.HostPort, e.HostMAC, e.HostAS = netip.IPv6Unspecified(), r.DstPort, r.DstMAC, r.DstAS
		e.Peer, e.PeerPort, e.PeerMAC, e.PeerAS = r.Src, r.SrcPort, r.SrcMAC, r.SrcAS
		e.UnmatchedDst = r.Dst
	}
	return e
}
