package server

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/flattraffic/flattraffic/site"
)

// StatusPage is the exporter doctor.
type StatusPage struct {
	Base
	Ingest    []Finding
	Exporters []ExporterStatus
	Causes    []Finding // when nothing arrives
	Recipes   Recipes
	Zone      jobState
	History   jobState
	Job       jobState       // clearing of storage
	Kept      []StorageMonth // raw flows that were due and are kept
}

// ExporterStatus is one exporter with what the doctor says.
type ExporterStatus struct {
	Address, Name string
	Receiving     bool
	Facts         *ExporterFacts
	Checks        []Check
	Findings      []Finding
}

func (s *Server) statusRoutes(r chi.Router) {
	s.get(r, "/status", s.showStatus)
}

func (s *Server) showStatus(w http.ResponseWriter, r *http.Request) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	seen, ingest, err := s.feed.exporters(r.Context())
	if err != nil {
		return err
	}
	page := StatusPage{Base: s.base(r, "Status", "status"), Ingest: diagnoseIngest(ingest, s.now()), Zone: s.zoneNow(r.Context()), History: s.history.now(), Job: s.storage.now()}
	doubles, err := s.reports.Doubles(r.Context())
	if err != nil {
		s.log.Warn("whether traffic is counted twice is not known", "error", err)
		page.Ingest = append(page.Ingest, Finding{false, "Whether traffic is counted twice could not be looked at just now.", "The log says why."})
	}
	fig := newFigures(settings.Lines[0].Plans.At(s.now()).Plan, s.now())
	page.Kept = s.monthsKept(fig)
	for _, e := range seen {
		set := settingsOf(settings, e.Address)
		if e.Address == s.sample {
			page.Exporters = append(page.Exporters, ExporterStatus{
				Address: e.Address.String(), Name: set.Name, Facts: exporterFacts(e, fig),
				Findings: []Finding{{Text: "It is made up: this is the router of the sample data.", Fix: "It sends nothing more; the sample data is removed under Settings, Storage."}},
			})
			continue
		}
		twice := doubledBy(doubles, e.Address)
		page.Exporters = append(page.Exporters, ExporterStatus{
			Address: e.Address.String(), Name: set.Name, Facts: exporterFacts(e, fig),
			Checks:    checklist(e, len(twice) > 0, s.now()),
			Receiving: e.Known && s.now().Sub(e.LastSeen) < receivingFor,
			Findings:  append(twice, diagnose(e, set.Blocked, s.rightPorts(), s.now())...),
		})
	}
	slices.SortStableFunc(page.Exporters, func(a, b ExporterStatus) int { return cmp.Compare(len(b.Findings), len(a.Findings)) })
	if !slices.ContainsFunc(page.Exporters, func(e ExporterStatus) bool { return e.Receiving }) {
		page.Causes = usualCauses(s.netflowPorts(), s.sflowPorts(), s.collectorAddresses(r))
	}
	page.Recipes = s.recipes(r)
	w.Header().Set("Refresh", "30")
	return s.render(w, r, http.StatusOK, "status", page)
}

// settingsOf is what is set for an exporter.
func settingsOf(settings *site.Settings, a netip.Addr) site.Exporter {
	for _, e := range settings.Exporters {
		if e.Address == a {
			return e
		}
	}
	return site.Exporter{Address: a}
}

// netflowPorts are the ports the ingest takes NetFlow and IPFIX at; the usual
// ones when it is not known.
func (s *Server) netflowPorts() []string { return portsOf(s.cfg.NetFlow, 2055, 4739) }

func (s *Server) sflowPorts() []string { return portsOf(s.cfg.SFlow, 6343) }

// rightPorts says what is to be sent where.
func (s *Server) rightPorts() string {
	return either(s.netflowPorts()) + " for NetFlow and IPFIX, " + either(s.sflowPorts()) + " for sFlow"
}

// portsOf lists the ports of listen addresses, each once.
func portsOf(listen []string, usual ...int) []string {
	var list []string
	for _, address := range listen {
		if _, port, err := net.SplitHostPort(address); err == nil && port != "0" && !slices.Contains(list, port) {
			list = append(list, port)
		}
	}
	if len(list) > 0 {
		return list
	}
	for _, n := range usual {
		list = append(list, strconv.Itoa(n))
	}
	return list
}

// either joins words for a choice: 2055, 4739 or 9995.
func either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// collectorAddresses are the addresses a router can send to, the likeliest
// first: the one the reader uses, else those of this machine.
func (s *Server) collectorAddresses(r *http.Request) []netip.Addr {
	if a, err := netip.ParseAddr(hostName(r.Host)); err == nil && !a.IsLoopback() {
		return []netip.Addr{a.Unmap()}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil // The page says "this machine" instead.
	}
	var list []netip.Addr
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		if a := p.Addr().Unmap(); !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			list = append(list, a)
		}
	}
	slices.SortStableFunc(list, func(a, b netip.Addr) int { return cmp.Compare(a.BitLen(), b.BitLen()) })
	return list
}
