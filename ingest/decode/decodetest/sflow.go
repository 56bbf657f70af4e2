package decodetest

import (
	"net/netip"
	"time"
)

// SFlow is an sFlow v5 datagram.
type SFlow struct {
	Agent    netip.Addr
	SubAgent uint32
	Sequence uint32 // datagrams sent before, plus one
	Uptime   time.Duration
	samples  []byte
	count    uint32
}

// Sample is a flow sample. Interfaces are compact: format in the top two bits.
type Sample struct {
	Sequence uint32
	Rate     uint32
	In, Out  uint32
	Expanded bool
	Records  [][]byte // from RawHeader, SampledIPv4, FlowRecord
}

// Flow adds a flow sample.
func (p *SFlow) Flow(s Sample) *SFlow {
	format := uint32(1)
	b := be.AppendUint32(nil, s.Sequence)
	if s.Expanded {
		format = 3
		b = be.AppendUint32(b, 0)
		b = be.AppendUint32(b, s.In&0x3fffffff)
	} else {
		b = be.AppendUint32(b, s.In&0xffffff)
	}
	b = be.AppendUint32(b, s.Rate)
	b = be.AppendUint32(b, s.Rate*s.Sequence) // sample pool
	b = be.AppendUint32(b, 0)                 // drops
	for _, index := range []uint32{s.In, s.Out} {
		if s.Expanded {
			b = be.AppendUint32(b, index>>30)
			index &= 0x3fffffff
		}
		b = be.AppendUint32(b, index)
	}
	b = be.AppendUint32(b, uint32(len(s.Records)))
	for _, r := range s.Records {
		b = append(b, r...)
	}
	return p.Add(format, b)
}

// Add adds a sample of any format as it is.
func (p *SFlow) Add(format uint32, body []byte) *SFlow {
	p.samples = be.AppendUint32(p.samples, format)
	p.samples = be.AppendUint32(p.samples, uint32(len(body)))
	p.samples = append(p.samples, body...)
	p.count++
	return p
}

// Bytes returns the datagram.
func (p *SFlow) Bytes() []byte {
	b := be.AppendUint32(nil, 5)
	kind := uint32(1)
	if p.Agent.Is6() {
		kind = 2
	}
	b = be.AppendUint32(b, kind)
	b = append(b, p.Agent.AsSlice()...)
	b = be.AppendUint32(b, p.SubAgent)
	b = be.AppendUint32(b, p.Sequence)
	b = be.AppendUint32(b, millis(p.Uptime))
	b = be.AppendUint32(b, p.count)
	return append(b, p.samples...)
}

// FlowRecord returns a flow record of any format.
func FlowRecord(format uint32, data []byte) []byte {
	b := be.AppendUint32(nil, format)
	b = be.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

// RawHeader returns a flow record with the first bytes of a packet. protocol is
// 1 for Ethernet, 11 for IPv4, 12 for IPv6; frame is the packet's full length.
func RawHeader(protocol, frame, stripped uint32, header []byte) []byte {
	b := be.AppendUint32(nil, protocol)
	b = be.AppendUint32(b, frame)
	b = be.AppendUint32(b, stripped)
	b = be.AppendUint32(b, uint32(len(header)))
	b = append(b, header...)
	b = append(b, make([]byte, (4-len(header)%4)%4)...)
	return FlowRecord(1, b)
}

// Packet describes an IP packet for sampled headers. Ports of ICMP are type and
// code in the high and low byte of DstPort.
type Packet struct {
	Src, Dst         netip.Addr
	Protocol         uint8
	SrcPort, DstPort uint16
	TCPFlags         uint8
	Length           int // of the IP packet
}

// IP returns the headers of the packet from the IP layer on.
func (p Packet) IP() []byte {
	var b []byte
	if p.Src.Is4() {
		b = append(b, 0x45, 0)
		b = be.AppendUint16(b, uint16(p.Length))
		b = append(b, 0, 0, 0x40, 0, 64, p.Protocol, 0, 0)
	} else {
		b = append(b, 0x60, 0, 0, 0)
		b = be.AppendUint16(b, uint16(p.Length-40))
		b = append(b, p.Protocol, 64)
	}
	b = append(b, p.Src.AsSlice()...)
	b = append(b, p.Dst.AsSlice()...)
	if p.Protocol == 1 || p.Protocol == 58 {
		return append(b, byte(p.DstPort>>8), byte(p.DstPort), 0, 0, 0, 0, 0, 0)
	}
	b = be.AppendUint16(b, p.SrcPort)
	b = be.AppendUint16(b, p.DstPort)
	if p.Protocol == 6 {
		return append(b, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, p.TCPFlags, 1, 0, 0, 0, 0, 0)
	}
	return append(b, 0, 0, 0, 0)
}

// Ethernet returns the packet in a frame with VLAN tags, the outer first.
func (p Packet) Ethernet(vlans ...uint16) []byte {
	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1} // destination, source
	for i, vlan := range vlans {
		tag := uint16(0x8100)
		if i < len(vlans)-1 {
			tag = 0x88a8
		}
		b = be.AppendUint16(b, tag)
		b = be.AppendUint16(b, vlan)
	}
	kind := uint16(0x0800)
	if p.Src.Is6() {
		kind = 0x86dd
	}
	b = be.AppendUint16(b, kind)
	return append(b, p.IP()...)
}
