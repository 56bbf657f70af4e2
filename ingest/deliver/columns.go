package deliver

import (
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

// append adds rows, a column at a time. Times are floored to the second; the
// delay is counted from the floored end, so that received_at is exact to the
// second. Addresses are IPv6, IPv4 mapped; one that was not said becomes ::.
func (c *flowColumns) append(rows []Row) {
	c.end.Data = put(c.end.Data, rows, func(r *Row) proto.DateTime { return proto.DateTime(floorSecond(r.Record.EndMs)) })
	c.duration = put(c.duration, rows, func(r *Row) uint32 { return uint32(r.Record.EndMs - r.Record.StartMs) })
	c.delay = put(c.delay, rows, func(r *Row) int32 { return int32(floorSecond(r.Record.ReceivedMs) - floorSecond(r.Record.EndMs)) })
	c.exporter = put(c.exporter, rows, func(r *Row) proto.IPv6 { return r.Record.Exporter.As16() })
	c.origin = put(c.origin, rows, func(r *Row) int8 { return int8(r.Record.Origin) })
	c.inIf = put(c.inIf, rows, func(r *Row) uint32 { return r.Record.InIf })
	c.outIf = put(c.outIf, rows, func(r *Row) uint32 { return r.Record.OutIf })
	c.observed = put(c.observed, rows, func(r *Row) int8 { return int8(r.Record.Observed) })
	c.direction = put(c.direction, rows, func(r *Row) int8 { return int8(r.Ends.Direction) })
	c.counted = put(c.counted, rows, func(r *Row) bool { return r.Counted })
	c.host = put(c.host, rows, func(r *Row) proto.IPv6 { return r.Ends.Host.As16() })
	c.peer = put(c.peer, rows, func(r *Row) proto.IPv6 { return r.Ends.Peer.As16() })
	c.hostPort = put(c.hostPort, rows, func(r *Row) uint16 { return r.Ends.HostPort })
	c.peerPort = put(c.peerPort, rows, func(r *Row) uint16 { return r.Ends.PeerPort })
	c.unmatchedDst = put(c.unmatchedDst, rows, func(r *Row) proto.IPv6 { return r.Ends.UnmatchedDst.As16() })
	c.protocol = put(c.protocol, rows, func(r *Row) uint8 { return r.Record.Protocol })
	c.service = put(c.service, rows, func(r *Row) uint16 { return r.Ends.Service })
	c.icmpType = put(c.icmpType, rows, func(r *Row) uint8 { return r.Record.ICMPType })
	c.icmpCode = put(c.icmpCode, rows, func(r *Row) uint8 { return r.Record.ICMPCode })
	c.tcpFlags = put(c.tcpFlags, rows, func(r *Row) uint16 { return r.Record.TCPFlags })
	c.tos = put(c.tos, rows, func(r *Row) uint8 { return r.Record.TOS })
	c.vlan = put(c.vlan, rows, func(r *Row) uint16 { return r.Record.VLAN })
	c.hostMAC = put(c.hostMAC, rows, func(r *Row) uint64 { return r.Ends.HostMAC })
	c.peerMAC = put(c.peerMAC, rows, func(r *Row) uint64 { return r.Ends.PeerMAC })
	c.hostAS = put(c.hostAS, rows, func(r *Row) uint32 { return r.Ends.HostAS })
	c.peerAS = put(c.peerAS, rows, func(r *Row) uint32 { return r.Ends.PeerAS })
	c.samplingRate = put(c.samplingRate, rows, func(r *Row) uint32 { return r.Record.SamplingRate })
	c.timeFixed = put(c.timeFixed, rows, func(r *Row) bool { return r.Record.TimeFixed })
	c.bytes = put(c.bytes, rows, func(r *Row) uint64 { return r.Record.Bytes })
	c.packets = put(c.packets, rows, func(r *Row) uint64 { return r.Record.Packets })
}

// put appends a value of each row.
func put[C ~[]T, T any](column C, rows []Row, value func(*Row) T) C {
	for i := range rows {
		column = append(column, value(&rows[i]))
	}
	return column
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
