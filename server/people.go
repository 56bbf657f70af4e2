package server

import (
	"net/http"

	"github.com/flattraffic/flattraffic/report"
)

// PeoplePage is the hosts grouped by whom they belong to, with the fair share
// of each.
type PeoplePage struct {
	ReportPage
	Columns columns
	Lines   []personLine
	Totals  totals
	Shares  string // how the fair share is made, in words
	None    bool   // no people are known yet
}

// personLine is the row of a person.
type personLine struct {
	line
	Fair    size
	HasFair bool
	Says    string // over or under, in words
	Over    bool   // over a share of the cap
}

func (p reportPages) people(w http.ResponseWriter, r *http.Request) error {
	a, err := p.answer(r, report.People, "/people")
	if err != nil {
		return err
	}
	page := PeoplePage{ReportPage: p.frame(r, a, "People", "hosts", "/people")}
	if page.Empty == nil {
		page.Columns = columns{Change: a.Before != nil, Uncounted: a.Total.Internal+a.Total.Unmatched > 0}
		page.Totals = a.totalsOf(a.Rows)
		page.None = true
		for _, row := range a.Rows {
			page.None = page.None && reserved(row)
			page.Lines = append(page.Lines, a.personLine(row, page.Totals))
		}
		page.Shares = a.sharesText()
	}
	return p.show(w, r, "people", page, page.Empty)
}

// reserved reports whether a row of the people report is no person.
func reserved(r report.Row) bool {
	return r.Person == report.Nobody || r.Person == string(report.Unmatched)
}

// personLine is a row about a person; it leads to the hosts of the person.
func (a answer) personLine(r report.Row, t totals) personLine {
	l := personLine{line: a.line(r.Counters, t)}
	a.compare(&l.line, r, t)
	l.Name, l.Href = r.Name, a.at.with("person", r.Person).to("/hosts")
	switch {
	case r.Person == string(report.Unmatched):
		l.Detail, l.Rest, l.Href = "between addresses that are not yours", true, a.at.with("person", "").to("/networks")
		return l
	case r.Person == report.Nobody:
		l.Detail, l.Rest = count(r.Hosts, "host", "hosts")+" without an owner", true
		return l
	}
	l.Detail = count(r.Hosts, "host", "hosts")
	l.Says, l.Over = a.fairText(r)
	l.Fair, l.HasFair = a.size(r.Fair), r.Weight > 0 && a.Shared > 0
	return l
}

// fairText says in plain words how a person's use stands to the fair share.
func (a answer) fairText(r report.Row) (text string, over bool) {
	switch {
	case r.Weight == 0:
		return "has no share", false
	case a.Shared == 0:
		return "", false
	case r.Used > r.Fair:
		return a.base.Format(r.Used-r.Fair) + " over", a.capped()
	case a.capped() && a.now.Before(a.Span.End):
		return a.base.Format(r.Fair-r.Used) + " left", false
	case r.Used == r.Fair:
		return "exactly the share", false
	}
	return a.base.Format(r.Fair-r.Used) + " under", false
}

// sharesText says how the fair share is made.
func (a answer) sharesText() string {
	weights := map[uint16]bool{}
	for _, r := range a.Rows {
		if !reserved(r) && r.Weight > 0 {
			weights[r.Weight] = true
		}
	}
	how := "in equal parts"
	if len(weights) > 1 {
		how = "by weight"
	}
	switch {
	case len(weights) == 0 || a.Shared == 0:
		return ""
	case a.capped():
		return "The fair share divides the cap of " + a.base.Format(a.Span.Plan.Cap) + " " + how + "."
	}
	return "The fair share divides what all people used, " + a.base.Format(a.Shared) + ", " + how + "."
}
