package decode

import (
	"slices"
	"time"

	"github.com/flattraffic/flattraffic/flow"
)

// ntpEpoch is the number of seconds from 1900, where NTP time starts, to 1970.
const ntpEpoch = 2208988800

// farFuture stands for a time no exporter means; the clamp refuses it.
const farFuture = int64(1) << 53

// setTime takes a time of the record, in whatever unit.
func (f *fields) setTime(o op, v []byte) {
	n := number(v)
	ms := int64(min(n, uint64(farFuture)))
	switch o {
	case opFirstUptime:
		f.first = uint32(n)
		f.has |= hasFirstUptime
	case opLastUptime:
		f.last = uint32(n)
		f.has |= hasLastUptime
	case opInitMillis:
		f.initMs = ms
	case opStartSeconds:
		coarse(&f.startMs, ms)
	case opEndSeconds:
		coarse(&f.endMs, ms)
	case opSeenSeconds:
		coarse(&f.seenMs, ms)
	case opStartMillis:
		f.startMs = ms
	case opEndMillis:
		f.endMs = ms
	case opSeenMillis:
		f.seenMs = ms
	case opStartMicros:
		f.startMs = ntpMillis(n, 1000)
	case opEndMicros:
		f.endMs = ntpMillis(n, 1000)
	case opStartNanos:
		f.startMs = ntpMillis(n, 1000000)
	case opEndNanos:
		f.endMs = ntpMillis(n, 1000000)
	case opStartDelta:
		f.startDelta = ms
	case opEndDelta:
		f.endDelta = ms
	case opDurationMillis:
		f.durationMs = ms
	case opDurationMicros:
		f.durationMs = ms / 1000
	default:
	}
}

// coarse keeps a time in seconds unless a finer one is there.
func coarse(to *int64, seconds int64) {
	if *to == 0 {
		*to = min(seconds, farFuture/1000) * 1000
	}
}

// ntpMillis turns a 64-bit NTP timestamp, which IPFIX uses for micro- and
// nanoseconds (RFC 7011 §6.1.9), to Unix milliseconds. A number that would lie
// before 1970 was meant as a count of units since 1970, unitsPerMs each
// millisecond; some exporters send that.
func ntpMillis(n uint64, unitsPerMs uint64) int64 {
	seconds := n >> 32
	if seconds < ntpEpoch {
		return int64(n / unitsPerMs)
	}
	return int64(seconds-ntpEpoch)*1000 + int64((n&0xffffffff)*1000>>32)
}

// sinceBoot turns an uptime of a flow to Unix milliseconds by the uptime and
// the clock of the message. The difference is 32-bit arithmetic: the uptime
// wraps each 49.7 days, between flow and message too.
func (m *message) sinceBoot(uptime uint32) int64 {
	return m.exportMs - int64(int32(m.uptime-uptime))
}

// sinceInit turns an uptime of a flow to Unix milliseconds by the time the
// exporter started, choosing the wrap of the 32-bit uptime that lies nearest to
// the export time.
func (m *message) sinceInit(initMs int64, uptime uint32) int64 {
	const wrap = int64(1) << 32
	at := initMs + int64(uptime)
	if ahead := m.exportMs - at + wrap/2; ahead > 0 {
		at += ahead / wrap * wrap
	}
	return at
}

// times gives first and last packet in Unix milliseconds, not yet clamped. With
// uptime true they are milliseconds of the exporter's uptime whose start nobody
// said: settleUptimes finds it at the end of the message.
func (f *fields) times(m *message) (start, end int64, uptime bool) {
	start, end = f.startMs, f.endMs
	if f.startDelta != 0 && start == 0 {
		start = m.exportMs - f.startDelta/1000
	}
	if f.endDelta != 0 && end == 0 {
		end = m.exportMs - f.endDelta/1000
	}
	if start == 0 && end == 0 && f.has&(hasFirstUptime|hasLastUptime) != 0 {
		first, last := f.first, f.last
		if f.has&hasFirstUptime == 0 {
			first = last
		} else if f.has&hasLastUptime == 0 {
			last = first + uint32(f.durationMs)
		}
		initMs := f.initMs
		if initMs == 0 {
			initMs = m.domain.initMs
		}
		switch {
		case m.origin == flow.NetFlow9:
			return m.sinceBoot(first), m.sinceBoot(last), false
		case initMs != 0:
			end = m.sinceInit(initMs, last)
			return end - int64(int32(last-first)), end, false
		}
		return int64(first), int64(last), true
	}
	switch {
	case start == 0 && end == 0 && f.seenMs != 0:
		start, end = f.seenMs, f.seenMs
	case start == 0 && end == 0:
		start, end = m.receivedMs, m.receivedMs
	case end == 0:
		end = start + f.durationMs
	case start == 0:
		start = end - f.durationMs
	}
	return start, end, false
}

// clamp sets the times of a record so that they are plausible: start ≤ end, a
// span of at most 7 days, the end at most 7 days before and 5 minutes after the
// reception. An end outside gives way to the receive time.
func clamp(r *flow.Record, start, end int64) {
	if end < r.ReceivedMs-flow.MaxAge.Milliseconds() || end > r.ReceivedMs+flow.MaxFuture.Milliseconds() {
		r.StartMs, r.EndMs, r.TimeFixed = r.ReceivedMs, r.ReceivedMs, true
		return
	}
	r.StartMs, r.EndMs = start, end
	switch span := flow.MaxSpan.Milliseconds(); {
	case start > end:
		r.StartMs, r.TimeFixed = end, true
	case end-start > span:
		r.StartMs, r.TimeFixed = end-span, true
	}
}

// settleUptimes finds the times of IPFIX records that carry only uptimes (21
// and 22) when no systemInitTimeMilliseconds is known: the latest flow of the
// message ended when the message was sent, the others as long before as their
// uptimes say. Flows are sent soon after they end, so that is right within
// seconds.
func (d *Decoder) settleUptimes(records []flow.Record, m *message) []flow.Record {
	if len(d.uptimes) == 0 {
		return records
	}
	latest := uint32(records[d.uptimes[0]].EndMs)
	for _, i := range d.uptimes {
		if last := uint32(records[i].EndMs); int32(last-latest) > 0 {
			latest = last
		}
	}
	for _, i := range d.uptimes {
		r := &records[i]
		first, last := uint32(r.StartMs), uint32(r.EndMs)
		end := m.exportMs - int64(int32(latest-last))
		clamp(r, end-int64(int32(last-first)), end)
		m.exporter.seen(r)
	}
	d.uptimes = d.uptimes[:0]
	return records
}

// offsets keeps the last differences between receive and export time.
type offsets struct {
	ms   [31]int64
	next int
	n    int
}

func (o *offsets) add(ms int64) {
	o.ms[o.next] = ms
	o.next = (o.next + 1) % len(o.ms)
	o.n = min(o.n+1, len(o.ms))
}

// median returns the middle difference; ok is false when there is none.
func (o *offsets) median() (offset time.Duration, ok bool) {
	if o.n == 0 {
		return 0, false
	}
	sorted := slices.Clone(o.ms[:o.n])
	slices.Sort(sorted)
	return time.Duration(sorted[o.n/2]) * time.Millisecond, true
}
