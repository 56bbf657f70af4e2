package decodetest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
)

var be = binary.BigEndian

// V5 is a NetFlow v5 datagram.
type V5 struct {
	Uptime   time.Duration // since the exporter started; wraps as on the wire
	Time     time.Time     // of export
	Sequence uint32        // flows sent before
	Engine   uint16        // type and id
	Sampling uint16        // two bits of mode, fourteen of rate
	Records  []V5Record
}

// V5Record is a flow of NetFlow v5. First and Last are uptimes; the next hop is
// always 0.0.0.0.
type V5Record struct {
	Src, Dst         netip.Addr
	In, Out          uint16
	Packets, Octets  uint32
	First, Last      time.Duration
	SrcPort, DstPort uint16
	TCPFlags         uint8
	Protocol, TOS    uint8
	SrcAS, DstAS     uint16
	SrcMask, DstMask uint8
}

// Bytes returns the datagram.
func (p V5) Bytes() []byte {
	b := be.AppendUint16(nil, 5)
	b = be.AppendUint16(b, uint16(len(p.Records)))
	b = be.AppendUint32(b, millis(p.Uptime))
	b = be.AppendUint32(b, uint32(p.Time.Unix()))
	b = be.AppendUint32(b, uint32(p.Time.Nanosecond()))
	b = be.AppendUint32(b, p.Sequence)
	b = be.AppendUint16(b, p.Engine)
	b = be.AppendUint16(b, p.Sampling)
	for _, r := range p.Records {
		b = append(b, r.Src.AsSlice()...)
		b = append(b, r.Dst.AsSlice()...)
		b = be.AppendUint32(b, 0)
		b = be.AppendUint16(b, r.In)
		b = be.AppendUint16(b, r.Out)
		b = be.AppendUint32(b, r.Packets)
		b = be.AppendUint32(b, r.Octets)
		b = be.AppendUint32(b, millis(r.First))
		b = be.AppendUint32(b, millis(r.Last))
		b = be.AppendUint16(b, r.SrcPort)
		b = be.AppendUint16(b, r.DstPort)
		b = append(b, 0, r.TCPFlags, r.Protocol, r.TOS)
		b = be.AppendUint16(b, r.SrcAS)
		b = be.AppendUint16(b, r.DstAS)
		b = append(b, r.SrcMask, r.DstMask, 0, 0)
	}
	return b
}

// millis is a duration as 32-bit milliseconds; it wraps.
func millis(d time.Duration) uint32 { return uint32(d.Milliseconds()) }

// Variable is the length of a field that says its length before each value.
const Variable = 65535

// Field is a field of a template: an information element and its length.
type Field struct {
	ID     uint16
	Length uint16
	PEN    uint32 // enterprise, 0 = IANA
}

// Template describes data records. One with Scopes > 0 describes options; its
// first Scopes fields are their scope.
type Template struct {
	ID     uint16
	Scopes int
	Fields []Field
}

// NewTemplate returns a template of IANA elements with the lengths exporters
// usually give them.
func NewTemplate(id uint16, elements ...uint16) Template {
	t := Template{ID: id}
	for _, e := range elements {
		t.Fields = append(t.Fields, Field{ID: e, Length: usualLength(e)})
	}
	return t
}

func usualLength(element uint16) uint16 {
	switch element {
	case 4, 5, 6, 9, 13, 29, 30, 60, 61, 136, 176, 177, 178, 179, 230, 239:
		return 1
	case 7, 11, 32, 58, 59, 139, 227, 228, 243, 254:
		return 2
	case 27, 28, 62, 281, 282:
		return 16
	case 56, 57, 80, 81:
		return 6
	case 152, 153, 154, 155, 156, 157, 160, 231, 232, 298, 299, 302:
		return 8
	}
	return 4
}

// With returns the template with the lengths of some elements changed.
func (t Template) With(length uint16, elements ...uint16) Template {
	fields := make([]Field, len(t.Fields))
	for i, f := range t.Fields {
		for _, e := range elements {
			if f.ID == e && f.PEN == 0 {
				f.Length = length
			}
		}
		fields[i] = f
	}
	t.Fields = fields
	return t
}

// Record encodes a data record, a value a field: an integer, an address, a
// []byte or a string. A value that does not fit its field panics: a test that
// builds nonsense must not pass.
func (t Template) Record(values ...any) []byte {
	if len(values) != len(t.Fields) {
		panic(fmt.Sprintf("template %d has %d fields, got %d values", t.ID, len(t.Fields), len(values)))
	}
	var b []byte
	for i, v := range values {
		b = appendValue(b, t.Fields[i].Length, v)
	}
	return b
}

