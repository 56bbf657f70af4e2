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

// millis bounds a number to what time is reckoned with.
func millis(n uint64) int64 { return int64(min(n, uint64(farFuture))) }

// initMs is when the exporter started, in Unix milliseconds; 0 = not said.
func (f *fields) initMs() int64 { return millis(f.n[opInitMillis]) }

// The two ends of a flow's time: their meanings stand in pairs.
const (
	atStart op = iota
	atEnd
)

// instant is when the flow started or ended, in Unix milliseconds, by the
// finest unit it was said in; 0 = not said.
func (f *fields) instant(end op, m *message) int64 {
	if f.has&hasInstant == 0 {
		return 0
	}
	if n := f.n[opStartMillis+end]; n != 0 {
		return millis(n)
	}
	if n := f.n[opStartMicros+end]; n != 0 {
		return ntpMillis(n, 1000)
	}
	if n := f.n[opStartNanos+end]; n != 0 {
		return ntpMillis(n, 1000000)
	}
	if n := f.n[opStartSeconds+end]; n != 0 {
		return min(millis(n), farFuture/1000) * 1000
	}
	if n := f.n[opStartDelta+end]; n != 0 {
		return m.exportMs - millis(n)/1000
	}
	return 0
}

// seenMs is the only instant that some records have; 0 = not said.
func (f *fields) seenMs() int64 {
	if n := f.n[opSeenMillis]; n != 0 {
		return millis(n)
	}
	return min(millis(f.n[opSeenSeconds]), farFuture/1000) * 1000
}

// durationMs is how long the flow lasted; 0 = not said.
func (f *fields) durationMs() int64 {
	if n := f.n[opDurationMillis]; n != 0 {
		return millis(n)
	}
	return millis(f.n[opDurationMicros]) / 1000
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
	start, end = f.instant(atStart, m), f.instant(atEnd, m)
	if start == 0 && end == 0 && f.has&(hasFirstUptime|hasLastUptime) != 0 {
		return f.uptimes(m)
	}
	switch {
	case start == 0 && end == 0:
		if start = f.seenMs(); start == 0 {
			start = m.receivedMs
		}
		end = start
	case end == 0:
		end = start + f.durationMs()
	case start == 0:
		start = end - f.durationMs()
	}
	return start, end, false
}

// uptimes is times for a record that says them by the exporter's uptime.
func (f *fields) uptimes(m *message) (start, end int64, uptime bool) {
	first, last := uint32(f.n[opFirstUptime]), uint32(f.n[opLastUptime])
	if f.has&hasFirstUptime == 0 {
		first = last
	} else if f.has&hasLastUptime == 0 {
		last = first + uint32(f.durationMs())
	}
	if m.origin == flow.NetFlow9 {
		return m.sinceBoot(first), m.sinceBoot(last), false
	}
	initMs := f.initMs()
	if initMs == 0 {
		initMs = m.domain.initMs
	}
	if initMs == 0 {
		return int64(first), int64(last), true
	}
	end = m.sinceInit(initMs, last)
	return end - int64(int32(last-first)), end, false
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
