package server

import (
	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/report"
)

// comparer chooses the time that a report is set against; without options
// there is nothing to choose.
type comparer struct {
	Label   string // of what is chosen: "last period"
	Active  bool
	Options []link
}

// newComparer offers what a page can be compared with. One key turns the
// comparison with the time before on, or any off.
func newComparer(at state, span report.Span, chosen report.Compare) comparer {
	c := comparer{Label: "nothing", Active: chosen != report.CompareNone}
	for _, o := range []struct {
		with report.Compare
		text string
	}{{report.CompareLast, beforeName(span)}, {report.CompareYear, "a year before"}, {report.CompareNone, "nothing"}} {
		l := link{Text: o.text, Href: at.with("compare", string(o.with)).href(), Current: o.with == chosen}
		if c.Active == (o.with == report.CompareNone) && o.with != report.CompareYear {
			l.Key = "X"
		}
		if l.Current {
			c.Label = o.text
		}
		c.Options = append(c.Options, l)
	}
	return c
}

// beforeName is what the time before a span is called.
func beforeName(span report.Span) string {
	switch first, next := billing.DateOf(span.Start), endDate(span.End); {
	case span.Billing:
		return "last period"
	case first.DaysUntil(next) == 1:
		return "a week before"
	}
	return "the time before"
}

// comparedName is what the compared time is called in a legend.
func (a answer) comparedName() string {
	if a.Request.Compare == report.CompareYear {
		return "a year before"
	}
	return beforeName(a.Span)
}
