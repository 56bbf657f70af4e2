package server

import (
	"net/http"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/report"
)

// OverviewPage is the front page: the answer, and the head of each report.
type OverviewPage struct {
	ReportPage
	Answer    overviewAnswer
	Meter     chart
	Chart     chart
	Facts     []fact
	Hosts     shortList
	Protocols shortList
	Networks  shortList
	Lines     []lineUse
	Bill      *billForm // nil = nothing to ask or say
}

// lineUse is a line on the page of all lines: what it carried in the time shown,
// and what of its own cap was used in its own period.
type lineUse struct {
	Name, Href string
	Usage      size
	Share      string
	Width      string
	Period     string
	Used       string // 12 GB of 50 GB
	Over       bool
}

// overviewAnswer is the first sentence of the page, and what follows from it.
type overviewAnswer struct {
	Used size
	Cap  *size
	Bad  bool   // over the cap
	When string // day 12 of 30 · 18 days left
	Says []report.Say
}

// fact is a figure with what it is.
type fact struct {
	What  string
	Value string
	Exact string
	More  string
	Name  string // whom it is about, a link
	Href  string
	Bad   bool
}

// shortList is the head of a report with the way to all of it.
type shortList struct {
	Title, One string
	Both       bool // show received and sent beside usage
	Change     bool // show how it changed, in place of the share
	Lines      []line
	All        link
}

func (p reportPages) overview(w http.ResponseWriter, r *http.Request) error {
	a, err := p.answer(r, report.Overview, "/")
	if err != nil {
		return err
	}
	return p.showOverview(w, r, a, nil)
}

// showOverview shows the page, with a form of the ISP's figure that was not
// accepted.
func (p reportPages) showOverview(w http.ResponseWriter, r *http.Request, a answer, refused *billForm) error {
	page := OverviewPage{ReportPage: p.frame(r, a, "Overview", "overview", "/overview")}
	page.Bill = a.billOf(page.Base)
	if refused != nil && page.Bill != nil {
		page.Bill.Text, page.Bill.Error, page.Bill.Says = refused.Text, refused.Error, nil
	}
	if page.Empty == nil && a.Overview != nil {
		page.Answer = a.overviewAnswer()
		page.Meter = a.meter()
		page.Chart = a.dayChart(a.Overview.Days)
		page.Facts = a.overviewFacts()
		page.Hosts, page.Protocols, page.Networks = a.shortLists()
		page.Lines = a.lineUses()
	}
	if refused != nil {
		return p.s.render(w, r, http.StatusUnprocessableEntity, "overview", page)
	}
	return p.show(w, r, "overview", page, page.Empty)
}

// lineUses are the lines of a report about all of them.
func (a answer) lineUses() []lineUse {
	var list []lineUse
	t := a.totalsOf(a.Overview.Lines)
	for _, row := range a.Overview.Lines {
		t.most = max(t.most, row.Usage())
	}
	for _, row := range a.Overview.Lines {
		u := lineUse{Name: row.Name, Usage: a.size(row.Usage()), Share: percent(row.Usage(), a.Total.Usage()), Width: width(row.Usage(), t.most)}
		if row.Line != "" {
			u.Href = a.at.with("line", row.Line).on().to("/")
			u.Period = dateRange(billing.DateOf(row.Start), endDate(row.End))
			u.Used, u.Over = a.base.Format(row.Used), row.Cap > 0 && row.Used > row.Cap
			if row.Cap > 0 {
				u.Used += " of " + a.base.Format(row.Cap)
			}
		}
		list = append(list, u)
	}
	return list
}

// capped reports whether the cap says anything about these figures.
func (a answer) capped() bool { return a.Capped() }

func (a answer) overviewAnswer() overviewAnswer {
	said := a.Answer(a.now)
	v := overviewAnswer{Used: a.size(said.Used), Bad: said.Over(), When: said.When, Says: said.Says}
	if said.Cap > 0 {
		s := a.size(said.Cap)
		v.Cap = &s
	}
	return v
}

// factsOf are the figures beside a chart of days: how it came and went, the
// usual day and the biggest. When compared, each says how it changed.
func (a answer) factsOf(days []report.Row) []fact {
	now := summarize(days, a.Total)
	before := now
	if a.Before != nil {
		before = summarize(a.Before.Rows, a.Before.Total)
	}
	received, sent := a.fact("Received", a.Total.Received), a.fact("Sent", a.Total.Sent)
	if a.Before != nil {
		received.More = change(a.Total.Received, a.Before.Total.Received)
		sent.More = change(a.Total.Sent, a.Before.Total.Sent)
	}
	facts := []fact{received, sent}
	if now.days < 2 || now.most.Usage() == 0 {
		return facts
	}
	average := a.fact("A day, on average", now.average)
	if a.Before != nil {
		average.More = change(now.average, before.average)
	}
	most := a.fact("Biggest day", now.most.Usage())
	most.More, most.Href = a.day(now.most.Date).Text, a.at.on().to("/days/"+now.most.Date.String())
	return append(facts, average, most)
}

