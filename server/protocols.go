package server

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/flattraffic/flattraffic/report"
)

// ProtocolsPage is what the data was used for, in plain words that open to
// ports.
type ProtocolsPage struct {
	ReportPage
	Columns    columns
	Categories []category
	Totals     totals
}

// category is a kind of use with the services it is made of.
type category struct {
	line
	Open  bool
	Lines []line

	counters report.Counters
	rows     []report.Row
}

// otherCategory is for what no port explains.
const otherCategory = "Other"

func (p reportPages) protocols(w http.ResponseWriter, r *http.Request) error {
	a, err := p.answer(r, report.Protocols, "/protocols")
	if err != nil {
		return err
	}
	page := ProtocolsPage{ReportPage: p.frame(r, a, "Protocols", "protocols", "/protocols")}
	if page.Empty == nil {
		page.Columns = columns{Change: a.Before != nil, Uncounted: a.Total.Internal+a.Total.Unmatched > 0}
		page.Categories, page.Totals = a.categories()
	}
	return p.show(w, r, "protocols", page, page.Empty)
}

// categories groups the services, the biggest group first and "Other" last.
func (a answer) categories() ([]category, totals) {
	index := map[string]int{}
	var list []category
	for _, row := range a.Rows {
		name := cmp.Or(row.Category, otherCategory)
		i, ok := index[name]
		if !ok {
			i = len(list)
			index[name] = i
			list = append(list, category{line: line{Name: name}})
		}
		list[i].rows = append(list[i].rows, row)
		list[i].counters = sum(list[i].counters, row.Counters)
	}
	slices.SortStableFunc(list, func(x, y category) int {
		if (x.Name == otherCategory) != (y.Name == otherCategory) {
			return cmp.Compare(boolInt(x.Name == otherCategory), boolInt(y.Name == otherCategory))
		}
		return cmp.Compare(y.counters.Usage(), x.counters.Usage())
	})
	t := a.totalsOf(a.Rows)
	t.most = 0
	before := map[string]report.Counters{}
	if a.Before != nil {
		for _, row := range a.Before.Rows {
			name := cmp.Or(row.Category, otherCategory)
			before[name] = sum(before[name], row.Counters)
		}
	}
	for _, c := range list {
		t.most = max(t.most, c.counters.Usage())
	}
	for i := range list {
		c := &list[i]
		name := c.Name
		c.line = a.line(c.counters, t)
		c.Name, c.Open = name, i == 0
		if a.Before != nil {
			c.Change = change(c.counters.Usage(), before[name].Usage())
		}
		for _, row := range c.rows {
			c.Lines = append(c.Lines, a.protocolLine(row, t))
		}
	}
	return list, t
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
