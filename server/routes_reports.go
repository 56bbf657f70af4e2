package server

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/report"
	"github.com/flattraffic/flattraffic/site"
)

// reportPages are the pages that show usage. All are made the same way: the
// query becomes a request, the request a result, the result a page.
type reportPages struct {
	s   *Server
	run func(context.Context, report.Request) (*report.Result, error)
}

// reportRoutes adds the report pages.
func (s *Server) reportRoutes(r chi.Router) {
	reportPages{s, s.reports.Run}.routes(r)
}

func (p reportPages) routes(r chi.Router) {
	for pattern, h := range map[string]handler{
		"/":                   p.overview,
		"/days":               p.days,
		"/days/{date}":        p.day,
		"/hosts":              p.hosts,
		"/hosts/{host}":       p.host,
		"/protocols":          p.protocols,
		"/networks":           p.networks,
		"/networks/unmatched": p.unmatched,
		"/people":             p.people,
		"/history":            p.history,
	} {
		p.s.get(r, pattern, canonical(h))
	}
	p.chartRoutes(r)
}

// canonical sends the form of a custom range on to the address with its
// half-open range, so that there is one address for one page.
func canonical(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q := r.URL.Query()
		if !throughQuery(q) {
			return h(w, r)
		}
		u := url.URL{Path: r.URL.Path, RawQuery: q.Encode()}
		http.Redirect(w, r, u.String(), http.StatusSeeOther)
		return nil
	}
}

// ReportPage is the part all report pages share: the bar above, the empty
// state in its place and the line about completeness below.
type ReportPage struct {
	Base
	Picker   *picker
	Compare  comparer
	Line     *linePicker // nil with one line only
	Chips    []chip
	Exports  []link
	Compared string // "Compared with 12 Oct – 23 Oct 2026, 18:30", when asked for
	Complete completeness
	Empty    *empty
}

// chip is a filter in force.
type chip struct{ Label, Value, Remove string }

// empty says why there is nothing to see and what to do next.
type empty struct {
	Title, Why string
	Links      []link
	Wait       bool // it goes away by itself
	Sample     bool // offer the sample data
}

// completeness says how much of the traffic the figures hold.
type completeness struct {
	Good  bool
	Text  string
	Notes []string
}

// answer is a result with what is needed to show it.
type answer struct {
	*report.Result
	figures
	at       state
	plans    billing.Plans
	unlinked bool // its charts lead nowhere
}

// answer answers the question of a page.
func (p reportPages) answer(r *http.Request, kind report.Kind, path string) (answer, error) {
	req, err := report.Parse(kind, r.URL.Query())
	if err != nil {
		return answer{}, err
	}
	return p.ask(r, path, req)
}

// ask answers a request.
func (p reportPages) ask(r *http.Request, path string, req report.Request) (answer, error) {
	a := answer{at: newState(path, r.URL.Query())}
	var err error
	if a.Result, err = p.run(r.Context(), req); err != nil {
		return a, err
	}
	a.figures = newFigures(a.Span.Plan, p.s.now())
	a.plans = p.plansOf(r.Context(), a.Result)
	return a, nil
}

// plansOf returns the plan's versions, or at least the one of the result.
func (p reportPages) plansOf(ctx context.Context, res *report.Result) billing.Plans {
	settings, err := p.s.settings(ctx)
	if err != nil || len(settings.Lines) == 0 {
		return billing.Plans{res.Span.Plan}
	}
	for _, l := range settings.Lines {
		if l.ID == res.Request.Filter.Line && l.ID != "" {
			return l.Plans
		}
	}
	return settings.Lines[0].Plans
}

// frame makes what all report pages share. export is the path of the same
// report without its extension.
func (p reportPages) frame(r *http.Request, a answer, title, active, export string) ReportPage {
	f := ReportPage{Base: p.s.base(r, title, active), Complete: completenessOf(a.Completeness)}
	f.query = a.at.query
	pick := newPicker(a.at, a.Span, a.plans, a.now)
	f.Picker = &pick
	if billing.DateOf(a.Span.Start) != firstDay { // There is nothing before all time.
		f.Compare = newComparer(a.at, a.Span, a.Request.Compare)
	}
	if a.Before != nil {
		f.Compared = "Compared with " + untilLabel(a.Before.Span)
	}
	f.Line = newLinePicker(a.at, f.Settings)
	f.Chips = p.chips(a, f.Settings)
	f.Exports = exports(export, r.URL.Query())
	if a.Total == (report.Counters{}) {
		f.Empty = f.nothing(a)
	}
	return f
}

