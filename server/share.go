package server

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/flattraffic/flattraffic/report"
	"github.com/flattraffic/flattraffic/site"
)

// SharePage is what a share link shows: totals, days and hosts of a person or
// of everyone. There are no far ends, no protocols and no way on from it.
type SharePage struct {
	Base
	Picker   picker
	Everyone bool
	Total    size
	Says     string // against the fair share, in words
	Over     bool
	Fair     string
	Chart    chart
	People   PeoplePage
	Hosts    []line
	Totals   totals
	Complete completeness
}

// The pace of share links. One address may open thirty pages at once and then
// one every two seconds.
const (
	shareBurst        = 30
	shareEvery        = 2 * time.Second
	shareOverallBurst = 600
	shareOverallEvery = 50 * time.Millisecond
)

var errNoShare = &Problem{
	Status: http.StatusNotFound, Title: "This link shows nothing",
	Detail: "It was revoked, has ended, or is not whole. Ask whoever sent it for a new one.",
}

func (s *Server) shareRoutes(r chi.Router) {
	s.get(r, "/share/{token}", s.showShare)
}

func (s *Server) showShare(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Referrer-Policy", "no-referrer") // The address is the secret.
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Cache-Control", "private, no-store")
	if wait, ok := s.shareViews.allow(s.client(r)); !ok {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		return &Problem{Status: http.StatusTooManyRequests, Title: "Too often", Detail: "This was opened too often in a short time. Wait a minute, then try again."}
	}
	token := chi.URLParam(r, "token")
	link, ok, err := s.shares.find(r.Context(), token, s.now())
	if err != nil {
		return err
	}
	if !ok {
		return errNoShare
	}
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	title := "Everyone"
	if link.Person != "" {
		person, ok := settings.Person(link.Person)
		if !ok {
			return errNoShare
		}
		title = person.Name
	}
	page := SharePage{Base: s.base(r, title, ""), Everyone: link.Person == ""}
	page.Bare, page.Settings, page.Setup = true, &site.Settings{}, ""
	if err := s.fillShare(r.Context(), &page, r.URL.Query().Get("period"), token, link, settings); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "share", page)
}

// fillShare asks the reports. Of the query only the period is looked at: whose
// figures they are is the link's to say.
func (s *Server) fillShare(ctx context.Context, page *SharePage, period, token string, link shareLink, settings *site.Settings) error {
	query := url.Values{}
	if period != "" {
		query.Set("period", period)
	}
	ask := func(kind report.Kind, person string) (answer, error) {
		q := url.Values{"period": {period}, "person": {person}}
		req, err := report.Parse(kind, q)
		if err != nil {
			return answer{}, err
		}
		a := answer{at: newState("/share/"+token, query), unlinked: true, plans: settings.Lines[0].Plans}
		if a.Result, err = s.reports.Run(ctx, req); err != nil {
			return a, err
		}
		a.figures = newFigures(a.Span.Plan, s.now())
		return a, nil
	}
	days, err := ask(report.Days, link.Person)
	if err != nil {
		return err
	}
	hosts, err := ask(report.Hosts, link.Person)
	if err != nil {
		return err
	}
	people, err := ask(report.People, "")
	if err != nil {
		return err
	}
	page.Picker = newPicker(days.at, days.Span, days.plans, days.now)
	page.Total, page.Chart = days.size(days.Total.Usage()), days.dayChart(days.Rows)
	page.Complete = completenessOf(days.Completeness)
	page.Complete.Notes = nil // They name routers and what to do with them.
	page.Totals = hosts.totalsOf(hosts.Rows)
	for _, row := range hosts.Rows {
		l := hosts.line(row.Counters, page.Totals)
		l.Name, l.Rest = row.Name, unmatched(row)
		if l.Name == "" {
			l.Name = row.Host.String()
		}
		page.Hosts = append(page.Hosts, l)
	}
	s.fillShares(page, people, link.Person)
	return nil
}

// fillShares says how people stand to their fair shares: the one of the link,
// or all of them.
func (s *Server) fillShares(page *SharePage, people answer, person string) {
	t := people.totalsOf(people.Rows)
	page.People = PeoplePage{Totals: t, Shares: people.sharesText()}
	for _, row := range people.Rows {
		l := people.personLine(row, t)
		l.Href = ""
		switch {
		case person == "":
			page.People.Lines = append(page.People.Lines, l)
		case row.Person == person:
			page.Says, page.Over = l.Says, l.Over
			if l.HasFair {
				page.Fair = l.Fair.Text
			}
		}
	}
}
