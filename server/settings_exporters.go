package server

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/site"
)

// ExportersPage is the settings page of the exporters: those heard and those
// something was set for.
type ExportersPage struct {
	SettingsBase
	Exporters []ExporterForm
	New       ExporterForm
	AllowList bool // only exporters with settings are accepted
	History   jobState
	Doubles   []doubleSeen // traffic that is counted twice
	Problem   string       // why that is not known
	Reach     string       // how much of history can be counted again
}

// ExporterForm is one exporter: what it says, and what is set for it.
type ExporterForm struct {
	Address, Name, SamplingRate, Interfaces, Direction string
	Blocked, SumOutBytes                               bool
	Saved                                              bool // something is set for it
	Errors                                             site.FieldErrors
	Seen                                               *ExporterFacts // nil = not heard
	ID                                                 int            // makes the fields' ids unique on the page
	Partly                                             bool           // not all of it counts
}

// ExporterFacts is what the ingest says about an exporter, in words.
type ExporterFacts struct {
	Origin, Datagrams, Records, LastSeen, LastTemplate, Clock, Sampling, Interfaces string
}

func (s *Server) showExporters(w http.ResponseWriter, r *http.Request) error {
	return s.exportersPage(w, r, ExporterForm{Direction: "any"})
}

// exportersPage shows all exporters. The form entered stands in for the one of
// its address when it has errors.
func (s *Server) exportersPage(w http.ResponseWriter, r *http.Request, entered ExporterForm) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	seen, _, err := s.feed.exporters(r.Context())
	if err != nil {
		return err
	}
	page := ExportersPage{
		SettingsBase: s.settingsBase(r, "exporters", "Exporters", entered.Errors),
		AllowList:    settings.Display.AllowListOnly, New: entered, History: s.history.now(),
	}
	fig := newFigures(settings.Lines[0].Plans.At(s.now()).Plan, s.now())
	page.Doubles, page.Problem = s.doubles(r.Context(), settings)
	if page.Reach, err = s.historyReach(r.Context(), fig); err != nil {
		return err
	}
	forms := map[netip.Addr]ExporterForm{}
	for _, e := range settings.Exporters {
		forms[e.Address] = exporterForm(e)
	}
	for _, e := range seen {
		f, ok := forms[e.Address]
		if !ok {
			f = ExporterForm{Address: e.Address.String(), Direction: "any"}
		}
		f.Seen = exporterFacts(e, fig)
		forms[e.Address] = f
	}
	for _, f := range forms {
		if f.Address == entered.Address && len(entered.Errors) > 0 {
			entered.Seen, entered.Saved = f.Seen, f.Saved
			f, page.New = entered, ExporterForm{Direction: "any"}
		}
		page.Exporters = append(page.Exporters, f)
	}
	slices.SortFunc(page.Exporters, func(a, b ExporterForm) int { return cmp.Compare(a.Address, b.Address) })
	for i := range page.Exporters {
		page.Exporters[i].ID = i + 1
	}
	return s.render(w, r, formStatus(entered.Errors), "settings_exporters", page)
}

func exporterForm(e site.Exporter) ExporterForm {
	f := ExporterForm{
		Address: e.Address.String(), Name: e.Name, Blocked: e.Blocked, SumOutBytes: e.SumOutBytes,
		Direction: cmp.Or(e.CountDirection, "any"), Saved: true,
	}
	if e.SamplingRate > 0 {
		f.SamplingRate = strconv.FormatUint(uint64(e.SamplingRate), 10)
	}
	f.Interfaces = numbers(e.CountInterfaces)
	f.Partly = !e.CountRule().All()
	return f
}

func exporterFacts(e *exporterSeen, fig figures) *ExporterFacts {
	facts := &ExporterFacts{
		Origin: originText(e.Origin), Datagrams: grouped(e.Events["datagrams"]), Records: grouped(e.Events["records"]),
		LastSeen: fig.seen(e.LastSeen).Text, LastTemplate: fig.seen(e.LastTemplate).Text,
		Clock: clockText(e), Sampling: "every packet", Interfaces: numbers(e.Interfaces),
	}
	if e.SamplingRate > 1 {
		facts.Sampling = "1 packet of " + grouped(uint64(e.SamplingRate))
	}
	if facts.LastTemplate == "" {
		facts.LastTemplate = "none"
	}
	return facts
}

