package kafka

import (
	_ "embed"
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"github.com/flattraffic/flattraffic/flow"
)

// Format is how a flow is written.
type Format string

// The formats, which are goflow2's.
const (
	JSON     Format = "json"     // one object a message
	Protobuf Format = "protobuf" // one FlowMessage a message, its length before it
)

// protocolsText holds goflow2's names of the IP protocols from 0 on.
//
//go:embed protocols.txt
var protocolsText string

// Ethernet types, by which goflow2 tells the versions of IP.
const (
	etypeIPv4 = 0x0800
	etypeIPv6 = 0x86dd
)

// encoder writes flows as goflow2 does. What FlatTraffic does not keep of a
// flow is written as goflow2 writes what an exporter did not say.
type encoder struct {
	format    Format
	protocols []string
}

func newEncoder(format Format) *encoder {
	return &encoder{format: format, protocols: strings.Split(strings.TrimSpace(protocolsText), "\n")}
}

// append adds a flow to dst. The counters are those of the exporter, before
// they were multiplied by the sampling rate, as goflow2's readers expect.
func (e *encoder) append(dst []byte, r *flow.Record) []byte {
	if e.format == Protobuf {
		return appendProtobuf(dst, r)
	}
	return e.appendJSON(dst, r)
}

// flowType is the protocol a flow came by: number and name in goflow2's enum
// FlowType.
func flowType(o flow.Origin) (number uint64, name string) {
	switch o {
	case flow.SFlow:
		return 1, "SFLOW_5"
	case flow.NetFlow5:
		return 2, "NETFLOW_V5"
	case flow.NetFlow9:
		return 3, "NETFLOW_V9"
	case flow.IPFIX:
		return 4, "IPFIX"
	case flow.Import, flow.Demo: // do not come from the network
	}
	return 0, "FLOWUNKNOWN"
}

// ethernetType says which IP a flow is of.
func ethernetType(r *flow.Record) uint64 {
	if r.Src.Is4() {
		return etypeIPv4
	}
	return etypeIPv6
}

// counters are a flow's octets and packets as the exporter counted them.
func counters(r *flow.Record) (octets, packets, rate uint64) {
	rate = uint64(max(r.SamplingRate, 1))
	return r.Bytes / rate, r.Packets / rate, rate
}

const nsPerMs = 1_000_000

// appendProtobuf writes a FlowMessage with its length before it. Fields that
// are zero are left out, as is usual in version 3 of protocol buffers.
func appendProtobuf(dst []byte, r *flow.Record) []byte {
	var room [256]byte // a message has less
	octets, packets, rate := counters(r)
	kind, _ := flowType(r.Origin)
	m := message(room[:0])
	m.number(1, kind)
	m.number(3, rate)
	m.address(6, r.Src)
	m.address(7, r.Dst)
	m.number(9, octets)
	m.number(10, packets)
	m.address(11, r.Exporter)
	m.number(14, uint64(r.SrcAS))
	m.number(15, uint64(r.DstAS))
	m.number(18, uint64(r.InIf))
	m.number(19, uint64(r.OutIf))
	m.number(20, uint64(r.Protocol))
	m.number(21, uint64(r.SrcPort))
	m.number(22, uint64(r.DstPort))
	m.number(23, uint64(r.TOS))
	m.number(26, uint64(r.TCPFlags))
	m.number(27, r.SrcMAC)
	m.number(28, r.DstMAC)
	m.number(29, uint64(r.VLAN))
	m.number(30, ethernetType(r))
	m.number(31, uint64(r.ICMPType))
	m.number(32, uint64(r.ICMPCode))
	m.number(110, uint64(r.ReceivedMs)*nsPerMs)
	m.number(111, uint64(r.StartMs)*nsPerMs)
	m.number(112, uint64(r.EndMs)*nsPerMs)
	dst = binary.AppendUvarint(dst, uint64(len(m)))
	return append(dst, m...)
}

// message is a protocol buffer that is being written.
type message []byte

// Wire types of protocol buffers.
const (
	wireVarint = 0
	wireBytes  = 2
)

func (m *message) number(field int, v uint64) {
	if v == 0 {
		return
	}
	*m = binary.AppendUvarint(*m, uint64(field)<<3|wireVarint)
	*m = binary.AppendUvarint(*m, v)
}

// address writes an address as its 4 or 16 bytes.
func (m *message) address(field int, a netip.Addr) {
	if !a.IsValid() {
		return
	}
	*m = binary.AppendUvarint(*m, uint64(field)<<3|wireBytes)
	if a.Is4() {
		b := a.As4()
		*m = append(append(*m, 4), b[:]...)
		return
	}
	b := a.As16()
	*m = append(append(*m, 16), b[:]...)
}

