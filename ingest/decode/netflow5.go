package decode

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

const (
	netflow5Header = 24
	netflow5Record = 48
	netflow5Max    = 30 // records in a datagram
)

// decodeNetFlow5 appends the records of a NetFlow v5 datagram. The count is
// checked first: goflow2 believes it and makes as many records.
func (d *Decoder) decodeNetFlow5(dst []flow.Record, from netip.Addr, received time.Time, datagram []byte) []flow.Record {
	count := int(binary.BigEndian.Uint16(datagram[2:]))
	if count > netflow5Max || len(datagram) < netflow5Header+count*netflow5Record {
		d.count(from, received, ledger.Malformed, 1)
		return dst
	}
	var packet netflowlegacy.PacketNetFlowV5
	if err := netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(datagram), &packet); err != nil {
		d.count(from, received, ledger.Malformed, 1)
		return dst
	}
	settings := d.settings(from)
	e, dom := d.domainFor(from, domainKey{version: flow.NetFlow5, id: uint32(packet.EngineType)<<8 | uint32(packet.EngineId)}, settings, received)
	if dom == nil {
		return dst
	}
	m := newMessage(e, dom, settings, flow.NetFlow5, received)
	m.uptime = packet.SysUptime
	m.exportMs = int64(packet.UnixSecs)*1000 + int64(packet.UnixNSecs)/1e6
	e.offsets.add(m.receivedMs - m.exportMs)
	sampling := netflow5Rate(packet.SamplingInterval, settings)
	for i := range packet.Records {
		dst = appendNetFlow5(dst, &packet.Records[i], sampling, &m)
	}
	d.lost(e, ledger.LostRecords, dom.sequence.observe(packet.FlowSequence, uint32(count), received.UnixMilli()))
	d.finish(&m)
	return dst
}

// netflow5Rate reads the sampling field: two bits of mode, fourteen of rate.
func netflow5Rate(field uint16, settings ExporterSettings) rate {
	if settings.SamplingRate != 0 {
		return rate{uint64(settings.SamplingRate), 1}
	}
	return rate{uint64(max(field&0x3fff, 1)), 1}
}

func appendNetFlow5(dst []flow.Record, in *netflowlegacy.RecordsNetFlowV5, sampling rate, m *message) []flow.Record {
	dst = append(dst, flow.Record{
		Exporter: m.exporter.addr, Origin: flow.NetFlow5, ReceivedMs: m.receivedMs,
		Src: addr4(uint32(in.SrcAddr)), Dst: addr4(uint32(in.DstAddr)),
		SrcPort: in.SrcPort, DstPort: in.DstPort, Protocol: in.Proto,
		SamplingRate: sampling.shown(),
		InIf:         uint32(in.Input), OutIf: uint32(in.Output),
		SrcAS: uint32(in.SrcAS), DstAS: uint32(in.DstAS),
		TCPFlags: uint16(in.TCPFlags), TOS: in.Tos,
	})
	r := &dst[len(dst)-1]
	if !m.count(r, counter{uint64(in.DOctets), uint64(in.DPkts)}, sampling) {
		return dst[:len(dst)-1]
	}
	if r.Protocol == icmp4 {
		icmpFromPort(r)
	}
	clamp(r, m.sinceBoot(in.First), m.sinceBoot(in.Last))
	m.exporter.seen(r)
	return dst
}

func addr4(a uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], a)
	return netip.AddrFrom4(b)
}
