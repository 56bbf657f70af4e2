package decode

import (
	"encoding/binary"
	"net/netip"
)

// op is what a field of a template means here.
type op uint8

// The meanings of fields. Numbers first: isNumber tells them from the rest.
const (
	opSkip op = iota
	opOctets
	opPackets
	opOutOctets
	opOutPackets
	opTotalOctets
	opTotalPackets
	opInitiatorOctets
	opInitiatorPackets
	opResponderOctets
	opResponderPackets
	opReverseOctets
	opReversePackets
	opReverseTotalOctets
	opReverseTotalPackets
	opProtocol
	opTOS
	opTCPFlags
	opReverseTCPFlags
	opSrcPort
	opDstPort
	opPostDstPort
	opInIf
	opOutIf
	opInPhysical
	opOutPhysical
	opVLAN
	opPostVLAN
	opSrcAS
	opDstAS
	opICMPTypeCode
	opICMPType
	opICMPCode
	opDirection
	opFirstUptime
	opLastUptime
	opInitMillis
	opStartSeconds
	opEndSeconds
	opStartMillis
	opEndMillis
	opStartMicros
	opEndMicros
	opStartNanos
	opEndNanos
	opStartDelta
	opEndDelta
	opDurationMillis
	opDurationMicros
	opSeenSeconds
	opSeenMillis
	opSamplingInterval
	opRandomInterval
	opPacketInterval
	opPacketSpace
	opSampleSize
	opPopulation
	opSamplerID
	opScopeIf
	opLastNumber
	opSrc
	opDst
	opSrcPrefix
	opDstPrefix
	opPostSrc
	opPostDst
	opSrcMAC
	opDstMAC
	opPostSrcMAC
	opPostDstMAC
)

// reversePEN marks information elements of the reverse direction (RFC 5103).
const reversePEN = 29305

// opOf gives the meaning of an information element (IANA registry; NetFlow v9
// shares its numbers; 4000x are Cisco ASA's before its version 8.4).
func opOf(pen uint32, element uint16) op {
	switch {
	case pen == reversePEN:
		switch element {
		case 1, 23:
			return opReverseOctets
		case 2, 24:
			return opReversePackets
		case 85:
			return opReverseTotalOctets
		case 86:
			return opReverseTotalPackets
		case 6:
			return opReverseTCPFlags
		}
		return opSkip
	case pen != 0:
		return opSkip
	case int(element) < len(elementOps):
		return elementOps[element]
	}
	switch element {
	case 40001:
		return opPostSrc
	case 40002:
		return opPostDst
	case 40004:
		return opPostDstPort
	}
	return opSkip
}

var elementOps = [...]op{
	1: opOctets, 2: opPackets, 23: opOutOctets, 24: opOutPackets, 85: opTotalOctets, 86: opTotalPackets,
	231: opInitiatorOctets, 298: opInitiatorPackets, 232: opResponderOctets, 299: opResponderPackets,
	4: opProtocol, 5: opTOS, 6: opTCPFlags,
	7: opSrcPort, 180: opSrcPort, 182: opSrcPort, 11: opDstPort, 181: opDstPort, 183: opDstPort, 228: opPostDstPort,
	8: opSrc, 27: opSrc, 12: opDst, 28: opDst, 44: opSrcPrefix, 170: opSrcPrefix, 45: opDstPrefix, 169: opDstPrefix,
	225: opPostSrc, 281: opPostSrc, 226: opPostDst, 282: opPostDst,
	10: opInIf, 14: opOutIf, 252: opInPhysical, 253: opOutPhysical,
	58: opVLAN, 243: opVLAN, 59: opPostVLAN, 254: opPostVLAN,
	16: opSrcAS, 17: opDstAS,
	32: opICMPTypeCode, 139: opICMPTypeCode, 176: opICMPType, 178: opICMPType, 177: opICMPCode, 179: opICMPCode,
	56: opSrcMAC, 80: opDstMAC, 81: opPostSrcMAC, 57: opPostDstMAC, 61: opDirection,
	21: opLastUptime, 22: opFirstUptime, 160: opInitMillis,
	150: opStartSeconds, 151: opEndSeconds, 152: opStartMillis, 153: opEndMillis,
	154: opStartMicros, 155: opEndMicros, 156: opStartNanos, 157: opEndNanos, 158: opStartDelta, 159: opEndDelta,
	161: opDurationMillis, 162: opDurationMicros, 322: opSeenSeconds, 323: opSeenMillis,
	34: opSamplingInterval, 50: opRandomInterval, 305: opPacketInterval, 306: opPacketSpace,
	309: opSampleSize, 310: opPopulation, 48: opSamplerID, 302: opSamplerID,
}

