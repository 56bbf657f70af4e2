package decode

import (
	"container/list"
	"net/netip"
	"time"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

// exporter is what is known of one exporter.
type exporter struct {
	addr     netip.Addr
	stranger *list.Element // its place among the strangers, nil once established
	firstMs  int64         // Unix milliseconds, first datagram
	lastMs   int64         // last datagram
	records  bool          // a flow record came from it

	domains      map[domainKey]*domain
	last         *domain // of the last datagram, to save the map
	templates    int     // in all domains
	templateMs   int64   // last template set
	waiting      []waiting
	waitingBytes int

	offsets    offsets
	outside    outside
	interfaces interfaces
	longest    longest
	rates      rates
}

// domainKey tells the independent counters and template spaces of an exporter
// apart. The UDP source port does not: templates may come from another one.
type domainKey struct {
	version flow.Origin
	id      uint32     // source id, observation domain, engine, sub-agent
	agent   netip.Addr // sFlow
}

// domain is the state of one observation domain.
type domain struct {
	key       domainKey
	exporter  *exporter
	lastMs    int64
	templates map[uint16]*template
	samplers  samplers
	initMs    int64 // systemInitTimeMilliseconds from options data, 0 = not said
	sequence  sequence
}

// strangers are the exporters not yet established, longest silent first.
// Datagrams with forged addresses make many; they push out one another, never
// an established exporter.
type strangers struct{ list list.List }

// exporterFor returns the state of an exporter, nil when there is no room. An
// exporter is established when it has sent records for some time, or when the
// user has named it.
func (d *Decoder) exporterFor(addr netip.Addr, settings ExporterSettings, received time.Time) *exporter {
	now := received.UnixMilli()
	e := d.exporters[addr]
	if e == nil {
		if len(d.exporters) >= d.limits.Exporters && !d.evict(received) {
			d.count(netip.IPv6Unspecified(), received, ledger.StateLimit, 1)
			return nil
		}
		e = &exporter{addr: addr, firstMs: now, domains: map[domainKey]*domain{}}
		e.stranger = d.strangers.list.PushBack(e)
		d.exporters[addr] = e
	}
	e.lastMs = max(e.lastMs, now)
	if e.stranger == nil {
		return e
	}
	if settings.Known || e.records && now-e.firstMs >= d.limits.EstablishTime.Milliseconds() {
		d.establish(e)
		d.log.Info("exporter established", "exporter", addr)
	} else {
		d.strangers.list.MoveToBack(e.stranger)
	}
	return e
}

func (d *Decoder) establish(e *exporter) {
	if e.stranger != nil {
		d.strangers.list.Remove(e.stranger)
		e.stranger = nil
	}
}

// evict forgets the stranger that has been silent longest. It reports false
// when all exporters are established.
func (d *Decoder) evict(now time.Time) bool {
	oldest := d.strangers.list.Front()
	if oldest == nil {
		return false
	}
	d.count(netip.IPv6Unspecified(), now, ledger.StateLimit, 1)
	d.forget(oldest.Value.(*exporter), now)
	return true
}

// share is how much of a limit that all exporters have in common this one may
// use: strangers only half.
func (e *exporter) share(limit int) int {
	if e.stranger != nil {
		return limit / 2
	}
	return limit
}

// makeRoom forgets strangers that own some of what all exporters have in
// common, the longest silent first, until that is no longer full. It never
// forgets the exporter it makes room for and reports false when nobody is left
// to forget.
func (d *Decoder) makeRoom(e *exporter, full func() bool, owns func(*exporter) bool, now time.Time) bool {
	if !full() {
		return true
	}
	var next *list.Element
	for place := d.strangers.list.Front(); place != nil; place = next {
		next = place.Next()
		stranger := place.Value.(*exporter)
		if stranger == e || !owns(stranger) {
			continue
		}
		d.count(netip.IPv6Unspecified(), now, ledger.StateLimit, 1)
		d.forget(stranger, now)
		if !full() {
			return true
		}
	}
	return false
}

func ownsTemplates(e *exporter) bool { return e.templates > 0 }
func ownsWaiting(e *exporter) bool   { return len(e.waiting) > 0 }
func ownsDomains(e *exporter) bool   { return len(e.domains) > 0 }
func ownsSamplers(e *exporter) bool {
	for _, dom := range e.domains {
		if dom.samplers.size() > 0 {
			return true
		}
	}
	return false
}

// forget drops an exporter and all it owns. What it is known to have lost
// counts.
func (d *Decoder) forget(e *exporter, now time.Time) {
	d.establish(e)
	d.giveUp(e, len(e.waiting))
	for _, dom := range e.domains {
		d.lost(e, dom.lossEvent(), dom.sequence.settle(now.UnixMilli(), true))
		d.dropDomain(dom)
	}
	delete(d.exporters, e.addr)
}

// dropDomain takes a domain and all it holds out of the books.
func (d *Decoder) dropDomain(dom *domain) {
	for id := range dom.templates {
		d.removeTemplate(dom, id)
	}
	d.allDomains--
	d.allSamplers -= dom.samplers.size()
}

// domainFor returns the state of an exporter's domain, nil when there is no
// room for it: then the datagram is refused and counted.
func (d *Decoder) domainFor(addr netip.Addr, key domainKey, settings ExporterSettings, received time.Time) (*exporter, *domain) {
	e := d.exporterFor(addr, settings, received)
	if e == nil {
		return nil, nil
	}
	dom := e.last
	if dom == nil || dom.key != key {
		dom = e.domains[key]
	}
	if dom == nil {
		full := func() bool { return d.allDomains >= e.share(d.limits.AllDomains) }
		if len(e.domains) >= d.limits.Domains && !d.evictDomain(e, received) || !d.makeRoom(e, full, ownsDomains, received) {
			d.count(e.addr, received, ledger.StateLimit, 1)
			return e, nil
		}
		dom = &domain{key: key, exporter: e}
		e.domains[key] = dom
		d.allDomains++
	}
	e.last = dom
	dom.lastMs = received.UnixMilli()
	return e, dom
}

// evictDomain makes room for a domain by forgetting one that has been silent
// for an hour. Domains in use stay.
func (d *Decoder) evictDomain(e *exporter, now time.Time) bool {
	for _, dom := range e.domains {
		if now.UnixMilli()-dom.lastMs >= time.Hour.Milliseconds() {
			d.forgetDomain(dom, now)
			return true
		}
	}
	return false
}

func (d *Decoder) forgetDomain(dom *domain, now time.Time) {
	e := dom.exporter
	d.lost(e, dom.lossEvent(), dom.sequence.settle(now.UnixMilli(), true))
	d.dropDomain(dom)
	d.takeWaiting(e, func(w *waiting) bool {
		if w.domain != dom {
			return false
		}
		d.count(e.addr, w.received, ledger.TemplateMissing, 1)
		return true
	})
	delete(e.domains, dom.key)
	if e.last == dom {
		e.last = nil
	}
}

// lossEvent says what the domain's sequence numbers count.
func (dom *domain) lossEvent() ledger.Event {
	if dom.key.version == flow.NetFlow9 || dom.key.version == flow.SFlow {
		return ledger.LostDatagrams
	}
	return ledger.LostRecords
}

// lost counts what is missing by sequence number, at the time of the gap.
func (d *Decoder) lost(e *exporter, event ledger.Event, gaps []gap) {
	for _, g := range gaps {
		d.count(e.addr, time.UnixMilli(g.atMs), event, uint64(g.missing()))
	}
}

// Tick expires what has waited or been silent too long and counts what is now
// known to be lost. Call it every few seconds; Decode does so too, each minute
// at most.
func (d *Decoder) Tick(now time.Time) {
	ms := now.UnixMilli()
	d.nextExpiry = ms + time.Minute.Milliseconds()
	for _, e := range d.exporters {
		d.expireWaiting(e, now)
		for _, dom := range e.domains {
			d.lost(e, dom.lossEvent(), dom.sequence.settle(ms, false))
			for id, t := range dom.templates {
				if ms-max(t.sentMs, t.usedMs) >= d.limits.TemplateLife.Milliseconds() {
					d.removeTemplate(dom, id)
				}
			}
		}
		if ms-e.lastMs >= d.limits.Idle.Milliseconds() {
			d.forget(e, now)
		}
	}
}

// Flush counts at once what is still pending: gaps that no late datagram has
// filled, sets whose template has not come. Call it before the end; templates
// stay.
func (d *Decoder) Flush(now time.Time) {
	for _, e := range d.exporters {
		d.giveUp(e, len(e.waiting))
		for _, dom := range e.domains {
			d.lost(e, dom.lossEvent(), dom.sequence.settle(now.UnixMilli(), true))
		}
	}
}
