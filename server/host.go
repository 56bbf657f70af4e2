package server

import (
	"cmp"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/flattraffic/flattraffic/report"
	"github.com/flattraffic/flattraffic/site"
)

// HostPage is one host: how much, when, for what, with whom.
type HostPage struct {
	ReportPage
	Name, Address, Source string
	Unmatched             bool // it stands for traffic of no host of ours
	Total                 size
	Facts                 []fact
	Chart                 chart
	Week                  chart
	Change                bool // compared with another time
	Protocols             []line
	Peers, MorePeers      []line
	AllPeers              string // where far ends that are left out are listed
	Names                 []nameLine
	Addresses             []line // where the device has several
	MoreAddresses         []line
	Who                   *whoForm
	Owner                 string
	Totals                totals
}

// nameLine is a name the address had, and when.
type nameLine struct {
	Name, Source string
	From, To     moment
}

// whoForm says what the host is called and whose it is, for admins.
type whoForm struct {
	Path, Back, Name string
	Device           DeviceForm
	Settings         *site.Settings
	Errors           site.FieldErrors
}

// firstPeers is how many far ends are seen at once.
const firstPeers = 12

func (p reportPages) host(w http.ResponseWriter, r *http.Request) error {
	addr, err := p.hostAddress(r)
	if err != nil {
		return err
	}
	path := "/hosts/" + addr.String()
	if r.URL.Path != path {
		u := url.URL{Path: path, RawQuery: r.URL.RawQuery}
		http.Redirect(w, r, u.String(), http.StatusSeeOther)
		return nil
	}
	a, err := p.hostAnswer(r, addr, r.URL.Query().Get("ends") == "")
	if err != nil {
		return err
	}
	page := HostPage{ReportPage: p.frame(r, a, addr.String(), "hosts", path)}
	p.setName(&page, addr, a.Detail)
	if page.Empty == nil && a.Detail != nil {
		page.fill(a, r.URL.Query().Get("all") != "")
	}
	return p.show(w, r, "host", page, page.Empty)
}

// hostAnswer answers the question of a host's page, without the far ends of a
// long time when it is to be brief.
func (p reportPages) hostAnswer(r *http.Request, addr netip.Addr, brief bool) (answer, error) {
	q := r.URL.Query()
	q.Set("host", addr.String())
	req, err := report.Parse(report.Host, q)
	if err != nil {
		return answer{}, err
	}
	req.Brief = brief
	return p.ask(r, "/hosts/"+addr.String(), req)
}

// hostAddress reads the host of the path: an address, or a name some host has
// now.
func (p reportPages) hostAddress(r *http.Request) (netip.Addr, error) {
	text, err := url.PathUnescape(chi.URLParam(r, "host"))
	if err != nil {
		return netip.Addr{}, errNotFound
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap().WithZone(""), nil
	}
	res, err := p.run(r.Context(), report.Request{Kind: report.Hosts})
	if err != nil {
		return netip.Addr{}, err
	}
	for _, row := range res.Rows {
		if row.Host.IsValid() && (strings.EqualFold(row.Name, text) || row.Device != "" && strings.EqualFold(row.Device, text)) {
			return row.Host, nil
		}
	}
	return netip.Addr{}, &Problem{
		Status: http.StatusNotFound,
		Detail: "No host of this period is called that. Look for it in the list of hosts, or use its address.",
	}
}

// setName heads the page: the name it has now, or the address.
func (p reportPages) setName(page *HostPage, addr netip.Addr, d *report.HostResult) {
	page.Name, page.Address = addr.String(), addr.String()
	if addr == netip.IPv6Unspecified() {
		page.Name, page.Address, page.Unmatched = unmatchedTitle, "between addresses that are not yours", true
	} else if d != nil {
		if d.Name != "" {
			page.Name, page.Source = d.Name, nameSource(d.NameFrom)
		}
		page.Owner = ownerName(page.Settings, d.Device.Owner)
		if page.Role == Admin {
			page.Who = &whoForm{
				Path: "/settings/hosts/" + url.PathEscape(cmp.Or(d.Device.ID, addr.String())), Back: "/hosts/" + addr.String(),
				Name: d.Device.Name, Device: DeviceForm{Owner: d.Device.Owner}, Settings: page.Settings,
			}
		}
	}
	page.Title = page.Name
}

func (page *HostPage) fill(a answer, all bool) {
	d := a.Detail
	page.Total = a.size(a.Total.Usage())
	page.Facts = a.factsOf(d.Days)
	if before := d.Previous.Usage(); before > 0 && a.Before == nil {
		f := a.fact("The period before", before)
		f.More = change(a.Total.Usage(), before)
		if a.now.Before(a.Span.End) {
			f.More += " by the same day"
		}
		page.Facts = append(page.Facts, f)
	}
	page.Facts = append(page.Facts, a.uncountedFact()...)
	page.Chart, page.Week = a.dayChart(d.Days), a.weekChart()
	page.Totals = a.totalsOf(d.Protocols).against(a, func(r *report.Result) []report.Row { return r.Detail.Protocols })
	page.Change = a.Before != nil
	t := page.Totals
	// A host's page is not narrowed by itself, so its rows lead to everyone's.
	for _, r := range d.Protocols {
		page.Protocols = append(page.Protocols, a.protocolLine(r, t))
	}
	page.Peers, page.MorePeers = a.peerLines(d.Peers)
	if d.PeersLeft {
		page.AllPeers = a.at.with("ends", "all").href() + "#ends"
	}
	for _, n := range d.Names {
		line := nameLine{n.Name, nameSource(n.Source), a.seen(n.FirstSeen), a.seen(n.LastSeen)}
		if n.Source == "own" { // Only the day it was given is known.
			line.Source, line.To = "given here", moment{}
		}
		page.Names = append(page.Names, line)
	}
	if len(d.Addresses) > 1 {
		page.Addresses = a.addressLines(d.Addresses, all)
		first := min(len(page.Addresses), firstPeers)
		page.Addresses, page.MoreAddresses = page.Addresses[:first], page.Addresses[first:]
	}
}

// addressLines are the addresses of a device, not more of them than a table has
// unless all are asked for.
func (a answer) addressLines(rows []report.Row, all bool) []line {
	t := totals{counters: a.Total}
	rest := rows[min(len(rows), maxRows):]
	if all {
		rest = nil
	}
	rows = rows[:len(rows)-len(rest)]
	for _, r := range rows {
		t.most = max(t.most, r.Usage())
	}
	var lines []line
	for _, r := range rows {
		l := a.line(r.Counters, t)
		l.Name = r.Host.String()
		lines = append(lines, l)
	}
	if len(rest) > 0 {
		l := a.othersLine(rest, t)
		l.Href = a.at.with("all", "1").href()
		lines = append(lines, l)
	}
	return lines
}

// peerLines are the far ends: the first few, and those that open on demand.
func (a answer) peerLines(peers []report.Peer) (first, more []line) {
	t := totals{counters: a.Total}
	for _, p := range peers {
		if p.Address.IsValid() {
			t.most = max(t.most, p.Usage())
		}
	}
	for i, p := range peers {
		l := a.line(p.Counters, t)
		l.Name = p.Address.String()
		switch {
		case !p.Address.IsValid():
			l.Name, l.Rest, l.Width = p.Name, true, "0"
		case p.Name != "":
			l.Name, l.Detail = p.Name, p.Address.String()
		}
		if i < firstPeers {
			first = append(first, l)
		} else {
			more = append(more, l)
		}
	}
	return first, more
}
