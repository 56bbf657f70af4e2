package server

import (
	"github.com/flattraffic/flattraffic/charts"
	"github.com/flattraffic/flattraffic/report"
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
			m.Desc += " Likely at the end: " + report.SizeRange(a.base, o.LikelyLow, o.LikelyHigh) + "."
		}
	}
	return drawn(m.Picture())
}
