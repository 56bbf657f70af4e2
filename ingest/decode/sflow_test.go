package decode

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

var web = decodetest.Packet{Src: decodetest.Server, Dst: decodetest.Host, Protocol: 6, SrcPort: 443, DstPort: 50000, TCPFlags: 0x18, Length: 1400}

// TestSampledHeaders: bytes are those of the IP packet, whatever lies around it.
func TestSampledHeaders(t *testing.T) {
	be := binary.BigEndian
	plain := web.Ethernet()
	mpls := append(append([]byte{}, plain[:12]...), 0x88, 0x47, 0, 0, 0x10, 0, 0, 0, 0x11, 1)
	pppoe := append(append([]byte{}, plain[:12]...), 0x88, 0x64, 0x11, 0, 0, 1, 0, 60, 0, 0x21)
	arp := append(append([]byte{}, plain[:12]...), 0x08, 0x06, 0, 1)
	offloaded := append([]byte{}, plain...)
	be.PutUint16(offloaded[16:], 0)
	fragment := append([]byte{}, plain...)
	be.PutUint16(fragment[20:], 100)
	web6 := web
	web6.Src, web6.Dst = decodetest.Server6, decodetest.Host6
	ip6 := web6.IP()
	extended := append(append([]byte{}, ip6[:40]...), 6, 0, 1, 4, 0, 0, 0, 0)
	extended[6] = 0
	extended = append(extended, ip6[40:]...)

	tcp := func(r *flow.Record) { r.SrcPort, r.DstPort, r.TCPFlags = 443, 50000, 0x18 }
	six := func(r *flow.Record) { tcp(r); r.Src, r.Dst = decodetest.Server6, decodetest.Host6 }
	nothing := func(r *flow.Record) {
		r.Src, r.Dst, r.Protocol, r.Bytes = netip.IPv6Unspecified(), netip.IPv6Unspecified(), 0, 0
	}
	for name, tc := range map[string]struct {
		protocol, frame uint32
		header          []byte
		want            func(*flow.Record)
	}{
		"Ethernet":                {1, 1418, plain, tcp},
		"VLAN":                    {1, 1422, web.Ethernet(7), func(r *flow.Record) { tcp(r); r.VLAN = 7 }},
		"QinQ":                    {1, 1426, web.Ethernet(100, 7), func(r *flow.Record) { tcp(r); r.VLAN = 7 }},
		"MPLS":                    {1, 1426, append(mpls, web.IP()...), tcp},
		"PPPoE":                   {1, 1426, append(pppoe, web.IP()...), tcp},
		"IPv6":                    {1, 1418, web6.Ethernet(), six},
		"IPv4 without a frame":    {11, 1400, web.IP(), tcp},
		"IPv6 without a frame":    {12, 1400, ip6, six},
		"IPv6 extension":          {12, 1400, extended, six},
		"length left to the card": {1, 1418, offloaded, tcp},
		"later fragment":          {1, 1418, fragment, func(*flow.Record) {}},
		"cut in the IP header":    {1, 1418, plain[:24], nothing},
		"ARP":                     {1, 64, arp, nothing},
		"unknown header protocol": {7, 100, []byte{1, 2, 3, 4}, nothing},
	} {
		p := decodetest.SFlow{Agent: exporter1}
		p.Flow(decodetest.Sample{Rate: 10, Records: [][]byte{decodetest.RawHeader(tc.protocol, tc.frame, 4, tc.header)}})
		records, c, _ := decodeAll(Config{}, p.Bytes())
		want := flow.Record{
			Exporter: exporter1, Origin: flow.SFlow, ReceivedMs: noon.UnixMilli(), StartMs: noon.UnixMilli(), EndMs: noon.UnixMilli(),
			Src: decodetest.Server, Dst: decodetest.Host, Protocol: 6, Bytes: 14000, Packets: 10, SamplingRate: 10,
		}
		if tc.protocol == 1 {
			want.SrcMAC, want.DstMAC = 0x020000000001, 0x020000000002
		}
		tc.want(&want)
		if name == "cut in the IP header" {
			want.Bytes = 14000 // the frame says it
			if c[ledger.Malformed] != 1 {
				t.Errorf("%s: ledger %v, want malformed", name, c)
			}
		}
		if diff := cmp.Diff([]flow.Record{want}, records, compareAddr); diff != "" {
			t.Errorf("%s: records differ (-want +got):\n%s", name, diff)
		}
	}
}

