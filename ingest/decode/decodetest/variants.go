package decodetest

import (
	"time"

	"github.com/flattraffic/flattraffic/flow"
)

// variants returns streams of routers that are in the table already, in another
// of the protocols they speak or with another of their traits.
func variants(now time.Time) []Router {
	return []Router{
		pfSenseVLANs(now), pflowIPFIX(now), openWrt5(now), iptNetflow5(now), iptNetflowIPFIX(now),
		vyOS(now), uniFi9(now), mikroTik9(now), switch4(now),
	}
}

func pfSenseVLANs(now time.Time) Router {
	// Two processes, one on the parent interface and one on the VLAN: each
	// numbers its datagrams for itself under the same source id.
	t := NewTemplate(1024, 8, 12, 21, 22, 1, 2, 10, 14, 7, 11, 4, 6, 60, 5)
	up := 2 * time.Hour
	record := t.Record(Host, Server, millis(up-time.Second), millis(up-time.Minute), 64000, 80, 0, 0, 50011, 443, tcp, 0x1b, 4, 0)
	parent := Message{Version: 9, Uptime: up, Time: now, Sequence: 40}
	child := Message{Version: 9, Uptime: up, Time: now, Sequence: 9000}
	parent.Templates(t).Data(t, record)
	child.Templates(t).Data(t, record)
	r := span(flow.Record{
		Origin: flow.NetFlow9, Src: Host, Dst: Server, SrcPort: 50011, DstPort: 443, Protocol: tcp,
		Bytes: 64000, Packets: 80, SamplingRate: 1, TCPFlags: 0x1b,
	}, now.Add(-time.Minute), now.Add(-time.Second))
	return Router{
		"pfSense softflowd, VLANs", "NetFlow v9", "one process an interface: VLAN parent and child both see a flow, and both rows are kept",
		[][]byte{parent.Bytes(), child.Bytes()},
		[]flow.Record{r, r},
	}
}

func pflowIPFIX(now time.Time) Router {
	t := NewTemplate(256, 8, 12, 10, 14, 2, 1, 152, 153, 7, 11, 5, 4).With(8, 1, 2)
	m := Message{Version: 10, Time: now, Sequence: 5}
	start, end := now.Add(-26*time.Hour), now.Add(-3*time.Second)
	m.Templates(t).Data(t, t.Record(Server, Host, 1, 2, 7000000, uint64(9)<<32, start.UnixMilli(), end.UnixMilli(), 443, 50012, 0, tcp))
	r := span(flow.Record{
		Origin: flow.IPFIX, Src: Server, Dst: Host, SrcPort: 443, DstPort: 50012, Protocol: tcp,
		Bytes: 9 << 32, Packets: 7000000, SamplingRate: 1, InIf: 1, OutIf: 2,
	}, start, end)
	return Router{"pfSense Plus (pflow), IPFIX", "IPFIX", "a state of 26 hours is one record of more than 4 GB", [][]byte{m.Bytes()}, []flow.Record{r}}
}

func openWrt5(now time.Time) Router {
	up := 40 * time.Minute
	p := V5{Uptime: up, Time: now, Sequence: 12, Records: []V5Record{
		{Src: Host, Dst: Server, Packets: 12, Octets: 3400, First: up - 2*time.Minute, Last: up - 20*time.Second, SrcPort: 50013, DstPort: 443, TCPFlags: 0x1b, Protocol: tcp},
		{Src: Host, Dst: Server, Packets: 4, Octets: 336, First: up - 4*time.Second, Last: up - time.Second, DstPort: 8 << 8, Protocol: icmpNum},
	}}
	web := span(flow.Record{
		Origin: flow.NetFlow5, Src: Host, Dst: Server, SrcPort: 50013, DstPort: 443, Protocol: tcp, Bytes: 3400, Packets: 12, SamplingRate: 1, TCPFlags: 0x1b,
	}, now.Add(-2*time.Minute), now.Add(-20*time.Second))
	ping := span(flow.Record{
		Origin: flow.NetFlow5, Src: Host, Dst: Server, Protocol: icmpNum, Bytes: 336, Packets: 4, SamplingRate: 1, ICMPType: 8,
	}, now.Add(-4*time.Second), now.Add(-time.Second))
	return Router{"OpenWrt softflowd, v5", "NetFlow v5", "interfaces 0; ICMP type and code in the destination port", [][]byte{p.Bytes()}, []flow.Record{web, ping}}
}

