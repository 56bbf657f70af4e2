package decode

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/netsampler/goflow2/v2/decoders/netflow"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// slow is far longer than any datagram may take.
const slow = 2 * time.Second

// check decodes a datagram and fails when it takes long or when a record breaks
// what records promise. It calls no t.Helper, which costs as much as a
// datagram: there are some in each of millions of executions.
func check(t *testing.T, d *Decoder, dst []flow.Record, from netip.Addr, at time.Time, datagram []byte) []flow.Record { //nolint:thelper // see above
	began := time.Now()
	records := d.Decode(dst, from, at, datagram)
	took := time.Since(began)
	for tries := 0; took > slow && tries < 5; tries++ { // the machine may have been busy: what is truly slow is so again
		began = time.Now()
		d.Decode(nil, from, at, datagram)
		took = time.Since(began)
	}
	if took > slow {
		t.Fatalf("a datagram of %d bytes took %v again and again", len(datagram), took)
	}
	for i := len(dst); i < len(records); i++ {
		if fault := faultOf(&records[i]); fault != "" {
			t.Fatalf("%s of %+v", fault, records[i])
		}
	}
	return records
}

// faultOf names what breaks the promises of a record, if anything does.
func faultOf(r *flow.Record) string {
	span := time.Duration(r.EndMs-r.StartMs) * time.Millisecond
	switch {
	case !r.Src.IsValid() || !r.Dst.IsValid() || r.Src.Is4In6() || r.Dst.Is4In6():
		return "addresses"
	case span < 0 || span > flow.MaxSpan:
		return "span"
	case r.EndMs > r.ReceivedMs+flow.MaxFuture.Milliseconds() || r.EndMs < r.ReceivedMs-flow.MaxAge.Milliseconds():
		return "end"
	case r.SamplingRate == 0 || r.Bytes > maxCounter || r.Packets > maxCounter:
		return "counters"
	}
	return ""
}

// seeds adds the datagrams of the home routers that a filter takes.
func seeds(f *testing.F, first ...byte) {
	f.Helper()
	for _, r := range decodetest.Routers(noon) {
		for _, b := range r.Datagrams {
			if bytes.HasPrefix(b, first) {
				f.Add(b)
			}
		}
	}
}

// fuzzVersion fuzzes datagrams of one protocol, told by their first bytes, over
// a decoder that knows the routers' templates.
func fuzzVersion(f *testing.F, first ...byte) {
	seeds(f, first...)
	var dst []flow.Record
	f.Fuzz(func(t *testing.T, datagram []byte) {
		if len(datagram) > 65507 {
			return
		}
		datagram = append(bytes.Clone(first), datagram[min(len(first), len(datagram)):]...)
		d := New(Config{})
		dst = check(t, d, dst[:0], exporter1, noon, datagram)
		dst = check(t, d, dst, exporter1, noon.Add(time.Second), datagram)
		d.Tick(noon.Add(time.Hour))
		if d.allWaiting != 0 {
			t.Fatalf("%d bytes wait for ever", d.allWaiting)
		}
	})
}

func FuzzNetFlow5(f *testing.F) { fuzzVersion(f, 0, 5) }
func FuzzNetFlow9(f *testing.F) { fuzzVersion(f, 0, 9) }
func FuzzIPFIX(f *testing.F)    { fuzzVersion(f, 0, 10) }
func FuzzSFlow(f *testing.F)    { fuzzVersion(f, 0, 0, 0, 5) }

// maxStream bounds the bytes of a sequence of datagrams: some more than all
// the routers' together. A longer one fills nothing that this one does not.
const maxStream = 1 << 14

// FuzzDatagrams runs a sequence of datagrams, each behind its length, through
// one decoder with small bounds and checks that its books agree with its state.
func FuzzDatagrams(f *testing.F) {
	var all, many []byte
	for i, r := range decodetest.Routers(noon) {
		for _, b := range r.Datagrams {
			one := append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
			f.Add(one)
			all = append(all, one...)
			many = append(binary.BigEndian.AppendUint16(many, uint16(len(b)|i<<12)), b...)
		}
	}
	f.Add(all)
	f.Add(many)
	limits := Limits{Exporters: 8, Domains: 4, AllDomains: 12, AllSamplers: 6, Templates: 8, Fields: 64, AllFields: 512, WaitingBytes: 4096, AllWaiting: 8192}
	var dst []flow.Record
	runs := 0
	f.Fuzz(func(t *testing.T, stream []byte) {
		if len(stream) > maxStream {
			return
		}
		d := New(Config{Limits: limits})
		at := noon
		for len(stream) > 2 {
			size := min(int(binary.BigEndian.Uint16(stream)&0xfff), len(stream)-2)
			// The highest bits of the length, zero in most seeds, choose the exporter.
			dst = check(t, d, dst[:0], forged(int(stream[0]>>4)), at, stream[2:2+size])
			stream = stream[2+size:]
			at = at.Add(time.Second)
		}
		checkBooks(t, d)
		d.Tick(at.Add(30 * 24 * time.Hour))
		if len(d.exporters)+d.allDomains+d.allSamplers+d.allFields+d.allWaiting != 0 {
			t.Fatalf("after a month: %d exporters, %d domains, %d samplers, %d fields, %d bytes waiting", len(d.exporters), d.allDomains, d.allSamplers, d.allFields, d.allWaiting)
		}
		if runs++; runs%256 == 0 { // reading them stops the world
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			if memory.HeapAlloc > 1<<30 {
				t.Fatalf("the heap holds %d bytes", memory.HeapAlloc)
			}
		}
	})
}

