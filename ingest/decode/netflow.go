package decode

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

const (
	netflow9Header = 20
	ipfixHeader    = 16
	setHeader      = 4

	// A set may hold some tiny records; of more, each takes minRecord bytes on
	// the average. No flow fits in less: it is a template made to turn a
	// datagram into as many rows as it has bytes.
	tinyRecords = 64
	minRecord   = 8
)

// decodeNetFlow9 appends the records of a NetFlow v9 datagram. The count in its
// header is not used: exporters disagree on what it counts.
func (d *Decoder) decodeNetFlow9(dst []flow.Record, from netip.Addr, received time.Time, datagram []byte) []flow.Record {
	if len(datagram) < netflow9Header {
		d.count(from, received, ledger.Malformed, 1)
		return dst
	}
	be := binary.BigEndian
	settings := d.settings(from)
	e, dom := d.domainFor(from, domainKey{version: flow.NetFlow9, id: be.Uint32(datagram[16:])}, settings, received)
	if dom == nil {
		return dst
	}
	m := newMessage(e, dom, settings, flow.NetFlow9, received)
	m.uptime = be.Uint32(datagram[4:])
	m.exportMs = int64(be.Uint32(datagram[8:])) * 1000
	e.offsets.add(m.receivedMs - m.exportMs)
	dst = d.readMessage(dst, &m, datagram[netflow9Header:])
	d.lost(e, ledger.LostDatagrams, dom.sequence.observe(be.Uint32(datagram[12:]), 1, m.receivedMs))
	return dst
}

// decodeIPFIX appends the records of an IPFIX datagram. It holds one message;
// what follows that is not read (RFC 7011 §10.3.3).
func (d *Decoder) decodeIPFIX(dst []flow.Record, from netip.Addr, received time.Time, datagram []byte) []flow.Record {
	be := binary.BigEndian
	if len(datagram) < ipfixHeader || be.Uint16(datagram[2:]) < ipfixHeader {
		d.count(from, received, ledger.Malformed, 1)
		return dst
	}
	settings := d.settings(from)
	e, dom := d.domainFor(from, domainKey{version: flow.IPFIX, id: be.Uint32(datagram[12:])}, settings, received)
	if dom == nil {
		return dst
	}
	m := newMessage(e, dom, settings, flow.IPFIX, received)
	m.exportMs = int64(be.Uint32(datagram[4:])) * 1000
	sequence, length := be.Uint32(datagram[8:]), int(be.Uint16(datagram[2:]))
	switch {
	case length > len(datagram):
		m.malformed++
		m.unreadable = true
		length = len(datagram)
	case !allZero(datagram[length:]):
		m.malformed++
	}
	e.offsets.add(m.receivedMs - m.exportMs)
	dst = d.readMessage(dst, &m, datagram[ipfixHeader:length])
	records := uint32(m.records)
	if m.unreadable {
		records = unknownCount
	}
	d.lost(e, ledger.LostRecords, dom.sequence.observe(sequence, records, m.receivedMs))
	return dst
}

// readMessage reads the sets of a message, then those that waited for one of
// its templates.
func (d *Decoder) readMessage(dst []flow.Record, m *message, sets []byte) []flow.Record {
	dst = d.readSets(dst, m, sets)
	dst = d.settleUptimes(dst, m)
	d.finish(m)
	if m.newTemplates {
		dst = d.replay(dst, m)
	}
	return dst
}

// readSets walks the sets. A fault ends the walk; what came before it counts.
func (d *Decoder) readSets(dst []flow.Record, m *message, sets []byte) []flow.Record {
	looked := false
	for len(sets) >= setHeader {
		id, length := binary.BigEndian.Uint16(sets), int(binary.BigEndian.Uint16(sets[2:]))
		if length < setHeader {
			if !allZero(sets) {
				m.malformed++
				m.unreadable = true
			}
			return dst
		}
		if length > len(sets) {
			m.malformed++
			m.unreadable = true
			length = len(sets)
		}
		if id >= 256 && !looked {
			looked = true
			d.readOptionsAhead(m, sets[length:])
		}
		dst = d.readSet(dst, m, id, sets[setHeader:length])
		sets = sets[length:]
	}
	return dst
}

func (d *Decoder) readSet(dst []flow.Record, m *message, id uint16, body []byte) []flow.Record {
	v9 := m.origin == flow.NetFlow9
	switch {
	case v9 && id <= 1:
		d.readTemplates(m, body, id == 1)
	case !v9 && (id == 2 || id == 3):
		d.readTemplates(m, body, id == 3)
	case id < 256:
		m.malformed++
	default:
		t := m.domain.templates[id]
		if t == nil {
			m.unreadable = true
			d.wait(m, id, body)
			return dst
		}
		t.usedMs = m.receivedMs
		return d.readData(dst, m, t, body)
	}
	return dst
}

// readOptionsAhead reads the options data further on in the message before its
// flows are read: the sampling it tells holds for them too, wherever it stands.
func (d *Decoder) readOptionsAhead(m *message, sets []byte) {
	ahead := *m
	for len(sets) >= setHeader {
		id, length := binary.BigEndian.Uint16(sets), int(binary.BigEndian.Uint16(sets[2:]))
		if length < setHeader || length > len(sets) {
			return
		}
		if t := m.domain.templates[id]; t != nil && t.options {
			d.readData(nil, &ahead, t, sets[setHeader:length])
		}
		sets = sets[length:]
	}
}

// readData reads the records of a data set; what is left after the last whole
// one is padding.
func (d *Decoder) readData(dst []flow.Record, m *message, t *template, body []byte) []flow.Record {
	f := &d.fields
	set := len(body)
	for n := 1; len(body) >= t.size; n++ {
		size := t.read(f, body)
		if size < 0 || n > tinyRecords && set-len(body) < minRecord*(n-1) {
			if !allZero(body) {
				m.malformed++
				m.unreadable = true
			}
			return dst
		}
		body = body[size:]
		m.records++
		if t.options {
			d.learn(m, f)
			continue
		}
		dst = d.produce(dst, f, m)
	}
	return dst
}

// learn takes an options record: sampling, and when the exporter started.
func (d *Decoder) learn(m *message, f *fields) {
	m.options++
	if initMs := f.initMs(); initMs != 0 {
		m.domain.initMs = initMs
	}
	known := &m.domain.samplers
	before := known.size()
	full := func() bool { return d.allSamplers >= m.exporter.share(d.limits.AllSamplers) }
	if !known.learn(f, !d.makeRoom(m.exporter, full, ownsSamplers, m.received)) {
		d.count(m.exporter.addr, m.received, ledger.StateLimit, 1)
	}
	d.allSamplers += known.size() - before
}
