package report

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/flow"
)

// The events of the ledger that reports read. The ingest writes them; the
// comment on the column ledger.event lists them all.
const (
	eventDatagrams       = "datagrams"
	eventRecords         = "records"
	eventLostRecords     = "lost_records"
	eventLostDatagrams   = "lost_datagrams"
	eventKernelDrops     = "kernel_drops"
	eventQueueDrops      = "queue_drops"
	eventSpoolDrops      = "spool_drops"
	eventTimeFixed       = "time_fixed"
	eventTemplateMissing = "template_missing"
	eventRunning         = "running_seconds"
	eventOversize        = "oversize"
	eventMalformed       = "malformed"
	eventBadTemplate     = "bad_template"
	eventStateLimit      = "state_limit"
)

const (
	// silenceLimit is how long an exporter may be silent before it is said.
	silenceLimit = 2 * quarter
	// downLimit is how much running time may be missing before it is said:
	// a restart, and what the ledger has not written yet.
	downLimit = 2 * time.Minute
	// listLimit is how many stretches of time a note names.
	listLimit = 3
	// noteLimit is how many notes there are; a flood of forged exporters must
	// not make the page long.
	noteLimit = 16
)

// tally is what the ledger counted over a span.
type tally struct {
	byExporter map[netip.Addr]map[string]uint64
	records    float64
	lost       float64 // records, partly estimated
	notes      []string
}

func (t *tally) count(exporter netip.Addr, event string) uint64 { return t.byExporter[exporter][event] }

func (t *tally) sum(event string) uint64 {
	var n uint64
	for _, events := range t.byExporter {
		n += events[event]
	}
	return n
}

