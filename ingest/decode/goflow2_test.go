package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/netsampler/goflow2/v2/decoders/netflow"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

// FuzzGoflow2 gives each datagram of a sequence, behind its length, to our
// decoder and to goflow2's, and compares the records made of it, field by
// field: the walk over sets, the templates, their plans and the values. Where
// the two are meant to differ the comparison ends: a datagram that one of them
// refuses in part, and templates that goflow2 reads otherwise (see referee).
func FuzzGoflow2(f *testing.F) {
	var all []byte
	for _, r := range decodetest.Routers(noon) {
		for _, b := range r.Datagrams {
			if version := binary.BigEndian.Uint16(b); version == 9 || version == 10 {
				one := append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
				f.Add(one)
				all = append(all, one...)
			}
		}
	}
	f.Add(all)
	short := decodetest.NewTemplate(256, 96, 8, 12, 1, 2).With(decodetest.Variable, 96)
	cut := (&decodetest.Message{Version: 10, Time: noon}).Templates(short).Set(256, make([]byte, 16)).Bytes() // a byte less than a record
	f.Add(append(binary.BigEndian.AppendUint16(nil, uint16(len(cut))), cut...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		if len(stream) > maxStream {
			return
		}
		compareDecoders(t, stream)
	})
}

// TestGoflow2ReadsTheRouters makes sure that the comparison is one: it goes to
// the end of what home routers send, and there are records.
func TestGoflow2ReadsTheRouters(t *testing.T) {
	for _, r := range decodetest.Routers(noon) {
		var stream []byte
		datagrams := 0
		for _, b := range r.Datagrams {
			if version := binary.BigEndian.Uint16(b); version == 9 || version == 10 {
				stream = append(binary.BigEndian.AppendUint16(stream, uint16(len(b))), b...)
				datagrams++
			}
		}
		if compared, records := compareDecoders(t, stream); compared != datagrams || datagrams > 0 && records == 0 {
			t.Errorf("%s: %d of %d datagrams compared, %d records", r.Name, compared, datagrams, records)
		}
	}
}

// compareDecoders says how many datagrams and records it could compare.
func compareDecoders(t *testing.T, stream []byte) (datagrams, records int) { //nolint:thelper // costs as much as a datagram
	refused := refusals(false)
	ours := New(Config{Ledger: &refused})
	referee := &referee{Decoder: New(Config{}), NetFlowTemplateSystem: netflow.CreateTemplateSystem()}
	at := noon
	var got, want []flow.Record
	for len(stream) > 2 {
		size := min(int(binary.BigEndian.Uint16(stream)), len(stream)-2)
		datagram := stream[2 : 2+size]
		stream = stream[2+size:]
		if size < netflow9Header || datagram[0] != 0 || datagram[1] != 9 && datagram[1] != 10 {
			return datagrams, records
		}
		got = ours.Decode(got[:0], exporter1, at, datagram)
		if refused {
			return datagrams, records
		}
		var err error
		if want, err = referee.decode(want[:0], at, bytes.Clone(datagram)); err != nil {
			return datagrams, records
		}
		if !slices.Equal(got, want) {
			t.Fatalf("records (-goflow2 +ours):\n%s", cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})))
		}
		datagrams++
		records += len(got)
		at = at.Add(time.Second)
	}
	return datagrams, records
}

// refusals notes that something of a datagram was refused.
type refusals bool

func (r *refusals) Count(_ netip.Addr, _ time.Time, event ledger.Event, _ uint64) {
	switch event {
	case ledger.Malformed, ledger.BadTemplate, ledger.StateLimit, ledger.TemplateMissing, ledger.UnknownVersion:
		*r = true
	default:
	}
}

// errApart ends the comparison: here goflow2 is known to do something else.
var errApart = errors.New("goflow2 reads this otherwise")

// referee is a decoder whose datagrams are taken apart by goflow2. Only what
// the fields of a record mean, and its state, are ours.
type referee struct {
	*Decoder
	netflow.NetFlowTemplateSystem
}

// AddTemplate keeps a template for goflow2. It refuses those whose sets have no
// end there, and those whose lengths of 65535 it takes for IPFIX's in NetFlow
// v9 too.
func (r *referee) AddTemplate(version uint16, domain uint32, id uint16, template any) error {
	raw, _ := rawOf(template)
	if id >= 256 && len(raw) == 0 {
		_, _ = r.RemoveTemplate(version, domain, id) // withdrawn; there may be none
		return nil
	}
	variable := slices.ContainsFunc(raw, func(f netflow.Field) bool { return f.Length == variableLength })
	if id >= 256 && (netflow.GetTemplateSize(version, raw) == 0 || variable && version == 9) {
		return errApart
	}
	return r.NetFlowTemplateSystem.AddTemplate(version, domain, id, template)
}

// rawOf returns the fields of any of goflow2's templates, and how many of them
// are the scope of options.
func rawOf(template any) (raw []netflow.Field, scopes int) {
	switch t := template.(type) {
	case netflow.TemplateRecord:
		return t.Fields, 0
	case netflow.NFv9OptionsTemplateRecord:
		return slices.Concat(t.Scopes, t.Options), len(t.Scopes)
	case netflow.IPFIXOptionsTemplateRecord:
		raw = slices.Concat(t.Scopes, t.Options)
		for i := range raw {
			if raw[i].PenProvided {
				raw[i].Type &^= 0x8000 // goflow2 leaves the enterprise bit in options
			}
		}
		return raw, len(t.Scopes)
	}
	return nil, 0
}

