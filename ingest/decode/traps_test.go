package decode

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

// simple is a template most tests use, and simpleRecord a record of it.
var simple = decodetest.NewTemplate(256, 8, 12, 7, 11, 4, 1, 2)

func simpleRecord(octets int) []byte {
	return simple.Record(decodetest.Host, decodetest.Server, 50000, 443, 6, octets, 1)
}

// message9 and message10 begin a NetFlow v9 and an IPFIX message at noon.
func message9() *decodetest.Message {
	return &decodetest.Message{Version: 9, Time: noon, Uptime: time.Hour}
}
func message10() *decodetest.Message { return &decodetest.Message{Version: 10, Time: noon} }

// decodeAll decodes datagrams received at noon from one exporter.
func decodeAll(cfg Config, datagrams ...[]byte) ([]flow.Record, counts, *Decoder) {
	c := counts{}
	cfg.Ledger = c
	d := New(cfg)
	var records []flow.Record
	for _, b := range datagrams {
		records = d.Decode(records, exporter1, noon, b)
	}
	return records, c, d
}

// TestTemplateWithoutLength: data sets of a template whose records are empty
// have no end in goflow2.
func TestTemplateWithoutLength(t *testing.T) {
	zero := decodetest.Template{ID: 300, Fields: []decodetest.Field{{ID: 1}, {ID: 2}}}
	none := decodetest.Template{ID: 300}
	options := decodetest.Template{ID: 300, Scopes: 1, Fields: []decodetest.Field{{ID: 1}, {ID: 34}}}
	for name, template := range map[string]decodetest.Template{"zero lengths": zero, "no fields": none, "options": options} {
		for _, m := range []*decodetest.Message{message9(), message10()} {
			if m.Version == 10 && name == "no fields" {
				continue // a withdrawal
			}
			good := m.Templates(simple).Templates(template).Set(300, make([]byte, 64)).Data(simple, simpleRecord(700)).Bytes()
			records, c, d := decodeAll(Config{}, good)
			if got, want := sum(records), (totals{1, 700, 1}); got != want {
				t.Errorf("v%d, %s: got %+v, want %+v", m.Version, name, got, want)
			}
			d.Flush(noon)
			if c[ledger.BadTemplate] != 1 || c[ledger.TemplateMissing] != 1 {
				t.Errorf("v%d, %s: ledger %v, want one bad_template and one template_missing", m.Version, name, c)
			}
		}
	}
}

// TestTemplateReplacedByBad: after a template is refused its predecessor must
// not be used either.
func TestTemplateReplacedByBad(t *testing.T) {
	first := message9().Templates(simple).Bytes()
	second := message9().Templates(decodetest.Template{ID: 256, Fields: []decodetest.Field{{ID: 1}}}).Data(simple, simpleRecord(1)).Bytes()
	records, c, _ := decodeAll(Config{}, first, second)
	if len(records) != 0 || c[ledger.BadTemplate] != 1 {
		t.Errorf("got %d records and ledger %v, want none and one bad_template", len(records), c)
	}
}

