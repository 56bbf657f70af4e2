package server

import (
	"net/http"
	"slices"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/report"
)

// HistoryPage is every billing period there are figures for, with the cap as it was then.
type HistoryPage struct {
	ReportPage
	Chart  chart
	Facts  []fact
	Year   yearMap
	Table  yearTable
	Coarse string // since when more than daily figures are kept
	Lines  []periodLine
	Totals totals
}

// periodLine is one billing period.
type periodLine struct {
	line
	Period  string
	Machine string
	Cap     *size
	OfCap   string
	Bad     bool
}

func (p reportPages) history(w http.ResponseWriter, r *http.Request) error {
	a, err := p.answer(r, report.History, "/history")
	if err != nil {
		return err
	}
	page := HistoryPage{ReportPage: p.frame(r, a, "History", "history", "/history")}
	page.Picker = a.historyPicker()
	page.Compare = historyComparer(a.at, a.Request.Compare)
	if page.Empty == nil {
		page.Chart = a.periodChart(a.Rows)
		page.Facts = a.historyFacts(a.Days)
		page.Year = a.yearMapOf(a.Days, r.URL.Query().Get("year"))
		page.Table = a.yearTableOf(a.Rows)
		if !a.FineFrom.IsZero() {
			page.Coarse = dayLong(billing.DateOf(a.FineFrom))
		}
		page.Totals = a.totalsOf(a.Rows)
		year := a.Request.Compare == report.CompareYear
		for i, row := range a.Rows {
			l := a.periodLine(row, page.Totals)
			if before := periodBefore(a.Rows, i, year); before > 0 && !row.Partial {
				l.Change = change(row.Usage(), before)
			}
			page.Lines = append(page.Lines, l)
		}
		slices.Reverse(page.Lines)
	}
	return p.show(w, r, "history", page, page.Empty)
}

// periodBefore is the usage that a period is set against: of the period before
// it, or of the one that began nearest to a year before; 0 when there is none.
func periodBefore(rows []report.Row, at int, year bool) uint64 {
	if !year {
		if at == 0 {
			return 0
		}
		return rows[at-1].Usage()
	}
	then := rows[at].Start.AddDate(-1, 0, 0)
	for _, row := range rows[:at] {
		if apart := row.Start.Sub(then).Abs(); apart < row.End.Sub(row.Start)/2 {
			return row.Usage()
		}
	}
	return 0
}

// historyComparer chooses what each period is set against.
func historyComparer(at state, chosen report.Compare) comparer {
	last := link{Text: "the period before", Href: at.with("compare", "").href()}
	year := link{Text: "a year before", Href: at.with("compare", string(report.CompareYear)).href()}
	c := comparer{Label: last.Text}
	if chosen == report.CompareYear {
		c.Label, c.Active, year.Current, last.Key = year.Text, true, true, "X"
	} else {
		last.Current, year.Key = true, "X"
	}
	c.Options = []link{last, year}
	return c
}

// historyPicker leads from all periods to one, on the overview.
func (a answer) historyPicker() *picker {
	at := a.at
	at.path = "/"
	p := newPicker(at, a.Span, a.plans, a.now)
	p.Label, p.Previous, p.Next = "All periods", nil, nil
	for i := range p.Quick {
		p.Quick[i].Current = false
	}
	return &p
}

func (a answer) periodLine(r report.Row, t totals) periodLine {
	first, next := billing.DateOf(r.Start), endDate(r.End)
	l := periodLine{line: a.line(r.Counters, t), Period: dateRange(first, next), Machine: first.String()}
	l.Href = a.at.on("period", first.String()).to("/")
	l.Gap = r.Gap
	if r.Partial {
		l.Tags = append(l.Tags, "so far")
	}
	if r.Start.Before(a.FineFrom) {
		l.Tags = append(l.Tags, "only days left")
	}
	if r.Cap > 0 {
		s := a.size(r.Cap)
		l.Cap, l.OfCap, l.Bad = &s, percent(r.Used, r.Cap), r.Used > r.Cap
	}
	return l
}

// historyFacts are the records: the most and the least of a period, the
// biggest day.
func (a answer) historyFacts(days []report.Row) []fact {
	var most, least, day report.Row
	var whole, n, over uint64
	for _, d := range days {
		if d.Usage() > day.Usage() {
			day = d
		}
	}
	for i, row := range a.Rows {
		if row.Usage() > most.Usage() {
			most = row
		}
		// The first period is seldom a whole one.
		if i > 0 && !row.Partial && !row.Gap && row.Usage() > 0 && (least.Usage() == 0 || row.Usage() < least.Usage()) {
			least = row
		}
		if !row.Partial && !row.Gap {
			whole += row.Usage()
			n++
		}
		if row.Cap > 0 && row.Used > row.Cap {
			over++
		}
	}
	var facts []fact
	if most.Usage() > 0 {
		f := a.fact("The most", most.Usage())
		f.More = dateRange(billing.DateOf(most.Start), endDate(most.End))
		f.Href = a.at.on("period", billing.DateOf(most.Start).String()).to("/")
		facts = append(facts, f)
	}
	if least.Usage() > 0 && n > 1 {
		f := a.fact("The least", least.Usage())
		f.More = dateRange(billing.DateOf(least.Start), endDate(least.End))
		f.Href = a.at.on("period", billing.DateOf(least.Start).String()).to("/")
		facts = append(facts, f)
	}
	if day.Usage() > 0 {
		f := a.fact("Biggest day", day.Usage())
		f.More, f.Href = a.day(day.Date).Text, a.at.on().to("/days/"+day.Date.String())
		facts = append(facts, f)
	}
	if n > 0 {
		f := a.fact("A period, on average", whole/n)
		f.More = "of " + count(int(n), "whole period", "whole periods")
		facts = append(facts, f)
	}
	if a.Span.Plan.Cap > 0 {
		facts = append(facts, fact{What: "Over the cap", Value: count(int(over), "period", "periods"), Bad: over > 0})
	}
	return facts
}
