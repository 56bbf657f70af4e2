package decodetest

import (
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// Traffic is a router's export of many different flows, for benchmarks: what a
// decoder learns by heart from one record repeated does not help it here.
type Traffic struct {
	Name      string   // of the protocol
	Templates []byte   // a datagram, nil when the protocol has none
	Datagrams [][]byte // each with the records a full one has
}

// trafficDatagrams is how many datagrams Traffic has: about as much as a
// socket's buffer holds when a worker gets to it.
const trafficDatagrams = 256

// AllTraffic returns the same kind of traffic in each protocol: 22 records of
// 22 fields a datagram in NetFlow v9, the size the design's figures are given
// for, and what fills a datagram in the others.
func AllTraffic(at time.Time) []Traffic {
	return []Traffic{trafficV5(at), trafficTemplates("NetFlow9", 9, at), trafficTemplates("IPFIX", 10, at), trafficSFlow()}
}

// trafficFlow is a flow of a household: hosts that come up often, peers that
// are many, ports of which one is well known.
type trafficFlow struct {
	src, dst         netip.Addr
	srcPort, dstPort uint16
	protocol         uint8
	octets, packets  uint32
	start, end       time.Duration // uptime
}

func newTrafficFlow(r *rand.Rand) trafficFlow {
	host := netip.AddrFrom4([4]byte{192, 168, 1, byte(2 + r.IntN(200))})
	peer := netip.AddrFrom4([4]byte{byte(11 + r.IntN(110)), byte(r.IntN(256)), byte(r.IntN(256)), byte(1 + r.IntN(254))})
	services := []uint16{443, 443, 443, 53, 80, 123, 993, 22, 8080, 3478, 51413}
	packets := uint32(1 + r.IntN(200))
	end := 55*time.Minute + time.Duration(r.IntN(240_000))*time.Millisecond
	f := trafficFlow{
		src: host, dst: peer, srcPort: uint16(32768 + r.IntN(28000)), dstPort: services[r.IntN(len(services))],
		protocol: []uint8{6, 6, 17}[r.IntN(3)], packets: packets, octets: packets * uint32(40+r.IntN(1400)),
		start: end - time.Duration(r.IntN(60_000))*time.Millisecond, end: end,
	}
	if r.IntN(2) == 0 {
		f.src, f.dst, f.srcPort, f.dstPort = f.dst, f.src, f.dstPort, f.srcPort
	}
	return f
}

func trafficV5(at time.Time) Traffic {
	r := rand.New(rand.NewPCG(5, 1))
	t := Traffic{Name: "NetFlow5"}
	for n := range trafficDatagrams {
		p := V5{Uptime: time.Hour, Time: at, Sequence: uint32(30 * n)}
		for range 30 {
			f := newTrafficFlow(r)
			p.Records = append(p.Records, V5Record{
				Src: f.src, Dst: f.dst, In: 1, Out: 2, Packets: f.packets, Octets: f.octets, First: f.start, Last: f.end,
				SrcPort: f.srcPort, DstPort: f.dstPort, TCPFlags: 0x1b, Protocol: f.protocol, SrcAS: 64500, DstAS: 64501,
			})
		}
		t.Datagrams = append(t.Datagrams, p.Bytes())
	}
	return t
}

// trafficTemplates is the traffic in NetFlow v9, with times of uptime, or in
// IPFIX, with absolute ones.
func trafficTemplates(name string, version uint16, at time.Time) Traffic {
	const records = 22
	r := rand.New(rand.NewPCG(uint64(version), 1))
	elements := []uint16{8, 12, 15, 10, 14, 2, 1, 24, 23, 22, 21, 7, 11, 6, 4, 5, 16, 17, 9, 13, 61, 58}
	if version == 10 {
		elements[9], elements[10] = 152, 153
	}
	template := NewTemplate(256, elements...)
	boot := at.Add(-time.Hour)
	t := Traffic{Name: name, Templates: (&Message{Version: version, Uptime: time.Hour, Time: at, Domain: 1}).Templates(template).Bytes()}
	for n := range trafficDatagrams {
		m := &Message{Version: version, Uptime: time.Hour, Time: at, Domain: 1, Sequence: uint32(n + 1)}
		if version == 10 {
			m.Sequence = uint32(n * records)
		}
		var data [][]byte
		for range records {
			f := newTrafficFlow(r)
			start, end := f.start.Milliseconds(), f.end.Milliseconds()
			if version == 10 {
				start, end = boot.Add(f.start).UnixMilli(), boot.Add(f.end).UnixMilli()
			}
			data = append(data, template.Record(f.src, f.dst, Gateway, 1, 2, int(f.packets), int(f.octets), 0, 0, start, end,
				int(f.srcPort), int(f.dstPort), 0x1b, int(f.protocol), 0, 64500, 64501, 24, 0, 1, 7))
		}
		t.Datagrams = append(t.Datagrams, m.Data(template, data...).Bytes())
	}
	return t
}

func trafficSFlow() Traffic {
	const samples = 7 // of 128 bytes of header, as most switches send them
	r := rand.New(rand.NewPCG(6, 1))
	t := Traffic{Name: "SFlow"}
	for n := range trafficDatagrams {
		d := SFlow{Agent: Gateway, Sequence: uint32(n + 1), Uptime: time.Hour}
		for i := range samples {
			f := newTrafficFlow(r)
			length := 40 + r.IntN(1400)
			header := Packet{Src: f.src, Dst: f.dst, Protocol: f.protocol, SrcPort: f.srcPort, DstPort: f.dstPort, TCPFlags: 0x10, Length: length}.Ethernet()
			header = append(header, make([]byte, 128-len(header))...)
			d.Flow(Sample{Sequence: uint32(n*samples + i), Rate: 256, In: 1, Out: 2, Records: [][]byte{RawHeader(1, uint32(length+18), 4, header)}})
		}
		t.Datagrams = append(t.Datagrams, d.Bytes())
	}
	return t
}

// PerCore reports flows a second of processor time from now until the returned
// function is called with their number. Time of the wall would tell how busy
// the machine is with other things.
func PerCore(b *testing.B) (report func(flows int)) {
	b.Helper()
	before := processorTime(b)
	return func(flows int) {
		b.ReportMetric(float64(flows)/(processorTime(b)-before).Seconds(), "flows/s")
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
