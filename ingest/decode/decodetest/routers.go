package decodetest

import (
	"net/netip"
	"time"

	"github.com/flattraffic/flattraffic/flow"
)

// Router is the export stream of a kind of router with the trait that breaks
// naive accounting, and the records it must become.
type Router struct {
	Name      string
	Protocol  string
	Quirk     string
	Datagrams [][]byte
	Want      []flow.Record // without Exporter and ReceivedMs
}

// The ends of the sample flows.
var (
	Host    = netip.MustParseAddr("192.168.1.20")
	Server  = netip.MustParseAddr("198.51.100.7")
	WAN     = netip.MustParseAddr("203.0.113.2")
	Gateway = netip.MustParseAddr("203.0.113.1")
	Host6   = netip.MustParseAddr("2001:db8:1::20")
	Server6 = netip.MustParseAddr("2001:db8:ffff::7")
)

const (
	tcp      = 6
	udpProto = 17
	icmpNum  = 1
)

// Routers returns streams of each kind of home router, in the protocols it
// exports and with the traits that are known of it. now is when the datagrams
// are received, a whole second.
func Routers(now time.Time) []Router {
	return append([]Router{
		opnsense(now), pfSenseSoftflowd(now), pflow(now), openWrt(now), openWrtBiflow(now), iptNetflow(now),
		edgeOS(now), uniFi(now), mikroTik(now), mikroTik6(now), hsflowd(now),
	}, variants(now)...)
}

// span sets the times of a record.
func span(r flow.Record, start, end time.Time) flow.Record {
	r.StartMs, r.EndMs = start.UnixMilli(), end.UnixMilli()
	return r
}

func opnsense(now time.Time) Router {
	t := NewTemplate(256, 8, 12, 15, 10, 14, 2, 1, 24, 23, 22, 21, 7, 11, 6, 4, 5, 16, 17, 9, 13).With(2, 10, 14, 16, 17)
	up := 3 * time.Hour
	m := Message{Version: 9, Uptime: up, Time: now, Sequence: 7}
	first, last := millis(up-30*time.Minute), millis(up-time.Second)
	m.Templates(t).Data(t,
		t.Record(Host, Server, Gateway, 1, 2, 900, 1234567, 0, 0, first, last, 50000, 443, 0x1b, tcp, 0, 0, 0, 24, 0),
		t.Record(WAN, Server, Gateway, 2, 2, 900, 1234567, 0, 0, first, last, 50000, 443, 0x1b, tcp, 0, 0, 0, 32, 0))
	lan := span(flow.Record{
		Origin: flow.NetFlow9, Src: Host, Dst: Server, SrcPort: 50000, DstPort: 443, Protocol: tcp,
		Bytes: 1234567, Packets: 900, SamplingRate: 1, InIf: 1, OutIf: 2, TCPFlags: 0x1b,
	}, now.Add(-30*time.Minute), now.Add(-time.Second))
	wan := lan
	wan.Src, wan.InIf = WAN, 2
	return Router{
		"OPNsense (ng_netflow)", "NetFlow v9", "OUT_BYTES of zero after IN_BYTES; LAN and WAN seen",
		[][]byte{m.Bytes()},
		[]flow.Record{lan, wan},
	}
}

func pfSenseSoftflowd(now time.Time) Router {
	t := NewTemplate(1024, 8, 12, 21, 22, 1, 2, 10, 14, 7, 11, 4, 6, 60, 5)
	up := 8 * 24 * time.Hour
	m := Message{Version: 9, Uptime: up, Time: now, Sequence: 1}
	m.Templates(t).Data(t, t.Record(Server, Host, millis(up), millis(up-7*24*time.Hour-2*time.Second), 700000000, 500000, 0, 0, 443, 50001, tcp, 0x1b, 4, 0))
	r := span(flow.Record{
		Origin: flow.NetFlow9, Src: Server, Dst: Host, SrcPort: 443, DstPort: 50001, Protocol: tcp,
		Bytes: 700000000, Packets: 500000, SamplingRate: 1, TCPFlags: 0x1b, TimeFixed: true,
	}, now.Add(-7*24*time.Hour), now)
	return Router{"pfSense softflowd", "NetFlow v9", "7-day maxlife: a flow is a little longer than any span believed", [][]byte{m.Bytes()}, []flow.Record{r}}
}

