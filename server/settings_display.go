package server

import (
	"net/http"
	"slices"

	"github.com/flattraffic/flattraffic/site"
)

// DisplayPage is the settings page of names and of who may send.
type DisplayPage struct {
	SettingsBase
	Display site.Display
	Allowed int // exporters that would be accepted
}

func (s *Server) showDisplay(w http.ResponseWriter, r *http.Request) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	return s.displayPage(w, r, settings, settings.Display, nil)
}

func (s *Server) displayPage(w http.ResponseWriter, r *http.Request, settings *site.Settings, d site.Display, errs site.FieldErrors) error {
	page := DisplayPage{SettingsBase: s.settingsBase(r, "display", "Names and access", errs), Display: d, Allowed: len(allowedExporters(settings))}
	return s.render(w, r, formStatus(errs), "settings_display", page)
}

func allowedExporters(settings *site.Settings) []site.Exporter {
	return slices.DeleteFunc(slices.Clone(settings.Exporters), func(e site.Exporter) bool { return e.Blocked })
}

func (s *Server) saveDisplay(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	d := settings.Display
	d.ReverseDNS = r.PostFormValue("reverse_dns") != ""
	d.AllowListOnly = r.PostFormValue("allow_list_only") != ""
	if d.AllowListOnly && len(allowedExporters(settings)) == 0 {
		return s.displayPage(w, r, settings, d, site.FieldErrors{
			"allow_list_only": "No exporter is on the list, so nothing would be accepted any more. Save yours under Exporters first.",
		})
	}
	if err := s.site.SaveDisplay(r.Context(), d); err != nil {
		return err
	}
	return redirect(w, r, "/settings/display", "display")
}
