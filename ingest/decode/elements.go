package decode

// op is what a field of a template means here.
type op uint8

// The meanings of fields, numbers first. What they are is told by their order,
// so new ones go to their like.
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
	opSrcMAC
	opDstMAC
	opPostSrcMAC
	opPostDstMAC
	opSrc // the first address
	opDst
	opSrcPrefix
	opDstPrefix
	opPostSrc
	opPostDst
	opEnd
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
	case o >= opSrc:
		return length == 4 || length == 16
	case o >= opSrcMAC:
		return length == 6
	}
	return length <= 8
}

// width is how many bytes a number of this meaning has. Of a longer field the
// lower ones count.
func (o op) width() uint16 {
	switch o {
	case opProtocol, opTOS, opICMPType, opICMPCode, opDirection:
		return 1
	case opTCPFlags, opReverseTCPFlags, opSrcPort, opDstPort, opPostDstPort, opVLAN, opPostVLAN, opICMPTypeCode:
		return 2
	case opInIf, opOutIf, opInPhysical, opOutPhysical, opScopeIf, opSrcAS, opDstAS, opFirstUptime, opLastUptime:
		return 4
	default:
		return 8
	}
}