// exports are the same figures as files.
func exports(path string, q url.Values) []link {
	at := state{query: q}
	return []link{{Text: "CSV", Href: at.to(path + ".csv")}, {Text: "JSON", Href: at.to(path + ".json")}}
}

// chips are the filters in force, each with the address without it.
func (p reportPages) chips(a answer, settings *site.Settings) []chip {
	var chips []chip
	if host := a.at.query.Get("host"); host != "" {
		chips = append(chips, chip{"Host", p.nameOf(a.Request.Filter.Host, host), a.at.with("host", "").href()})
	}
	if person := a.at.query.Get("person"); person != "" {
		chips = append(chips, chip{"Person", personName(settings, person), a.at.with("person", "").href()})
	}
	if protocol := a.at.query.Get("protocol"); protocol != "" {
		chips = append(chips, chip{"Protocol", protocol, a.at.with("protocol", "").href()})
	}
	if network := a.at.query.Get("network"); network != "" {
		chips = append(chips, chip{"Network", network, a.at.with("network", "").href()})
	}
	return chips
}

// personName is what a person of the query is called.
func personName(settings *site.Settings, id string) string {
	switch id {
	case report.Nobody:
		return "Nobody yet"
	case string(report.Unmatched):
		return unmatchedTitle
	}
	if person, ok := settings.Person(id); ok {
		return person.Name
	}
	return id
}

// nameOf is the name of an address, or other when none is known.
func (p reportPages) nameOf(addr netip.Addr, other string) string {
	if addr == netip.IPv6Unspecified() {
		return unmatchedTitle
	}
	if p.s.names != nil && addr.IsValid() {
		if name, _ := p.s.names.Name(addr); name != "" {
			return name
		}
	}
	return other
}

// nothing says why a span has no figures and what to do next.
func (f ReportPage) nothing(a answer) *empty {
	switch {
	case len(f.Chips) > 0:
		var links []link
		for _, c := range f.Chips {
			links = append(links, link{Text: "Without " + strings.ToLower(c.Label) + " " + c.Value, Href: c.Remove})
		}
		return &empty{Title: "Nothing matches", Why: "There was no traffic with these filters in " + f.Picker.Label + ".", Links: links}
	case a.Span.Start.After(a.now):
		return &empty{Title: "Not yet", Why: "This time has not come.", Links: []link{{Text: "This period", Href: a.at.on().to("/")}}}
	case !a.now.Before(a.Span.End):
		return &empty{
			Title: "Nothing was received then", Why: "No router reported anything to FlatTraffic in " + f.Picker.Label + ".",
			Links: []link{{Text: "This period", Href: a.at.on().to("/")}, {Text: "History", Href: "/history"}},
		}
	case f.Receiving:
		return &empty{
			Title: "The first flows are arriving", Why: "Their figures are here within a minute.",
			Links: []link{{Text: "What arrives", Href: "/status"}}, Wait: true,
		}
	}
	links := []link{{Text: "Find out why", Href: "/status"}, {Text: "Set up a router", Href: "/welcome/router"}}
	if f.Setup != "" {
		links = []link{{Text: "Go on setting up", Href: f.Setup}, {Text: "See what arrives", Href: "/status"}}
	}
	return &empty{
		Title: "No flows yet", Links: links, Wait: true, Sample: f.OfferDemo,
		Why: "FlatTraffic counts what your router reports as NetFlow, IPFIX or sFlow, and nothing has been received in this time. Once the router sends, this page fills by itself.",
	}
}

// show renders a report page. One that waits for the first flows asks again by
// itself.
func (p reportPages) show(w http.ResponseWriter, r *http.Request, name string, page any, e *empty) error {
	if e != nil && e.Wait {
		w.Header().Set("Refresh", "10")
	}
	return p.s.render(w, r, http.StatusOK, name, page)
}

func completenessOf(c report.Completeness) completeness {
	if !c.Known {
		return completeness{Text: "Completeness is not known.", Notes: c.Notes}
	}
	return completeness{Good: c.Fraction >= 0.99, Text: "Completeness " + fraction(c.Fraction), Notes: c.Notes}
}

// throughQuery turns the last included day of the custom form into the "to" of
// the address. It reports whether there was one.
func throughQuery(q url.Values) bool {
	d, err := billing.ParseDate(q.Get("through"))
	if err != nil {
		return false
	}
	q.Del("through")
	q.Del("period")
	q.Set("to", d.AddDays(1).String())
	return true
}
