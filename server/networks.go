package server

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"

	"github.com/flattraffic/flattraffic/report"
)

// NetworksPage is the local networks as a tree, with what belongs to none.
type NetworksPage struct {
	ReportPage
	Columns columns
	Lines   []line
	Nested  bool // a network lies inside another
	Totals  totals
	Hint    string // what to do about much unmatched traffic
}

func (p reportPages) networks(w http.ResponseWriter, r *http.Request) error {
	a, err := p.answer(r, report.Networks, "/networks")
	if err != nil {
		return err
	}
	page := NetworksPage{ReportPage: p.frame(r, a, "Networks", "networks", "/networks")}
	if page.Empty == nil {
		page.Columns = columns{Change: a.Before != nil, Uncounted: a.Total.Internal+a.Total.Unmatched > 0}
		page.Totals = a.totalsOf(a.Rows)
		for _, n := range tree(a.Rows) {
			l := a.networkLine(n.row, page.Totals)
			l.Depth = n.depth
			if n.parent {
				l.Tags = append(l.Tags, "without its parts")
			}
			page.Nested = page.Nested || n.depth > 0
			page.Lines = append(page.Lines, l)
		}
		page.Hint = a.unmatchedHint()
	}
	return p.show(w, r, "networks", page, page.Empty)
}

// node is a network in the tree of containment.
type node struct {
	row    report.Row
	depth  int
	parent bool
	prefix netip.Prefix
}

// tree orders networks so that each stands beneath the one it lies in; what is
// no network comes last.
func tree(rows []report.Row) []node {
	var nodes, groups []node
	for _, row := range rows {
		prefix, err := netip.ParsePrefix(row.Network)
		if err != nil {
			groups = append(groups, node{row: row})
			continue
		}
		nodes = append(nodes, node{row: row, prefix: prefix.Masked()})
	}
	slices.SortStableFunc(nodes, func(x, y node) int {
		return cmp.Or(x.prefix.Addr().Compare(y.prefix.Addr()), cmp.Compare(x.prefix.Bits(), y.prefix.Bits()))
	})
	var open []int // the networks the next one may lie in
	for i := range nodes {
		for len(open) > 0 && !contains(nodes[open[len(open)-1]].prefix, nodes[i].prefix) {
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			nodes[open[len(open)-1]].parent = true
		}
		nodes[i].depth = len(open)
		open = append(open, i)
	}
	return append(nodes, groups...)
}

func contains(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}

// unmatchedHint says what to do when much traffic belongs to no network.
func (a answer) unmatchedHint() string {
	all := a.Total.Usage() + a.Total.Internal + a.Total.Unmatched
	if a.Total.Unmatched == 0 || a.Total.Unmatched < all/20 {
		return ""
	}
	return percent(a.Total.Unmatched, all) + " of the traffic is between addresses that are in none of your networks, so it counts for nobody. A range of yours may be missing."
}
