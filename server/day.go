package server

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/report"
)

// DayPage is one day: its total, its hours and who used it.
type DayPage struct {
	ReportPage
	Date      moment
	Total     size
	Partial   bool
	Facts     []fact
	Chart     chart
	Hosts     shortList
	Protocols shortList
	Networks  shortList
}

// dayAnswer answers what the path asks for: the overview of one day.
func (p reportPages) dayAnswer(r *http.Request) (billing.Date, answer, error) {
	date, err := billing.ParseDate(chi.URLParam(r, "date"))
	if err != nil {
		return date, answer{}, &Problem{Status: http.StatusNotFound, Detail: "There is no such day. Write it as in /days/2026-11-23."}
	}
	req, err := report.Parse(report.Overview, r.URL.Query())
	if err != nil {
		return date, answer{}, err
	}
	req.Period = report.Period{FromDate: date, ToDate: date.AddDays(1)}
	a, err := p.ask(r, "/days/"+date.String(), req)
	return date, a, err
}

func (p reportPages) day(w http.ResponseWriter, r *http.Request) error {
	date, a, err := p.dayAnswer(r)
	if err != nil {
		return err
	}
	a.at = a.at.on()
	page := DayPage{ReportPage: p.frame(r, a, dayLong(date), "overview", "/overview"), Date: moment{dayLong(date), date.String(), ""}}
	page.Picker = a.dayPicker(date)
	page.Exports = exports("/overview", a.at.between(date, date.AddDays(1)).query)
	if page.Empty == nil && a.Overview != nil {
		page.Total = a.size(a.Total.Usage())
		page.Partial = a.now.Before(a.Span.End)
		page.Facts = append(a.factsOf(a.Overview.Days), a.uncountedFact()...)
		page.Chart = a.hourChart()
		a.at = a.at.between(date, date.AddDays(1))
		page.Hosts, page.Protocols, page.Networks = a.shortLists()
	}
	return p.show(w, r, "day", page, page.Empty)
}

// dayPicker steps by days; the menu still leads to the longer spans, on the
// overview.
func (a answer) dayPicker(date billing.Date) *picker {
	before, after := date.AddDays(-1), date.AddDays(1)
	over := a.at
	over.path = "/"
	q := newPicker(over, a.Span, a.plans, a.now)
	q.Previous = &link{Text: a.day(before).Text, Href: a.at.to("/days/" + before.String())}
	q.Next = nil
	if !a.now.Before(a.Span.End) {
		q.Next = &link{Text: a.day(after).Text, Href: a.at.to("/days/" + after.String())}
	}
	q.Label = a.day(date).Text
	return &q
}
