package deliver

import (
	"net/netip"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flattraffic/flattraffic/flow"
)

// Row is one record to be stored: what was exported, how it looks from the
// local host's side, and whether it counts in the totals.
type Row struct {
	Record  *flow.Record
	Ends    flow.Ends
	Counted bool
}

// flowColumns are the columns of flows, in the order of the table.
type flowColumns struct {
	end          proto.ColDateTime
	duration     proto.ColUInt32
	delay        proto.ColInt32
	exporter     proto.ColIPv6
	origin       proto.ColInt8
	inIf, outIf  proto.ColUInt32
	observed     proto.ColInt8
	direction    proto.ColInt8
	counted      proto.ColBool
	host, peer   proto.ColIPv6
	hostPort     proto.ColUInt16
	peerPort     proto.ColUInt16
	unmatchedDst proto.ColIPv6
	protocol     proto.ColUInt8
	service      proto.ColUInt16
	icmpType     proto.ColUInt8
	icmpCode     proto.ColUInt8
	tcpFlags     proto.ColUInt16
	tos          proto.ColUInt8
	vlan         proto.ColUInt16
	hostMAC      proto.ColUInt64
	peerMAC      proto.ColUInt64
	hostAS       proto.ColUInt32
	peerAS       proto.ColUInt32
	samplingRate proto.ColUInt32
	timeFixed    proto.ColBool
	bytes        proto.ColUInt64
	packets      proto.ColUInt64
}

// append adds a row. Times are floored to the second; the delay is counted
// from the floored end, so that received_at is exact to the second.
func (c *flowColumns) append(row *Row) {
	r, e := row.Record, &row.Ends
	end := floorSecond(r.EndMs)
	c.end.AppendRaw(proto.DateTime(end))
	c.duration = append(c.duration, uint32(r.EndMs-r.StartMs))
	c.delay = append(c.delay, int32(floorSecond(r.ReceivedMs)-end))
	c.exporter = append(c.exporter, r.Exporter.As16())
	c.origin = append(c.origin, int8(r.Origin))
	c.inIf = append(c.inIf, r.InIf)
	c.outIf = append(c.outIf, r.OutIf)
	c.observed = append(c.observed, int8(r.Observed))
	c.direction = append(c.direction, int8(e.Direction))
	c.counted = append(c.counted, row.Counted)
	c.host = append(c.host, sqlAddr(e.Host))
	c.peer = append(c.peer, sqlAddr(e.Peer))
	c.hostPort = append(c.hostPort, e.HostPort)
	c.peerPort = append(c.peerPort, e.PeerPort)
	c.unmatchedDst = append(c.unmatchedDst, sqlAddr(e.UnmatchedDst))
	c.protocol = append(c.protocol, r.Protocol)
	c.service = append(c.service, e.Service)
	c.icmpType = append(c.icmpType, r.ICMPType)
	c.icmpCode = append(c.icmpCode, r.ICMPCode)
	c.tcpFlags = append(c.tcpFlags, r.TCPFlags)
	c.tos = append(c.tos, r.TOS)
	c.vlan = append(c.vlan, r.VLAN)
	c.hostMAC = append(c.hostMAC, e.HostMAC)
	c.peerMAC = append(c.peerMAC, e.PeerMAC)
	c.hostAS = append(c.hostAS, e.HostAS)
	c.peerAS = append(c.peerAS, e.PeerAS)
	c.samplingRate = append(c.samplingRate, r.SamplingRate)
	c.timeFixed = append(c.timeFixed, r.TimeFixed)
	c.bytes = append(c.bytes, r.Bytes)
	c.packets = append(c.packets, r.Packets)
}

