package decode

// set takes one field of a record. The length of v fits the meaning.
func (f *fields) set(o op, v []byte) {
	switch {
	case o <= opReverseTotalPackets:
		f.setCounter(o, v)
	case o >= opFirstUptime && o <= opSeenMillis:
		f.setTime(o, v)
	case o >= opSamplingInterval && o <= opScopeIf:
		f.setSampling(o, v)
	default:
		f.setEnd(o, v)
	}
}

// setCounter takes octets or packets. A counter that a template holds twice
// counts once: the first that is not zero.
func (f *fields) setCounter(o op, v []byte) {
	var to *uint64
	switch o {
	case opOctets:
		to = &f.delta.octets
	case opPackets:
		to = &f.delta.packets
	case opOutOctets:
		to = &f.out.octets
	case opOutPackets:
		to = &f.out.packets
	case opTotalOctets:
		to = &f.total.octets
	case opTotalPackets:
		to = &f.total.packets
	case opInitiatorOctets:
		to = &f.initiator.octets
	case opInitiatorPackets:
		to = &f.initiator.packets
	case opResponderOctets:
		to = &f.responder.octets
	case opResponderPackets:
		to = &f.responder.packets
	case opReverseOctets:
		to = &f.reverse.octets
	case opReversePackets:
		to = &f.reverse.packets
	case opReverseTotalOctets:
		to = &f.reverseTotal.octets
	case opReverseTotalPackets:
		to = &f.reverseTotal.packets
	default:
		return
	}
	f.has |= 1 << (o - opOctets)
	keep(to, v)
}

// setEnd takes what describes the two ends of the flow and its way.
func (f *fields) setEnd(o op, v []byte) {
	switch o {
	case opSrc:
		keepAddress(&f.src, v)
	case opDst:
		keepAddress(&f.dst, v)
	case opSrcPrefix:
		keepAddress(&f.srcPrefix, v)
	case opDstPrefix:
		keepAddress(&f.dstPrefix, v)
	case opPostSrc:
		keepAddress(&f.postSrc, v)
	case opPostDst:
		keepAddress(&f.postDst, v)
	case opSrcPort:
		keep(&f.srcPort, v)
	case opDstPort:
		keep(&f.dstPort, v)
	case opPostDstPort:
		keep(&f.postDstPort, v)
	case opProtocol:
		keep(&f.protocol, v)
	case opTOS:
		keep(&f.tos, v)
	case opTCPFlags:
		f.tcpFlags |= uint16(number(v))
	case opReverseTCPFlags:
		f.reverseTCPFlags |= uint16(number(v))
	case opInIf:
		keep(&f.inIf, v)
	case opOutIf:
		keep(&f.outIf, v)
	case opInPhysical:
		keep(&f.inPhysical, v)
	case opOutPhysical:
		keep(&f.outPhysical, v)
	default:
		f.setLink(o, v)
	}
}

// setLink takes link-layer and routing properties.
func (f *fields) setLink(o op, v []byte) {
	switch o {
	case opVLAN:
		keep(&f.vlan, v)
	case opPostVLAN:
		keep(&f.postVLAN, v)
	case opSrcAS:
		keep(&f.srcAS, v)
	case opDstAS:
		keep(&f.dstAS, v)
	case opICMPTypeCode:
		n := number(v)
		f.icmpType, f.icmpCode = uint8(n>>8), uint8(n)
		f.has |= hasICMP
	case opICMPType:
		f.icmpType = uint8(number(v))
		f.has |= hasICMP
	case opICMPCode:
		f.icmpCode = uint8(number(v))
		f.has |= hasICMP
	case opDirection:
		f.direction = uint8(number(v))
		f.has |= hasDirection
	case opSrcMAC:
		keep(&f.srcMAC, v)
	case opDstMAC:
		keep(&f.dstMAC, v)
	case opPostSrcMAC:
		keep(&f.postSrcMAC, v)
	case opPostDstMAC:
		keep(&f.postDstMAC, v)
	default:
	}
}

// setSampling takes what says how packets were sampled.
func (f *fields) setSampling(o op, v []byte) {
	n := number(v)
	switch o {
	case opSamplingInterval:
		f.samplingInterval = rateValue(n, v)
	case opRandomInterval:
		f.randomInterval = rateValue(n, v)
	case opPacketInterval:
		f.packetInterval = n
	case opPacketSpace:
		f.packetSpace = n
	case opSampleSize:
		f.sampleSize = n
	case opPopulation:
		f.population = n
	case opSamplerID:
		f.samplerID = n
		f.has |= hasSamplerID
		return
	case opScopeIf:
		f.scopeIf = uint32(n)
		f.has |= hasScopeIf
		return
	default:
	}
	f.has |= hasSampling
}
