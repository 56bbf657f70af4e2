package decode

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/netsampler/goflow2/v2/decoders/sflow"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

// decodeSFlow appends a record for each flow sample of an sFlow v5 datagram.
// The datagram's own structure is walked here and goflow2 decodes one flow
// record at a time: it believes the counts of expanded samples, and drops the
// whole datagram for one bad record.
func (d *Decoder) decodeSFlow(dst []flow.Record, from netip.Addr, received time.Time, datagram []byte) []flow.Record {
	header, body, ok := sflowHeader(datagram)
	if !ok {
		d.count(from, received, ledger.Malformed, 1)
		return dst
	}
	settings := d.settings(from)
	e, dom := d.domainFor(from, header.key, settings, received)
	if dom == nil {
		return dst
	}
	m := newMessage(e, dom, settings, flow.SFlow, received)
	dst = d.readSamples(dst, &m, header.samples, body)
	d.lost(e, ledger.LostDatagrams, dom.sequence.observe(header.sequence, 1, m.receivedMs))
	d.finish(&m)
	return dst
}

// readSamples walks the samples. Counter samples say nothing of flows and are
// passed over; drop notices are packets that went nowhere, and are counted.
func (d *Decoder) readSamples(dst []flow.Record, m *message, count uint32, body []byte) []flow.Record {
	be := binary.BigEndian
	var drops uint64
	for ; count > 0 && len(body) >= 8; count-- {
		format, length := be.Uint32(body), be.Uint32(body[4:])
		if uint64(length) > uint64(len(body)-8) {
			break
		}
		data := body[8 : 8+length]
		body = body[8+length:]
		switch format {
		case sflow.SAMPLE_FORMAT_FLOW, sflow.SAMPLE_FORMAT_EXPANDED_FLOW:
			dst = d.readSample(dst, m, data, format == sflow.SAMPLE_FORMAT_EXPANDED_FLOW)
		case sflow.SAMPLE_FORMAT_DROP:
			drops++
		}
	}
	if count > 0 {
		m.malformed++
	}
	d.count(m.exporter.addr, m.received, ledger.DropNotices, drops)
	return dst
}

type sflowMeta struct {
	key      domainKey
	sequence uint32
	samples  uint32
}

// sflowHeader reads the header of a datagram: version, agent, sub-agent,
// sequence, uptime, number of samples.
func sflowHeader(datagram []byte) (meta sflowMeta, body []byte, ok bool) {
	if len(datagram) < 8 {
		return meta, nil, false
	}
	size := 0
	switch binary.BigEndian.Uint32(datagram[4:]) {
	case 1:
		size = 4
	case 2:
		size = 16
	default:
		return meta, nil, false
	}
	rest := datagram[8:]
	if len(rest) < size+16 {
		return meta, nil, false
	}
	agent, rest := address(rest[:size]), rest[size:]
	be := binary.BigEndian
	meta = sflowMeta{
		key:      domainKey{version: flow.SFlow, id: be.Uint32(rest), agent: agent},
		sequence: be.Uint32(rest[4:]), samples: be.Uint32(rest[12:]),
	}
	return meta, rest[16:], true
}

// sample is what the records of one flow sample say together.
type sample struct {
	rec    flow.Record
	octets uint64 // at the IP layer
	rank   int    // how good the record is that gave the ends
}

// The records that give a sample its ends, better ones higher.
const (
	fromEthernet = iota + 1
	fromIPFields
	fromHeader
)

// readSample reads one flow sample. A record that can't be read is passed over
// and counted; the sample is still one packet.
func (d *Decoder) readSample(dst []flow.Record, m *message, data []byte, expanded bool) []flow.Record {
	be := binary.BigEndian
	head := 32
	if expanded {
		head = 44
	}
	if len(data) < head {
		m.malformed++
		return dst
	}
	s := &d.sample
	*s = sample{rec: flow.Record{
		Exporter: m.exporter.addr, Origin: flow.SFlow, ReceivedMs: m.receivedMs, StartMs: m.receivedMs, EndMs: m.receivedMs,
		Src: netip.IPv6Unspecified(), Dst: netip.IPv6Unspecified(),
	}}
	var one, records uint32
	if expanded {
		one, records = be.Uint32(data[12:]), be.Uint32(data[40:])
		s.rec.InIf = interfaceIndex(be.Uint32(data[24:]), be.Uint32(data[28:]))
		s.rec.OutIf = interfaceIndex(be.Uint32(data[32:]), be.Uint32(data[36:]))
	} else {
		one, records = be.Uint32(data[8:]), be.Uint32(data[28:])
		in, out := be.Uint32(data[20:]), be.Uint32(data[24:])
		s.rec.InIf = interfaceIndex(in>>30, in&0x3fffffff)
		s.rec.OutIf = interfaceIndex(out>>30, out&0x3fffffff)
	}
	if !s.readRecords(data[head:], records) {
		m.malformed++
	}
	if m.settings.SamplingRate != 0 {
		one = m.settings.SamplingRate
	}
	sampling := newRate(uint64(max(one, 1)), 1)
	if !sampling.known() {
		m.malformed++
		return dst
	}
	s.rec.SamplingRate = sampling.shown()
	if !m.count(&s.rec, counter{s.octets, 1}, sampling) {
		return dst
	}
	m.exporter.seen(&s.rec)
	return append(dst, s.rec)
}

