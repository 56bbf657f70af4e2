package server

import (
	"cmp"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/flattraffic/flattraffic/report"
)

// maxRows is how many rows a table shows before the rest is summed in one row.
const maxRows = 100

// HostsPage is the table of hosts of a span: the product.
type HostsPage struct {
	ReportPage
	Query   string // what is searched for
	Keep    []param
	Columns columns
	Lines   []line
	Found   string // how many hosts, in words
	None    bool   // the search found nothing
	Clear   string // without the search
	Totals  totals
}

// columns are the heads of a table; those with an address sort by it.
type columns struct {
	Name, Received, Sent, Usage, Seen column
	Change, Uncounted                 bool
}

// column is a head that sorts its table.
type column struct {
	Href string
	Sort string // ascending, descending, or empty: not the present order
}

func (p reportPages) hosts(w http.ResponseWriter, r *http.Request) error {
	a, err := p.answer(r, report.Hosts, "/hosts")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	page := HostsPage{ReportPage: p.frame(r, a, "Hosts", "hosts", "/hosts"), Query: strings.TrimSpace(q.Get("q"))}
	if page.Empty == nil {
		page.fill(a, q)
	}
	return p.show(w, r, "hosts", page, page.Empty)
}

func (page *HostsPage) fill(a answer, q url.Values) {
	order := parseOrder(q.Get("sort"))
	page.Columns = order.columns(a.at.with("q", page.Query, "all", q.Get("all")))
	page.Columns.Change = a.Before != nil
	page.Columns.Uncounted = a.Total.Internal+a.Total.Unmatched > 0
	keep := a.at.with("sort", q.Get("sort"))
	for key := range keep.query {
		page.Keep = append(page.Keep, param{key, keep.query.Get(key)})
	}
	slices.SortFunc(page.Keep, func(x, y param) int { return cmp.Compare(x.Name, y.Name) })
	page.Clear = keep.href()

	page.Totals = a.totalsOf(a.Rows)
	hosts := make([]report.Row, 0, len(a.Rows))
	var apart []report.Row
	for _, row := range a.Rows {
		if unmatched(row) {
			apart = append(apart, row)
		} else {
			hosts = append(hosts, row)
		}
	}
	page.Found = count(len(hosts), "host", "hosts")
	if page.Query != "" {
		all := len(hosts)
		hosts = slices.DeleteFunc(slices.Clone(hosts), func(r report.Row) bool { return !isLike(r, page.Query) })
		apart = nil
		page.Found = grouped(uint64(len(hosts))) + " of " + count(all, "host", "hosts")
		page.None = len(hosts) == 0
		page.Totals.line, page.Totals.counters = a.bare(sumRows(hosts)), sumRows(hosts)
		page.Totals.Share = percent(page.Totals.counters.Usage(), a.Total.Usage())
		page.Totals.counters = a.Total
	}
	order.sort(hosts)
	rest := hosts[min(len(hosts), maxRows):]
	if q.Get("all") != "" {
		rest = nil
	}
	for _, row := range hosts[:len(hosts)-len(rest)] {
		l := a.hostLine(row, page.Totals)
		l.Spark = spark(row.Days)
		page.Lines = append(page.Lines, l)
	}
	if len(rest) > 0 {
		l := a.othersLine(rest, page.Totals)
		l.Href = a.at.with("q", page.Query, "sort", q.Get("sort"), "all", "1").href()
		page.Lines = append(page.Lines, l)
	}
	for _, row := range apart {
		page.Lines = append(page.Lines, a.hostLine(row, page.Totals))
	}
}

// othersLine sums the rows a table does not list.
func (a answer) othersLine(rest []report.Row, t totals) line {
	l := a.line(sumRows(rest), t)
	l.Name, l.Rest, l.Width = "Others ("+grouped(uint64(len(rest)))+")", true, "0"
	return l
}

func sumRows(rows []report.Row) report.Counters {
	var c report.Counters
	for _, r := range rows {
		c = sum(c, r.Counters)
	}
	return c
}

// isLike reports whether a host is what someone looks for, by name or address.
func isLike(r report.Row, query string) bool {
	query = strings.ToLower(query)
	return strings.Contains(strings.ToLower(r.Name), query) || strings.Contains(r.Host.String(), query) ||
		slices.ContainsFunc(r.Addresses, func(a netip.Addr) bool { return strings.Contains(a.String(), query) })
}

// order is how a table is sorted: by a column, biggest first, names from A.
type order struct {
	by      string
	reverse bool
}

func parseOrder(s string) order {
	by, reverse := strings.CutPrefix(s, "-")
	switch by {
	case "name", "received", "sent", "seen":
		return order{by, reverse}
	}
	return order{"usage", reverse && by == "usage"}
}

func (o order) sort(rows []report.Row) {
	slices.SortStableFunc(rows, func(x, y report.Row) int {
		c := o.compare(x, y)
		if o.reverse {
			c = -c
		}
		return cmp.Or(c, x.Host.Compare(y.Host))
	})
}

func (o order) compare(x, y report.Row) int {
	switch o.by {
	case "name":
		return compareNames(x, y)
	case "received":
		return cmp.Compare(y.Received, x.Received)
	case "sent":
		return cmp.Compare(y.Sent, x.Sent)
	case "seen":
		return y.LastSeen.Compare(x.LastSeen)
	}
	return cmp.Compare(y.Usage(), x.Usage())
}

// compareNames puts hosts without a name behind those with one, by address.
func compareNames(x, y report.Row) int {
	switch {
	case x.Name == "" && y.Name == "":
		return x.Host.Compare(y.Host)
	case x.Name == "":
		return 1
	case y.Name == "":
		return -1
	}
	return strings.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name))
}

// columns are the heads that sort: the present one turns its order around.
func (o order) columns(at state) columns {
	head := func(by string) column {
		natural := "descending"
		if by == "name" {
			natural = "ascending"
		}
		switch {
		case o.by != by:
			return column{Href: at.with("sort", by).href()}
		case o.reverse:
			return column{Href: at.with("sort", by).href(), Sort: opposite(natural)}
		}
		return column{Href: at.with("sort", "-"+by).href(), Sort: natural}
	}
	return columns{Name: head("name"), Received: head("received"), Sent: head("sent"), Usage: head("usage"), Seen: head("seen")}
}

func opposite(order string) string {
	if order == "ascending" {
		return "descending"
	}
	return "ascending"
}
