package server

import (
	"net/http"
	"slices"
	"time"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/report"
)

// maxDayRows is how many days are listed one by one; longer spans are listed
// by month, with the way to the days of each.
const maxDayRows = 100

// DaysPage is the daily table of a span.
type DaysPage struct {
	ReportPage
	Months bool // a row is a month
	Change bool // compared with another time
	Chart  chart
	Total  chart // how the days run up
	Facts  []fact
	Lines  []line
	Totals totals
}

func (p reportPages) days(w http.ResponseWriter, r *http.Request) error {
	a, err := p.answer(r, report.Days, "/days")
	if err != nil {
		return err
	}
	page := DaysPage{ReportPage: p.frame(r, a, "Days", "overview", "/days")}
	if page.Empty == nil {
		page.Chart, page.Total = a.dayChart(a.Rows), a.totalChart(a.Rows)
		page.Facts = append(a.factsOf(a.Rows), a.uncountedFact()...)
		rows := a.Rows
		if page.Months = len(rows) > maxDayRows; page.Months {
			rows = byMonth(rows)
		}
		page.Totals = a.totalsOf(rows)
		page.Change = a.Before != nil
		for _, row := range slices.Backward(rows) {
			l := a.dayLine(row, page.Totals)
			if page.Months {
				l = a.monthLine(l, row)
			}
			page.Lines = append(page.Lines, l)
		}
	}
	return p.show(w, r, "days", page, page.Empty)
}

// byMonth sums days into calendar months. A month is a gap when all its days
// are. Months before the first and after the last with anything are left out.
func byMonth(days []report.Row) []report.Row {
	var months []report.Row
	for _, d := range days {
		first := billing.Date{Year: d.Date.Year, Month: d.Date.Month, Day: 1}
		if n := len(months); n == 0 || months[n-1].Date != first {
			months = append(months, report.Row{Date: first, Gap: true})
		}
		m := &months[len(months)-1]
		m.Counters = sum(m.Counters, d.Counters)
		m.Gap = m.Gap && d.Gap
		m.Partial = m.Partial || d.Partial
	}
	silent := func(r report.Row) bool { return r.Gap || r.Counters == report.Counters{} }
	for len(months) > 0 && silent(months[0]) {
		months = months[1:]
	}
	for len(months) > 0 && silent(months[len(months)-1]) {
		months = months[:len(months)-1]
	}
	return months
}

func sum(a, b report.Counters) report.Counters {
	return report.Counters{
		Received: a.Received + b.Received, Sent: a.Sent + b.Sent,
		Internal: a.Internal + b.Internal, Unmatched: a.Unmatched + b.Unmatched,
		Packets: a.Packets + b.Packets, Flows: a.Flows + b.Flows,
	}
}

// monthLine turns the row of a day into that of its month, which leads to its
// days.
func (a answer) monthLine(l line, r report.Row) line {
	first := r.Date
	next := addMonths(first, 1)
	l.Day = moment{
		Text:    time.Date(first.Year, first.Month, 1, 12, 0, 0, 0, time.UTC).Format("January 2006"),
		Machine: first.String()[:7],
	}
	l.Href = a.at.between(first, next).to("/days")
	if a.Before != nil {
		was := a.monthsBefore()[a.monthOf(r)].Usage()
		l.Change, l.Before = change(r.Usage(), was), a.size(was)
	}
	return l
}

// monthOf is the place of a month in the span, from 0.
func (a answer) monthOf(r report.Row) int { return monthsApart(billing.DateOf(a.Span.Start), r.Date) }

func monthsApart(from, to billing.Date) int {
	return (to.Year-from.Year)*12 + int(to.Month) - int(from.Month)
}

// monthsBefore sums the days of the compared time into its months, by their
// place in it.
func (a answer) monthsBefore() map[int]report.Counters {
	if a.Before == nil {
		return nil
	}
	months := map[int]report.Counters{}
	for _, d := range a.Before.Rows {
		n := monthsApart(billing.DateOf(a.Before.Span.Start), d.Date)
		months[n] = sum(months[n], d.Counters)
	}
	return months
}
