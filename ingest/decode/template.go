package decode

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/netsampler/goflow2/v2/decoders/netflow"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

// variableLength in a template says that the length stands before each value.
const variableLength = 65535

// template is a template compiled to what a record is read by.
type template struct {
	options  bool
	scopes   int             // leading fields that are the scope of options
	raw      []netflow.Field // as the exporter sent them, to notice changes and to save
	plan     plan            // of fixed fields
	steps    []step          // every field, when some have variable length
	size     int             // bytes of the shortest record, > 0
	variable bool            // has fields of variable length
	sentMs   int64
	usedMs   int64
}

// newTemplate compiles a template; nil when its records could be empty: a set
// of those has no end.
func newTemplate(version flow.Origin, raw []netflow.Field, scopes int, options bool) *template {
	t := &template{options: options, scopes: scopes, raw: raw}
	for _, f := range raw {
		if f.Length == variableLength && version == flow.IPFIX {
			t.variable = true
			t.size++ // the length itself
			continue
		}
		t.size += int(f.Length)
	}
	if t.size == 0 || t.size > 65535 {
		return nil
	}
	offset := 0
	system := version == flow.NetFlow9 && slices.ContainsFunc(raw[:scopes], func(f netflow.Field) bool { return f.Type == scopeSystem })
	var seen [opEnd]bool
	for i, f := range raw {
		o := opOfField(version, f, options, scopes > i, system)
		switch {
		case t.variable:
			t.steps = append(t.steps, step{op: o, length: f.Length})
		case o != opSkip && f.Length != variableLength && o.fits(f.Length):
			t.plan.add(o, uint16(offset), f.Length, !seen[o])
			seen[o] = true
		}
		offset += int(f.Length)
	}
	return t
}

// Scopes of NetFlow v9 that matter; they have numbers of their own (RFC 3954
// §6.1).
const (
	scopeSystem    = 1
	scopeInterface = 2
)

// opOfField gives the meaning of a field. Options whose scope is the interface
// hold for that one, unless the system is their scope too. In options the
// interface of IPFIX is a scope.
func opOfField(version flow.Origin, f netflow.Field, options, scope, system bool) op {
	if scope && version == flow.NetFlow9 {
		if f.Type == scopeInterface && !system {
			return opScopeIf
		}
		return opSkip
	}
	o := opOf(f.Pen, f.Type)
	if options && (o == opInIf || o == opOutIf) {
		return opScopeIf
	}
	return o
}

// readTemplates reads a template set. Each template is measured before goflow2
// decodes it, which would otherwise allocate whatever the count claims.
func (d *Decoder) readTemplates(m *message, body []byte, options bool) {
	for len(body) >= 4 {
		id, count := binary.BigEndian.Uint16(body), int(binary.BigEndian.Uint16(body[2:]))
		if m.origin == flow.IPFIX && count == 0 && id != 0 {
			d.withdraw(m, id, options)
			body = body[4:]
			continue
		}
		if id < 256 {
			if !allZero(body) {
				m.malformed++
			}
			return
		}
		size, fields := measureTemplate(m.origin, body, options)
		if size < 0 || size > len(body) {
			m.malformed++
			return
		}
		if fields > d.limits.Fields {
			d.refuseTemplate(m, id)
		} else {
			raw, scopes := decodeTemplate(m.origin, body[:size], options)
			d.addTemplate(m, id, newTemplate(m.origin, raw, scopes, options))
		}
		body = body[size:]
	}
}

// measureTemplate returns how many bytes and fields the template at the start
// of body has; size is negative when it has no sense or no end.
func measureTemplate(version flow.Origin, body []byte, options bool) (size, fields int) {
	header := 4
	fields = int(binary.BigEndian.Uint16(body[2:]))
	if options {
		header = 6
		if len(body) < header {
			return -1, 0
		}
		second := int(binary.BigEndian.Uint16(body[4:]))
		switch {
		case version == flow.NetFlow9 && (fields%4 != 0 || second%4 != 0):
			return -1, 0
		case version == flow.NetFlow9:
			fields = fields/4 + second/4
		case second > fields:
			return -1, 0
		}
	}
	if version == flow.NetFlow9 {
		return header + 4*fields, fields
	}
	size = header
	for range fields {
		if len(body) < size+4 {
			return -1, 0
		}
		if body[size]&0x80 != 0 {
			size += 4
		}
		size += 4
	}
	return size, fields
}

