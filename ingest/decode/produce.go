package decode

import (
	"net/netip"
	"slices"

	"github.com/flattraffic/flattraffic/flow"
)

const (
	icmp4 = 1
	icmp6 = 58
)

// produce appends the record, or the two of a record that counts both
// directions. A record without any counter (a NAT or security event) is not a
// flow; one whose counters are not believable is refused.
func (d *Decoder) produce(dst []flow.Record, f *fields, m *message) []flow.Record {
	forward, backward, both, ok := f.counters(m.settings.SumOutBytes)
	if !ok {
		m.noCounters++
		return dst
	}
	n := len(dst)
	dst = append(dst, flow.Record{})
	r := &dst[n]
	f.fill(r, m)
	sampling := m.domain.samplers.of(f, m.settings.SamplingRate)
	r.SamplingRate = sampling.shown()
	var back flow.Record
	if both {
		back = f.reversed(r)
	}
	if !m.count(r, forward, sampling) {
		dst = dst[:n]
	}
	if both && m.count(&back, backward, sampling) {
		dst = append(dst, back)
	}
	if len(dst) == n {
		return dst
	}
	start, end, uptime := f.times(m)
	for i := n; i < len(dst); i++ {
		if uptime {
			dst[i].StartMs, dst[i].EndMs = start, end
			d.uptimes = append(d.uptimes, i)
			continue
		}
		clamp(&dst[i], start, end)
		m.exporter.seen(&dst[i])
	}
	return dst
}

// fill sets all of a record but counters, sampling and times.
func (f *fields) fill(r *flow.Record, m *message) {
	r.Exporter, r.Origin, r.ReceivedMs = m.exporter.addr, m.origin, m.receivedMs
	r.Protocol, r.TOS = uint8(f.n[opProtocol]), uint8(f.n[opTOS])
	r.TCPFlags = uint16(f.n[opTCPFlags])
	r.SrcPort, r.DstPort = uint16(f.n[opSrcPort]), uint16(f.n[opDstPort])
	r.SrcAS, r.DstAS = uint32(f.n[opSrcAS]), uint32(f.n[opDstAS])
	f.fillEnds(r, m.exporter)
	f.fillLink(r)
	f.fillICMP(r)
}

// count scales the counters of a record into it. It reports false, and books a
// fault, when they are not believable.
func (m *message) count(r *flow.Record, c counter, sampling rate) bool {
	octets, ok1 := sampling.scale(c.octets)
	packets, ok2 := sampling.scale(c.packets)
	if !ok1 || !ok2 {
		m.malformed++
		return false
	}
	r.Bytes, r.Packets = octets, packets
	return true
}

// counters chooses what counts of a record's many counters. Octets are element
// 1, or 23 where 1 is zero: OPNsense and FreeBSD send a 23 of zero after 1,
// others fill only 23. Totals (85) count when there is no delta, initiator and
// responder octets (231, 232) when there is neither; they and the reverse
// elements of RFC 5103 give a second flow. ok is false without any counter.
func (f *fields) counters(sumOut bool) (forward, backward counter, both, ok bool) {
	if f.has&hasCounters == 0 {
		return forward, backward, false, false
	}
	octets, hasO := choose(f.n[opOctets], f.n[opOutOctets], f.n[opTotalOctets], f.has, hasOctets|hasOutOctets, hasTotalOctets, sumOut)
	packets, hasP := choose(f.n[opPackets], f.n[opOutPackets], f.n[opTotalPackets], f.has, hasPackets|hasOutPackets, hasTotalPackets, sumOut)
	forward = counter{octets, packets}
	backward = counter{f.n[opReverseOctets], f.n[opReversePackets]}
	if f.has&hasReverseOctets == 0 {
		backward.octets = f.n[opReverseTotalOctets]
	}
	if f.has&hasReversePackets == 0 {
		backward.packets = f.n[opReverseTotalPackets]
	}
	if f.has&hasConversation != 0 && octets == 0 {
		if !hasO || f.n[opInitiatorOctets]|f.n[opResponderOctets] != 0 {
			forward.octets, backward.octets = f.n[opInitiatorOctets], f.n[opResponderOctets]
			if !hasP || packets == 0 {
				forward.packets, backward.packets = f.n[opInitiatorPackets], f.n[opResponderPackets]
			}
		}
	}
	both = backward != counter{}
	return forward, backward, both, true
}

// choose picks one counter out of delta, post and total.
func choose(delta, out, total uint64, has, isDelta, isTotal present, sumOut bool) (n uint64, ok bool) {
	switch {
	case has&isDelta == 0:
		return total, has&isTotal != 0
	case delta == 0:
		return out, true
	case sumOut && out != delta:
		return delta + out, true
	}
	return delta, true
}

