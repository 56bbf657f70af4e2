package decode

import (
	"encoding/binary"
	"net/netip"
)

// Header protocols of a sampled header (sFlow v5, enum header_protocol).
const (
	headerEthernet = 1
	headerIPv4     = 11
	headerIPv6     = 12
)

// ipVersion is the version of the IP layer of a packet.
type ipVersion uint8

const (
	noIP ipVersion = 0
	ipv4 ipVersion = 4
	ipv6 ipVersion = 6
)

// packet is what the first bytes of a packet say of its outermost IP layer.
type packet struct {
	link           int // bytes before the IP layer
	srcMAC, dstMAC uint64
	vlan           uint16 // the inner of two
	ip             ipVersion
	octets         uint64 // of the IP layer, 0 = not said

	src, dst           netip.Addr
	protocol, tos      uint8
	srcPort, dstPort   uint16
	tcpFlags           uint16
	icmpType, icmpCode uint8
}

// parse reads a sampled header. It reports false when the header is too short
// for what it begins with. A header protocol that is not known is not IP.
func (p *packet) parse(protocol uint32, b []byte) bool {
	switch protocol {
	case headerEthernet:
		return p.parseEthernet(b)
	case headerIPv4:
		return p.parseIPv4(b)
	case headerIPv6:
		return p.parseIPv6(b)
	}
	return true
}

// parseEthernet strips the frame's header, VLAN tags, MPLS labels and PPPoE.
func (p *packet) parseEthernet(b []byte) bool {
	if len(b) < 14 {
		return false
	}
	p.dstMAC, p.srcMAC = number(b[:6]), number(b[6:12])
	kind, at := binary.BigEndian.Uint16(b[12:]), 14
	for kind == 0x8100 || kind == 0x88a8 || kind == 0x9100 || kind == 0x9200 {
		if len(b) < at+4 {
			return false
		}
		p.vlan = binary.BigEndian.Uint16(b[at:]) & 0xfff
		kind = binary.BigEndian.Uint16(b[at+2:])
		at += 4
	}
	switch kind {
	case 0x8847, 0x8848:
		if kind, at = skipLabels(b, at); at < 0 {
			return false
		}
	case 0x8864:
		if len(b) < at+8 {
			return false
		}
		kind = pppKind(binary.BigEndian.Uint16(b[at+6:]))
		at += 8
	}
	p.link = at
	switch kind {
	case 0x0800:
		return p.parseIPv4(b[at:])
	case 0x86dd:
		return p.parseIPv6(b[at:])
	}
	return true
}

// IPLayer is what an Ethernet frame carries of IP, with everything behind it;
// nil when it is another protocol, or cut before.
func IPLayer(frame []byte) []byte {
	var p packet
	if !p.parseEthernet(frame) || p.ip == noIP {
		return nil
	}
	return frame[p.link:]
}

// skipLabels passes an MPLS label stack. What follows names its kind only by
// its first four bits.
func skipLabels(b []byte, at int) (kind uint16, next int) {
	for {
		if len(b) < at+5 {
			return 0, -1
		}
		bottom := b[at+2]&1 == 1
		at += 4
		if !bottom {
			continue
		}
		switch b[at] >> 4 {
		case 4:
			return 0x0800, at
		case 6:
			return 0x86dd, at
		}
		return 0, at
	}
}

// pppKind gives the Ethernet type of a PPP protocol.
func pppKind(protocol uint16) uint16 {
	switch protocol {
	case 0x0021:
		return 0x0800
	case 0x0057:
		return 0x86dd
	}
	return 0
}

// parseIPv4 reads an IPv4 header. Of a packet cut within it, as much as is
// there.
func (p *packet) parseIPv4(b []byte) bool {
	if len(b) < 1 || b[0]>>4 != 4 {
		return false
	}
	p.ip = ipv4
	if len(b) < 20 {
		return false
	}
	size := int(b[0]&15) * 4
	if size < 20 {
		return false
	}
	p.tos, p.protocol = b[1], b[9]
	p.octets = uint64(binary.BigEndian.Uint16(b[2:]))
	p.src, p.dst = address(b[12:16]), address(b[16:20])
	if firstFragment := binary.BigEndian.Uint16(b[6:])&0x1fff == 0; firstFragment && len(b) > size {
		p.parseTransport(b[size:])
	}
	return true
}

// parseIPv6 reads an IPv6 header and passes its extension headers.
func (p *packet) parseIPv6(b []byte) bool {
	if len(b) < 1 || b[0]>>4 != 6 {
		return false
	}
	p.ip = ipv6
	if len(b) < 40 {
		return false
	}
	p.tos = b[0]<<4 | b[1]>>4
	if payload := binary.BigEndian.Uint16(b[4:]); payload != 0 {
		p.octets = 40 + uint64(payload)
	}
	p.src, p.dst = address(b[8:24]), address(b[24:40])
	next, rest, ok := skipExtensions(b[6], b[40:])
	p.protocol = next
	if ok {
		p.parseTransport(rest)
	}
	return true
}

// skipExtensions passes IPv6 extension headers. ok is false when the transport
// header is not there: the packet is cut, or a later fragment.
func skipExtensions(next uint8, b []byte) (protocol uint8, rest []byte, ok bool) {
	for {
		size := 0
		switch next {
		case 0, 43, 60: // hop-by-hop, routing, destination
			if len(b) < 8 {
				return next, nil, false
			}
			size = 8 + 8*int(b[1])
		case 51: // authentication
			if len(b) < 8 {
				return next, nil, false
			}
			size = 8 + 4*int(b[1])
		case 44: // fragment
			if len(b) < 8 {
				return next, nil, false
			}
			if binary.BigEndian.Uint16(b[2:])&0xfff8 != 0 {
				return b[0], nil, false
			}
			size = 8
		default:
			return next, b, len(b) > 0
		}
		next = b[0]
		if len(b) < size {
			return next, nil, false
		}
		b = b[size:]
	}
}

// parseTransport reads ports, TCP flags, ICMP type and code, as far as they are
// there.
func (p *packet) parseTransport(b []byte) {
	switch p.protocol {
	case icmp4, icmp6:
		if len(b) >= 2 {
			p.icmpType, p.icmpCode = b[0], b[1]
		}
	case 6, 17, 33, 132, 136: // TCP, UDP, DCCP, SCTP, UDP-Lite
		if len(b) >= 4 {
			p.srcPort, p.dstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		}
		if p.protocol == 6 && len(b) >= 14 {
			p.tcpFlags = binary.BigEndian.Uint16(b[12:]) & 0x1ff
		}
	}
}