// decodeTemplate decodes one measured template. An error leaves no fields, and
// a template without fields is refused.
func decodeTemplate(version flow.Origin, body []byte, options bool) (raw []netflow.Field, scopes int) {
	buffer := bytes.NewBuffer(body)
	switch {
	case !options:
		if records, err := netflow.DecodeTemplateSet(uint16(version), buffer); err == nil && len(records) == 1 {
			raw = records[0].Fields
		}
	case version == flow.NetFlow9:
		if records, err := netflow.DecodeNFv9OptionsTemplateSet(buffer); err == nil && len(records) == 1 {
			scopes = len(records[0].Scopes)
			raw = slices.Concat(records[0].Scopes, records[0].Options)
		}
	default:
		if records, err := netflow.DecodeIPFIXOptionsTemplateSet(buffer); err == nil && len(records) == 1 {
			scopes = len(records[0].Scopes)
			raw = slices.Concat(records[0].Scopes, records[0].Options)
			for i := range raw {
				if raw[i].PenProvided {
					raw[i].Type &^= 0x8000 // goflow2 leaves the enterprise bit in options
				}
			}
		}
	}
	return raw, scopes
}

// refuseTemplate counts a template that cannot be used. One of the same id is
// no longer valid either.
func (d *Decoder) refuseTemplate(m *message, id uint16) {
	d.removeTemplate(m.domain, id)
	d.count(m.exporter.addr, m.received, ledger.BadTemplate, 1)
}

// addTemplate keeps a template, within the bounds.
func (d *Decoder) addTemplate(m *message, id uint16, t *template) {
	if t == nil {
		d.refuseTemplate(m, id)
		return
	}
	m.exporter.templateMs = m.receivedMs
	t.sentMs, t.usedMs = m.receivedMs, m.receivedMs
	if old := m.domain.templates[id]; old != nil {
		if old.options == t.options && old.scopes == t.scopes && slices.Equal(old.raw, t.raw) {
			old.sentMs = m.receivedMs
			return
		}
		d.removeTemplate(m.domain, id)
	}
	if !d.keepTemplate(m.exporter, m.domain, id, t, m.received) {
		d.count(m.exporter.addr, m.received, ledger.StateLimit, 1)
		return
	}
	m.newTemplates = true
}

// keepTemplate stores a template unless a bound is reached.
func (d *Decoder) keepTemplate(e *exporter, dom *domain, id uint16, t *template, now time.Time) bool {
	full := func() bool { return d.allFields+len(t.raw) > e.share(d.limits.AllFields) }
	if e.templates >= d.limits.Templates || !d.makeRoom(e, full, ownsTemplates, now) {
		return false
	}
	if dom.templates == nil {
		dom.templates = map[uint16]*template{}
	}
	dom.templates[id] = t
	e.templates++
	d.allFields += len(t.raw)
	return true
}

func (d *Decoder) removeTemplate(dom *domain, id uint16) {
	t := dom.templates[id]
	if t == nil {
		return
	}
	delete(dom.templates, id)
	dom.exporter.templates--
	d.allFields -= len(t.raw)
}

// withdraw forgets templates an IPFIX exporter withdraws (RFC 7011 §8.1): one,
// or all of a kind when the id is that of the set.
func (d *Decoder) withdraw(m *message, id uint16, options bool) {
	if id >= 256 {
		d.removeTemplate(m.domain, id)
		return
	}
	if options != (id == 3) || options == (id == 2) {
		m.malformed++
		return
	}
	for id, t := range m.domain.templates {
		if t.options == options {
			d.removeTemplate(m.domain, id)
		}
	}
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
