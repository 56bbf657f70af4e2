package report

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/flattraffic/flattraffic/billing"
)

// Answer is the front page in words: the same on the page and in alerts.
type Answer struct {
	Used, Cap uint64 // Cap is 0 where no cap can be held against the figures
	Base      billing.Base
	When      string // day 12 of 30 · 18 days left
	Says      []Say
}

// Say is a short statement with its point set off.
type Say struct{ Before, Point, After string }

// String is the statement as plain text.
func (s Say) String() string {
	return strings.TrimSpace(strings.Join([]string{s.Before, s.Point, s.After}, " "))
}

// Over reports whether more than the cap is used.
func (a Answer) Over() bool { return a.Cap > 0 && a.Used > a.Cap }

// Headline says what is used: 312 GB of 500 GB used.
func (a Answer) Headline() string {
	text := a.Base.Format(a.Used)
	if a.Cap > 0 {
		text += " of " + a.Base.Format(a.Cap)
	}
	return text + " used"
}

// Capped reports whether the cap says anything about the figures: it is one of
// a whole billing period, of everyone together.
func (r *Result) Capped() bool {
	f := r.Request.Filter
	f.Line = ""
	return r.Span.Billing && r.Span.Plan.Cap > 0 && f == (Filter{})
}

// Answer puts an overview into words, as of now.
func (r *Result) Answer(now time.Time) Answer {
	o := r.Overview
	a := Answer{Used: o.Used, Base: r.Span.Plan.Base}
	if a.Base == 0 {
		a.Base = billing.Decimal
	}
	if r.Capped() {
		a.Cap = r.Span.Plan.Cap
	}
	past := !now.Before(r.Span.End)
	a.When = r.when(past)
	if a.Over() {
		a.say("", a.Base.Format(o.Used-a.Cap), "over the cap")
	}
	if !past && r.Span.Billing {
		a.outlook(o)
	}
	if a.Cap > 0 && past && !a.Over() {
		a.say("", a.Base.Format(a.Cap-o.Used), "to spare")
	}
	if o.PreviousUsed > 0 {
		a.compare(o.Used, o.PreviousUsed, past)
	}
	return a
}

func (a *Answer) say(before, point, after string) {
	a.Says = append(a.Says, Say{before, point, after})
}

// when says how far the span has gone.
func (r *Result) when(past bool) string {
	o := r.Overview
	switch left := o.DayCount - o.DayNumber; {
	case past:
		return plural(uint64(o.DayCount), "day")
	case !r.Span.Billing:
		return ""
	case left == 0:
		return "day " + strconv.Itoa(o.DayNumber) + " of " + strconv.Itoa(o.DayCount) + " · the last day"
	default:
		return "day " + strconv.Itoa(o.DayNumber) + " of " + strconv.Itoa(o.DayCount) + " · " + plural(uint64(left), "day") + " left"
	}
}

// outlook says what is likely by the end of a running period.
func (a *Answer) outlook(o *OverviewResult) {
	room := a.Cap > 0 && !a.Over()
	if o.LikelyHigh > 0 {
		after := ""
		if room && !o.OverOn.IsZero() {
			after = "over from about " + o.OverOn.Start(nil).Format("2 Jan")
		}
		a.say("Likely at the end", SizeRange(a.Base, o.LikelyLow, o.LikelyHigh), after)
		if d := o.Driver; d != nil && a.Cap > 0 {
			when := "of the last " + plural(uint64(d.Days), "day")
			if d.Days == 1 {
				when = "of today"
			}
			a.say("Driven by", d.Label(), shareText(d.Share)+" "+when)
		}
	}
	if room && o.SafePerDay > 0 {
		a.say("", a.Base.Format(o.SafePerDay)+" a day", "would stay inside")
	}
}

// compare sets the figure against the same days of the period before.
func (a *Answer) compare(used, before uint64, past bool) {
	after := "than last period by this day"
	if past {
		after = "than in the period before"
	}
	switch {
	case used > before:
		a.say("", Percent(used-before, before)+" more", after)
	case used < before:
		a.say("", Percent(before-used, before)+" less", after)
	default:
		a.say("", "As much as", "last period")
	}
}

// SizeRange writes two sizes as one range: "640–780 GB".
func SizeRange(base billing.Base, low, high uint64) string {
	a, b := base.Format(low), base.Format(high)
	if a == b {
		return a
	}
	an, au, _ := strings.Cut(a, " ")
	_, bu, _ := strings.Cut(b, " ")
	if au == bu {
		return an + "–" + b
	}
	return a + " – " + b
}

// Percent writes a part of a whole for people: "39 %", "< 1 %".
func Percent(part, whole uint64) string {
	if whole == 0 || part == 0 {
		return "0 %"
	}
	return percentText(float64(part)/float64(whole), part < whole)
}

// shareText writes a share of 0 to 1.
func shareText(share float64) string { return percentText(share, share < 1) }

func percentText(share float64, less bool) string {
	switch p := 100 * share; {
	case p < 1:
		return "< 1 %"
	case p > 99 && less:
		return "> 99 %"
	default:
		return strconv.FormatFloat(math.Round(p), 'f', 0, 64) + " %"
	}
}
