package server

import (
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/flattraffic/flattraffic/site"
)

// settingsRoutes are the pages that only an admin may see.
func (s *Server) settingsRoutes(r chi.Router) {
	s.get(r, "/settings", func(w http.ResponseWriter, r *http.Request) error {
		return redirect(w, r, "/settings/plan", "")
	})
	s.get(r, "/settings/plan", s.showPlan)
	s.post(r, "/settings/plan", s.savePlan)
	s.post(r, "/settings/plan/delete", s.deletePlan)
	s.post(r, "/settings/plan/zone", s.retryZone)
	s.get(r, "/settings/lines", s.showLines)
	s.post(r, "/settings/lines", s.saveLine)
	s.post(r, "/settings/lines/delete", s.deleteLine)
	s.get(r, "/settings/networks", s.showNetworks)
	s.post(r, "/settings/networks", s.saveNetworks)
	s.post(r, "/settings/networks/add", s.addNetwork)
	s.post(r, "/settings/networks/defaults", s.defaultNetworks)
	s.post(r, "/settings/history", s.startHistory)
	s.get(r, "/settings/exporters", s.showExporters)
	s.post(r, "/settings/exporters", s.saveExporter)
	s.post(r, "/settings/exporters/delete", s.deleteExporter)
	s.hostsSettingsRoutes(r)
	s.peopleSettingsRoutes(r)
	s.get(r, "/settings/alerts", s.showAlerts)
	s.post(r, "/settings/alerts", s.saveAlerts)
	s.get(r, "/settings/storage", s.showStorage)
	s.post(r, "/settings/storage", s.saveStorage)
	s.post(r, "/settings/storage/run", s.runStorage)
	s.post(r, "/settings/storage/demo", s.removeDemo)
	s.get(r, "/settings/display", s.showDisplay)
	s.post(r, "/settings/display", s.saveDisplay)
}

// SettingsBase is what every settings page has beside its form.
type SettingsBase struct {
	Base
	Section string           // the entry of the settings menu to mark
	Errors  site.FieldErrors // by field; nil when nothing is wrong
}

func (s *Server) settingsBase(r *http.Request, section, title string, errs site.FieldErrors) SettingsBase {
	return SettingsBase{Base: s.base(r, title, "settings"), Section: section, Errors: errs}
}

// fieldErrors returns what is wrong with the input. Any other error is not the
// reader's and is handed on.
func fieldErrors(err error) (site.FieldErrors, error) {
	if fields, ok := errors.AsType[site.FieldErrors](err); ok {
		return fields, nil
	}
	return nil, err
}

// formStatus is 200 for a form as it is, 422 for one that has to be corrected.
func formStatus(errs site.FieldErrors) int {
	if len(errs) > 0 {
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
}

// flashText is the sentence said once after a change. Only these can be shown:
// the address bar cannot put words on a page.
func flashText(done string) string {
	switch done {
	case "plan":
		return "The plan is saved. All reports follow it from now on."
	case "plan-deleted":
		return "This version of the plan is deleted; the one before it goes on."
	case "line":
		return "The line is saved. All reports follow it from now on."
	case "line-added":
		return "The line is there. Now say what its plan is."
	case "line-deleted":
		return "The line and its plan are removed."
	case "zone":
		return "The plan is saved. Days are being cut again for the new time zone; reports are right again when that is done."
	case "networks":
		return "The networks are saved. New flows are told by them from now on; the past when you say so below."
	case "network-added":
		return "The network is added. All flows are being told by it."
	case "history":
		return "All flows are being told by the settings of today."
	case "exporter-history":
		return "The exporter is saved. What counts of it is being counted again for all of the past."
	case "bill":
		return "What your ISP says is noted."
	case "exporter":
		return "The exporter is saved. It is followed within seconds."
	case "exporter-deleted":
		return "What was set for the exporter is forgotten."
	case "host":
		return "The host is saved. All figures follow within seconds, also those of before."
	case "host-merged":
		return "The two are one host now, in all figures."
	case "host-split":
		return "The address is a host of its own now, in all figures."
	case "host-forgotten":
		return "What was set for the host is forgotten."
	case "person":
		return "The person is saved."
	case "person-deleted":
		return "The person is removed; the hosts belong to nobody now, and the share links are revoked."
	case "share-revoked":
		return "The link is revoked. It shows nothing any more."
	case "alerts":
		return "The alerts are saved."
	case "alerts-tested":
		return "The alerts are saved, and a test is on its way."
	case "storage":
		return "How long details are kept is saved. What is due goes within a day, or at once by the button below."
	case "display":
		return "The settings are saved."
	case "password":
		return "The new password is set. This account is signed out everywhere else."
	case "account":
		return "The account is saved."
	case "account-deleted":
		return "The account is removed and signed out everywhere."
	case "others":
		return "This account is signed out everywhere else."
	case "logged-out":
		return "You are signed out."
	case "set-up":
		return "Everything is set up."
	}
	return ""
}

// today is the present day in a zone, for the forms.
func (s *Server) today(zone *time.Location) time.Time {
	if zone == nil {
		zone = time.UTC
	}
	return s.now().In(zone)
}