// appendJSON writes every field of a FlowMessage, in goflow2's order.
func (e *encoder) appendJSON(dst []byte, r *flow.Record) []byte {
	octets, packets, rate := counters(r)
	_, kind := flowType(r.Origin)
	o := object{append(dst, '{')}
	o.text("type", kind)
	o.number("time_received_ns", uint64(r.ReceivedMs)*nsPerMs)
	o.number("sequence_num", 0)
	o.number("sampling_rate", rate)
	o.address("sampler_address", r.Exporter)
	o.number("time_flow_start_ns", uint64(r.StartMs)*nsPerMs)
	o.number("time_flow_end_ns", uint64(r.EndMs)*nsPerMs)
	o.number("bytes", octets)
	o.number("packets", packets)
	o.address("src_addr", r.Src)
	o.address("dst_addr", r.Dst)
	o.text("etype", etypeName(ethernetType(r)))
	o.text("proto", e.protocol(r.Protocol))
	o.number("src_port", uint64(r.SrcPort))
	o.number("dst_port", uint64(r.DstPort))
	o.number("in_if", uint64(r.InIf))
	o.number("out_if", uint64(r.OutIf))
	o.mac("src_mac", r.SrcMAC)
	o.mac("dst_mac", r.DstMAC)
	o.number("src_vlan", 0)
	o.number("dst_vlan", 0)
	o.number("vlan_id", uint64(r.VLAN))
	o.number("ip_tos", uint64(r.TOS))
	o.numbers("forwarding_status", "ip_ttl", "ip_flags")
	o.number("tcp_flags", uint64(r.TCPFlags))
	o.number("icmp_type", uint64(r.ICMPType))
	o.number("icmp_code", uint64(r.ICMPCode))
	o.numbers("ipv6_flow_label", "fragment_id", "fragment_offset")
	o.number("src_as", uint64(r.SrcAS))
	o.number("dst_as", uint64(r.DstAS))
	o.text("next_hop", "")
	o.number("next_hop_as", 0)
	o.text("src_net", everything(r.Src))
	o.text("dst_net", everything(r.Dst))
	o.text("bgp_next_hop", "")
	o.lists("bgp_communities", "as_path", "mpls_ttl", "mpls_label", "mpls_ip")
	o.numbers("observation_domain_id", "observation_point_id")
	o.lists("layer_stack", "layer_size", "ipv6_routing_header_addresses")
	o.number("ipv6_routing_header_seg_left", 0)
	return append(o.b, '}')
}

func etypeName(etype uint64) string {
	if etype == etypeIPv4 {
		return "IPv4"
	}
	return "IPv6"
}

// protocol is goflow2's name of an IP protocol.
func (e *encoder) protocol(number uint8) string {
	switch n := int(number); {
	case n < len(e.protocols):
		return e.protocols[n]
	case n <= 252:
		return "unassigned"
	case n <= 254:
		return "experimental"
	}
	return "reserved"
}

// everything is the network of prefix length 0, which stands for a length that
// is not known.
func everything(a netip.Addr) string {
	p, err := a.Prefix(0)
	if err != nil {
		return "invalid Prefix" // as goflow2 writes it
	}
	return p.String()
}

// object is a JSON object that is being written. No text in it needs escaping.
type object struct{ b []byte }

func (o *object) key(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(append(append(o.b, '"'), name...), '"', ':')
}

func (o *object) number(name string, v uint64) {
	o.key(name)
	o.b = strconv.AppendUint(o.b, v, 10)
}

func (o *object) numbers(zero ...string) {
	for _, name := range zero {
		o.number(name, 0)
	}
}

func (o *object) lists(empty ...string) {
	for _, name := range empty {
		o.key(name)
		o.b = append(o.b, '[', ']')
	}
}

func (o *object) text(name, v string) {
	o.key(name)
	o.b = append(append(append(o.b, '"'), v...), '"')
}

func (o *object) address(name string, a netip.Addr) {
	o.key(name)
	o.b = append(o.b, '"')
	if a.IsValid() {
		o.b = a.AppendTo(o.b)
	}
	o.b = append(o.b, '"')
}

func (o *object) mac(name string, mac uint64) {
	const digits = "0123456789abcdef"
	o.key(name)
	o.b = append(o.b, '"')
	for shift := 44; shift >= 0; shift -= 4 {
		o.b = append(o.b, digits[mac>>shift&15])
		if shift%8 == 0 && shift > 0 {
			o.b = append(o.b, ':')
		}
	}
	o.b = append(o.b, '"')
}
