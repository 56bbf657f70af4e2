// Package flow says what a flow record is and what it means here: which
// direction it has, which end is the host, which service it belongs to. It is
// pure: it knows no socket, no SQL and no HTTP.
package flow

import (
	"net/netip"
	"time"
)

// Origin is how a record came in. The values are those of flows.origin.
type Origin uint8

// The origins of records.
const (
	NetFlow5 Origin = 5
	SFlow    Origin = 6
	NetFlow9 Origin = 9
	IPFIX    Origin = 10
	Import   Origin = 20
	Demo     Origin = 21
)

// ObservedDirection is where the exporter saw the flow (information element
// 61). The values are those of flows.flow_direction.
type ObservedDirection uint8

// The observation points.
const (
	ObservedUnknown ObservedDirection = 0
	Ingress         ObservedDirection = 1
	Egress          ObservedDirection = 2
)

// Record is one flow as an exporter reported it, after decoding: NAT folded,
// times absolute and plausible, counters multiplied by the sampling rate.
type Record struct {
	Exporter netip.Addr // unmapped
	Origin   Origin
	Observed ObservedDirection

	ReceivedMs int64 // Unix milliseconds
	StartMs    int64 // Unix milliseconds, first packet
	EndMs      int64 // Unix milliseconds, last packet, ≥ StartMs

	Src, Dst         netip.Addr // unmapped
	SrcPort, DstPort uint16
	Protocol         uint8 // IP protocol number

	Bytes, Packets uint64 // IP-layer octets and packets, times SamplingRate
	SamplingRate   uint32 // ≥ 1; above 1 the counters are estimates

	InIf, OutIf        uint32
	SrcMAC, DstMAC     uint64 // 48 bits, big endian; 0 = not said
	SrcAS, DstAS       uint32
	VLAN               uint16
	TCPFlags           uint16
	TOS                uint8
	ICMPType, ICMPCode uint8
	TimeFixed          bool // the exporter's times were not plausible
}

// Time spans that a plausible record keeps to (accounting rules, clamp).
const (
	MaxSpan   = 7 * 24 * time.Hour // from first to last packet
	MaxAge    = 7 * 24 * time.Hour // from last packet to reception
	MaxFuture = 5 * time.Minute    // last packet after reception
)