// TestClaims: counts and lengths in datagrams that claim far more than there is
// must cost neither memory nor time, and invent nothing.
func TestClaims(t *testing.T) {
	be := binary.BigEndian
	v5 := make([]byte, 24)
	be.PutUint16(v5, 5)
	be.PutUint16(v5[2:], 65535)
	short := decodetest.V5{Time: noon, Records: make([]decodetest.V5Record, 2)}
	for i := range short.Records {
		short.Records[i].Src, short.Records[i].Dst = decodetest.Host, decodetest.Server
	}
	expanded := (&decodetest.SFlow{Agent: exporter1}).Add(3, append(make([]byte, 40), 0xff, 0xff, 0xff, 0xff)).Bytes()
	samples := (&decodetest.SFlow{Agent: exporter1}).Bytes()
	be.PutUint32(samples[24:], 0xffffffff)
	template := message10().Set(2, []byte{1, 0, 0xff, 0xff, 0, 1, 0, 4}).Bytes()
	options := message9().Set(1, []byte{1, 0, 0xff, 0xfc, 0xff, 0xfc, 0, 1, 0, 4}).Bytes()
	for name, datagram := range map[string][]byte{
		"v5 count": v5, "v5 cut": short.Bytes()[:90], "sFlow expanded records": expanded, "sFlow samples": samples,
		"template fields": template, "option fields": options,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		records, c, _ := decodeAll(Config{}, datagram)
		runtime.ReadMemStats(&after)
		var octets uint64
		for _, r := range records {
			octets += r.Bytes
		}
		if octets != 0 || c[ledger.Malformed] == 0 {
			t.Errorf("%s: got %d bytes and ledger %v, want none and malformed", name, octets, c)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 256<<10 {
			t.Errorf("%s: decoding allocated %d bytes", name, used)
		}
	}
}

// TestUnknownTemplate: one missing template must not cost the other sets, and
// what waits counts when the template comes, at the time it was received.
func TestUnknownTemplate(t *testing.T) {
	late := decodetest.NewTemplate(400, 8, 12, 4, 1, 2)
	data := message9().Templates(simple).
		Data(late, late.Record(decodetest.Server, decodetest.Host, 17, 30, 3)).
		Data(simple, simpleRecord(700)).Bytes()
	c := counts{}
	d := New(Config{Ledger: c})
	records := d.Decode(nil, exporter1, noon, data)
	if got, want := sum(records), (totals{1, 700, 1}); got != want {
		t.Fatalf("before the template: got %+v, want %+v", got, want)
	}
	m := message9()
	m.Sequence, m.Time = 1, noon.Add(time.Minute)
	records = d.Decode(nil, exporter1, noon.Add(time.Minute), m.Templates(late).Bytes())
	if got, want := sum(records), (totals{1, 30, 3}); got != want {
		t.Fatalf("after the template: got %+v, want %+v", got, want)
	}
	if got, want := records[0].ReceivedMs, noon.UnixMilli(); got != want {
		t.Errorf("replayed record was received at %d, want %d", got, want)
	}
	d.Flush(noon.Add(time.Hour))
	if c[ledger.TemplateMissing] != 0 {
		t.Errorf("ledger %v, want nothing missing", c)
	}
}

// TestTemplateNeverComes: a waiting set is given up after some minutes, counted
// where it was received.
func TestTemplateNeverComes(t *testing.T) {
	c := counts{}
	d := New(Config{Ledger: c})
	d.Decode(nil, exporter1, noon, message10().Data(simple, simpleRecord(1)).Bytes())
	d.Tick(noon.Add(4 * time.Minute))
	if c[ledger.TemplateMissing] != 0 {
		t.Error("the set was given up after 4 minutes")
	}
	d.Tick(noon.Add(5 * time.Minute))
	if c[ledger.TemplateMissing] != 1 || d.allWaiting != 0 {
		t.Errorf("after 5 minutes: ledger %v, %d bytes waiting, want one missing and none waiting", c, d.allWaiting)
	}
}

// TestTemplateScope: one template id means different things in different
// domains, versions and exporters.
func TestTemplateScope(t *testing.T) {
	other := decodetest.NewTemplate(256, 12, 8, 11, 7, 4, 2, 1)
	d := New(Config{})
	a, b := message9(), message9()
	b.Domain = 1
	d.Decode(nil, exporter1, noon, a.Templates(simple).Bytes())
	d.Decode(nil, exporter1, noon, b.Templates(other).Bytes())
	d.Decode(nil, exporter1, noon, message10().Templates(other).Bytes())
	d.Decode(nil, decodetest.Gateway, noon, message9().Templates(other).Bytes())
	records := d.Decode(nil, exporter1, noon, message9().Data(simple, simpleRecord(700)).Bytes())
	if got, want := sum(records), (totals{1, 700, 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestWithdrawal: IPFIX exporters may take templates back, one or all.
func TestWithdrawal(t *testing.T) {
	second := simple
	second.ID = 257
	options := decodetest.Template{ID: 258, Scopes: 1, Fields: []decodetest.Field{{ID: 149, Length: 4}, {ID: 34, Length: 4}}}
	announce := message10().Templates(simple, second).Templates(options).Bytes()
	for name, tc := range map[string]struct {
		set  uint16
		body []byte
		want int
	}{
		"one":         {2, []byte{1, 0, 0, 0}, 2},
		"all data":    {2, []byte{0, 2, 0, 0}, 1},
		"all options": {3, []byte{0, 3, 0, 0}, 2},
		"one options": {3, []byte{1, 2, 0, 0}, 2},
		"mismatch":    {2, []byte{0, 3, 0, 0}, 3},
	} {
		_, _, d := decodeAll(Config{}, announce, message10().Set(tc.set, tc.body).Bytes())
		if got := d.Exporters()[0].Templates; got != tc.want {
			t.Errorf("%s: %d templates left, want %d", name, got, tc.want)
		}
	}
}

// TestVariableLength: values longer than the set must end the set, not be cut
// and emptied; templates of only such fields are fine.
func TestVariableLength(t *testing.T) {
	name := decodetest.Template{ID: 256, Fields: []decodetest.Field{
		{ID: 96, Length: decodetest.Variable}, {ID: 8, Length: 4}, {ID: 12, Length: 4}, {ID: 1, Length: decodetest.Variable}, {ID: 4, Length: 1},
	}}
	only := decodetest.Template{ID: 257, Fields: []decodetest.Field{{ID: 1, Length: decodetest.Variable}, {ID: 96, Length: decodetest.Variable}}}
	record := func(app string, octets []byte) []byte {
		return name.Record(app, decodetest.Host, decodetest.Server, octets, 6)
	}
	good := message10().Templates(name, only).
		Data(name, record("web", []byte{1, 0}), record(strings.Repeat("x", 300), []byte{2}), record("", make([]byte, 9))).
		Data(only, only.Record([]byte{5}, "")).Bytes()
	records, c, _ := decodeAll(Config{}, good)
	if got, want := sum(records), (totals{3, 256 + 2 + 5, 0}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if c[ledger.NoCounters] != 1 { // a counter of nine bytes is none
		t.Errorf("ledger %v, want one record without counters", c)
	}
	long := append([]byte{255, 0xff, 0xf0}, make([]byte, 40)...)
	bad := message10().Templates(name).Data(name, record("web", []byte{9}), long).Bytes()
	records, c, _ = decodeAll(Config{}, bad)
	if got, want := sum(records), (totals{1, 9, 0}); got != want || c[ledger.Malformed] != 1 {
		t.Errorf("over-long value: got %+v and ledger %v, want %+v and one malformed", got, c, want)
	}
}

// TestNoAlias: nothing may point into the receive buffer after Decode.
func TestNoAlias(t *testing.T) {
	waits := decodetest.NewTemplate(400, 8, 12, 4, 1, 2)
	first := message9().Templates(simple).Data(simple, simpleRecord(700)).
		Data(waits, waits.Record(decodetest.Host, decodetest.Server, 6, 50, 1)).Bytes()
	d := New(Config{})
	got := d.Decode(nil, exporter1, noon, first)
	want := append([]flow.Record(nil), got...)
	for i := range first {
		first[i] = 0xff
	}
	got = d.Decode(got, exporter1, noon, message9().Templates(waits).Data(simple, simpleRecord(9)).Bytes())
	if diff := cmp.Diff(want, got[:1], compareAddr); diff != "" {
		t.Errorf("records changed with the buffer (-want +got):\n%s", diff)
	}
	if s := sum(got[1:]); s != (totals{2, 59, 2}) {
		t.Errorf("after the buffer was reused: got %+v", s)
	}
}

// TestHeaders: header counts that are wrong, padding, trailing bytes, other
// versions, short datagrams.
func TestHeaders(t *testing.T) {
	count := message9()
	count.Count = 1
	good := count.Templates(simple).Data(simple, simpleRecord(1)).Data(simple, simpleRecord(2), simpleRecord(3)).Bytes()
	ipfix := message10().Templates(simple).Data(simple, simpleRecord(4)).Bytes()
	v5 := decodetest.V5{Time: noon, Records: []decodetest.V5Record{{Src: decodetest.Host, Dst: decodetest.Server, Octets: 5, Packets: 1}}}
	for name, tc := range map[string]struct {
		datagram []byte
		want     totals
		event    ledger.Event // "" = nothing in the ledger
	}{
		"v9 count too small":     {good, totals{3, 6, 3}, ""},
		"v9 zeros behind":        {append(bytes.Clone(good), make([]byte, 37)...), totals{3, 6, 3}, ""},
		"v9 rubbish behind":      {append(bytes.Clone(good), 1, 0, 0, 2, 9), totals{3, 6, 3}, ledger.Malformed},
		"v9 last set cut":        {good[:len(good)-8], totals{2, 3, 2}, ledger.Malformed},
		"IPFIX zeros behind":     {append(bytes.Clone(ipfix), 0, 0, 0), totals{1, 4, 1}, ""},
		"IPFIX message behind":   {append(bytes.Clone(ipfix), ipfix...), totals{1, 4, 1}, ledger.Malformed},
		"IPFIX cut":              {ipfix[:len(ipfix)-4], totals{}, ledger.Malformed},
		"v5 longer than records": {append(v5.Bytes(), make([]byte, 48)...), totals{1, 5, 1}, ""},
		"NetFlow v7":             {[]byte{0, 7, 0, 0, 0, 0, 0, 0}, totals{}, ledger.UnknownVersion},
		"empty":                  {nil, totals{}, ledger.UnknownVersion},
		"v9 header cut":          {good[:19], totals{}, ledger.Malformed},
		"IPFIX header cut":       {ipfix[:15], totals{}, ledger.Malformed},
		"sFlow header cut":       {[]byte{0, 0, 0, 5, 0, 0, 0, 1, 1, 1}, totals{}, ledger.Malformed},
		"reserved set id":        {message9().Set(77, []byte{1, 2, 3, 4}).Bytes(), totals{}, ledger.Malformed},
	} {
		records, c, _ := decodeAll(Config{}, tc.datagram)
		delete(c, ledger.TimeFixed)
		if got := sum(records); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
		if tc.event == "" && len(c) != 0 || tc.event != "" && c[tc.event] == 0 {
			t.Errorf("%s: ledger %v, want %q", name, c, tc.event)
		}
	}
}

// TestTinyRecords: a template of one byte would make a row of every byte.
func TestTinyRecords(t *testing.T) {
	tiny := decodetest.NewTemplate(300, 1).With(1, 1)
	records, c, _ := decodeAll(Config{}, message10().Templates(tiny).Set(300, bytes.Repeat([]byte{1}, 60000)).Bytes())
	if len(records) > tinyRecords || c[ledger.Malformed] != 1 {
		t.Errorf("got %d records and ledger %v, want at most %d and one malformed", len(records), c, tinyRecords)
	}
}