func appendValue(b []byte, length uint16, value any) []byte {
	var raw []byte
	switch v := value.(type) {
	case []byte:
		raw = v
	case string:
		raw = []byte(v)
	case netip.Addr:
		raw = v.AsSlice()
	case int:
		raw = integer(uint64(v), length)
	case int64:
		raw = integer(uint64(v), length)
	case uint32:
		raw = integer(uint64(v), length)
	case uint64:
		raw = integer(v, length)
	default:
		panic(fmt.Sprintf("no encoding for %T", value))
	}
	switch {
	case length != Variable:
		if len(raw) != int(length) {
			panic(fmt.Sprintf("value of %d bytes for a field of %d", len(raw), length))
		}
	case len(raw) < 255:
		b = append(b, byte(len(raw)))
	default:
		b = be.AppendUint16(append(b, 255), uint16(len(raw)))
	}
	return append(b, raw...)
}

func integer(n uint64, length uint16) []byte {
	if length == Variable || length > 8 {
		length = 8
	}
	var b [8]byte
	be.PutUint64(b[:], n)
	return b[8-length:]
}

// Message is a NetFlow v9 or IPFIX datagram.
type Message struct {
	Version  uint16        // 9 or 10
	Uptime   time.Duration // since the exporter started, v9 only; wraps
	Time     time.Time     // of export
	Sequence uint32        // v9: datagrams before; IPFIX: data records before
	Domain   uint32        // source id, observation domain
	Count    uint16        // v9: records in the datagram; 0 = as many as were added
	sets     []byte
	records  int
}

// Templates adds a set of templates, or of options templates when they have
// scopes.
func (m *Message) Templates(templates ...Template) *Message {
	var body []byte
	id := uint16(0)
	for _, t := range templates {
		body = append(body, t.bytes(m.Version)...)
		if t.Scopes > 0 {
			id = 1
		}
	}
	if m.Version == 10 {
		id += 2
	}
	m.records += len(templates)
	return m.Set(id, body)
}

func (t Template) bytes(version uint16) []byte {
	b := be.AppendUint16(nil, t.ID)
	switch {
	case t.Scopes > 0 && version == 9:
		b = be.AppendUint16(b, uint16(4*t.Scopes))
		b = be.AppendUint16(b, uint16(4*(len(t.Fields)-t.Scopes)))
	case t.Scopes > 0:
		b = be.AppendUint16(b, uint16(len(t.Fields)))
		b = be.AppendUint16(b, uint16(t.Scopes))
	default:
		b = be.AppendUint16(b, uint16(len(t.Fields)))
	}
	for _, f := range t.Fields {
		if f.PEN == 0 {
			b = be.AppendUint16(b, f.ID)
			b = be.AppendUint16(b, f.Length)
			continue
		}
		b = be.AppendUint16(b, f.ID|0x8000)
		b = be.AppendUint16(b, f.Length)
		b = be.AppendUint32(b, f.PEN)
	}
	return b
}

// Data adds a data set of the template.
func (m *Message) Data(t Template, records ...[]byte) *Message {
	var body []byte
	for _, r := range records {
		body = append(body, r...)
	}
	m.records += len(records)
	return m.Set(t.ID, body)
}

// Set adds a set as it is, padded to four bytes.
func (m *Message) Set(id uint16, body []byte) *Message {
	padding := (4 - len(body)%4) % 4
	m.sets = be.AppendUint16(m.sets, id)
	m.sets = be.AppendUint16(m.sets, uint16(4+len(body)+padding))
	m.sets = append(m.sets, body...)
	m.sets = append(m.sets, make([]byte, padding)...)
	return m
}

// Bytes returns the datagram.
func (m *Message) Bytes() []byte {
	b := be.AppendUint16(nil, m.Version)
	if m.Version == 10 {
		b = be.AppendUint16(b, uint16(16+len(m.sets)))
	} else {
		count := m.Count
		if count == 0 {
			count = uint16(m.records)
		}
		b = be.AppendUint16(b, count)
		b = be.AppendUint32(b, millis(m.Uptime))
	}
	b = be.AppendUint32(b, uint32(m.Time.Unix()))
	b = be.AppendUint32(b, m.Sequence)
	b = be.AppendUint32(b, m.Domain)
	return append(b, m.sets...)
}
