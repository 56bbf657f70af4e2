package decode

import (
	"encoding/binary"
	"net/netip"
)

// step is one field of a record that is read by itself: of a template of
// variable length every field, of a fixed one those that take more than a load.
type step struct {
	op     op
	first  bool // none before it has this meaning: what the last record said goes
	offset uint16
	length uint16
}

// load is a number or address of a fixed template that is read by its offset
// alone: nothing before it in the template has the same meaning.
type load struct {
	op     op
	offset uint16
}

// plan is how a record of fixed fields is read: loads of one length in one
// loop, without a decision a field, then the rest in order.
type plan struct {
	has         present
	one, two    []load
	four, eight []load
	addresses   []load // of IPv4
	rest        []step
}

// add plans the reading of a field whose length fits its meaning.
func (p *plan) add(o op, offset, length uint16, first bool) {
	if o < opSrc {
		p.has |= 1 << o
	}
	bare := o != opSamplingInterval && o != opRandomInterval // these have a byte order to be guessed
	switch width := min(length, o.width()); {
	case o >= opSrc && length == 4 && first:
		p.addresses = append(p.addresses, load{o, offset})
	case o >= opSrc || !first || !bare:
		p.rest = append(p.rest, step{op: o, first: first, offset: offset, length: length})
	case width == 1:
		p.one = append(p.one, load{o, offset + length - width})
	case width == 2:
		p.two = append(p.two, load{o, offset + length - width})
	case width == 4:
		p.four = append(p.four, load{o, offset + length - width})
	case width == 8:
		p.eight = append(p.eight, load{o, offset + length - width})
	default:
		p.rest = append(p.rest, step{op: o, first: first, offset: offset, length: length})
	}
}

// read reads the record at the start of body, which holds at least the shortest
// one, and returns its size; -1 when the record does not end within body.
func (t *template) read(f *fields, body []byte) int {
	if f.template != t || t.variable {
		*f = fields{template: t, has: t.plan.has}
	}
	if t.variable {
		return f.walk(t, body)
	}
	f.load(&t.plan, body[:t.size])
	return t.size
}

// load reads a record of fixed fields. What f holds of the last record of the
// template is overwritten.
func (f *fields) load(p *plan, record []byte) {
	be := binary.BigEndian
	for _, l := range p.one {
		f.n[l.op%64] = uint64(record[l.offset])
	}
	for _, l := range p.two {
		f.n[l.op%64] = uint64(be.Uint16(record[l.offset:]))
	}
	for _, l := range p.four {
		f.n[l.op%64] = uint64(be.Uint32(record[l.offset:]))
	}
	for _, l := range p.eight {
		f.n[l.op%64] = be.Uint64(record[l.offset:])
	}
	for _, l := range p.addresses {
		f.address[l.op-opSrc] = netip.AddrFrom4([4]byte(record[l.offset:]))
	}
	for _, s := range p.rest {
		if s.first {
			f.forget(s.op)
		}
		f.put(s.op, record[s.offset:int(s.offset)+int(s.length)])
	}
}

// forget clears what was said of a meaning.
func (f *fields) forget(o op) {
	if o >= opSrc {
		f.address[o-opSrc] = netip.Addr{}
		return
	}
	f.n[o] = 0
}

// walk reads a record that has fields of variable length and returns its size,
// or -1 when it does not end within body (RFC 7011 §7).
func (f *fields) walk(t *template, body []byte) int {
	at := 0
	for _, s := range t.steps {
		length := int(s.length)
		if s.length == variableLength {
			if at >= len(body) {
				return -1
			}
			length = int(body[at])
			at++
			if length == 255 {
				if at+2 > len(body) {
					return -1
				}
				length = int(binary.BigEndian.Uint16(body[at:]))
				at += 2
			}
		}
		if at+length > len(body) {
			return -1
		}
		if s.op != opSkip && length < variableLength && s.op.fits(uint16(length)) {
			f.put(s.op, body[at:at+length])
		}
		at += length
	}
	return at
}