func originText(origin string) string {
	switch origin {
	case "netflow5":
		return "NetFlow v5"
	case "netflow9":
		return "NetFlow v9"
	case "ipfix":
		return "IPFIX"
	case "sflow":
		return "sFlow v5"
	}
	return "nothing that could be read"
}

// clockText says how far the exporter's clock is off.
func clockText(e *exporterSeen) string {
	seconds := e.ClockOffset.Seconds()
	switch {
	case !e.Known || e.Origin == "sflow":
		return "not said"
	case seconds > -1 && seconds < 1:
		return "right"
	case seconds > 0:
		return lasted(e.ClockOffset) + " behind"
	}
	return lasted(-e.ClockOffset) + " ahead"
}

func numbers(list []uint32) string {
	var parts []string
	for _, n := range list {
		parts = append(parts, strconv.FormatUint(uint64(n), 10))
	}
	return strings.Join(parts, ", ")
}

// saveExporter stores what is set for an exporter. When it changes what counts,
// and history is asked for, all flows are told anew by it; the same form undoes
// it.
func (s *Server) saveExporter(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	form, exporter := readExporter(r)
	if len(form.Errors) > 0 {
		return s.exportersPage(w, r, form)
	}
	before, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	err = s.site.SaveExporter(r.Context(), exporter)
	if form.Errors, err = fieldErrors(err); err != nil {
		return err
	}
	if len(form.Errors) > 0 {
		return s.exportersPage(w, r, form)
	}
	s.reports.ForgetDoubles()
	if r.PostFormValue("history") == "" || sameCount(settingsOf(before, exporter.Address).CountRule(), exporter.CountRule()) {
		return redirect(w, r, "/settings/exporters", "exporter")
	}
	if err := s.wishForHistory(r.Context()); err != nil {
		return err
	}
	return redirect(w, r, "/settings/exporters", "exporter-history")
}

// sameCount reports whether two rules of an exporter count the same.
func sameCount(a, b flow.CountRule) bool {
	return a.None == b.None && a.Observed == b.Observed && slices.Equal(slices.Sorted(slices.Values(a.Interfaces)), slices.Sorted(slices.Values(b.Interfaces)))
}

func readExporter(r *http.Request) (ExporterForm, site.Exporter) {
	f := ExporterForm{
		Address: strings.TrimSpace(r.PostFormValue("address")), Name: strings.TrimSpace(r.PostFormValue("name")),
		SamplingRate: strings.TrimSpace(r.PostFormValue("sampling_rate")), Interfaces: r.PostFormValue("count_interfaces"),
		Direction: r.PostFormValue("count_direction"), Blocked: r.PostFormValue("blocked") != "",
		SumOutBytes: r.PostFormValue("sum_out_bytes") != "", Errors: site.FieldErrors{},
	}
	e := site.Exporter{Name: f.Name, Blocked: f.Blocked, CountDirection: f.Direction, SumOutBytes: f.SumOutBytes}
	var err error
	if e.Address, err = netip.ParseAddr(f.Address); err != nil {
		f.Errors["address"] = "This is no address; write the one its datagrams come from, like 192.168.1.1."
	} else {
		e.Address = e.Address.Unmap().WithZone("")
		f.Address = e.Address.String()
	}
	if f.SamplingRate != "" {
		n, err := strconv.ParseUint(f.SamplingRate, 10, 32)
		if err != nil || n == 0 {
			f.Errors["sampling_rate"] = "Give the N of \"1 packet of N\" as a whole number, or leave it empty to go by what the exporter says."
		}
		e.SamplingRate = uint32(n)
	}
	var bad string
	if e.CountInterfaces, bad = parseNumbers(f.Interfaces); bad != "" {
		f.Errors["count_interfaces"] = fmt.Sprintf("%q is no interface number; give numbers with commas between, or leave it empty to count all.", bad)
	}
	return f, e
}

// parseNumbers reads numbers with commas between; bad is the part that is none.
func parseNumbers(text string) (list []uint32, bad string) {
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == ';' }) {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return nil, part
		}
		if !slices.Contains(list, uint32(n)) {
			list = append(list, uint32(n))
		}
	}
	return list, ""
}

func (s *Server) deleteExporter(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	a, err := netip.ParseAddr(r.PostFormValue("address"))
	if err != nil {
		return &Problem{Status: http.StatusBadRequest, Detail: "This is no address of an exporter."}
	}
	if err := s.site.DeleteExporter(r.Context(), a); err != nil {
		return err
	}
	return redirect(w, r, "/settings/exporters", "exporter-deleted")
}