func pflow(now time.Time) Router {
	// The uptime wraps between the start of the state and its end.
	up := 3 * time.Hour
	p := V5{Uptime: up, Time: now, Sequence: 100, Records: []V5Record{{
		Src: Server, Dst: Host, In: 1, Out: 2, Packets: 3000000, Octets: 4000000000,
		First: up - 24*time.Hour, Last: up - time.Second, SrcPort: 443, DstPort: 50002, TCPFlags: 0x1b, Protocol: tcp,
	}}}
	r := span(flow.Record{
		Origin: flow.NetFlow5, Src: Server, Dst: Host, SrcPort: 443, DstPort: 50002, Protocol: tcp,
		Bytes: 4000000000, Packets: 3000000, SamplingRate: 1, InIf: 1, OutIf: 2, TCPFlags: 0x1b,
	}, now.Add(-24*time.Hour), now.Add(-time.Second))
	return Router{"pfSense Plus (pflow)", "NetFlow v5", "a day-long state is one record; uptime wraps within", [][]byte{p.Bytes()}, []flow.Record{r}}
}

func openWrt(now time.Time) Router {
	options := Template{ID: 256, Scopes: 1, Fields: []Field{{ID: 144, Length: 4}, {ID: 160, Length: 8}, {ID: 305, Length: 4}, {ID: 306, Length: 4}}}
	t := NewTemplate(1024, 8, 12, 1, 2, 10, 14, 7, 11, 4, 6, 60, 5, 32, 58, 22, 21)
	start := now.Add(-60 * 24 * time.Hour) // the uptime has wrapped once
	uptime := func(at time.Time) uint32 { return millis(at.Sub(start)) }
	m := Message{Version: 10, Time: now}
	m.Templates(t).Templates(options).
		Data(options, options.Record(1, start.UnixMilli(), 1, 0)).
		Data(t, t.Record(Server, Host, 9000, 10, 0, 0, 0, 0, icmpNum, 0, 4, 0, 8<<8|1, 0, uptime(now.Add(-50*time.Second)), uptime(now.Add(-2*time.Second))))
	r := span(flow.Record{
		Origin: flow.IPFIX, Src: Server, Dst: Host, Protocol: icmpNum, Bytes: 9000, Packets: 10, SamplingRate: 1, ICMPType: 8, ICMPCode: 1,
	}, now.Add(-50*time.Second), now.Add(-2*time.Second))
	return Router{"OpenWrt softflowd", "IPFIX", "times are uptimes (22, 21) since an options record's start (160); interfaces 0", [][]byte{m.Bytes()}, []flow.Record{r}}
}

func openWrtBiflow(now time.Time) Router {
	t := NewTemplate(1025, 8, 12, 7, 11, 4, 152, 153, 1, 2)
	t.Fields = append(t.Fields, Field{ID: 1, Length: 4, PEN: 29305}, Field{ID: 2, Length: 4, PEN: 29305})
	m := Message{Version: 10, Time: now}
	start, end := now.Add(-time.Minute), now.Add(-time.Second)
	m.Templates(t).Data(t, t.Record(Host, Server, 50003, 53, udpProto, start.UnixMilli(), end.UnixMilli(), 70, 1, 300, 2))
	sent := span(flow.Record{
		Origin: flow.IPFIX, Src: Host, Dst: Server, SrcPort: 50003, DstPort: 53, Protocol: udpProto, Bytes: 70, Packets: 1, SamplingRate: 1,
	}, start, end)
	received := sent
	received.Src, received.Dst, received.SrcPort, received.DstPort = Server, Host, 53, 50003
	received.Bytes, received.Packets = 300, 2
	return Router{"OpenWrt softflowd -b", "IPFIX", "one record holds both directions (RFC 5103)", [][]byte{m.Bytes()}, []flow.Record{sent, received}}
}

func iptNetflow(now time.Time) Router {
	t := NewTemplate(260, 27, 28, 1, 2, 7, 11, 4, 6, 21, 22, 10, 14)
	event := NewTemplate(261, 323, 8, 225, 12, 226, 7, 227, 11, 228, 4, 230).With(8, 323)
	up := 40 * 24 * time.Hour
	m := Message{Version: 9, Uptime: up, Time: now, Sequence: 55}
	m.Templates(t, event).
		Data(event, event.Record(now.UnixMilli(), Host, WAN, Server, Server, 50004, 1024, 443, 443, tcp, 1)).
		Data(t, t.Record(Server6, Host6, 5000, 5, 443, 50005, tcp, 0x18, millis(up-time.Second), millis(up-30*time.Minute), 3, 4))
	r := span(flow.Record{
		Origin: flow.NetFlow9, Src: Server6, Dst: Host6, SrcPort: 443, DstPort: 50005, Protocol: tcp,
		Bytes: 5000, Packets: 5, SamplingRate: 1, InIf: 3, OutIf: 4, TCPFlags: 0x18,
	}, now.Add(-30*time.Minute), now.Add(-time.Second))
	return Router{"ipt_NETFLOW", "NetFlow v9", "NAT events without counters are no flows; IPv6", [][]byte{m.Bytes()}, []flow.Record{r}}
}