// decode appends the records of a datagram, which it changes.
func (r *referee) decode(dst []flow.Record, at time.Time, datagram []byte) ([]flow.Record, error) {
	var v9 netflow.NFv9Packet
	var ipfix netflow.IPFIXPacket
	if datagram[1] == 9 {
		datagram[2], datagram[3] = 255, 255 // the count, which exporters disagree on
	}
	if err := netflow.DecodeMessageVersion(bytes.NewBuffer(datagram), r, &v9, &ipfix); err != nil {
		return dst, err
	}
	key, sets := domainKey{version: flow.NetFlow9, id: v9.SourceId}, v9.FlowSets
	if datagram[1] == 10 {
		key, sets = domainKey{version: flow.IPFIX, id: ipfix.ObservationDomainId}, ipfix.FlowSets
	}
	e, dom := r.domainFor(exporter1, key, ExporterSettings{}, at)
	m := newMessage(e, dom, ExporterSettings{}, key.version, at)
	m.uptime, m.exportMs = v9.SystemUptime, int64(v9.UnixSeconds+ipfix.ExportTime)*1000
	ahead := false
	for i, set := range sets {
		var err error
		if id := idOf(set); id >= 256 && !ahead {
			ahead = true
			before := m
			if _, err = r.readAll(nil, &before, sets[i+1:], true); err != nil {
				return dst, err
			}
		}
		if dst, err = r.readAll(dst, &m, sets[i:i+1], false); err != nil {
			return dst, err
		}
	}
	return r.settleUptimes(dst, &m), nil
}

// idOf is the id of a data set, 0 of others.
func idOf(set any) uint16 {
	switch s := set.(type) {
	case netflow.DataFlowSet:
		return s.Id
	case netflow.OptionsDataFlowSet:
		return s.Id
	}
	return 0
}

// readAll takes over what goflow2 made of sets, of options only if so wished.
func (r *referee) readAll(dst []flow.Record, m *message, sets []any, optionsOnly bool) ([]flow.Record, error) {
	for _, set := range sets {
		t := m.domain.templates[idOf(set)]
		switch s := set.(type) {
		case netflow.OptionsDataFlowSet:
			if optionsOnly && t == nil {
				continue // its template stands further on
			}
			left := int(s.Length) - setHeader
			for _, record := range s.Records {
				values := slices.Concat(record.ScopesValues, record.OptionsValues)
				f := valuesOf(t, m.origin, values)
				if left -= sizeOf(values, t); f == nil || left < 0 || len(s.Records) > tinyRecords && t.size < minRecord {
					return dst, errApart
				}
				r.learn(m, f)
			}
		case netflow.DataFlowSet:
			if optionsOnly && (t == nil || !t.options) {
				continue
			}
			left := int(s.Length) - setHeader
			for _, record := range s.Records {
				f := valuesOf(t, m.origin, record.Values)
				if left -= sizeOf(record.Values, t); f == nil || optionsOnly || left < 0 || len(s.Records) > tinyRecords && t.size < minRecord {
					return dst, errApart
				}
				dst = r.produce(dst, f, m)
			}
		case netflow.TemplateFlowSet:
			for _, record := range s.Records {
				r.learnTemplate(m, record.TemplateId, record, false, optionsOnly)
			}
		case netflow.NFv9OptionsTemplateFlowSet:
			for _, record := range s.Records {
				r.learnTemplate(m, record.TemplateId, record, true, optionsOnly)
			}
		case netflow.IPFIXOptionsTemplateFlowSet:
			for _, record := range s.Records {
				r.learnTemplate(m, record.TemplateId, record, true, optionsOnly)
			}
		}
	}
	return dst, nil
}

func (r *referee) learnTemplate(m *message, id uint16, template any, options, optionsOnly bool) {
	raw, scopes := rawOf(template)
	switch {
	case optionsOnly:
	case len(raw) == 0 && id != 0:
		r.withdraw(m, id, options)
	case id >= 256:
		r.addTemplate(m, id, newTemplate(m.origin, raw, scopes, options))
	}
}

// valuesOf is a record as goflow2 read it; nil when it read it by another
// template, one that comes between.
func valuesOf(t *template, version flow.Origin, values []netflow.DataField) *fields {
	system := version == flow.NetFlow9 && slices.ContainsFunc(t.raw[:t.scopes], func(f netflow.Field) bool { return f.Type == scopeSystem })
	if len(values) != len(t.raw) {
		return nil
	}
	f := &fields{template: t}
	for i, value := range values {
		if value.Type&0x7fff != t.raw[i].Type&0x7fff || value.Pen != t.raw[i].Pen {
			return nil
		}
		v, _ := value.Value.([]byte)
		o := opOfField(version, t.raw[i], t.options, t.scopes > i, system)
		if o != opSkip && o.fits(t.raw[i].Length) && len(v) < variableLength && o.fits(uint16(len(v))) {
			f.put(o, v)
		}
	}
	return f
}

// sizeOf is how many bytes a record must have had: goflow2 reads one that ends
// after its set, too.
func sizeOf(values []netflow.DataField, t *template) int {
	size := 0
	for i, value := range values {
		if i < len(t.raw) && t.raw[i].Length != variableLength {
			size += int(t.raw[i].Length)
			continue
		}
		v, _ := value.Value.([]byte)
		size += 1 + len(v)
	}
	return size
}