// TestSampleRecords: a sample's other records, and one that can't be read.
func TestSampleRecords(t *testing.T) {
	be := binary.BigEndian
	header := decodetest.RawHeader(1, 1418, 4, web.Ethernet())
	ip := be.AppendUint32(nil, 900)
	ip = be.AppendUint32(ip, 17)
	ip = append(append(ip, decodetest.Server.AsSlice()...), decodetest.Host.AsSlice()...)
	for _, n := range []uint32{53, 5353, 0, 0xb8} {
		ip = be.AppendUint32(ip, n)
	}
	ethernet := append(make([]byte, 4), 2, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 8, 6)
	gateway := append([]byte{0, 0, 0, 1, 1, 1, 1, 1}, make([]byte, 0)...)
	for _, n := range []uint32{1, 64500, 64501, 1, 2, 2, 64502, 64503, 0, 100} {
		gateway = be.AppendUint32(gateway, n)
	}
	vlan := []byte{0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0}
	for name, tc := range map[string]struct {
		records [][]byte
		bytes   uint64
		bad     uint64
		check   func(flow.Record) bool
	}{
		"IP fields":         {[][]byte{decodetest.FlowRecord(3, ip)}, 900, 0, func(r flow.Record) bool { return r.Protocol == 17 && r.DstPort == 5353 && r.TOS == 0xb8 }},
		"header is better":  {[][]byte{decodetest.FlowRecord(3, ip), header}, 1400, 0, func(r flow.Record) bool { return r.Protocol == 6 }},
		"VLAN and AS":       {[][]byte{decodetest.FlowRecord(1001, vlan), decodetest.FlowRecord(1003, gateway), header}, 1400, 0, func(r flow.Record) bool { return r.VLAN == 9 && r.SrcAS == 64500 && r.DstAS == 64503 }},
		"only Ethernet":     {[][]byte{decodetest.FlowRecord(2, ethernet)}, 0, 0, func(r flow.Record) bool { return r.Packets == 1 && r.Src == netip.IPv6Unspecified() }},
		"unknown formats":   {[][]byte{decodetest.FlowRecord(4711<<12|1, []byte{1, 2, 3, 4}), header}, 1400, 0, func(r flow.Record) bool { return r.Protocol == 6 }},
		"one bad record":    {[][]byte{decodetest.FlowRecord(1003, []byte{0, 0, 0, 1}), header}, 1400, 1, func(r flow.Record) bool { return r.Protocol == 6 }},
		"bad header length": {[][]byte{header, decodetest.FlowRecord(1, nil)[:4]}, 1400, 1, func(r flow.Record) bool { return r.Protocol == 6 }},
	} {
		p := decodetest.SFlow{Agent: decodetest.Host6}
		p.Flow(decodetest.Sample{Rate: 1, Records: tc.records}).Flow(decodetest.Sample{Rate: 1, Records: [][]byte{header}})
		records, c, _ := decodeAll(Config{}, p.Bytes())
		if len(records) != 2 || records[0].Bytes != tc.bytes || !tc.check(records[0]) || records[1].Bytes != 1400 {
			t.Errorf("%s: got %+v", name, records)
		}
		if c[ledger.Malformed] != tc.bad {
			t.Errorf("%s: ledger %v, want %d malformed", name, c, tc.bad)
		}
	}
}

// TestSampleInterfaces: the top bits of an interface are its format.
func TestSampleInterfaces(t *testing.T) {
	header := decodetest.RawHeader(1, 1418, 4, web.Ethernet())
	for _, tc := range []struct {
		expanded bool
		in, out  uint32
		wantIn   uint32
		wantOut  uint32
	}{
		{false, 5, 6, 5, 6},
		{true, 5, 6, 5, 6},
		{false, 5, 1<<30 | 3, 5, 0}, // discarded
		{true, 5, 2<<30 | 3, 5, 0},  // several
		{false, 2<<30 | 3, 6, 0, 6},
		{true, 1<<30 | 3, 6, 0, 6},
		{false, 0x3fffffff, 6, 0, 6},
	} {
		p := decodetest.SFlow{Agent: exporter1}
		p.Flow(decodetest.Sample{Rate: 1, In: tc.in, Out: tc.out, Expanded: tc.expanded, Records: [][]byte{header}})
		records, _, _ := decodeAll(Config{}, p.Bytes())
		if len(records) != 1 || records[0].InIf != tc.wantIn || records[0].OutIf != tc.wantOut {
			t.Errorf("in %#x out %#x expanded %v: got %+v", tc.in, tc.out, tc.expanded, records)
		}
	}
}

// TestOtherSamples: counters are passed over, drop notices are no traffic; an
// override replaces the sample's own rate.
func TestOtherSamples(t *testing.T) {
	p := decodetest.SFlow{Agent: exporter1}
	p.Add(2, make([]byte, 12)).Add(4, make([]byte, 16)).Add(5, make([]byte, 28)).Add(9<<12|1, []byte{1, 2, 3, 4}).
		Flow(decodetest.Sample{Rate: 100, Records: [][]byte{decodetest.RawHeader(1, 1418, 4, web.Ethernet())}})
	settings := func(netip.Addr) ExporterSettings { return ExporterSettings{SamplingRate: 3} }
	records, c, _ := decodeAll(Config{Exporter: settings}, p.Bytes())
	if got, want := sum(records), (totals{1, 4200, 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if diff := cmp.Diff(counts{ledger.DropNotices: 1}, c); diff != "" {
		t.Errorf("ledger differs (-want +got):\n%s", diff)
	}
}