func edgeOS(now time.Time) Router {
	in := NewTemplate(1024, 21, 22, 1, 2, 60, 10, 14, 61, 3, 8, 12, 7, 11, 5, 6, 4, 56, 80, 58, 201).With(8, 1, 2)
	out := NewTemplate(1025, 21, 22, 1, 2, 60, 10, 14, 61, 3, 8, 12, 7, 11, 5, 6, 4, 81, 57, 59, 201).With(8, 1, 2)
	sampler := Template{ID: 1026, Scopes: 1, Fields: []Field{{ID: 1, Length: 4}, {ID: 34, Length: 1}, {ID: 35, Length: 1}}}
	up := 20 * 24 * time.Hour
	m := Message{Version: 9, Uptime: up, Time: now, Sequence: 9}
	mac1, mac2 := []byte{2, 0, 0, 0, 0, 1}, []byte{2, 0, 0, 0, 0, 2}
	last, first := millis(up), millis(up-time.Hour)
	m.Templates(in, out).Templates(sampler).
		Data(in, in.Record(last, first, 1000, 10, 4, 2, 3, 0, 1, Server, Host, 443, 50006, 0, 0x1b, tcp, mac1, mac2, 7, 0)).
		Data(out, out.Record(last, first, 500, 5, 4, 3, 2, 1, 1, Host, Server, 50006, 443, 0, 0x1b, tcp, mac2, mac1, 7, 0)).
		Data(sampler, sampler.Record(0, 10, 2))
	got := span(flow.Record{
		Origin: flow.NetFlow9, Observed: flow.Ingress, Src: Server, Dst: Host, SrcPort: 443, DstPort: 50006, Protocol: tcp,
		Bytes: 10000, Packets: 100, SamplingRate: 10, InIf: 2, OutIf: 3, TCPFlags: 0x1b, SrcMAC: 0x020000000001, DstMAC: 0x020000000002, VLAN: 7,
	}, now.Add(-time.Hour), now)
	sent := got
	sent.Observed, sent.Src, sent.Dst, sent.SrcPort, sent.DstPort = flow.Egress, Host, Server, 50006, 443
	sent.Bytes, sent.Packets, sent.InIf, sent.OutIf, sent.SrcMAC, sent.DstMAC = 5000, 50, 3, 2, 0x020000000002, 0x020000000001
	return Router{
		"VyOS, EdgeOS, USG (pmacct)", "NetFlow v9", "ingress and egress; MACs in 56/80 or 81/57; sampling of one byte after the flows",
		[][]byte{m.Bytes()},
		[]flow.Record{got, sent},
	}
}

func uniFi(now time.Time) Router {
	sampler := Template{ID: 512, Scopes: 1, Fields: []Field{{ID: 302, Length: 8}, {ID: 304, Length: 2}, {ID: 305, Length: 4}, {ID: 306, Length: 4}}}
	t := NewTemplate(513, 27, 28, 152, 153, 1, 2, 7, 11, 4, 302).With(8, 1, 2)
	m := Message{Version: 10, Time: now}
	start := now.Add(-20 * time.Second)
	m.Templates(sampler).Templates(t).Data(sampler, sampler.Record(3, 1, 1, 63)).
		Data(t, t.Record(Server6, Host6, start.UnixMilli(), now.UnixMilli(), 1400, 1, 443, 50007, udpProto, 3))
	r := span(flow.Record{
		Origin: flow.IPFIX, Src: Server6, Dst: Host6, SrcPort: 443, DstPort: 50007, Protocol: udpProto, Bytes: 89600, Packets: 64, SamplingRate: 64,
	}, start, now)
	return Router{"UniFi gateway", "IPFIX", "sampling left on: one in 64, by sampler id", [][]byte{m.Bytes()}, []flow.Record{r}}
}

