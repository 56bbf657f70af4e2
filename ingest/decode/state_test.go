package decode

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

// forged returns the n-th of many made-up addresses.
func forged(n int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 0x0b000000+uint32(n))
	return netip.AddrFrom4(b)
}

// TestForgedSources: datagrams of many made-up exporters must neither bloat the
// process nor push out an exporter that has been heard for a while.
func TestForgedSources(t *testing.T) {
	c := counts{}
	d := New(Config{Ledger: c})
	template := message9().Templates(simple).Bytes()
	data := message9().Data(simple, simpleRecord(700)).Bytes()
	both := message9().Templates(simple).Data(simple, simpleRecord(1)).Bytes()
	d.Decode(nil, exporter1, noon, both)
	d.Decode(nil, exporter1, noon.Add(2*time.Minute), data)
	at := noon.Add(2 * time.Minute)
	waiting := message9().Set(999, make([]byte, 1200)).Bytes()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 100000 {
		d.Decode(nil, forged(i), at, [][]byte{template, data, both, waiting}[i%4])
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 24<<20 {
		t.Errorf("state grew by %d bytes", grown)
	}
	if got := sum(d.Decode(nil, exporter1, at, data)); got != (totals{1, 700, 1}) {
		t.Errorf("the established exporter's flow became %+v", got)
	}
	if len(d.exporters) > 1024 || c[ledger.StateLimit] == 0 {
		t.Errorf("%d exporters, ledger %v, want at most 1024 and state_limit", len(d.exporters), c)
	}
}

// TestForgedDomains: many made-up exporters with as many domains and samplers
// as each may have must not bloat the process either, and one that the user has
// named gets its place among them.
func TestForgedDomains(t *testing.T) {
	c := counts{}
	known := func(a netip.Addr) ExporterSettings { return ExporterSettings{Known: a == exporter1} }
	d := New(Config{Ledger: c, Exporter: known})
	options := decodetest.Template{ID: 500, Scopes: 1, Fields: []decodetest.Field{{ID: 48, Length: 2}, {ID: 50, Length: 2}}}
	var records [][]byte
	for id := range 300 {
		records = append(records, options.Record(id, 7))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 20_000 {
		m := message10()
		m.Domain = uint32(i % 200)
		m.Sequence = uint32(i * 1000)
		d.Decode(nil, forged(i/200), noon, m.Templates(options).Data(options, records...).Bytes())
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 24<<20 {
		t.Errorf("state grew by %d bytes", grown)
	}
	if d.allDomains > d.limits.AllDomains/2 || d.allSamplers > d.limits.AllSamplers/2 || c[ledger.StateLimit] == 0 {
		t.Errorf("strangers hold %d domains and %d samplers, ledger %v", d.allDomains, d.allSamplers, c)
	}
	m := message10().Templates(options).Data(options, records...).Templates(simple).Data(simple, simpleRecord(700))
	if got := sum(d.Decode(nil, exporter1, noon, m.Bytes())); got != (totals{1, 700, 1}) {
		t.Errorf("a flow of the exporter that the user has named became %+v", got)
	}
	checkBooks(t, d)
}

// TestRoomForStrangers: when strangers have filled what is theirs, one that
// sends pushes out one that is silent.
func TestRoomForStrangers(t *testing.T) {
	d := New(Config{Limits: Limits{AllFields: 2 * 7 * 3}}) // three templates of strangers
	for i := range 10 {
		at := noon.Add(time.Duration(i) * time.Second)
		got := d.Decode(nil, forged(i), at, message9().Templates(simple).Data(simple, simpleRecord(700)).Bytes())
		if sum(got) != (totals{1, 700, 1}) {
			t.Errorf("the flow of stranger %d became %+v", i, got)
		}
	}
	if len(d.exporters) != 3 {
		t.Errorf("%d strangers are kept, want 3", len(d.exporters))
	}
	checkBooks(t, d)
}

// TestBounds: each bound on state holds, is counted, and leaves what is there
// in use.
func TestBounds(t *testing.T) {
	limits := Limits{Exporters: 4, Domains: 3, Templates: 5, Fields: 10, AllFields: 60, WaitingBytes: 2048, AllWaiting: 4096}
	c := counts{}
	d := New(Config{Ledger: c, Limits: limits})
	send := func(from netip.Addr, domain uint32, m *decodetest.Message) []flow.Record {
		m.Domain = domain
		return d.Decode(nil, from, noon, m.Bytes())
	}
	send(exporter1, 0, message9().Templates(simple).Data(simple, simpleRecord(1)))
	for i := range 20 {
		other := simple
		other.ID = uint16(300 + i)
		send(exporter1, 0, message9().Templates(other))
		send(exporter1, uint32(i), message9().Templates(simple))
		send(exporter1, 0, message9().Set(uint16(900+i), make([]byte, 400)))
	}
	e := d.exporters[exporter1]
	if e.templates > 5 || len(e.domains) > 3 || e.waitingBytes > 2048 || d.allFields > 60 {
		t.Errorf("state beyond its bounds: %d templates, %d domains, %d bytes waiting, %d fields", e.templates, len(e.domains), e.waitingBytes, d.allFields)
	}
	if c[ledger.StateLimit] == 0 || c[ledger.TemplateMissing] == 0 {
		t.Errorf("ledger %v, want state_limit and template_missing", c)
	}
	if got := sum(send(exporter1, 0, message9().Data(simple, simpleRecord(700)))); got != (totals{1, 700, 1}) {
		t.Errorf("a flow of the first template became %+v", got)
	}
	wide := decodetest.NewTemplate(999, 8, 12, 7, 11, 4, 1, 2, 10, 14, 16, 17)
	send(exporter1, 0, message9().Templates(wide))
	if c[ledger.BadTemplate] != 1 {
		t.Errorf("ledger %v, want a template of 11 fields refused", c)
	}
	for i := range 10 {
		send(forged(i), 0, message9().Templates(simple).Set(900, make([]byte, 1500)))
	}
	if len(d.exporters) > 4 || d.allWaiting > 4096 || d.allFields > 60 {
		t.Errorf("state beyond its bounds: %d exporters, %d bytes waiting, %d fields", len(d.exporters), d.allWaiting, d.allFields)
	}
	d.Tick(noon.Add(8 * 24 * time.Hour))
	if len(d.exporters) != 0 || d.allFields != 0 || d.allWaiting != 0 || d.strangers.list.Len() != 0 {
		t.Errorf("after a week of silence: %d exporters, %d fields, %d bytes waiting", len(d.exporters), d.allFields, d.allWaiting)
	}
}

// TestForgottenLoss: an exporter that is pushed out takes no known loss along.
func TestForgottenLoss(t *testing.T) {
	c := counts{}
	d := New(Config{Ledger: c, Limits: Limits{Exporters: 1}})
	for _, sequence := range []uint32{0, 7} {
		m := decodetest.Message{Version: 9, Time: noon, Uptime: time.Hour, Sequence: sequence}
		d.Decode(nil, exporter1, noon, m.Templates(simple).Bytes())
	}
	d.Decode(nil, decodetest.Gateway, noon, message9().Templates(simple).Bytes())
	if got := c[ledger.LostDatagrams]; got != 6 {
		t.Errorf("the ledger has %d lost datagrams of the exporter that was pushed out, want 6", got)
	}
}

// TestTemplateExpiry: a template neither sent nor used for a day is forgotten.
func TestTemplateExpiry(t *testing.T) {
	_, _, d := decodeAll(Config{}, message9().Templates(simple).Bytes())
	d.Decode(nil, exporter1, noon.Add(23*time.Hour), message9().Data(simple, simpleRecord(1)).Bytes())
	d.Tick(noon.Add(46 * time.Hour))
	if got := d.Exporters()[0].Templates; got != 1 {
		t.Errorf("%d templates 23 hours after use, want 1", got)
	}
	d.Tick(noon.Add(47 * time.Hour))
	if got := d.Exporters()[0].Templates; got != 0 {
		t.Errorf("%d templates a day after use, want 0", got)
	}
}

// TestSaveTemplates: what exporters announced survives a restart, sampling and
// start time included.
func TestSaveTemplates(t *testing.T) {
	sampler := decodetest.Template{ID: 500, Scopes: 1, Fields: []decodetest.Field{{ID: 48, Length: 1}, {ID: 50, Length: 4}}}
	start := decodetest.Template{ID: 501, Scopes: 1, Fields: []decodetest.Field{{ID: 149, Length: 4}, {ID: 160, Length: 8}}}
	plain := decodetest.Template{ID: 502, Scopes: 1, Fields: []decodetest.Field{{ID: 10, Length: 4}, {ID: 34, Length: 4}}}
	data := decodetest.NewTemplate(256, 8, 12, 1, 48, 21, 22).With(1, 48)
	data.Fields = append(data.Fields, decodetest.Field{ID: 9, Length: decodetest.Variable, PEN: 4711})
	booted := noon.Add(-time.Hour)
	_, _, before := decodeAll(Config{}, message10().Templates(data).Templates(sampler, start, plain).
		Data(sampler, sampler.Record(3, 20)).Data(start, start.Record(0, booted.UnixMilli())).Data(plain, plain.Record(4, 30)).Bytes())
	before.Decode(nil, decodetest.Gateway, noon, message9().Templates(simple).Bytes())
	var file bytes.Buffer
	if err := before.SaveTemplates(&file); err != nil {
		t.Fatal(err)
	}
	after := New(Config{Owns: func(a netip.Addr) bool { return a == exporter1 }})
	if err := after.LoadTemplates(bytes.NewReader(file.Bytes())); err != nil {
		t.Fatal(err)
	}
	got := after.Decode(nil, exporter1, noon, message10().Data(data, data.Record(decodetest.Host, decodetest.Server, 100, 3, 3599000, 0, "name")).Bytes())
	if len(got) != 1 || got[0].Bytes != 2000 || got[0].EndMs != noon.Add(-time.Second).UnixMilli() {
		t.Errorf("after the restart: got %+v", got)
	}
	if len(after.exporters) != 1 {
		t.Errorf("%d exporters loaded, want the one it owns", len(after.exporters))
	}
	var again bytes.Buffer
	all := New(Config{})
	if err := all.LoadTemplates(bytes.NewReader(file.Bytes())); err != nil {
		t.Fatal(err)
	}
	if err := all.SaveTemplates(&again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(file.String(), again.String()); diff != "" {
		t.Errorf("saved again it differs (-first +second):\n%s", diff)
	}
}

// TestLoadDamaged: a damaged file is refused with an error and changes nothing.
func TestLoadDamaged(t *testing.T) {
	_, _, d := decodeAll(Config{}, message9().Templates(simple).Bytes())
	var file bytes.Buffer
	if err := d.SaveTemplates(&file); err != nil {
		t.Fatal(err)
	}
	good := file.String()
	for name, tc := range map[string]struct{ text, want string }{
		"empty":         {"", "read templates: EOF"},
		"rubbish":       {"hello\nworld\n", "not a template file of version 1"},
		"other version": {strings.Replace(good, "templates 1", "templates 2", 1), "not a template file of version 1"},
		"cut":           {good[:len(good)-9], "damaged"},
		"changed":       {strings.Replace(good, "256", "257", 1), "damaged"},
	} {
		fresh := New(Config{})
		err := fresh.LoadTemplates(strings.NewReader(tc.text))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got error %v, want %q", name, err, tc.want)
		}
		if len(fresh.exporters) != 0 {
			t.Errorf("%s: state was loaded", name)
		}
	}
}

// TestExporters: what the status page shows.
func TestExporters(t *testing.T) {
	data := decodetest.NewTemplate(256, 8, 12, 1, 10, 14, 21, 22, 34)
	d := New(Config{})
	for i := range 5 {
		at := noon.Add(time.Duration(i) * time.Second)
		m := decodetest.Message{Version: 9, Time: at.Add(-3 * time.Second), Uptime: time.Hour, Sequence: uint32(i)}
		m.Templates(data).Data(data, data.Record(decodetest.Host, decodetest.Server, 1, 7, 9, 3600000, 3000000, 5)).Set(999, []byte{1, 2, 3, 4})
		d.Decode(nil, exporter1, at, m.Bytes())
	}
	got := d.Exporters()
	want := []State{{
		Exporter: exporter1, Protocols: []flow.Origin{flow.NetFlow9}, First: noon, Last: noon.Add(4 * time.Second),
		Templates: 1, LastTemplate: noon.Add(4 * time.Second), Waiting: 5, ClockOffset: 3 * time.Second, ClockKnown: true,
		Rates: []uint32{5}, Interfaces: []uint32{7, 9}, Longest: 10 * time.Minute,
	}}
	if diff := cmp.Diff(want, got, compareAddr); diff != "" {
		t.Errorf("states differ (-want +got):\n%s", diff)
	}
}

// TestDecodeAllocates: the way of a record must not allocate.
func TestDecodeAllocates(t *testing.T) {
	d := New(Config{})
	m := message9().Templates(simple)
	d.Decode(nil, exporter1, noon, m.Bytes())
	var list [][]byte
	for range 50 {
		list = append(list, simpleRecord(700))
	}
	data := message9().Data(simple, list...).Bytes()
	dst := make([]flow.Record, 0, 100)
	allocated := testing.AllocsPerRun(100, func() { d.Decode(dst, exporter1, noon, data) })
	if allocated > 1 {
		t.Errorf("%v allocations for 50 records, want at most 1", allocated)
	}
}
