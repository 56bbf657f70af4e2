// Package decode turns one datagram of NetFlow v5, NetFlow v9, IPFIX or sFlow
// v5 into flow records. It owns what exporters have said before (templates,
// sampling, sequence numbers), guards against every datagram that could hang,
// bloat or mislead, and counts in a ledger all that did not become a record.
package decode

import (
	"encoding/binary"
	"log/slog"
	"net/netip"
	"time"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

// Ledger takes counts of what was read, lost and refused. The quarter hour of
// at is the one the count belongs to. The exporter :: stands for all.
type Ledger interface {
	Count(exporter netip.Addr, at time.Time, event ledger.Event, n uint64)
}

// ExporterSettings is what the user has set for an exporter.
type ExporterSettings struct {
	Known        bool   // the user has named it: its state is kept before that of strangers
	SamplingRate uint32 // overrides what the exporter says, 0 = as exported
	SumOutBytes  bool   // add elements 1 and 23 (and 2 and 24) when both are set and differ
}

// Limits bound the state of one Decoder. A zero field means its default.
type Limits struct {
	Exporters     int           // exporters with state; default 1024
	Domains       int           // observation domains, source ids, agents of an exporter; default 256
	AllDomains    int           // domains of all exporters together; default 16384
	AllSamplers   int           // sampling rates by sampler or interface, all together; default 65536
	Templates     int           // templates of an exporter; default 2048
	Fields        int           // fields of a template; default 512
	AllFields     int           // fields of all templates together; default 1 million
	WaitingBytes  int           // bytes of an exporter's sets that wait for a template; default 256 KiB
	AllWaiting    int           // bytes of all waiting sets together; default 16 MiB
	WaitFor       time.Duration // how long a set waits for its template; default 5 minutes
	TemplateLife  time.Duration // a template neither sent nor used for so long is forgotten; default 24 h
	Idle          time.Duration // an exporter silent for so long is forgotten; default 7 days
	EstablishTime time.Duration // an exporter heard for so long outlives strangers; default 1 minute
}

func (l Limits) withDefaults() Limits {
	number := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	span := func(v *time.Duration, def time.Duration) {
		if *v <= 0 {
			*v = def
		}
	}
	number(&l.Exporters, 1024)
	number(&l.Domains, 256)
	number(&l.AllDomains, 16<<10)
	number(&l.AllSamplers, 64<<10)
	number(&l.Templates, 2048)
	number(&l.Fields, 512)
	number(&l.AllFields, 1<<20)
	number(&l.WaitingBytes, 256<<10)
	number(&l.AllWaiting, 16<<20)
	span(&l.WaitFor, 5*time.Minute)
	span(&l.TemplateLife, 24*time.Hour)
	span(&l.Idle, 7*24*time.Hour)
	span(&l.EstablishTime, time.Minute)
	return l
}

// Config is what a Decoder needs. Every field may be zero.
type Config struct {
	Log      *slog.Logger
	Ledger   Ledger
	Limits   Limits
	Exporter func(netip.Addr) ExporterSettings // the user's settings, asked once a datagram
	Owns     func(netip.Addr) bool             // exporters LoadTemplates takes; nil = all
}

// Decoder decodes datagrams. It is not safe for concurrent use: run one a
// worker and give all datagrams of an exporter to the same one.
type Decoder struct {
	log      *slog.Logger
	ledger   Ledger
	settings func(netip.Addr) ExporterSettings
	owns     func(netip.Addr) bool
	limits   Limits

	exporters   map[netip.Addr]*exporter
	strangers   strangers
	allDomains  int // domains of all exporters
	allSamplers int // sampling rates by sampler or interface of all domains
	allFields   int // fields of all templates
	allWaiting  int // bytes of all waiting sets
	nextExpiry  int64
	fields      fields // the record being read, here so that it needs no allocation
	uptimes     []int  // indexes in dst of records whose times wait for the end of the message
	sample      sample // the sFlow sample being read
}

// New returns a Decoder without state.
func New(cfg Config) *Decoder {
	d := &Decoder{
		log: cfg.Log, ledger: cfg.Ledger, settings: cfg.Exporter, owns: cfg.Owns,
		limits:    cfg.Limits.withDefaults(),
		exporters: map[netip.Addr]*exporter{},
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.ledger == nil {
		d.ledger = noLedger{}
	}
	if d.settings == nil {
		d.settings = func(netip.Addr) ExporterSettings { return ExporterSettings{} }
	}
	if d.owns == nil {
		d.owns = func(netip.Addr) bool { return true }
	}
	return d
}

type noLedger struct{}

func (noLedger) Count(netip.Addr, time.Time, ledger.Event, uint64) {}

// Decode appends the flow records of a datagram to dst. The protocol is told
// by the first bytes, whatever the port: NetFlow begins with a 16-bit version,
// sFlow with a 32-bit one, so the two cannot be taken for each other. Decode
// never panics or hangs on any input and keeps no reference into the datagram.
// It counts everything except the datagram and the records themselves, which
// the caller sees.
func (d *Decoder) Decode(dst []flow.Record, from netip.Addr, received time.Time, datagram []byte) []flow.Record {
	from = from.Unmap().WithZone("")
	if ms := received.UnixMilli(); ms >= d.nextExpiry {
		d.Tick(received)
	}
	if len(datagram) < 4 {
		d.count(from, received, ledger.UnknownVersion, 1)
		return dst
	}
	first := len(dst)
	switch {
	case binary.BigEndian.Uint32(datagram) == 5:
		dst = d.decodeSFlow(dst, from, received, datagram)
	case binary.BigEndian.Uint16(datagram) == 5:
		dst = d.decodeNetFlow5(dst, from, received, datagram)
	case binary.BigEndian.Uint16(datagram) == 9:
		dst = d.decodeNetFlow9(dst, from, received, datagram)
	case binary.BigEndian.Uint16(datagram) == 10:
		dst = d.decodeIPFIX(dst, from, received, datagram)
	default:
		d.count(from, received, ledger.UnknownVersion, 1)
	}
	d.countFixed(from, received, dst[first:])
	return dst
}

// countFixed counts the records whose times were not plausible, once a
// datagram.
func (d *Decoder) countFixed(from netip.Addr, received time.Time, records []flow.Record) {
	var fixed uint64
	for i := range records {
		if records[i].TimeFixed {
			fixed++
		}
	}
	d.count(from, received, ledger.TimeFixed, fixed)
}

func (d *Decoder) count(from netip.Addr, at time.Time, event ledger.Event, n uint64) {
	if n > 0 {
		d.ledger.Count(from, at, event, n)
	}
}

// message is what the records of one datagram (or one waiting set) have in
// common.
type message struct {
	exporter   *exporter
	domain     *domain
	settings   ExporterSettings
	origin     flow.Origin
	received   time.Time
	receivedMs int64  // Unix milliseconds
	exportMs   int64  // Unix milliseconds by the exporter's clock, 0 = not said
	uptime     uint32 // milliseconds since the exporter's start, NetFlow v5 and v9

	records      int    // data records read, options records too: IPFIX numbers them
	unreadable   bool   // some sets could not be read: the number of records is not known
	newTemplates bool   // a template came that a waiting set may need
	options      uint64 // options records read
	noCounters   uint64 // records without any counter
	malformed    uint64 // sets that break the protocol's rules
}

func newMessage(e *exporter, dom *domain, s ExporterSettings, origin flow.Origin, received time.Time) message {
	return message{exporter: e, domain: dom, settings: s, origin: origin, received: received, receivedMs: received.UnixMilli()}
}

// finish books what a message's sets gave besides records.
func (d *Decoder) finish(m *message) {
	addr := m.exporter.addr
	d.count(addr, m.received, ledger.Options, m.options)
	d.count(addr, m.received, ledger.NoCounters, m.noCounters)
	d.count(addr, m.received, ledger.Malformed, m.malformed)
}
