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
	sampling := m.domain.samplers.of(f, m.settings.SamplingRate)
	r := flow.Record{
		Exporter: m.exporter.addr, Origin: m.origin, ReceivedMs: m.receivedMs,
		Protocol: f.protocol, TOS: f.tos, TCPFlags: f.tcpFlags,
		InIf: f.inIf, OutIf: f.outIf, SrcAS: f.srcAS, DstAS: f.dstAS,
		SrcPort: f.srcPort, DstPort: f.dstPort,
		SamplingRate: sampling.shown(),
	}
	f.fillEnds(&r, m.exporter)
	f.fillLink(&r)
	f.fillICMP(&r)

	n := len(dst)
	dst = d.counted(dst, r, forward, sampling, m)
	if both {
		dst = d.counted(dst, f.reversed(r), backward, sampling, m)
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

// counted appends the record with its counters scaled.
func (d *Decoder) counted(dst []flow.Record, r flow.Record, c counter, sampling rate, m *message) []flow.Record {
	octets, ok1 := sampling.scale(c.octets)
	packets, ok2 := sampling.scale(c.packets)
	if !ok1 || !ok2 {
		m.malformed++
		return dst
	}
	r.Bytes, r.Packets = octets, packets
	return append(dst, r)
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
	const conversation = hasInitiatorOctets | hasInitiatorPackets | hasResponderOctets | hasResponderPackets
	octets, hasO := choose(f.delta.octets, f.out.octets, f.total.octets, f.has, hasOctets|hasOutOctets, hasTotalOctets, sumOut)
	packets, hasP := choose(f.delta.packets, f.out.packets, f.total.packets, f.has, hasPackets|hasOutPackets, hasTotalPackets, sumOut)
	forward = counter{octets, packets}
	backward = counter{f.reverse.octets, f.reverse.packets}
	if f.has&hasReverseOctets == 0 {
		backward.octets = f.reverseTotal.octets
	}
	if f.has&hasReversePackets == 0 {
		backward.packets = f.reverseTotal.packets
	}
	if f.has&conversation != 0 && octets == 0 {
		if !hasO || f.initiator.octets|f.responder.octets != 0 {
			forward.octets, backward.octets = f.initiator.octets, f.responder.octets
			if !hasP || packets == 0 {
				forward.packets, backward.packets = f.initiator.packets, f.responder.packets
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
	r.Src = firstAddress(f.src, f.srcPrefix)
	r.Dst = firstAddress(f.dst, f.dstPrefix)
	if f.postSrc.IsValid() && !f.postSrc.IsUnspecified() && f.postSrc != r.Src {
		e.outside.add(f.postSrc)
	}
	if !f.postDst.IsValid() || f.postDst.IsUnspecified() || f.postDst == r.Dst || !f.translatesIn(r.Dst, &e.outside) {
		return
	}
	r.Dst = f.postDst
	if f.postDstPort != 0 {
		r.DstPort = f.postDstPort
	}
}

// translatesIn reports whether the post-NAT destination is the inner one.
// FortiGate gives for answers the host as destination and the outside address
// as post-NAT one, the other way round than MikroTik. Addresses that sources
// are translated to are outside ones; before any is known a private address is
// more likely inside than a public one, and of two private ones the post-NAT
// one, unless zeros show FortiGate's manner.
func (f *fields) translatesIn(dst netip.Addr, outside *outside) bool {
	switch {
	case outside.has(f.postDst):
		return false
	case outside.has(dst):
		return true
	case !dst.IsPrivate():
		return true
	case !f.postDst.IsPrivate():
		return false
	}
	return !f.postSrc.IsValid() || !f.postSrc.IsUnspecified()
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
	if r.InIf == 0 {
		r.InIf = f.inPhysical
	}
	if r.OutIf == 0 {
		r.OutIf = f.outPhysical
	}
	if f.has&hasDirection != 0 {
		switch f.direction {
		case 0:
			r.Observed = flow.Ingress
		case 1:
			r.Observed = flow.Egress
		}
	}
	if r.SrcMAC = f.srcMAC; r.SrcMAC == 0 {
		r.SrcMAC = f.postSrcMAC
	}
	if r.DstMAC = f.dstMAC; r.DstMAC == 0 {
		r.DstMAC = f.postDstMAC
	}
	if r.VLAN = f.vlan & 0xfff; r.VLAN == 0 {
		r.VLAN = f.postVLAN & 0xfff
	}
}

// fillICMP sets type and code from their own elements, else from the
// destination port, where Cisco and its followers put them.
func (f *fields) fillICMP(r *flow.Record) {
	if r.Protocol != icmp4 && r.Protocol != icmp6 {
		return
	}
	r.ICMPType, r.ICMPCode = f.icmpType, f.icmpCode
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
func (f *fields) reversed(r flow.Record) flow.Record {
	r.Src, r.Dst = r.Dst, r.Src
	r.SrcPort, r.DstPort = r.DstPort, r.SrcPort
	r.SrcMAC, r.DstMAC = r.DstMAC, r.SrcMAC
	r.SrcAS, r.DstAS = r.DstAS, r.SrcAS
	r.InIf, r.OutIf = r.OutIf, r.InIf
	r.TCPFlags = f.reverseTCPFlags
	switch r.Observed {
	case flow.Ingress:
		r.Observed = flow.Egress
	case flow.Egress:
		r.Observed = flow.Ingress
	case flow.ObservedUnknown:
	}
	return r
}