// exporters lists the exporters, without :: for the ingest as a whole.
func (t *tally) exporters() []netip.Addr {
	var list []netip.Addr
	for a := range t.byExporter {
		if a != netip.IPv6Unspecified() {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}

// perDatagram is the mean number of records in a datagram of an exporter, or
// of all where that one sent none.
func (t *tally) perDatagram(exporter netip.Addr) float64 {
	records, datagrams := t.count(exporter, eventRecords), t.count(exporter, eventDatagrams)
	if records == 0 || datagrams == 0 {
		records, datagrams = t.sum(eventRecords), t.sum(eventDatagrams)
	}
	if records == 0 || datagrams == 0 {
		return 1
	}
	return float64(records) / float64(datagrams)
}

func (t *tally) note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// ledger is the source of the ledger's rows of a window, of the line's
// exporters and of the ingest as a whole.
func (q *question) ledger(w window) source {
	s := source{
		table: "ledger",
		in:    reachOf(w),
		where: []string{"l.bucket >= toDateTime({start:UInt32}, 'UTC') AND l.bucket < toDateTime({end:UInt32}, 'UTC')"},
		params: map[string]string{
			"start": strconv.FormatInt(w.start.Unix(), 10), "end": strconv.FormatInt(w.end.Unix(), 10),
			"zone": w.start.Location().String(),
		},
	}
	q.onLine(&s, "(l.exporter = toIPv6('::') OR has({exporters:Array(IPv6)}, l.exporter))", "NOT has({exporters:Array(IPv6)}, l.exporter)")
	return s
}

// remarks finds out how much of the traffic of the span the figures hold, and
// why it is not all of it.
func (q *question) remarks(ctx context.Context) (*tally, error) {
	w := q.window()
	var b *book
	var rates map[netip.Addr]uint32
	var before []meterDays
	var doubles Doubles
	unknown := false // whether anything is counted twice
	err := together(ctx,
		func(context.Context) (err error) { b, err = q.book(w); return err },
		func(ctx context.Context) (err error) { rates, err = q.samplingRates(ctx, w); return err },
		func(ctx context.Context) (err error) { before, err = q.beforeFlows(ctx, w); return err },
		func(ctx context.Context) (err error) {
			if doubles, err = q.Doubles(ctx); err != nil && ctx.Err() == nil { // the figures stand without the remark; the page Status says why
				unknown, err = true, nil
			}
			return err
		},
	)
	if err != nil {
		return nil, err
	}
	t := &tally{byExporter: b.counts}
	t.records = float64(t.sum(eventRecords))
	t.noteLosses()
	if err := q.addDowntime(ctx, w, t, b.running); err != nil {
		return nil, err
	}
	q.noteSilence(w, t, b)
	t.noteDoubts()
	t.noteSampling(rates)
	t.noteHistory(before)
	if !unknown {
		t.noteDoubles(doubles, q.span)
	}
	return t, nil
}

// completeness puts into words what was found out, of figures with this total.
func (q *question) completeness(ctx context.Context, t *tally, total Counters) (Completeness, error) {
	if more := len(t.notes) - noteLimit; more > 0 {
		t.notes = t.notes[:noteLimit]
		t.note("There are %d more remarks like these; the page Status shows each exporter.", more)
	}
	c := Completeness{Notes: append(q.notes.all(), t.notes...)}
	switch all := t.records + t.lost; {
	case all > 0:
		c.Known, c.Fraction = true, t.records/all
	case total.Flows > 0:
		note, err := q.uncountedNote(ctx, q.window())
		if err != nil {
			return Completeness{}, err
		}
		c.Notes = append(c.Notes, note)
	case q.at.Before(q.span.Start):
		c.Notes = append(c.Notes, "This time is still to come.")
	default:
		c.Notes = append(c.Notes, "Nothing was received in this time. If there should be something, the page Status says what to check.")
	}
	return c, nil
}

// uncountedNote says why the ledger has no counts of figures that are there.
func (q *question) uncountedNote(ctx context.Context, w window) (string, error) {
	here := false
	s := q.ledger(w)
	s.table = "flows"
	err := q.each(ctx, "origin of flows", receivedHereSQL, s, nil, func(rows scanner) error { return rows.Scan(&here) })
	switch {
	case err != nil:
		return "", err
	case !here:
		return "These figures come from records that were not received here (imported or made up), so whether any are missing is not known.", nil
	case q.at.Before(w.end):
		return "The first flows have just come in; how complete they are is known in some seconds.", nil
	}
	return "The ledger has no counts of this time, so whether any records are missing is not known.", nil
}

// noteLosses adds up what was lost on the way and here.
func (t *tally) noteLosses() {
	for _, x := range t.exporters() {
		if n := t.count(x, eventLostRecords); n > 0 {
			t.lost += float64(n)
			t.note("%s of %s were lost on the way (gaps in its sequence numbers). Give the way from it to FlatTraffic a better link, or raise net.core.rmem_max here.", plural(n, "record"), x)
		}
		if n := t.count(x, eventLostDatagrams); n > 0 {
			records := float64(n) * t.perDatagram(x)
			t.lost += records
			t.note("%s of %s were lost on the way, about %s by their mean size. Give the way from it to FlatTraffic a better link, or raise net.core.rmem_max here.", plural(n, "datagram"), x, plural(uint64(records+0.5), "record"))
		}
	}
	for _, drop := range []struct{ event, format string }{
		{eventKernelDrops, "%s were dropped because the receive buffer of the system was full, about %s. Raise net.core.rmem_max and start FlatTraffic again."},
		{eventQueueDrops, "%s were dropped because decoding could not keep up, about %s. Give FlatTraffic more processor time, or have the router sample."},
		{eventOversize, "%s were longer than any exporter should send and were dropped, about %s. Set a smaller datagram size at the exporter."},
	} {
		if n := t.sum(drop.event); n > 0 {
			records := t.estimate(drop.event)
			t.lost += records
			t.note(drop.format, plural(n, "datagram"), plural(uint64(records+0.5), "record"))
		}
	}
	if n := t.sum(eventSpoolDrops); n > 0 {
		t.lost += float64(n)
		t.note("%s were dropped because ClickHouse was away for longer than the spool could hold. Give the spool more room.", plural(n, "record"))
	}
	for _, x := range t.exporters() {
		if n := t.count(x, eventTemplateMissing); n > 0 {
			records := float64(n) * t.perDatagram(x)
			t.lost += records
			t.note("%s of %s could not be read because the template for them never came, about %s. Have it send its templates every minute.", plural(n, "set"), x, plural(uint64(records+0.5), "record"))
		}
	}
}

// estimate is how many records the datagrams of an event held, by the mean of
// each exporter.
func (t *tally) estimate(event string) float64 {
	var records float64
	for x, events := range t.byExporter {
		records += float64(events[event]) * t.perDatagram(x)
	}
	return records
}

// noteDoubts names what makes the figures doubtful without a number of records
// that are missing.
func (t *tally) noteDoubts() {
	for _, x := range t.exporters() {
		if t.count(x, eventRecords) == 0 { // a stranger; the page Status shows it
			continue
		}
		if n := t.count(x, eventTimeFixed); n > 0 {
			t.note("%s of %s had times that cannot be right and are booked when they arrived. Set its clock (NTP).", plural(n, "record"), x)
		}
		if n := t.count(x, eventMalformed) + t.count(x, eventBadTemplate); n > 0 {
			t.note("%s from %s broke the rules of the protocol and could not be read. Check its export version and update it.", plural(n, "datagram or set", "datagrams or sets"), x)
		}
		if n := t.count(x, eventStateLimit); n > 0 {
			t.note("%s from %s were refused because it uses more templates or sources than FlatTraffic keeps. Restart its export, and check that nobody else sends under its address.", plural(n, "datagram or set", "datagrams or sets"), x)
		}
	}
}

// addDowntime estimates what was missed while the ingest did not run, by the
// mean of the time it ran.
func (q *question) addDowntime(ctx context.Context, w window, t *tally, running running) error {
	first, err := q.ranFirst(ctx, w, running)
	if err != nil || first.IsZero() {
		return err
	}
	var up, down time.Duration
	var gaps []stretch
	for at := maxTime(w.start, first); at.Before(w.end) && at.Before(q.at); at = at.Add(quarter) {
		if next := at.Add(day); running.wholeDay(at) && !next.After(w.end) && !next.After(q.at) {
			up += day
			at = next.Add(-quarter)
			continue
		}
		length := min(quarter, q.at.Sub(at))
		ran := min(running.in(at), length)
		up += ran
		if missing := length - ran; missing > downLimit && !at.Equal(first) { // it began in the first one
			down += missing
			gaps = extend(gaps, stretch{at, at.Add(length)})
		}
	}
	if down == 0 {
		return nil
	}
	missed := ""
	if up > 0 && t.records > 0 {
		records := t.records * down.Seconds() / up.Seconds()
		t.lost += records
		missed = fmt.Sprintf(", and about %s were missed by the mean of the rest", plural(uint64(records+0.5), "record"))
	}
	t.note("FlatTraffic was not listening for %s (%s)%s. Keep it running, also over restarts of the machine.", inWords(down), q.stretches(gaps), missed)
	return nil
}

// noteSilence names the times in which an exporter that sent before sent
// nothing although the ingest listened. It may have had nothing to send, so
// that no loss is booked: what is lost while it sends shows in its sequence
// numbers.
func (q *question) noteSilence(w window, t *tally, b *book) {
	end := w.end
	if now := q.at.Truncate(quarter); now.Before(end) { // the running quarter hour is not over yet
		end = now
	}
	gaps := map[netip.Addr][]stretch{}
	b.silences(end, func(x netip.Addr, from, to time.Time) {
		if to.Sub(from) < silenceLimit {
			return
		}
		var listened time.Duration
		for at := from; at.Before(to); at = at.Add(quarter) {
			listened += b.running.in(at)
		}
		if listened >= silenceLimit-downLimit {
			gaps[x] = append(gaps[x], stretch{from, to})
		}
	})
	for _, x := range t.exporters() {
		if len(gaps[x]) > 0 {
			t.note("No flows came from %s: %s. If it was switched on, check its flow export and the network between.", x, q.stretches(gaps[x]))
		}
	}
}

// meterDays is what another meter counted before there were flows.
type meterDays struct {
	meter netip.Addr
	bytes uint64
}

func (q *question) beforeFlows(ctx context.Context, w window) ([]meterDays, error) {
	var list []meterDays
	err := q.over(ctx, "days of other meters", historyDaysSQL, q.parts(w, dims{}), func(rows scanner) error {
		var one meterDays
		err := rows.Scan(&one.meter, &one.bytes)
		one.meter = one.meter.Unmap()
		if i := slices.IndexFunc(list, func(o meterDays) bool { return o.meter == one.meter }); i >= 0 {
			list[i].bytes += one.bytes
		} else {
			list = append(list, one)
		}
		return err
	})
	slices.SortFunc(list, func(a, b meterDays) int { return a.meter.Compare(b.meter) })
	return list, err
}

// noteHistory names the part that another meter counted.
func (t *tally) noteHistory(list []meterDays) {
	for _, part := range list {
		if part.bytes == 0 {
			continue
		}
		name, lacks := "nlbwmon", "and there are no far ends"
		if part.meter == flow.VnStatHistory() {
			name, lacks = "vnStat", "and there are neither hosts, protocols nor far ends"
		}
		t.note("%s of this come from before FlatTraffic: days that %s counted, imported. Within a day they are spread evenly, %s.", billing.FormatExact(part.bytes), name, lacks)
	}
}

// samplingRates are the rates in force in a window of the exporters that sample.
func (q *question) samplingRates(ctx context.Context, w window) (map[netip.Addr]uint32, error) {
	rates := map[netip.Addr]uint32{}
	s := q.ledger(w)
	s.table = "exporter_state"
	err := q.each(ctx, "sampling", sampledSQL, s, nil, func(rows scanner) error {
		var x netip.Addr
		var rate uint32
		err := rows.Scan(&x, &rate)
		rates[x.Unmap()] = rate
		return err
	})
	for _, e := range q.settings.Exporters {
		if e.SamplingRate > 1 {
			rates[e.Address] = e.SamplingRate
		}
	}
	return rates, err
}

// noteSampling names the exporters whose figures are estimates.
func (t *tally) noteSampling(rates map[netip.Addr]uint32) {
	for _, x := range t.exporters() {
		if rate := rates[x]; rate > 1 {
			t.note("%s looks at one packet in %d only: its bytes and packets are estimates. Switch sampling off there for exact figures, if it can keep up.", x, rate)
		}
	}
}

func maxTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