// fillEnds sets the addresses. Of inbound traffic whose destination is
// translated, the translated one is the host in the local network. A source
// stays what it was before translation, for the same reason.
func (f *fields) fillEnds(r *flow.Record, e *exporter) {
	r.Src = firstAddress(f.addr(opSrc), f.addr(opSrcPrefix))
	r.Dst = firstAddress(f.addr(opDst), f.addr(opDstPrefix))
	if src := f.addr(opPostSrc); src.IsValid() && !src.IsUnspecified() && src != r.Src {
		e.outside.add(src)
	}
	dst := f.addr(opPostDst)
	if !dst.IsValid() || dst.IsUnspecified() || dst == r.Dst || !f.translatesIn(r.Dst, &e.outside) {
		return
	}
	r.Dst = dst
	if port := uint16(f.n[opPostDstPort]); port != 0 {
		r.DstPort = port
	}
}

// translatesIn reports whether the post-NAT destination is the inner one.
// FortiGate gives for answers the host as destination and the outside address
// as post-NAT one, the other way round than MikroTik. Addresses that sources
// are translated to are outside ones; before any is known a private address is
// more likely inside than a public one, and of two private ones the post-NAT
// one, unless zeros show FortiGate's manner.
func (f *fields) translatesIn(dst netip.Addr, outside *outside) bool {
	src, inner := f.addr(opPostSrc), f.addr(opPostDst)
	switch {
	case outside.has(inner):
		return false
	case outside.has(dst):
		return true
	case !dst.IsPrivate():
		return true
	case !inner.IsPrivate():
		return false
	}
	return !src.IsValid() || !src.IsUnspecified()
}

// outside holds the last addresses that an exporter translated sources to.
type outside struct {
	recent [16]netip.Addr
	next   int
}

func (o *outside) has(a netip.Addr) bool { return slices.Contains(o.recent[:], a) }

func (o *outside) add(a netip.Addr) {
	if o.has(a) {
		return
	}
	o.recent[o.next] = a
	o.next = (o.next + 1) % len(o.recent)
}

// firstAddress returns the first address that says something, else ::. Records
// of switches may have none at all: they count as Unmatched.
func firstAddress(a, b netip.Addr) netip.Addr {
	switch {
	case a.IsValid() && !a.IsUnspecified():
		return a
	case b.IsValid() && !b.IsUnspecified():
		return b
	case a.IsValid():
		return a
	}
	return netip.IPv6Unspecified()
}

// fillLink sets interfaces, direction, MACs and VLAN.
func (f *fields) fillLink(r *flow.Record) {
	r.InIf, r.OutIf = uint32(f.either(opInIf, opInPhysical)), uint32(f.either(opOutIf, opOutPhysical))
	if f.has&hasDirection != 0 {
		switch f.n[opDirection] {
		case 0:
			r.Observed = flow.Ingress
		case 1:
			r.Observed = flow.Egress
		}
	}
	r.SrcMAC, r.DstMAC = f.either(opSrcMAC, opPostSrcMAC), f.either(opDstMAC, opPostDstMAC)
	if r.VLAN = uint16(f.n[opVLAN]) & 0xfff; r.VLAN == 0 {
		r.VLAN = uint16(f.n[opPostVLAN]) & 0xfff
	}
}

// either returns the number of a, or that of b where a's is zero.
func (f *fields) either(a, b op) uint64 {
	if n := f.n[a]; n != 0 {
		return n
	}
	return f.n[b]
}

// fillICMP sets type and code from their own elements, else from the
// destination port, where Cisco and its followers put them.
func (f *fields) fillICMP(r *flow.Record) {
	if r.Protocol != icmp4 && r.Protocol != icmp6 {
		return
	}
	r.ICMPType, r.ICMPCode = uint8(f.n[opICMPType]), uint8(f.n[opICMPCode])
	if r.ICMPType == 0 && r.ICMPCode == 0 {
		r.ICMPType, r.ICMPCode = uint8(f.n[opICMPTypeCode]>>8), uint8(f.n[opICMPTypeCode])
	}
	icmpFromPort(r)
}

// icmpFromPort reads type and code from the destination port unless they are
// known; ICMP has no ports.
func icmpFromPort(r *flow.Record) {
	if r.ICMPType == 0 && r.ICMPCode == 0 {
		r.ICMPType, r.ICMPCode = uint8(r.DstPort>>8), uint8(r.DstPort)
	}
	r.SrcPort, r.DstPort = 0, 0
}

// reversed returns the record of the other direction.
func (f *fields) reversed(record *flow.Record) flow.Record {
	r := *record
	r.Src, r.Dst = r.Dst, r.Src
	r.SrcPort, r.DstPort = r.DstPort, r.SrcPort
	r.SrcMAC, r.DstMAC = r.DstMAC, r.SrcMAC
	r.SrcAS, r.DstAS = r.DstAS, r.SrcAS
	r.InIf, r.OutIf = r.OutIf, r.InIf
	r.TCPFlags = uint16(f.n[opReverseTCPFlags])
	switch r.Observed {
	case flow.Ingress:
		r.Observed = flow.Egress
	case flow.Egress:
		r.Observed = flow.Ingress
	case flow.ObservedUnknown:
	}
	return r
}
