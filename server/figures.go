package server

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/report"
)

// figures writes the numbers and dates of one page: sizes in the unit of the
// plan, times in its zone.
type figures struct {
	base billing.Base
	zone *time.Location
	now  time.Time
}

func newFigures(plan billing.Plan, now time.Time) figures {
	f := figures{base: plan.Base, zone: plan.Zone, now: now}
	if f.base == 0 {
		f.base = billing.Decimal
	}
	if f.zone == nil {
		f.zone = time.UTC
	}
	f.now = now.In(f.zone)
	return f
}

// size is a number of bytes, for people and to the byte.
type size struct {
	Bytes       uint64
	Text, Exact string
}

func (f figures) size(n uint64) size {
	return size{Bytes: n, Text: f.base.Format(n), Exact: billing.FormatExact(n)}
}

// moment is a time or a day, for people and for machines.
type moment struct{ Text, Machine, Title string }

// day writes a date the short way, with its weekday: "Sat 21 Nov". The year is
// added when it is not the present one.
func (f figures) day(d billing.Date) moment {
	t := time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC)
	text := t.Format("Mon 2 Jan")
	if d.Year != f.now.Year() {
		text = t.Format("Mon 2 Jan 2006")
	}
	return moment{Text: text, Machine: d.String()}
}

// dayLong writes a date in full: "Saturday 21 November 2026".
func dayLong(d billing.Date) string {
	return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC).Format("Monday 2 January 2006")
}

// dayShort writes a date without weekday and year: "30 Nov".
func dayShort(d billing.Date) string {
	return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC).Format("2 Jan")
}

// seen writes when something was last seen, the shorter the nearer.
func (f figures) seen(t time.Time) moment {
	if t.IsZero() || t.Unix() <= 0 {
		return moment{}
	}
	t = t.In(f.zone)
	m := moment{Machine: t.Format(time.RFC3339), Title: t.Format("Monday 2 January 2006, 15:04 MST")}
	days := billing.DateOf(t).DaysUntil(billing.DateOf(f.now))
	switch {
	case days <= 0:
		m.Text = t.Format("15:04")
	case days == 1:
		m.Text = "yesterday"
	case t.Year() == f.now.Year():
		m.Text = t.Format("2 Jan")
	default:
		m.Text = t.Format("2 Jan 2006")
	}
	return m
}

// clock writes an instant of late to the second.
func (f figures) clock(t time.Time) moment {
	t = t.In(f.zone)
	return moment{Text: t.Format("2 Jan 15:04:05"), Machine: t.Format(time.RFC3339), Title: t.Format("Monday 2 January 2006, 15:04:05 MST")}
}

// dateRange writes a half-open range of days with its last day included:
// "12 Nov – 11 Dec 2026".
func dateRange(first, next billing.Date) string {
	last := next.AddDays(-1)
	a := time.Date(first.Year, first.Month, first.Day, 12, 0, 0, 0, time.UTC)
	b := time.Date(last.Year, last.Month, last.Day, 12, 0, 0, 0, time.UTC)
	switch {
	case !first.Before(last):
		return a.Format("2 Jan 2006")
	case a.Year() == b.Year() && a.YearDay() == 1 && last.AddDays(1) == (billing.Date{Year: a.Year() + 1, Month: time.January, Day: 1}):
		return a.Format("2006")
	case a.Year() != b.Year():
		return a.Format("2 Jan 2006") + " – " + b.Format("2 Jan 2006")
	case a.Month() == b.Month():
		return a.Format("2") + " – " + b.Format("2 Jan 2006")
	}
	return a.Format("2 Jan") + " – " + b.Format("2 Jan 2006")
}

// percent writes a part of a whole for people: "39 %", "< 1 %".
func percent(part, whole uint64) string { return report.Percent(part, whole) }

// fraction writes a completeness, never rounded up to all: "99.8 %".
func fraction(f float64) string {
	if f >= 1 {
		return "100 %"
	}
	return strconv.FormatFloat(math.Floor(f*1000)/10, 'f', -1, 64) + " %"
}

// width is a part of a whole as a length in SVG.
func width(part, whole uint64) string {
	if whole == 0 {
		return "0"
	}
	p := min(100, 100*float64(part)/float64(whole))
	return strings.TrimSuffix(strconv.FormatFloat(p, 'f', 1, 64), ".0") + "%"
}

// change says how a figure compares to an earlier one: "+12 %", "−8 %", "new".
func change(now, before uint64) string {
	switch {
	case before == 0 && now == 0:
		return ""
	case before == 0:
		return "new"
	}
	p := math.Round(100 * (float64(now) - float64(before)) / float64(before))
	switch {
	case p == 0:
		return "±0 %"
	case p >= 99_900: // the time before had next to nothing
		return "> ×1,000"
	case p >= 900:
		return "×" + strconv.FormatFloat(math.Round(float64(now)/float64(before)), 'f', 0, 64)
	case p > 0:
		return "+" + strconv.FormatFloat(p, 'f', 0, 64) + " %"
	}
	return "−" + strconv.FormatFloat(-p, 'f', 0, 64) + " %"
}

// count writes a number with its noun: "1 host", "23 hosts", "1,204 hosts".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(uint64(n)) + " " + many
}

// grouped writes a whole number with thousands apart.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}