func iptNetflow5(now time.Time) Router {
	up := 50*24*time.Hour + time.Minute // wrapped: the header says some hours
	p := V5{Uptime: up, Time: now, Sequence: 77, Records: []V5Record{{
		Src: Host, Dst: Server, In: 2, Out: 3, Packets: 40, Octets: 60000, First: up - 30*time.Minute, Last: up - time.Second,
		SrcPort: 50014, DstPort: 80, TCPFlags: 0x1b, Protocol: tcp,
	}}}
	r := span(flow.Record{
		Origin: flow.NetFlow5, Src: Host, Dst: Server, SrcPort: 50014, DstPort: 80, Protocol: tcp,
		Bytes: 60000, Packets: 40, SamplingRate: 1, InIf: 2, OutIf: 3, TCPFlags: 0x1b,
	}, now.Add(-30*time.Minute), now.Add(-time.Second))
	return Router{"ipt_NETFLOW, v5", "NetFlow v5", "30-minute flows after 50 days of uptime; addresses before translation", [][]byte{p.Bytes()}, []flow.Record{r}}
}

func iptNetflowIPFIX(now time.Time) Router {
	t := NewTemplate(262, 8, 12, 7, 11, 4, 6, 1, 2, 22, 21, 10, 14, 32)
	start := Template{ID: 263, Scopes: 1, Fields: []Field{{ID: 143, Length: 4}, {ID: 160, Length: 8}}}
	booted := now.Add(-9 * time.Hour)
	uptime := func(at time.Time) uint32 { return millis(at.Sub(booted)) }
	first, last := now.Add(-15*time.Second), now.Add(-5*time.Second)
	m := Message{Version: 10, Time: now, Sequence: 31}
	// The options come after the flows that need them.
	m.Templates(t).Templates(start).
		Data(t, t.Record(Host, Server, 0, 0, icmpNum, 0, 840, 10, uptime(first), uptime(last), 2, 3, 8<<8)).
		Data(start, start.Record(0, booted.UnixMilli()))
	r := span(flow.Record{
		Origin: flow.IPFIX, Src: Host, Dst: Server, Protocol: icmpNum, Bytes: 840, Packets: 10, SamplingRate: 1, InIf: 2, OutIf: 3, ICMPType: 8,
	}, first, last)
	return Router{"ipt_NETFLOW, IPFIX", "IPFIX", "the start time (160) in options behind the flows; ICMP in element 32", [][]byte{m.Bytes()}, []flow.Record{r}}
}

func vyOS(now time.Time) Router {
	t := NewTemplate(1024, 8, 12, 7, 11, 4, 1, 2, 10, 14, 61, 152, 153).With(8, 1, 2)
	m := Message{Version: 10, Time: now, Sequence: 8}
	start := now.Add(-7 * 24 * time.Hour)
	m.Templates(t).Data(t, t.Record(Server, Host, 443, 50015, tcp, 5000000000, 4000000, 2, 3, 0, start.UnixMilli(), now.UnixMilli()))
	r := span(flow.Record{
		Origin: flow.IPFIX, Observed: flow.Ingress, Src: Server, Dst: Host, SrcPort: 443, DstPort: 50015, Protocol: tcp,
		Bytes: 5000000000, Packets: 4000000, SamplingRate: 1, InIf: 2, OutIf: 3,
	}, start, now)
	return Router{"VyOS (pmacct), IPFIX", "IPFIX", "ingress only; maxlife of 604800 s: a record of exactly 7 days", [][]byte{m.Bytes()}, []flow.Record{r}}
}