func mikroTik(now time.Time) Router {
	t := NewTemplate(258, 60, 22, 21, 2, 1, 7, 11, 10, 14, 4, 6, 8, 12, 15, 225, 226)
	sampler := Template{ID: 259, Scopes: 1, Fields: []Field{{ID: 144, Length: 4}, {ID: 34, Length: 4}}}
	m := Message{Version: 10, Time: now}
	// No start time is said: the latest flow ended when the message was sent.
	end := millis(50*24*time.Hour + 30*time.Minute)
	first := millis(50 * 24 * time.Hour)
	m.Templates(t).Templates(sampler).Data(sampler, sampler.Record(0, []byte{1, 0, 0, 0})).Data(t,
		t.Record(4, first, end, 900, 1200000, 443, 50008, 1, 2, tcp, 0x1b, Server, WAN, Gateway, Server, Host),
		t.Record(4, first, end-10000, 400, 50000, 50008, 443, 2, 1, tcp, 0x1b, Host, Server, Gateway, WAN, Server))
	in := span(flow.Record{
		Origin: flow.IPFIX, Src: Server, Dst: Host, SrcPort: 443, DstPort: 50008, Protocol: tcp,
		Bytes: 1200000, Packets: 900, SamplingRate: 1, InIf: 1, OutIf: 2, TCPFlags: 0x1b,
	}, now.Add(-30*time.Minute), now)
	out := span(flow.Record{
		Origin: flow.IPFIX, Src: Host, Dst: Server, SrcPort: 50008, DstPort: 443, Protocol: tcp,
		Bytes: 50000, Packets: 400, SamplingRate: 1, InIf: 2, OutIf: 1, TCPFlags: 0x1b,
	}, now.Add(-30*time.Minute), now.Add(-10*time.Second))
	return Router{
		"MikroTik RouterOS", "IPFIX", "inbound NAT goes to the WAN address; uptimes without a start; sampling low byte first (ROS 6)",
		[][]byte{m.Bytes()},
		[]flow.Record{in, out},
	}
}

func mikroTik6(now time.Time) Router {
	t := NewTemplate(260, 60, 22, 21, 2, 1, 7, 11, 10, 14, 4, 6, 27, 28, 62, 160)
	start := now.Add(-3 * 24 * time.Hour)
	m := Message{Version: 10, Time: now}
	first, last := millis(now.Add(-time.Minute).Sub(start)), millis(now.Add(-time.Second).Sub(start))
	m.Templates(t).Data(t, t.Record(6, first, last, 9, 4500, 443, 50009, 1, 2, tcp, 0x18, Server6, Host6, Server6, start.UnixMilli()))
	r := span(flow.Record{
		Origin: flow.IPFIX, Src: Server6, Dst: Host6, SrcPort: 443, DstPort: 50009, Protocol: tcp,
		Bytes: 4500, Packets: 9, SamplingRate: 1, InIf: 1, OutIf: 2, TCPFlags: 0x18,
	}, now.Add(-time.Minute), now.Add(-time.Second))
	return Router{"MikroTik RouterOS, IPv6", "IPFIX", "uptimes (22, 21) with the start (160) in the record", [][]byte{m.Bytes()}, []flow.Record{r}}
}

func hsflowd(now time.Time) Router {
	web := Packet{Src: Server, Dst: Host, Protocol: tcp, SrcPort: 443, DstPort: 50010, TCPFlags: 0x18, Length: 1500}
	ping := Packet{Src: Host6, Dst: Server6, Protocol: 58, DstPort: 128 << 8, Length: 104}
	p := SFlow{Agent: Gateway, Sequence: 3, Uptime: time.Hour}
	p.Flow(Sample{Sequence: 1, Rate: 400, In: 2, Out: 1 << 30, Records: [][]byte{RawHeader(1, 1522, 4, web.Ethernet(7))}}).
		Flow(Sample{Sequence: 2, Rate: 400, In: 3, Out: 2, Expanded: true, Records: [][]byte{RawHeader(12, 104, 0, ping.IP())}})
	tcpFlow := span(flow.Record{
		Origin: flow.SFlow, Src: Server, Dst: Host, SrcPort: 443, DstPort: 50010, Protocol: tcp, Bytes: 600000, Packets: 400, SamplingRate: 400,
		InIf: 2, TCPFlags: 0x18, SrcMAC: 0x020000000001, DstMAC: 0x020000000002, VLAN: 7,
	}, now, now)
	icmpFlow := span(flow.Record{
		Origin: flow.SFlow, Src: Host6, Dst: Server6, Protocol: 58, Bytes: 41600, Packets: 400, SamplingRate: 400, InIf: 3, OutIf: 2, ICMPType: 128,
	}, now, now)
	return Router{"hsflowd, switches", "sFlow v5", "frames, one in 400; VLAN tag; interface formats; IPv6 without a frame", [][]byte{p.Bytes()}, []flow.Record{tcpFlow, icmpFlow}}
}