// appendAll adds all rows of other columns.
func (c *flowColumns) appendAll(o *flowColumns) {
	c.end.Data = append(c.end.Data, o.end.Data...)
	c.duration = append(c.duration, o.duration...)
	c.delay = append(c.delay, o.delay...)
	c.exporter = append(c.exporter, o.exporter...)
	c.origin = append(c.origin, o.origin...)
	c.inIf = append(c.inIf, o.inIf...)
	c.outIf = append(c.outIf, o.outIf...)
	c.observed = append(c.observed, o.observed...)
	c.direction = append(c.direction, o.direction...)
	c.counted = append(c.counted, o.counted...)
	c.host = append(c.host, o.host...)
	c.peer = append(c.peer, o.peer...)
	c.hostPort = append(c.hostPort, o.hostPort...)
	c.peerPort = append(c.peerPort, o.peerPort...)
	c.unmatchedDst = append(c.unmatchedDst, o.unmatchedDst...)
	c.protocol = append(c.protocol, o.protocol...)
	c.service = append(c.service, o.service...)
	c.icmpType = append(c.icmpType, o.icmpType...)
	c.icmpCode = append(c.icmpCode, o.icmpCode...)
	c.tcpFlags = append(c.tcpFlags, o.tcpFlags...)
	c.tos = append(c.tos, o.tos...)
	c.vlan = append(c.vlan, o.vlan...)
	c.hostMAC = append(c.hostMAC, o.hostMAC...)
	c.peerMAC = append(c.peerMAC, o.peerMAC...)
	c.hostAS = append(c.hostAS, o.hostAS...)
	c.peerAS = append(c.peerAS, o.peerAS...)
	c.samplingRate = append(c.samplingRate, o.samplingRate...)
	c.timeFixed = append(c.timeFixed, o.timeFixed...)
	c.bytes = append(c.bytes, o.bytes...)
	c.packets = append(c.packets, o.packets...)
}

// input names the columns. The columns are shared, not copied.
func (c *flowColumns) input() proto.Input {
	return proto.Input{
		{Name: "end", Data: &c.end},
		{Name: "duration_ms", Data: &c.duration},
		{Name: "delay", Data: &c.delay},
		{Name: "exporter", Data: &c.exporter},
		{Name: "origin", Data: &c.origin},
		{Name: "in_if", Data: &c.inIf},
		{Name: "out_if", Data: &c.outIf},
		{Name: "flow_direction", Data: &c.observed},
		{Name: "direction", Data: &c.direction},
		{Name: "counted", Data: &c.counted},
		{Name: "host", Data: &c.host},
		{Name: "peer", Data: &c.peer},
		{Name: "host_port", Data: &c.hostPort},
		{Name: "peer_port", Data: &c.peerPort},
		{Name: "unmatched_dst", Data: &c.unmatchedDst},
		{Name: "protocol", Data: &c.protocol},
		{Name: "service", Data: &c.service},
		{Name: "icmp_type", Data: &c.icmpType},
		{Name: "icmp_code", Data: &c.icmpCode},
		{Name: "tcp_flags", Data: &c.tcpFlags},
		{Name: "tos", Data: &c.tos},
		{Name: "vlan", Data: &c.vlan},
		{Name: "host_mac", Data: &c.hostMAC},
		{Name: "peer_mac", Data: &c.peerMAC},
		{Name: "host_as", Data: &c.hostAS},
		{Name: "peer_as", Data: &c.peerAS},
		{Name: "sampling_rate", Data: &c.samplingRate},
		{Name: "time_fixed", Data: &c.timeFixed},
		{Name: "bytes", Data: &c.bytes},
		{Name: "packets", Data: &c.packets},
	}
}

// floorSecond is the second a Unix time in milliseconds lies in.
func floorSecond(ms int64) int64 {
	if ms < 0 {
		return 0
	}
	return ms / 1000
}

// sqlAddr is the form addresses have in SQL: IPv6, IPv4 mapped. An address
// that was not said becomes ::.
func sqlAddr(a netip.Addr) proto.IPv6 {
	if !a.IsValid() {
		return proto.IPv6{}
	}
	return a.As16()
}