func uniFi9(now time.Time) Router {
	sampler := Template{ID: 256, Scopes: 1, Fields: []Field{{ID: 1, Length: 4}, {ID: 48, Length: 1}, {ID: 49, Length: 1}, {ID: 50, Length: 4}}}
	t := NewTemplate(257, 8, 12, 21, 22, 1, 2, 7, 11, 4, 48).With(1, 48)
	up := 5 * time.Hour
	m := Message{Version: 9, Uptime: up, Time: now, Sequence: 3}
	flows := Message{Version: 9, Uptime: up, Time: now, Sequence: 4}
	m.Templates(sampler).Data(sampler, sampler.Record(0, 1, 2, 32), sampler.Record(0, 2, 2, 1))
	record := func(id int) []byte {
		return t.Record(Server, Host, millis(up), millis(up-10*time.Second), 2800, 2, 443, 50016, udpProto, id)
	}
	flows.Templates(t).Data(t, record(1), record(2))
	sampled := span(flow.Record{
		Origin: flow.NetFlow9, Src: Server, Dst: Host, SrcPort: 443, DstPort: 50016, Protocol: udpProto, Bytes: 89600, Packets: 64, SamplingRate: 32,
	}, now.Add(-10*time.Second), now)
	whole := sampled
	whole.Bytes, whole.Packets, whole.SamplingRate = 2800, 2, 1
	return Router{"UniFi gateway, v9", "NetFlow v9", "two samplers, one in 32 and every packet, told apart by id", [][]byte{m.Bytes(), flows.Bytes()}, []flow.Record{sampled, whole}}
}

func mikroTik9(now time.Time) Router {
	t := NewTemplate(256, 60, 22, 21, 2, 1, 7, 11, 10, 14, 4, 6, 8, 12, 15, 225, 226, 227, 228)
	up := 30 * time.Hour
	first, last := millis(up-time.Minute), millis(up-time.Second)
	m := Message{Version: 9, Uptime: up, Time: now, Sequence: 15}
	m.Templates(t).Data(t,
		t.Record(4, first, last, 20, 30000, 443, 1031, 1, 2, tcp, 0x1b, Server, WAN, Gateway, Server, Host, 443, 50017),
		t.Record(4, first, last, 10, 900, 50017, 443, 2, 1, tcp, 0x1b, Host, Server, Gateway, WAN, Server, 1031, 443))
	in := span(flow.Record{
		Origin: flow.NetFlow9, Src: Server, Dst: Host, SrcPort: 443, DstPort: 50017, Protocol: tcp,
		Bytes: 30000, Packets: 20, SamplingRate: 1, InIf: 1, OutIf: 2, TCPFlags: 0x1b,
	}, now.Add(-time.Minute), now.Add(-time.Second))
	out := in
	out.Src, out.Dst, out.SrcPort, out.DstPort = Host, Server, 50017, 443
	out.Bytes, out.Packets, out.InIf, out.OutIf = 900, 10, 2, 1
	return Router{"MikroTik RouterOS, v9", "NetFlow v9", "inbound NAT goes to the WAN address and a translated port; the host owns both ways", [][]byte{m.Bytes()}, []flow.Record{in, out}}
}

func switch4(now time.Time) Router {
	dns := Packet{Src: Server, Dst: Host, Protocol: udpProto, SrcPort: 53, DstPort: 50018, Length: 120}
	p := SFlow{Agent: Gateway, SubAgent: 2, Sequence: 9, Uptime: time.Hour}
	p.Add(2, make([]byte, 12)). // counters
					Flow(Sample{Sequence: 1, Rate: 1000, In: 7, Out: 8, Records: [][]byte{RawHeader(11, 120, 0, dns.IP())}})
	r := span(flow.Record{
		Origin: flow.SFlow, Src: Server, Dst: Host, SrcPort: 53, DstPort: 50018, Protocol: udpProto, Bytes: 120000, Packets: 1000, SamplingRate: 1000, InIf: 7, OutIf: 8,
	}, now, now)
	return Router{"switch, IPv4 headers", "sFlow v5", "a counter sample before; IPv4 without a frame (header protocol 11)", [][]byte{p.Bytes()}, []flow.Record{r}}
}
