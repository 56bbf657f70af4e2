package kafka

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
	flowpb "github.com/netsampler/goflow2/v2/pb"
	"github.com/netsampler/goflow2/v2/producer"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/flattraffic/flattraffic/flow"
)

var at = time.Date(2026, 11, 1, 10, 0, 0, 250e6, time.UTC)

// records are flows of every kind that is told apart.
func records() []flow.Record {
	v4 := flow.Record{
		Exporter: netip.MustParseAddr("192.168.1.1"), Origin: flow.NetFlow9, Observed: flow.Ingress,
		ReceivedMs: at.UnixMilli(), StartMs: at.Add(-time.Minute).UnixMilli(), EndMs: at.Add(-time.Second).UnixMilli(),
		Src: netip.MustParseAddr("192.168.1.20"), Dst: netip.MustParseAddr("203.0.113.5"), SrcPort: 50000, DstPort: 443, Protocol: 6,
		Bytes: 123_456_000, Packets: 98_000, SamplingRate: 1000, InIf: 3, OutIf: 1 << 31,
		SrcMAC: 0x020000000001, DstMAC: 0xfffefdfcfbfa, SrcAS: 64500, DstAS: 4200000000, VLAN: 12, TCPFlags: 0x1b, TOS: 0xb8,
	}
	v6 := v4
	v6.Origin, v6.Exporter = flow.IPFIX, netip.MustParseAddr("2001:db8::1")
	v6.Src, v6.Dst = netip.MustParseAddr("2001:db8::20"), netip.MustParseAddr("ff02::1")
	v6.Protocol, v6.ICMPType, v6.ICMPCode, v6.SamplingRate = 58, 128, 3, 1
	out := []flow.Record{v4, v6, {Exporter: v4.Exporter, Origin: flow.SFlow}}
	for protocol := range 256 {
		r := v4
		r.Origin, r.Protocol = flow.NetFlow5, uint8(protocol)
		out = append(out, r)
	}
	return out
}

// message is what goflow2's producer makes of a datagram, for its way of
// writing.
func goflow2Message(t *testing.T, packet *netflowlegacy.PacketNetFlowV5) *protoproducer.ProtoProducerMessage {
	t.Helper()
	cfg, err := (&protoproducer.ProducerConfig{}).Compile()
	if err != nil {
		t.Fatal(err)
	}
	p, err := protoproducer.CreateProtoProducer(cfg, protoproducer.CreateSamplingSystem)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := p.Produce(packet, &producer.ProduceArgs{
		TimeReceived: at, SamplerAddress: netip.MustParseAddr("192.168.1.1"), Src: netip.MustParseAddrPort("192.168.1.1:2055"),
	})
	if err != nil || len(messages) != 1 {
		t.Fatalf("got %d messages, %v, want 1", len(messages), err)
	}
	return messages[0].(*protoproducer.ProtoProducerMessage)
}

// Each flow in JSON is, byte for byte, what goflow2 writes of the same flow
// read from our FlowMessage.
func TestFormatsAgreeWithGoflow2(t *testing.T) {
	theirs := goflow2Message(t, &netflowlegacy.PacketNetFlowV5{Version: 5, Count: 1, Records: make([]netflowlegacy.RecordsNetFlowV5, 1)})
	for _, r := range records() {
		theirs.Reset()
		ours := newEncoder(Protobuf).append(nil, &r)
		if err := protodelim.UnmarshalFrom(bytes.NewReader(ours), &theirs.FlowMessage); err != nil {
			t.Fatal(err)
		}
		if unknown := theirs.ProtoReflect().GetUnknown(); len(unknown) > 0 {
			t.Errorf("fields that FlowMessage has not: %x", unknown)
		}
		back, err := theirs.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(len(back), len(ours)); diff != "" {
			t.Errorf("length of the FlowMessage (-goflow2 +ours):\n%s", diff)
		}
		want, err := theirs.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		got := newEncoder(JSON).append([]byte("before "), &r)
		if diff := cmp.Diff("before "+string(want), string(got)); diff != "" {
			t.Errorf("%s, protocol %d: JSON (-goflow2 +ours):\n%s", r.Src, r.Protocol, diff)
		}
	}
}

func TestFields(t *testing.T) {
	r := records()[0]
	want := &flowpb.FlowMessage{
		Type: flowpb.FlowMessage_NETFLOW_V9, TimeReceivedNs: uint64(at.UnixNano()), SamplingRate: 1000, SamplerAddress: []byte{192, 168, 1, 1},
		TimeFlowStartNs: uint64(at.Add(-time.Minute).UnixNano()), TimeFlowEndNs: uint64(at.Add(-time.Second).UnixNano()),
		Bytes: 123_456, Packets: 98, SrcAddr: []byte{192, 168, 1, 20}, DstAddr: []byte{203, 0, 113, 5}, Etype: 0x800, Proto: 6,
		SrcPort: 50000, DstPort: 443, InIf: 3, OutIf: 1 << 31, SrcMac: 0x020000000001, DstMac: 0xfffefdfcfbfa, VlanId: 12,
		IpTos: 0xb8, TcpFlags: 0x1b, SrcAs: 64500, DstAs: 4200000000,
	}
	got := &flowpb.FlowMessage{}
	if err := protodelim.UnmarshalFrom(bytes.NewReader(newEncoder(Protobuf).append(nil, &r)), got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("FlowMessage (-want +got):\n%s", diff)
	}
}