// fits reports whether a field of this length (variable: 65535) can carry the
// meaning. A field that cannot is skipped, never guessed at.
func (o op) fits(length uint16) bool {
	switch {
	case length == variableLength:
		return true
	case length == 0:
		return false
	case o < opLastNumber:
		return length <= 8
	case o >= opSrcMAC:
		return length == 6
	}
	return length == 4 || length == 16
}

// present tells for some meanings that the record had them: their zero is not
// the same as their absence.
type present uint32

const (
	hasOctets present = 1 << iota
	hasPackets
	hasOutOctets
	hasOutPackets
	hasTotalOctets
	hasTotalPackets
	hasInitiatorOctets
	hasInitiatorPackets
	hasResponderOctets
	hasResponderPackets
	hasReverseOctets
	hasReversePackets
	hasReverseTotalOctets
	hasReverseTotalPackets
	hasFirstUptime
	hasLastUptime
	hasDirection
	hasICMP
	hasSamplerID
	hasScopeIf
	hasSampling
)

const hasCounters = hasOctets | hasPackets | hasOutOctets | hasOutPackets | hasTotalOctets | hasTotalPackets |
	hasInitiatorOctets | hasInitiatorPackets | hasResponderOctets | hasResponderPackets |
	hasReverseOctets | hasReversePackets | hasReverseTotalOctets | hasReverseTotalPackets

// counter holds octets and packets as the exporter said them.
type counter struct{ octets, packets uint64 }

// fields is one data record of NetFlow v9 or IPFIX, field by field.
type fields struct {
	has present

	delta, out, total, initiator, responder, reverse, reverseTotal counter

	src, dst, srcPrefix, dstPrefix, postSrc, postDst netip.Addr

	startMs, endMs, seenMs, initMs int64 // Unix milliseconds
	startDelta, endDelta           int64 // microseconds before the export
	durationMs                     int64
	first, last                    uint32 // milliseconds of uptime

	samplingInterval, randomInterval, packetInterval, packetSpace, sampleSize, population uint64
	samplerID                                                                             uint64

	inIf, outIf, inPhysical, outPhysical, scopeIf uint32
	srcAS, dstAS                                  uint32
	srcMAC, dstMAC, postSrcMAC, postDstMAC        uint64
	srcPort, dstPort, postDstPort                 uint16
	vlan, postVLAN                                uint16
	tcpFlags, reverseTCPFlags                     uint16
	protocol, tos, direction, icmpType, icmpCode  uint8
}

// number reads a big-endian integer of 1 to 8 bytes (reduced-size encoding,
// RFC 7011 §6.2).
func number(v []byte) uint64 {
	switch len(v) {
	case 1:
		return uint64(v[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(v))
	case 4:
		return uint64(binary.BigEndian.Uint32(v))
	case 8:
		return binary.BigEndian.Uint64(v)
	}
	var n uint64
	for _, b := range v {
		n = n<<8 | uint64(b)
	}
	return n
}

// address reads an IPv4 or IPv6 address; a mapped one becomes IPv4.
func address(v []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(v)
	return a.Unmap()
}

// keepAddress stores the address unless it is zero, as templates of both
// families fill the other one, and there is one already. Two pairs that are not
// zero are a tunnel's, the outer first (RFC 7011 §8): the inner ends are the
// ones who talk.
func keepAddress(to *netip.Addr, v []byte) {
	if a := address(v); !to.IsValid() || !a.IsUnspecified() {
		*to = a
	}
}

// keep stores the number unless there is one already.
func keep[T uint8 | uint16 | uint32 | uint64](to *T, v []byte) {
	if *to == 0 {
		*to = T(number(v))
	}
}
