package decode

import (
	"bytes"
	"time"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

// waiting is a data set whose template has not come yet, with what its message
// said.
type waiting struct {
	domain   *domain
	id       uint16
	body     []byte // a copy
	received time.Time
	exportMs int64
	uptime   uint32
}

// waitingCost is what a waiting set takes besides its bytes.
const waitingCost = 128

func (w *waiting) cost() int { return len(w.body) + waitingCost }

// wait keeps a set until its template comes. When an exporter's room is full
// its oldest sets give way.
func (d *Decoder) wait(m *message, id uint16, body []byte) {
	e := m.exporter
	w := waiting{domain: m.domain, id: id, received: m.received, exportMs: m.exportMs, uptime: m.uptime}
	cost := len(body) + waitingCost
	full := func() bool { return d.allWaiting+cost > e.share(d.limits.AllWaiting) }
	if cost > d.limits.WaitingBytes || !d.makeRoom(e, full, ownsWaiting, m.received) {
		d.count(e.addr, m.received, ledger.StateLimit, 1)
		d.count(e.addr, m.received, ledger.TemplateMissing, 1)
		return
	}
	drop := 0
	for free := d.limits.WaitingBytes - e.waitingBytes; free < cost; drop++ {
		free += e.waiting[drop].cost()
	}
	d.giveUp(e, drop)
	w.body = bytes.Clone(body)
	e.waiting = append(e.waiting, w)
	e.waitingBytes += cost
	d.allWaiting += cost
}

// takeWaiting removes the waiting sets that take says yes to.
func (d *Decoder) takeWaiting(e *exporter, take func(*waiting) bool) {
	kept := e.waiting[:0]
	for i := range e.waiting {
		w := &e.waiting[i]
		if !take(w) {
			kept = append(kept, *w)
			continue
		}
		e.waitingBytes -= w.cost()
		d.allWaiting -= w.cost()
	}
	clear(e.waiting[len(kept):])
	if e.waiting = kept; len(kept) == 0 {
		e.waiting = nil
	}
}

// giveUp drops the n oldest waiting sets of an exporter and counts them.
func (d *Decoder) giveUp(e *exporter, n int) {
	if n == 0 {
		return
	}
	d.takeWaiting(e, func(w *waiting) bool {
		if n == 0 {
			return false
		}
		n--
		d.count(e.addr, w.received, ledger.TemplateMissing, 1)
		return true
	})
}

// replay reads the waiting sets whose template is there now, as if they had
// been readable when they came.
func (d *Decoder) replay(dst []flow.Record, m *message) []flow.Record {
	d.takeWaiting(m.exporter, func(w *waiting) bool {
		t := w.domain.templates[w.id]
		if t == nil || w.domain != m.domain {
			return false
		}
		late := newMessage(m.exporter, w.domain, m.settings, m.origin, w.received)
		late.exportMs, late.uptime = w.exportMs, w.uptime
		dst = d.readData(dst, &late, t, w.body)
		dst = d.settleUptimes(dst, &late)
		d.finish(&late)
		return true
	})
	return dst
}

// expireWaiting gives up the sets that have waited long enough.
func (d *Decoder) expireWaiting(e *exporter, now time.Time) {
	n := 0
	for n < len(e.waiting) && now.Sub(e.waiting[n].received) >= d.limits.WaitFor {
		n++
	}
	d.giveUp(e, n)
}
