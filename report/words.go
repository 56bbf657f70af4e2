package report

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// stretch is a half-open time.
type stretch struct{ from, to time.Time }

// extend appends a stretch, as part of the last one when it follows it.
func extend(list []stretch, s stretch) []stretch {
	if n := len(list); n > 0 && list[n-1].to.Equal(s.from) {
		list[n-1].to = s.to
		return list
	}
	return append(list, s)
}

// stretches writes times in the zone of the span, the first few of many.
func (q *question) stretches(list []stretch) string {
	var texts []string
	for i, s := range list {
		if i == listLimit {
			texts = append(texts, fmt.Sprintf("and %d more times", len(list)-i))
			break
		}
		texts = append(texts, s.text(q.span.Start.Location()))
	}
	return strings.Join(texts, ", ")
}

// text writes 14 Nov 2026 02:10–02:40, with the date again when it is another.
func (s stretch) text(zone *time.Location) string {
	from, to := s.from.In(zone), s.to.In(zone)
	layout := "2 Jan 15:04"
	if from.Format(time.DateOnly) == to.Format(time.DateOnly) {
		layout = "15:04"
	}
	return from.Format("2 Jan 2006 15:04") + "–" + to.Format(layout)
}

// plural writes a number with its noun: 1 record, 12,345 records.
func plural(n uint64, noun string, more ...string) string {
	if n != 1 {
		noun += "s"
		if len(more) > 0 {
			noun = more[0]
		}
	}
	return grouped(n) + " " + noun
}

// grouped writes a number with commas between thousands.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// inWords writes a duration to the minute: 2 days 3 hours, 5 hours, 42 minutes.
func inWords(d time.Duration) string {
	minutes := uint64(d.Round(time.Minute) / time.Minute)
	days, hours := minutes/(24*60), minutes/60%24
	var parts []string
	if days > 0 {
		parts = append(parts, plural(days, "day"))
	}
	if hours > 0 {
		parts = append(parts, plural(hours, "hour"))
	}
	if days == 0 && minutes%60 > 0 || len(parts) == 0 {
		parts = append(parts, plural(minutes%60, "minute"))
	}
	return strings.Join(parts, " ")
}

// notes are what is said of how a request was read and answered. Parts of a
// report that run at the same time may add to them.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (n *notes) add(note string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, note)
}

// all is a copy of the notes, never nil.
func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string{}, n.list...)
}
