package server

import (
	"strings"

	"github.com/flattraffic/flattraffic/charts"
)

// meter draws how much of the cap is used, with the even pace and the likely
// end. It is empty when there is no cap to measure against.
func (a answer) meter() chart {
	if !a.capped() {
		return chart{}
	}
	o, limit := a.Overview, a.Span.Plan.Cap
	m := charts.Meter{
		Frame: charts.Frame{ID: "meter", Title: a.base.Format(o.Used) + " of " + a.base.Format(limit) + " used, " + percent(o.Used, limit)},
		Used:  o.Used, Cap: limit, CapText: "cap " + a.base.Format(limit),
	}
	if a.now.Before(a.Span.End) {
		m.Pace, m.PaceText = o.EvenPace, "even pace "+a.base.Format(o.EvenPace)
		m.LikelyLow, m.LikelyHigh = o.LikelyLow, o.LikelyHigh
		m.Desc = "An even pace would be at " + a.base.Format(o.EvenPace) + "."
		if o.LikelyHigh > 0 {
			m.Desc += " Likely at the end: " + a.sizeRange(o.LikelyLow, o.LikelyHigh) + "."
		}
	}
	return drawn(m.Picture())
}

// sizeRange writes two sizes as one range: "640–780 GB".
func (f figures) sizeRange(low, high uint64) string {
	a, b := f.base.Format(low), f.base.Format(high)
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
