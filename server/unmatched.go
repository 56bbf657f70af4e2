package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/flattraffic/flattraffic/report"
)

// UnmatchedPage lists the address ranges of the traffic with no local end, each
// with a button that makes it a local network.
type UnmatchedPage struct {
	ReportPage
	Ranges  []unmatchedRange
	Total   size
	Older   size   // of it whose raw flows are gone
	Reach   string // how much of history a change of networks can tell anew
	History jobState
	Query   string // of this page, to come back to
	Admin   bool
	Many    bool // some are not shown
}

// unmatchedRange is one range.
type unmatchedRange struct {
	Range, Width, Share string
	Usage               size
	Flows               string
	Seen                moment
	Choices             []rangeChoice // to add: itself and, of IPv6, the wider ones; empty = none can be local
}

// rangeChoice is a range to add, and how it is called in the list.
type rangeChoice struct{ Range, Text string }

// maxRangesShown keeps the page short; the exports have them all.
const maxRangesShown = 200

func (p reportPages) unmatched(w http.ResponseWriter, r *http.Request) error {
	a, err := p.answer(r, report.Ranges, "/networks/unmatched")
	if err != nil {
		return err
	}
	page := UnmatchedPage{ReportPage: p.frame(r, a, "Unmatched", "networks", "/networks/unmatched")}
	page.Compare = comparer{}
	page.Admin = page.Role == Admin
	page.History = p.s.history.now()
	page.Query = a.at.query.Encode()
	page.Total = a.size(a.Total.Unmatched)
	if page.Reach, err = p.s.historyReach(r.Context(), a.figures); err != nil {
		return err
	}
	rows := a.Rows
	if page.Many = len(rows) > maxRangesShown; page.Many {
		rows = rows[:maxRangesShown]
	}
	var most uint64
	for _, row := range rows {
		most = max(most, row.Unmatched)
		page.Ranges = append(page.Ranges, unmatchedRange{
			Range: row.Network, Width: width(row.Unmatched, most), Share: percent(row.Unmatched, a.Total.Unmatched),
			Usage: a.size(row.Unmatched), Flows: grouped(row.Flows), Seen: a.seen(row.LastSeen), Choices: localChoices(row.Network),
		})
	}
	if page.Empty != nil && len(page.Chips) == 0 {
		page.Empty = &empty{
			Title: "Nothing is unmatched", Why: "In " + page.Picker.Label + " no flow came that had no end in one of your networks.",
			Links: []link{{Text: "Networks", Href: a.at.to("/networks")}},
		}
	}
	if page.History.Running {
		w.Header().Set("Refresh", "5")
	}
	return p.show(w, r, "unmatched", page, page.Empty)
}

// localChoices are the ranges that a range of unmatched traffic may be part of:
// ISPs delegate /64, /56 or /48 of IPv6.
func localChoices(text string) []rangeChoice {
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().IsMulticast() || p.Addr().IsUnspecified() || p.Addr().IsLoopback() {
		return nil
	}
	if p.Addr().Is4() {
		if p.Addr().As4()[0] >= 240 || p.Addr().As4()[0] == 0 {
			return nil
		}
		return []rangeChoice{{text, text}}
	}
	var list []rangeChoice
	for _, bits := range []int{64, 56, 48} {
		if bits <= p.Bits() {
			list = append(list, rangeChoice{netip.PrefixFrom(p.Addr(), bits).Masked().String(), fmt.Sprintf("/%d", bits)})
		}
	}
	return list
}

// backToUnmatched is the address of the page with the query it had.
func backToUnmatched(query string) string {
	q, err := url.ParseQuery(query)
	if err != nil {
		q = nil
	}
	return newState("/networks/unmatched", q).href()
}