// interfaceIndex returns the index when the format says that it is one; other
// formats are discard reasons, numbers of interfaces and the agent itself.
func interfaceIndex(format, value uint32) uint32 {
	if format != 0 || value == 0x3fffffff || value == 0xffffffff {
		return 0
	}
	return value
}

// readRecords reads the flow records of a sample. It reports false when one
// could not be read.
func (s *sample) readRecords(data []byte, count uint32) bool {
	ok := true
	for ; count > 0; count-- {
		if len(data) < 8 {
			return false
		}
		header := sflow.RecordHeader{DataFormat: binary.BigEndian.Uint32(data), Length: binary.BigEndian.Uint32(data[4:])}
		if uint64(header.Length) > uint64(len(data)-8) {
			return false
		}
		body := data[8 : 8+header.Length]
		data = data[8+header.Length:]
		switch header.DataFormat {
		case sflow.FLOW_TYPE_RAW, sflow.FLOW_TYPE_ETH, sflow.FLOW_TYPE_IPV4, sflow.FLOW_TYPE_IPV6,
			sflow.FLOW_TYPE_EXT_SWITCH, sflow.FLOW_TYPE_EXT_GATEWAY:
			record, err := sflow.DecodeFlowRecord(&header, bytes.NewBuffer(body))
			if err != nil {
				ok = false
				continue
			}
			ok = s.take(record.Data) && ok
		}
	}
	return ok
}

// take adds what one flow record says.
func (s *sample) take(data any) bool {
	switch r := data.(type) {
	case sflow.SampledHeader:
		return s.takeHeader(&r)
	case sflow.SampledIPv4:
		s.takeIP(&r.SampledIPBase, r.Tos)
	case sflow.SampledIPv6:
		s.takeIP(&r.SampledIPBase, r.Priority)
	case sflow.SampledEthernet:
		if s.rank < fromEthernet {
			s.rank = fromEthernet
		}
		if s.rec.SrcMAC == 0 && s.rec.DstMAC == 0 {
			s.rec.SrcMAC, s.rec.DstMAC = number(r.SrcMac), number(r.DstMac)
		}
	case sflow.ExtendedSwitch:
		if s.rec.VLAN == 0 {
			s.rec.VLAN = uint16(r.SrcVlan & 0xfff)
		}
	case sflow.ExtendedGateway:
		s.rec.SrcAS = r.SrcAS
		if n := len(r.ASPath); n > 0 {
			s.rec.DstAS = r.ASPath[n-1]
		}
	}
	return true
}

// takeIP takes a record that holds the IP fields themselves. Its length is that
// of the IP packet.
func (s *sample) takeIP(r *sflow.SampledIPBase, tos uint32) {
	if s.rank >= fromIPFields {
		return
	}
	s.rank = fromIPFields
	s.octets = uint64(r.Length)
	s.rec.Src, s.rec.Dst = address(r.SrcIP), address(r.DstIP)
	s.rec.Protocol, s.rec.TOS = uint8(r.Protocol), uint8(tos)
	s.rec.SrcPort, s.rec.DstPort, s.rec.TCPFlags = uint16(r.SrcPort), uint16(r.DstPort), uint16(r.TcpFlags)
	if r.Protocol == icmp4 || r.Protocol == icmp6 {
		// Here the ports are type and code (sFlow v5, sampled_ipv4).
		s.rec.ICMPType, s.rec.ICMPCode = uint8(r.SrcPort), uint8(r.DstPort)
		s.rec.SrcPort, s.rec.DstPort = 0, 0
	}
}

// takeHeader takes the first bytes of the sampled packet. A packet that is not
// IP (ARP, say) has no IP layer: it counts as a packet of no bytes.
func (s *sample) takeHeader(r *sflow.SampledHeader) bool {
	if s.rank >= fromHeader {
		return true
	}
	var p packet
	ok := p.parse(r.Protocol, r.HeaderData)
	if p.srcMAC != 0 || p.dstMAC != 0 {
		s.rec.SrcMAC, s.rec.DstMAC = p.srcMAC, p.dstMAC
	}
	if p.vlan != 0 {
		s.rec.VLAN = p.vlan
	}
	if p.ip == noIP {
		return ok
	}
	s.rank = fromHeader
	s.octets = p.octets
	if s.octets == 0 && r.FrameLength > r.Stripped+uint32(p.link) {
		// Offloading leaves the length of the IP header at zero, and a short
		// sample may end before it: the frame says it.
		s.octets = uint64(r.FrameLength - r.Stripped - uint32(p.link))
	}
	if p.src.IsValid() {
		s.rec.Src, s.rec.Dst = p.src, p.dst
	}
	s.rec.Protocol, s.rec.TOS, s.rec.TCPFlags = p.protocol, p.tos, p.tcpFlags
	s.rec.SrcPort, s.rec.DstPort = p.srcPort, p.dstPort
	s.rec.ICMPType, s.rec.ICMPCode = p.icmpType, p.icmpCode
	return ok
}
