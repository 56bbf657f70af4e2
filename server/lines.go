package server

import (
	"html/template"
	"net/netip"
	"strconv"

	"github.com/flattraffic/flattraffic/report"
)

const (
	unmatchedTitle = "Unmatched"
	elsewhereTitle = "Elsewhere"
)

// line is one row of a table of usage, as words. Which fields are set depends
// on the table.
type line struct {
	Name, Href string
	Detail     string // beneath the name: an address, a port
	Source     string // who says the name
	Tags       []string
	Day        moment
	Seen       moment
	Change     string // against the time before
	Before     size   // usage in the time before
	Share      string // 39 %
	Width      string // of the bar behind the name
	Spark      template.HTML
	Rest       bool // stands for what is not listed, or not counted
	Gap        bool // nothing was received from any exporter
	Depth      int

	Usage, Received, Sent size
	Uncounted             size // internal and unmatched
}

// totals is the last row of a table, and what its rows are parts of.
type totals struct {
	line
	counters report.Counters
	most     uint64               // usage of the biggest row: its bar is full
	before   *report.Counterparts // nil = not compared
}

// line starts a row with its figures.
func (f figures) line(c report.Counters, t totals) line {
	l := f.bare(c)
	l.Share = percent(c.Usage(), t.counters.Usage())
	l.Width = width(c.Usage(), t.most)
	return l
}

func (f figures) bare(c report.Counters) line {
	return line{
		Usage: f.size(c.Usage()), Received: f.size(c.Received), Sent: f.size(c.Sent),
		Uncounted: f.size(c.Internal + c.Unmatched),
	}
}

// totalsOf sums a result's table. A row that stands for many others sets no
// measure for the bars of single ones.
func (a answer) totalsOf(rows []report.Row) totals {
	t := totals{line: a.bare(a.Total), counters: a.Total, before: a.Counterparts()}
	for _, r := range rows {
		if !others(r) {
			t.most = max(t.most, r.Usage())
		}
	}
	if a.Before != nil {
		t.Change = change(a.Total.Usage(), a.Before.Total.Usage())
		t.Before = a.size(a.Before.Total.Usage())
	}
	return t
}

// against compares rows with those of another list of the time before.
func (t totals) against(a answer, rows func(*report.Result) []report.Row) totals {
	if a.Before != nil {
		t.before = report.NewCounterparts(a.Span, a.Before.Span, rows(a.Before))
	}
	return t
}

// compare sets a line against the row of the same thing in the time before. A
// row of others has none: it is not the same others.
func (f figures) compare(l *line, r report.Row, t totals) {
	if t.before == nil || others(r) {
		return
	}
	was := t.before.Of(r).Usage()
	l.Change, l.Before = change(r.Usage(), was), f.size(was)
}

// others reports whether a row sums those that are not listed by themselves.
func others(r report.Row) bool {
	return !r.Host.IsValid() && r.Person == "" && r.Protocol == "" && r.Network == "" && r.Date.IsZero() && r.Start.IsZero()
}

// unmatched reports whether a host row holds the traffic of no host of ours.
func unmatched(r report.Row) bool { return r.Host == netip.IPv6Unspecified() }

// hostLine is a row about a host. A name only DNS knows is marked as such,
// with the address beneath.
func (a answer) hostLine(r report.Row, t totals) line {
	l := a.line(r.Counters, t)
	a.compare(&l, r, t)
	l.Seen = a.seen(r.LastSeen)
	switch {
	case unmatched(r):
		l.Name, l.Rest = unmatchedTitle, true
		l.Detail = "between addresses that are not yours"
		l.Href = a.at.with("host", "", "network", "").to("/networks/unmatched")
		return l
	case others(r):
		l.Name, l.Rest, l.Width = r.Name, true, "0"
		return l
	}
	l.Name, l.Href = r.Host.String(), a.at.with("host", "").to("/hosts/"+r.Host.String())
	if r.Name != "" {
		l.Name, l.Detail, l.Source = r.Name, r.Host.String(), nameSource(r.NameFrom)
	}
	if r.New {
		l.Tags = append(l.Tags, "new")
	}
	return l
}

// nameSource says who gave a host its name.
func nameSource(from string) string {
	switch from {
	case "dns":
		return "said by DNS"
	case "dhcp":
		return "said by DHCP"
	}
	return ""
}

// protocolLine is a row about a service; it leads to who used it.
func (a answer) protocolLine(r report.Row, t totals) line {
	l := a.line(r.Counters, t)
	a.compare(&l, r, t)
	l.Name = r.Title
	if l.Name == "" {
		l.Name = r.Name
	}
	if others(r) {
		l.Rest, l.Width = true, "0"
		return l
	}
	l.Href = a.at.with("protocol", protocolFilter(r)).to("/hosts")
	l.Detail = r.Protocol
	if r.Service != 0 {
		l.Detail += "/" + strconv.Itoa(int(r.Service))
	}
	return l
}

// protocolFilter is the query value that filters for exactly a row.
func protocolFilter(r report.Row) string {
	return r.Protocol + "/" + strconv.Itoa(int(r.Service))
}

// networkLine is a row about a network; it leads to its hosts.
func (a answer) networkLine(r report.Row, t totals) line {
	l := a.line(r.Counters, t)
	a.compare(&l, r, t)
	l.Name, l.Detail = r.Name, r.Network
	switch r.Network {
	case "":
		l.Rest, l.Width = true, "0"
		return l
	case string(report.Elsewhere):
		l.Name, l.Detail, l.Rest = elsewhereTitle, "local when it was recorded, in no network of today", true
	case string(report.Unmatched):
		l.Name, l.Detail, l.Rest = unmatchedTitle, "between addresses that are not yours", true
		l.Href = a.at.with("host", "", "network", "").to("/networks/unmatched")
		return l
	default:
		if l.Name == "" {
			l.Name, l.Detail = r.Network, ""
		}
		if !r.Metered {
			l.Tags = append(l.Tags, "not counted toward the cap")
		}
	}
	l.Href = a.at.with("network", r.Network).to("/hosts")
	return l
}

// dayLine is a row about a day; it leads to the page of the day.
func (a answer) dayLine(r report.Row, t totals) line {
	l := a.line(r.Counters, t)
	a.compare(&l, r, t)
	l.Day = a.day(r.Date)
	l.Href = a.at.on().to("/days/" + r.Date.String())
	l.Gap = r.Gap
	if r.Partial {
		l.Tags = append(l.Tags, "so far")
	}
	return l
}