// summary is what a list of days comes to.
type summary struct {
	days    int // since the first that was watched
	average uint64
	most    report.Row
}

func summarize(days []report.Row, total report.Counters) summary {
	var s summary
	for _, d := range days {
		if d.Usage() > s.most.Usage() {
			s.most = d
		}
		if s.days > 0 || !d.Gap {
			s.days++
		}
	}
	if s.days > 0 {
		s.average = total.Usage() / uint64(s.days)
	}
	return s
}

// uncountedFact is the traffic that is in no usage, or nothing.
func (a answer) uncountedFact() []fact {
	n := a.Total.Internal + a.Total.Unmatched
	if n == 0 {
		return nil
	}
	f := a.fact("Not counted", n)
	f.More = "inside the house or not yours"
	return []fact{f}
}

func (a answer) overviewFacts() []fact {
	o := a.Overview
	facts := a.factsOf(o.Days)
	if o.PreviousUsed > 0 {
		f := a.fact("The period before", o.PreviousUsed)
		if a.now.Before(a.Span.End) {
			f.More = "by the same day"
		}
		facts = append(facts, f)
	}
	facts = append(facts, a.notableFacts()...)
	if o.Unmetered > 0 {
		f := a.fact("Free", o.Unmetered)
		f.More = "does not count toward the cap"
		facts = append(facts, f)
	}
	return append(facts, a.uncountedFact()...)
}

// notableFacts are the hosts that stand out in a running span.
func (a answer) notableFacts() []fact {
	var facts []fact
	o := a.Overview
	named := func(f fact, r report.Row) fact {
		l := a.hostLine(r, totals{})
		f.Name, f.Href = l.Name, l.Href
		return f
	}
	if o.Today.Usage() > 0 {
		facts = append(facts, named(a.fact("Most today", o.Today.Usage()), o.Today))
	}
	if o.Changed.Host.IsValid() {
		f := fact{What: "Biggest change", Value: change(o.Changed.Usage(), o.ChangedFrom.Usage())}
		f.Exact = "from " + a.base.Format(o.ChangedFrom.Usage()) + " to " + a.base.Format(o.Changed.Usage())
		facts = append(facts, named(f, o.Changed))
	}
	return facts
}

func (f figures) fact(what string, n uint64) fact {
	s := f.size(n)
	return fact{What: what, Value: s.Text, Exact: s.Exact}
}

// shortLists are the first rows of hosts, protocols and networks, with the
// rest in one row, so that each list sums to the total.
func (a answer) shortLists() (hosts, protocols, networks shortList) {
	o := a.Overview
	hosts = a.shortList(o.Hosts, a.hostLine, func(o *report.OverviewResult) []report.Row { return o.Hosts })
	hosts.Title, hosts.One, hosts.Both = "Hosts", "Host", true
	hosts.All = link{Text: allOf(o.HostCount, "hosts"), Href: a.at.to("/hosts")}
	protocols = a.shortList(o.Protocols, a.protocolLine, func(o *report.OverviewResult) []report.Row { return o.Protocols })
	protocols.Title, protocols.One = "Protocols", "Protocol"
	protocols.All = link{Text: "All " + grouped(uint64(o.ProtocolCount)), Href: a.at.to("/protocols")}
	if o.ProtocolCount < 2 {
		protocols.All.Text = "All"
	}
	networks = a.shortList(o.Networks, a.networkLine, func(o *report.OverviewResult) []report.Row { return o.Networks })
	networks.Title, networks.One = "Networks", "Network"
	networks.All = link{Text: "All networks", Href: a.at.to("/networks")}
	return hosts, protocols, networks
}

// allOf names the whole of a list: "All 23 hosts".
func allOf(n int, many string) string {
	if n < 2 {
		return "All " + many
	}
	return "All " + grouped(uint64(n)) + " " + many
}

// shortList leaves out rows of nothing. before picks the same list of the time
// it is compared with.
func (a answer) shortList(rows []report.Row, show func(report.Row, totals) line, before func(*report.OverviewResult) []report.Row) shortList {
	t := a.totalsOf(rows).against(a, func(r *report.Result) []report.Row { return before(r.Overview) })
	list := shortList{Change: a.Before != nil}
	for _, r := range rows {
		if r.Counters != (report.Counters{}) {
			list.Lines = append(list.Lines, show(r, t))
		}
	}
	return list
}
