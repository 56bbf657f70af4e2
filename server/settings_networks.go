package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/site"
)

// NetworksSettingsPage is the settings page of the local networks: all of
// them in one form.
type NetworksSettingsPage struct {
	SettingsBase
	Rows    []NetworkRow
	Reach   string // how much of history can be told anew
	History jobState
}

// NetworkRow is one network as entered. The last row is for a new one.
type NetworkRow struct {
	Index                 int
	Range, Name           string
	Metered, Delete       bool
	RangeError, NameError string
	New                   bool
}

// maxNetworks bounds the form.
const maxNetworks = 500

func (s *Server) showNetworks(w http.ResponseWriter, r *http.Request) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	var rows []NetworkRow
	for _, n := range settings.Networks {
		rows = append(rows, NetworkRow{Range: n.Prefix.String(), Name: n.Name, Metered: n.Metered})
	}
	rows = append(rows, NetworkRow{Range: r.URL.Query().Get("add"), Metered: true, New: true})
	return s.networksPage(w, r, rows, nil)
}

func (s *Server) networksPage(w http.ResponseWriter, r *http.Request, rows []NetworkRow, errs site.FieldErrors) error {
	for i := range rows {
		rows[i].Index = i
	}
	page := NetworksSettingsPage{SettingsBase: s.settingsBase(r, "networks", "Local networks", errs), Rows: rows, History: s.history.now()}
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	if page.Reach, err = s.historyReach(r.Context(), newFigures(settings.Lines[0].Plans.At(s.now()).Plan, s.now())); err != nil {
		return err
	}
	return s.render(w, r, formStatus(errs), "settings_networks", page)
}

// saveNetworks makes the form's rows the local networks.
func (s *Server) saveNetworks(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	rows := readNetworks(r)
	var list []site.Network
	var at []int // the row of each network of the list
	errs := site.FieldErrors{}
	for i := range rows {
		n, keep, problem := rows[i].network()
		if problem != "" {
			rows[i].RangeError = problem
			errs["networks"] = "Some of the networks need a correction; nothing has been saved."
		}
		if keep {
			list, at = append(list, n), append(at, i)
		}
	}
	if len(errs) > 0 {
		return s.networksPage(w, r, rows, errs)
	}
	err := s.site.SaveNetworks(r.Context(), list)
	errs, err = fieldErrors(err)
	if err != nil {
		return err
	}
	if len(errs) > 0 {
		for n, i := range at {
			rows[i].RangeError = errs[fmt.Sprintf("network[%d].range", n)]
			rows[i].NameError = errs[fmt.Sprintf("network[%d].name", n)]
		}
		if errs["networks"] == "" {
			errs["networks"] = "Some of the networks need a correction; nothing has been saved."
		}
		return s.networksPage(w, r, rows, errs)
	}
	return redirect(w, r, "/settings/networks", "networks")
}

func readNetworks(r *http.Request) []NetworkRow {
	var rows []NetworkRow
	for i := range maxNetworks {
		field := func(name string) string { return strings.TrimSpace(r.PostFormValue(fmt.Sprintf("%s-%d", name, i))) }
		if _, ok := r.PostForm[fmt.Sprintf("range-%d", i)]; !ok {
			break
		}
		rows = append(rows, NetworkRow{
			Range: field("range"), Name: field("name"), Metered: field("metered") != "",
			Delete: field("delete") != "", New: field("new") != "",
		})
	}
	return rows
}

// network reads a row; keep is false for an empty or deleted one.
func (n NetworkRow) network() (network site.Network, keep bool, problem string) {
	if n.Delete || n.Range == "" && n.Name == "" {
		return site.Network{}, false, ""
	}
	p, err := parseRange(n.Range)
	if err != nil {
		return site.Network{}, false, err.Error()
	}
	return site.Network{Prefix: p, Name: n.Name, Metered: n.Metered}, true, ""
}

var errRange = errors.New("The range is not understood; write it like 192.168.1.0/24, 2001:db8:1::/56 or a single address.") //nolint:revive,staticcheck // a sentence for the page

// parseRange reads a CIDR range or a single address.
func parseRange(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, errRange
	}
	return p, nil
}

// addNetwork is the one-click addition of a range that was found. All flows are
// told anew by it.
func (s *Server) addNetwork(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	p, err := parseRange(strings.TrimSpace(r.PostFormValue("range")))
	if err != nil {
		return &Problem{Status: http.StatusBadRequest, Title: "Not added", Detail: err.Error()}
	}
	err = s.site.SaveNetwork(r.Context(), site.Network{Prefix: p, Name: r.PostFormValue("name"), Metered: true})
	errs, err := fieldErrors(err)
	if err != nil {
		return err
	}
	for _, sentence := range errs {
		return &Problem{Status: http.StatusBadRequest, Title: "Not added", Detail: sentence}
	}
	if err := s.wishForHistory(r.Context()); err != nil {
		return err
	}
	switch r.PostFormValue("back") {
	case "welcome":
		return redirect(w, r, "/welcome/networks", "network-added")
	case "unmatched":
		return redirect(w, r, backToUnmatched(r.PostFormValue("query")), "network-added")
	}
	return redirect(w, r, "/settings/networks", "network-added")
}

// defaultNetworks puts the private ranges beside the networks there are.
func (s *Server) defaultNetworks(w http.ResponseWriter, r *http.Request) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	list := settings.Networks
	known := map[netip.Prefix]bool{}
	for _, n := range list {
		known[n.Prefix] = true
	}
	for _, p := range flow.DefaultLocal() {
		if !known[p] {
			list = append(list, site.Network{Prefix: p, Metered: true})
		}
	}
	if err := s.site.SaveNetworks(r.Context(), list); err != nil {
		return err
	}
	return redirect(w, r, "/settings/networks", "networks")
}
