package decode

import (
	"bytes"
	"testing"

	"github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
	"github.com/netsampler/goflow2/v2/decoders/sflow"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// BenchmarkRecords decodes datagrams into records.
func BenchmarkRecords(b *testing.B) {
	for _, traffic := range decodetest.AllTraffic(noon) {
		b.Run(traffic.Name, func(b *testing.B) {
			d := New(Config{})
			if traffic.Templates != nil {
				d.Decode(nil, exporter1, noon, traffic.Templates)
			}
			dst := make([]flow.Record, 0, 64)
			flows := 0
			b.ReportAllocs()
			report := decodetest.PerCore(b)
			for n := 0; b.Loop(); n++ {
				flows += len(d.Decode(dst, exporter1, noon, traffic.Datagrams[n%len(traffic.Datagrams)]))
			}
			report(flows)
		})
	}
}

// BenchmarkGoflow2 has goflow2's decoder take the same datagrams apart, into
// fields that nobody has looked at yet.
func BenchmarkGoflow2(b *testing.B) {
	for _, traffic := range decodetest.AllTraffic(noon) {
		b.Run(traffic.Name, func(b *testing.B) {
			templates := netflow.CreateTemplateSystem()
			if traffic.Templates != nil {
				goflow2Decode(b, templates, traffic.Templates)
			}
			flows := 0
			b.ReportAllocs()
			report := decodetest.PerCore(b)
			for n := 0; b.Loop(); n++ {
				flows += goflow2Decode(b, templates, traffic.Datagrams[n%len(traffic.Datagrams)])
			}
			report(flows)
		})
	}
}

// goflow2Decode decodes a datagram as goflow2 does and returns the number of
// its records.
func goflow2Decode(tb testing.TB, templates netflow.NetFlowTemplateSystem, datagram []byte) int {
	tb.Helper()
	var err error
	flows := 0
	count := func(sets []any) {
		for _, set := range sets {
			if data, ok := set.(netflow.DataFlowSet); ok {
				flows += len(data.Records)
			}
		}
	}
	switch buffer := bytes.NewBuffer(datagram); datagram[1] {
	case 5:
		var packet netflowlegacy.PacketNetFlowV5
		err = netflowlegacy.DecodeMessageVersion(buffer, &packet)
		flows = len(packet.Records)
	case 0:
		var packet sflow.Packet
		err = sflow.DecodeMessageVersion(buffer, &packet)
		flows = len(packet.Samples)
	default:
		var v9 netflow.NFv9Packet
		var ipfix netflow.IPFIXPacket
		err = netflow.DecodeMessageVersion(buffer, templates, &v9, &ipfix)
		count(v9.FlowSets)
		count(ipfix.FlowSets)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return flows
}
