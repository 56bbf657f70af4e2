package decode

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

// element is a field of a test record with its value.
type element struct {
	id, length uint16
	pen        uint32
	value      any
}

// one builds a message of one record: source, destination and the elements.
func one(m *decodetest.Message, elements ...element) *decodetest.Message {
	t := decodetest.NewTemplate(300, 8, 12)
	values := []any{decodetest.Host, decodetest.Server}
	for _, e := range elements {
		t.Fields = append(t.Fields, decodetest.Field{ID: e.id, Length: e.length, PEN: e.pen})
		values = append(values, e.value)
	}
	return m.Templates(t).Data(t, t.Record(values...))
}

func TestCounters(t *testing.T) {
	type row = totals
	for name, tc := range map[string]struct {
		elements []element
		sumOut   bool
		want     []row
	}{
		"octets":                    {[]element{{1, 4, 0, 100}, {2, 4, 0, 2}}, false, []row{{1, 100, 2}}},
		"zero OUT_BYTES after":      {[]element{{1, 4, 0, 100}, {2, 4, 0, 2}, {23, 4, 0, 0}, {24, 4, 0, 0}}, false, []row{{1, 100, 2}}},
		"only OUT_BYTES":            {[]element{{1, 4, 0, 0}, {2, 4, 0, 0}, {23, 4, 0, 90}, {24, 4, 0, 3}}, false, []row{{1, 90, 3}}},
		"both, keep the first":      {[]element{{23, 4, 0, 90}, {1, 4, 0, 100}, {2, 4, 0, 2}}, false, []row{{1, 100, 2}}},
		"both, summed by setting":   {[]element{{1, 4, 0, 100}, {23, 4, 0, 90}, {2, 4, 0, 2}, {24, 4, 0, 1}}, true, []row{{1, 190, 3}}},
		"both alike are one":        {[]element{{1, 4, 0, 100}, {23, 4, 0, 100}, {2, 4, 0, 2}}, true, []row{{1, 100, 2}}},
		"totals":                    {[]element{{85, 8, 0, 70}, {86, 8, 0, 7}}, false, []row{{1, 70, 7}}},
		"totals beside deltas":      {[]element{{1, 4, 0, 10}, {85, 8, 0, 70}, {2, 4, 0, 1}, {86, 8, 0, 7}}, false, []row{{1, 10, 1}}},
		"initiator and responder":   {[]element{{231, 8, 0, 40}, {232, 8, 0, 60}, {298, 8, 0, 4}, {299, 8, 0, 6}}, false, []row{{1, 40, 4}, {1, 60, 6}}},
		"responder silent":          {[]element{{231, 8, 0, 40}, {232, 8, 0, 0}}, false, []row{{1, 40, 0}}},
		"responder beside zero":     {[]element{{1, 4, 0, 0}, {231, 8, 0, 40}, {232, 8, 0, 60}}, false, []row{{1, 40, 0}, {1, 60, 0}}},
		"octets before initiator":   {[]element{{1, 4, 0, 5}, {231, 8, 0, 40}, {232, 8, 0, 60}}, false, []row{{1, 5, 0}}},
		"reverse":                   {[]element{{1, 4, 0, 5}, {2, 4, 0, 1}, {1, 4, 29305, 9}, {2, 4, 29305, 2}}, false, []row{{1, 5, 1}, {1, 9, 2}}},
		"reverse totals":            {[]element{{85, 4, 0, 5}, {86, 4, 0, 1}, {85, 4, 29305, 9}, {86, 4, 29305, 2}}, false, []row{{1, 5, 1}, {1, 9, 2}}},
		"other enterprise":          {[]element{{1, 4, 0, 5}, {1, 4, 9, 7777}}, false, []row{{1, 5, 0}}},
		"zero counts":               {[]element{{1, 4, 0, 0}, {2, 4, 0, 0}}, false, []row{{1, 0, 0}}},
		"no counter":                {[]element{{4, 1, 0, 6}, {230, 1, 0, 1}}, false, nil},
		"1 byte":                    {[]element{{1, 1, 0, 200}}, false, []row{{1, 200, 0}}},
		"3 bytes":                   {[]element{{1, 3, 0, 70000}}, false, []row{{1, 70000, 0}}},
		"7 bytes":                   {[]element{{1, 7, 0, 1 << 40}}, false, []row{{1, 1 << 40, 0}}},
		"8 bytes":                   {[]element{{1, 8, 0, 1 << 41}}, false, []row{{1, 1 << 41, 0}}},
		"field of no bytes":         {[]element{{1, 0, 0, []byte{}}, {85, 4, 0, 3}}, false, []row{{1, 3, 0}}},
		"a counter beyond belief":   {[]element{{1, 8, 0, uint64(math.MaxUint64)}}, false, nil},
		"a rate beyond belief":      {[]element{{1, 8, 0, 5}, {34, 4, 0, uint32(math.MaxUint32)}}, false, []row{{1, 5, 0}}},
		"product beyond belief":     {[]element{{1, 8, 0, uint64(1) << 55}, {34, 4, 0, 1000}}, false, nil},
		"element 1 twice":           {[]element{{1, 4, 0, 100}, {1, 4, 0, 100}}, false, []row{{1, 100, 0}}},
		"counter too long for one":  {[]element{{1, 16, 0, make([]byte, 16)}, {2, 4, 0, 3}}, false, []row{{1, 0, 3}}},
		"layer 2 only, no counters": {[]element{{56, 6, 0, make([]byte, 6)}}, false, nil},
	} {
		settings := func(netip.Addr) ExporterSettings { return ExporterSettings{SumOutBytes: tc.sumOut} }
		records, c, _ := decodeAll(Config{Exporter: settings}, one(message10(), tc.elements...).Bytes())
		var got []row
		for i, r := range records {
			got = append(got, row{1, r.Bytes, r.Packets})
			if (i == 1) != (r.Src == decodetest.Server) {
				t.Errorf("%s: row %d goes from %s to %s", name, i, r.Src, r.Dst)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: rows differ (-want +got):\n%s", name, diff)
		}
		if len(tc.want) == 0 && c[ledger.NoCounters]+c[ledger.Malformed] != 1 {
			t.Errorf("%s: ledger %v, want the record in it", name, c)
		}
	}
}

func TestTimes(t *testing.T) {
	const day = 24 * time.Hour
	boot := noon.Add(-10 * day)
	up := func(ago time.Duration) int64 { return int64(millis32(noon.Add(-ago).Sub(boot))) }
	ntp := func(ago time.Duration) uint64 {
		at := noon.Add(-ago)
		return uint64(at.Unix()+2208988800)<<32 | uint64(at.Nanosecond())<<32/1e9
	}
	ms := func(ago time.Duration) int64 { return noon.Add(-ago).UnixMilli() }
	bytes := element{1, 4, 0, 1}
	v9 := func() *decodetest.Message {
		m := message9()
		m.Uptime = 10 * day
		return m
	}
	for name, tc := range map[string]struct {
		message    *decodetest.Message
		elements   []element
		start, end time.Duration // before noon
		fixed      bool
	}{
		"v9 uptime":                 {v9(), []element{{22, 4, 0, up(time.Hour)}, {21, 4, 0, up(time.Second)}}, time.Hour, time.Second, false},
		"v9 wrapped between":        {message9(), []element{{22, 4, 0, uint32(0xffffffff)}, {21, 4, 0, 1000}}, time.Hour + time.Millisecond, time.Hour - time.Second, false},
		"v9 ends after the header":  {v9(), []element{{22, 4, 0, up(time.Minute)}, {21, 4, 0, up(-5 * time.Millisecond)}}, time.Minute, -5 * time.Millisecond, false},
		"v9 152 153":                {v9(), []element{{152, 8, 0, ms(time.Hour)}, {153, 8, 0, ms(time.Second)}}, time.Hour, time.Second, false},
		"IPFIX seconds":             {message10(), []element{{150, 4, 0, ms(time.Hour) / 1000}, {151, 4, 0, ms(time.Second) / 1000}}, time.Hour, time.Second, false},
		"IPFIX microseconds":        {message10(), []element{{154, 8, 0, ntp(time.Hour)}, {155, 8, 0, ntp(time.Second)}}, time.Hour, time.Second, false},
		"IPFIX nanoseconds":         {message10(), []element{{156, 8, 0, ntp(time.Hour)}, {157, 8, 0, ntp(time.Second)}}, time.Hour, time.Second, false},
		"Unix microseconds":         {message10(), []element{{154, 8, 0, ms(time.Hour) * 1000}, {155, 8, 0, ms(time.Second) * 1000}}, time.Hour, time.Second, false},
		"microseconds before":       {message10(), []element{{158, 4, 0, 9000000}, {159, 4, 0, 1000000}}, 9 * time.Second, time.Second, false},
		"start and duration":        {message10(), []element{{152, 8, 0, ms(time.Hour)}, {161, 4, 0, 60000}}, time.Hour, 59 * time.Minute, false},
		"end and duration":          {message10(), []element{{153, 8, 0, ms(time.Minute)}, {162, 4, 0, 60000000}}, 2 * time.Minute, time.Minute, false},
		"only an event time":        {v9(), []element{{323, 8, 0, ms(time.Minute)}}, time.Minute, time.Minute, false},
		"no time":                   {message10(), nil, 0, 0, false},
		"IPFIX uptime and start":    {message10(), []element{{22, 4, 0, up(time.Hour)}, {21, 4, 0, up(time.Second)}, {160, 8, 0, boot.UnixMilli()}}, time.Hour, time.Second, false},
		"IPFIX uptime wrapped once": {message10(), []element{{22, 4, 0, millis32(60 * day)}, {21, 4, 0, millis32(60*day + time.Hour)}, {160, 8, 0, noon.Add(-60*day - time.Hour).UnixMilli()}}, time.Hour, 0, false},
		"IPFIX uptime alone":        {message10(), []element{{22, 4, 0, uint32(0xfffffff0)}, {21, 4, 0, 984}}, time.Second, 0, false},
		"start after end":           {message10(), []element{{152, 8, 0, ms(time.Second)}, {153, 8, 0, ms(time.Hour)}}, time.Hour, time.Hour, true},
		"longer than 7 days":        {message10(), []element{{152, 8, 0, ms(8 * day)}, {153, 8, 0, ms(time.Hour)}}, 7*day + time.Hour, time.Hour, true},
		"end 7 days ago":            {message10(), []element{{152, 8, 0, ms(8 * day)}, {153, 8, 0, ms(7 * day)}}, 8 * day, 7 * day, false},
		"end earlier":               {message10(), []element{{152, 8, 0, ms(8 * day)}, {153, 8, 0, ms(7*day + time.Second)}}, 0, 0, true},
		"end in 5 minutes":          {message10(), []element{{152, 8, 0, ms(0)}, {153, 8, 0, ms(-5 * time.Minute)}}, 0, -5 * time.Minute, false},
		"end later":                 {message10(), []element{{152, 8, 0, ms(0)}, {153, 8, 0, ms(-5*time.Minute - time.Millisecond)}}, 0, 0, true},
		"nonsense":                  {message10(), []element{{152, 8, 0, uint64(math.MaxUint64)}, {153, 8, 0, uint64(math.MaxUint64)}}, 0, 0, true},
	} {
		records, c, _ := decodeAll(Config{}, one(tc.message, append(tc.elements, bytes)...).Bytes())
		if len(records) != 1 {
			t.Fatalf("%s: got %d records", name, len(records))
		}
		r := records[0]
		start, end := noon.Sub(time.UnixMilli(r.StartMs)), noon.Sub(time.UnixMilli(r.EndMs))
		if start != tc.start || end != tc.end || r.TimeFixed != tc.fixed {
			t.Errorf("%s: got %v to %v before noon, fixed %v; want %v to %v, %v", name, start, end, r.TimeFixed, tc.start, tc.end, tc.fixed)
		}
		if (c[ledger.TimeFixed] == 1) != tc.fixed {
			t.Errorf("%s: ledger %v", name, c)
		}
	}
}

func millis32(d time.Duration) uint32 { return uint32(d.Milliseconds()) }

func TestNAT(t *testing.T) {
	host, server, wan := decodetest.Host, decodetest.Server, decodetest.WAN
	host2 := netip.MustParseAddr("2001:db8:1::99")
	t4 := decodetest.NewTemplate(300, 8, 12, 225, 226, 7, 11, 227, 228, 1)
	t6 := decodetest.NewTemplate(301, 27, 28, 281, 282, 1)
	zero, private := netip.IPv4Unspecified(), netip.MustParseAddr("10.0.0.250")
	for name, tc := range map[string]struct {
		records  [][]byte // the last one is looked at
		template decodetest.Template
		src, dst netip.Addr
		dstPort  uint16
	}{
		"outbound keeps the host":    {[][]byte{t4.Record(host, server, wan, server, 5000, 443, 1024, 443, 1)}, t4, host, server, 443},
		"inbound takes the host":     {[][]byte{t4.Record(server, wan, server, host, 443, 1024, 443, 5000, 1)}, t4, server, host, 5000},
		"inbound behind another NAT": {[][]byte{t4.Record(server, private, server, host, 443, 1024, 443, 5000, 1)}, t4, server, host, 5000},
		"answer as FortiGate has it": {[][]byte{t4.Record(server, host, zero, private, 443, 5000, 0, 1024, 1)}, t4, server, host, 5000},
		"answer, outside is known": {[][]byte{
			t4.Record(host, server, private, server, 5000, 443, 1024, 443, 1),
			t4.Record(server, host, server, private, 443, 5000, 443, 1024, 1),
		}, t4, server, host, 5000},
		"answer to a public outside": {[][]byte{t4.Record(server, host, server, wan, 443, 5000, 443, 1024, 1)}, t4, server, host, 5000},
		"not translated":             {[][]byte{t4.Record(host, server, zero, zero, 5000, 443, 0, 0, 1)}, t4, host, server, 443},
		"IPv6":                       {[][]byte{t6.Record(decodetest.Server6, decodetest.Host6, decodetest.Server6, host2, 1)}, t6, decodetest.Server6, host2, 0},
	} {
		records, _, _ := decodeAll(Config{}, message9().Templates(tc.template).Data(tc.template, tc.records...).Bytes())
		r := records[len(records)-1]
		if r.Src != tc.src || r.Dst != tc.dst || r.DstPort != tc.dstPort {
			t.Errorf("%s: got %s to %s port %d, want %s to %s port %d", name, r.Src, r.Dst, r.DstPort, tc.src, tc.dst, tc.dstPort)
		}
	}
}

func TestSampling(t *testing.T) {
	scope := func(fields ...decodetest.Field) decodetest.Template {
		return decodetest.Template{ID: 500, Scopes: 1, Fields: fields}
	}
	f := func(id, length uint16) decodetest.Field { return decodetest.Field{ID: id, Length: length} }
	octets := element{1, 4, 0, 100}
	for name, tc := range map[string]struct {
		options  decodetest.Template
		values   []any
		record   []element
		override uint32
		bytes    uint64
		rate     uint32
	}{
		"unknown is 1":              {record: []element{octets}, bytes: 100, rate: 1},
		"in the record":             {record: []element{octets, {34, 4, 0, 20}}, bytes: 2000, rate: 20},
		"in the record, 50":         {record: []element{octets, {50, 2, 0, 21}}, bytes: 2100, rate: 21},
		"in the record, 305":        {record: []element{octets, {305, 4, 0, 22}}, bytes: 2200, rate: 22},
		"in the record, 305 306":    {record: []element{octets, {305, 4, 0, 2}, {306, 4, 0, 3}}, bytes: 250, rate: 3},
		"options, 34, 1 byte":       {scope(f(149, 4), f(34, 1)), []any{0, 30}, []element{octets}, 0, 3000, 30},
		"options, 34, 2 bytes":      {scope(f(149, 4), f(34, 2)), []any{0, 300}, []element{octets}, 0, 30000, 300},
		"options, 50, 3 bytes":      {scope(f(149, 4), f(50, 3)), []any{0, 300}, []element{octets}, 0, 30000, 300},
		"options, 50, 8 bytes":      {scope(f(149, 4), f(50, 8)), []any{0, 300}, []element{octets}, 0, 30000, 300},
		"options, low byte first":   {scope(f(149, 4), f(34, 4)), []any{0, []byte{5, 0, 0, 0}}, []element{octets}, 0, 500, 5},
		"options, 305 306":          {scope(f(149, 4), f(305, 4), f(306, 4)), []any{0, 1, 999}, []element{octets}, 0, 100000, 1000},
		"options, 309 310 with 305": {scope(f(302, 4), f(305, 4), f(309, 4), f(310, 4)), []any{1, 1, 1, 256}, []element{octets, {302, 4, 0, 1}}, 0, 25600, 256},
		"sampler of the record":     {scope(f(48, 1), f(50, 4)), []any{7, 40}, []element{octets, {48, 1, 0, 7}}, 0, 4000, 40},
		"another sampler":           {scope(f(48, 1), f(50, 4)), []any{7, 40}, []element{octets, {48, 1, 0, 8}}, 0, 100, 1},
		"the only sampler":          {scope(f(48, 1), f(50, 4)), []any{7, 40}, []element{octets}, 0, 4000, 40},
		"of the interface":          {scope(f(10, 4), f(34, 4)), []any{3, 50}, []element{octets, {10, 4, 0, 3}}, 0, 5000, 50},
		"of another interface":      {scope(f(10, 4), f(34, 4)), []any{3, 50}, []element{octets, {10, 4, 0, 4}}, 0, 100, 1},
		"switched off":              {scope(f(149, 4), f(34, 4)), []any{0, 0}, []element{octets}, 0, 100, 1},
		"override":                  {scope(f(149, 4), f(34, 4)), []any{0, 50}, []element{octets, {34, 4, 0, 20}}, 8, 800, 8},
	} {
		m := message10()
		if tc.options.ID != 0 {
			m.Templates(tc.options).Data(tc.options, tc.options.Record(tc.values...))
		}
		settings := func(netip.Addr) ExporterSettings { return ExporterSettings{SamplingRate: tc.override} }
		records, _, _ := decodeAll(Config{Exporter: settings}, one(m, tc.record...).Bytes())
		if len(records) != 1 || records[0].Bytes != tc.bytes || records[0].SamplingRate != tc.rate {
			t.Errorf("%s: got %+v, want %d bytes at 1:%d", name, records, tc.bytes, tc.rate)
		}
	}
}

// TestSamplingNetFlow5: two bits of the field are the mode.
func TestSamplingNetFlow5(t *testing.T) {
	p := decodetest.V5{Time: noon, Sampling: 1<<14 | 100, Records: []decodetest.V5Record{{Src: decodetest.Host, Dst: decodetest.Server, Octets: 5, Packets: 1}}}
	records, _, _ := decodeAll(Config{}, p.Bytes())
	if got, want := sum(records), (totals{1, 500, 100}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestProperties: what a record says besides addresses, counters and times.
func TestProperties(t *testing.T) {
	mac := func(n byte) []byte { return []byte{0, 0, 0, 0, 0, n} }
	type change = func(*flow.Record)
	for name, tc := range map[string]struct {
		elements []element
		want     change
	}{
		"ingress":               {[]element{{61, 1, 0, 0}}, func(r *flow.Record) { r.Observed = flow.Ingress }},
		"egress":                {[]element{{61, 1, 0, 1}}, func(r *flow.Record) { r.Observed = flow.Egress }},
		"direction not known":   {[]element{{61, 1, 0, 255}}, func(*flow.Record) {}},
		"ICMP 32":               {[]element{{4, 1, 0, 1}, {32, 2, 0, 0x0301}}, func(r *flow.Record) { r.Protocol, r.ICMPType, r.ICMPCode = 1, 3, 1 }},
		"ICMPv6 139":            {[]element{{4, 1, 0, 58}, {139, 2, 0, 0x8100}}, func(r *flow.Record) { r.Protocol, r.ICMPType = 58, 129 }},
		"ICMP 176 177":          {[]element{{4, 1, 0, 1}, {176, 1, 0, 3}, {177, 1, 0, 4}}, func(r *flow.Record) { r.Protocol, r.ICMPType, r.ICMPCode = 1, 3, 4 }},
		"ICMPv6 178 179":        {[]element{{4, 1, 0, 58}, {178, 1, 0, 3}, {179, 1, 0, 4}}, func(r *flow.Record) { r.Protocol, r.ICMPType, r.ICMPCode = 58, 3, 4 }},
		"ICMP in the port":      {[]element{{4, 1, 0, 1}, {7, 2, 0, 0}, {11, 2, 0, 0x0303}}, func(r *flow.Record) { r.Protocol, r.ICMPType, r.ICMPCode = 1, 3, 3 }},
		"TCP is no ICMP":        {[]element{{4, 1, 0, 6}, {32, 2, 0, 0x0301}, {11, 2, 0, 80}}, func(r *flow.Record) { r.Protocol, r.DstPort = 6, 80 }},
		"MACs in":               {[]element{{56, 6, 0, mac(1)}, {80, 6, 0, mac(2)}, {81, 6, 0, mac(3)}, {57, 6, 0, mac(4)}}, func(r *flow.Record) { r.SrcMAC, r.DstMAC = 1, 2 }},
		"MACs out":              {[]element{{81, 6, 0, mac(3)}, {57, 6, 0, mac(4)}}, func(r *flow.Record) { r.SrcMAC, r.DstMAC = 3, 4 }},
		"source in, other out":  {[]element{{56, 6, 0, mac(1)}, {57, 6, 0, mac(4)}}, func(r *flow.Record) { r.SrcMAC, r.DstMAC = 1, 4 }},
		"VLAN":                  {[]element{{58, 2, 0, 5}, {59, 2, 0, 6}}, func(r *flow.Record) { r.VLAN = 5 }},
		"VLAN out":              {[]element{{58, 2, 0, 0}, {59, 2, 0, 6}}, func(r *flow.Record) { r.VLAN = 6 }},
		"dot1q":                 {[]element{{243, 2, 0, 0x6005}}, func(r *flow.Record) { r.VLAN = 5 }},
		"interfaces, 2 bytes":   {[]element{{10, 2, 0, 5}, {14, 2, 0, 6}}, func(r *flow.Record) { r.InIf, r.OutIf = 5, 6 }},
		"physical interfaces":   {[]element{{10, 4, 0, 0}, {252, 4, 0, 5}, {253, 4, 0, 6}}, func(r *flow.Record) { r.InIf, r.OutIf = 5, 6 }},
		"logical before":        {[]element{{252, 4, 0, 5}, {10, 4, 0, 7}}, func(r *flow.Record) { r.InIf = 7 }},
		"AS, TOS, flags":        {[]element{{16, 2, 0, 64512}, {17, 4, 0, 4200000000}, {5, 1, 0, 0xb8}, {6, 2, 0, 0x01ff}}, func(r *flow.Record) { r.SrcAS, r.DstAS, r.TOS, r.TCPFlags = 64512, 4200000000, 0xb8, 0x1ff }},
		"ports of a protocol":   {[]element{{4, 1, 0, 17}, {180, 2, 0, 53}, {181, 2, 0, 5353}}, func(r *flow.Record) { r.Protocol, r.SrcPort, r.DstPort = 17, 53, 5353 }},
		"zero of the other":     {[]element{{27, 16, 0, netip.IPv6Unspecified()}, {28, 16, 0, netip.IPv6Unspecified()}}, func(*flow.Record) {}},
		"inner of a tunnel":     {[]element{{8, 4, 0, decodetest.WAN}, {12, 4, 0, decodetest.Gateway}}, func(r *flow.Record) { r.Src, r.Dst = decodetest.WAN, decodetest.Gateway }},
		"address of odd length": {[]element{{27, 8, 0, make([]byte, 8)}}, func(*flow.Record) {}},
	} {
		records, _, _ := decodeAll(Config{}, one(message9(), append(tc.elements, element{1, 4, 0, 1})...).Bytes())
		want := flow.Record{
			Exporter: exporter1, Origin: flow.NetFlow9, ReceivedMs: noon.UnixMilli(), StartMs: noon.UnixMilli(), EndMs: noon.UnixMilli(),
			Src: decodetest.Host, Dst: decodetest.Server, Bytes: 1, SamplingRate: 1,
		}
		tc.want(&want)
		if diff := cmp.Diff([]flow.Record{want}, records, compareAddr); diff != "" {
			t.Errorf("%s: records differ (-want +got):\n%s", name, diff)
		}
	}
}

// TestNoAddresses: records of switches may have counters and no addresses; they
// must count, as Unmatched.
func TestNoAddresses(t *testing.T) {
	l2 := decodetest.NewTemplate(300, 56, 80, 1, 2)
	records, _, _ := decodeAll(Config{}, message9().Templates(l2).Data(l2, l2.Record(make([]byte, 6), make([]byte, 6), 60, 1)).Bytes())
	if len(records) != 1 || records[0].Bytes != 60 || records[0].Src != netip.IPv6Unspecified() || records[0].Dst != netip.IPv6Unspecified() {
		t.Errorf("got %+v, want one record of 60 bytes between :: and ::", records)
	}
}