// checkBooks compares what the decoder counts of its state with the state.
func checkBooks(t *testing.T, d *Decoder) { //nolint:thelper // see check
	var fieldsHeld, waitingHeld, domains, samplers int
	for _, e := range d.exporters {
		templates, waits := 0, 0
		domains += len(e.domains)
		for _, dom := range e.domains {
			templates += len(dom.templates)
			samplers += dom.samplers.size()
			for _, tpl := range dom.templates {
				fieldsHeld += len(tpl.raw)
			}
		}
		for i := range e.waiting {
			waits += e.waiting[i].cost()
		}
		if templates != e.templates || waits != e.waitingBytes || templates > d.limits.Templates || waits > d.limits.WaitingBytes || len(e.domains) > d.limits.Domains {
			t.Fatalf("books of %s: %d templates (%d), %d bytes waiting (%d), %d domains", e.addr, e.templates, templates, e.waitingBytes, waits, len(e.domains))
		}
		waitingHeld += waits
	}
	if domains != d.allDomains || samplers != d.allSamplers || domains > d.limits.AllDomains || samplers > d.limits.AllSamplers {
		t.Fatalf("books: %d domains (%d), %d samplers (%d)", d.allDomains, domains, d.allSamplers, samplers)
	}
	if fieldsHeld != d.allFields || waitingHeld != d.allWaiting || fieldsHeld > d.limits.AllFields || waitingHeld > d.limits.AllWaiting || len(d.exporters) > d.limits.Exporters {
		t.Fatalf("books: %d fields (%d), %d bytes waiting (%d), %d exporters", d.allFields, fieldsHeld, d.allWaiting, waitingHeld, len(d.exporters))
	}
}

// FuzzDataSet compares our walk over data sets with goflow2's: the same records
// with the same fields, except where goflow2 goes on after a value that is
// longer than the set.
func FuzzDataSet(f *testing.F) {
	pair := func(fields []decodetest.Field, body []byte) []byte {
		b := []byte{byte(len(fields))}
		for _, field := range fields {
			b = binary.BigEndian.AppendUint16(b, field.ID)
			b = binary.BigEndian.AppendUint16(b, field.Length)
		}
		return append(b, body...)
	}
	f.Add(pair(simple.Fields, append(simpleRecord(1), simpleRecord(2)...)))
	f.Add(pair([]decodetest.Field{{ID: 1, Length: 8}, {ID: 96, Length: 65535}, {ID: 8, Length: 4}}, []byte{0, 0, 0, 0, 0, 0, 1, 0, 3, 'w', 'e', 'b', 10, 0, 0, 1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 1 || len(b) < 1+4*int(b[0]) || len(b) > 1<<16 {
			return
		}
		var raw []netflow.Field
		for i := range int(b[0]) {
			at := b[1+4*i:]
			raw = append(raw, netflow.Field{Type: binary.BigEndian.Uint16(at) & 0x7fff, Length: binary.BigEndian.Uint16(at[2:])})
		}
		body := b[1+4*len(raw):]
		for _, version := range []flow.Origin{flow.NetFlow9, flow.IPFIX} {
			compareWalks(t, version, raw, body)
		}
	})
}

func compareWalks(t *testing.T, version flow.Origin, raw []netflow.Field, body []byte) { //nolint:thelper // see check
	tpl := newTemplate(version, raw, 0, false)
	if tpl == nil {
		return // goflow2 would never end, or the record is longer than any set
	}
	if version == flow.NetFlow9 && tpl.size != netflow.GetTemplateSize(9, raw) {
		return // a length of 65535 is only a length in v9; goflow2 takes it for IPFIX's
	}
	if netflow.GetTemplateSize(uint16(version), raw) == 0 {
		return // only variable fields: goflow2 fails the set at its end
	}
	theirs, err := netflow.DecodeDataSet(uint16(version), bytes.NewBuffer(body), raw)
	var ours []fields
	var one fields
	rest, whole := body, true
	for len(rest) >= tpl.size {
		size := tpl.read(&one, rest) // over the record before, as the decoder does
		if size < 0 {
			whole = false
			break
		}
		ours = append(ours, one)
		rest = rest[size:]
	}
	if len(ours) > len(theirs) || !tpl.variable && (err != nil || !whole || len(ours) != len(theirs)) {
		t.Fatalf("%d records, goflow2 has %d (%v)", len(ours), len(theirs), err)
	}
	for i := range ours {
		if want := *valuesOf(tpl, version, theirs[i].Values); want != ours[i] {
			t.Fatalf("record %d differs (-goflow2 +ours):\n%s", i, cmp.Diff(want, ours[i], cmp.AllowUnexported(fields{}), cmpopts.EquateComparable(netip.Addr{}, tpl)))
		}
	}
}
