package server

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/flattraffic/flattraffic/alerts"
	"github.com/flattraffic/flattraffic/site"
)

// Alerter sends alerts. What it says may be shown to an admin.
type Alerter interface {
	Test(ctx context.Context, settings site.Alerts, secrets site.Secrets) error
	Recent(ctx context.Context) ([]alerts.Sent, error)
}

// AlertsPage is the settings page of the alerts.
type AlertsPage struct {
	SettingsBase
	Form    AlertsForm
	Problem string // why a test did not get through
	Recent  []AlertLine
}

// AlertsForm is the form as entered. Secrets are never shown: an empty field
// keeps the one there is.
type AlertsForm struct {
	site.Alerts
	Thresholds, Silent, Completeness, Port, To string
	HookURL                                    string // as entered now, not the stored one
	Errors                                     site.FieldErrors
	HasPassword, HasURL, HasToken              bool
}

// AlertLine is one that was sent.
type AlertLine struct {
	When               moment
	Subject, Way, Text string
	Bad                bool
}

func (s *Server) showAlerts(w http.ResponseWriter, r *http.Request) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	return s.alertsPage(w, r, alertsForm(settings.Alerts), "")
}

// alertsForm shows what is stored.
func alertsForm(a site.Alerts) AlertsForm {
	f := AlertsForm{Alerts: a, Port: strconv.Itoa(a.Mail.Port), To: strings.Join(a.Mail.To, ", ")}
	var percents []string
	for _, p := range a.Thresholds {
		percents = append(percents, strconv.Itoa(p))
	}
	f.Thresholds = strings.Join(percents, ", ")
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	f.Silent, f.Completeness = number(a.SilentHours), number(a.Completeness)
	return f
}

func (s *Server) alertsPage(w http.ResponseWriter, r *http.Request, form AlertsForm, problem string) error {
	secrets, err := s.site.Secrets(r.Context())
	if err != nil {
		return err
	}
	form.HasPassword, form.HasURL, form.HasToken = secrets.MailPassword != "", secrets.HookURL != "", secrets.HookToken != ""
	page := AlertsPage{SettingsBase: s.settingsBase(r, "alerts", "Alerts", form.Errors), Form: form, Problem: problem}
	if s.alerts != nil {
		list, err := s.alerts.Recent(r.Context())
		if err != nil {
			return err
		}
		page.Recent = s.alertLines(r.Context(), list)
	}
	status := formStatus(form.Errors)
	if problem != "" {
		status = http.StatusBadGateway
	}
	return s.render(w, r, status, "settings_alerts", page)
}

func (s *Server) alertLines(ctx context.Context, list []alerts.Sent) []AlertLine {
	settings, err := s.settings(ctx)
	if err != nil {
		return nil
	}
	fig := newFigures(settings.Lines[0].Plans.At(s.now()).Plan, s.now())
	var lines []AlertLine
	for _, one := range list {
		l := AlertLine{When: fig.seen(one.At), Subject: strings.TrimPrefix(one.Subject, "FlatTraffic: "), Way: one.Way, Text: "sent"}
		switch one.State {
		case "claimed":
			l.Text = "on its way"
		case "failed":
			l.Text, l.Bad = "did not get through: "+one.Problem+". It is tried again.", true
		}
		lines = append(lines, l)
	}
	return lines
}

// saveAlerts stores the form and, when asked to, sends a test.
func (s *Server) saveAlerts(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	stored, err := s.site.Secrets(r.Context())
	if err != nil {
		return err
	}
	form := readAlerts(r)
	secrets := readSecrets(r, stored)
	form.Hook.On = secrets.HookURL != ""
	if len(form.Errors) == 0 {
		if form.Errors, err = fieldErrors(s.site.SaveAlerts(r.Context(), form.Alerts, secrets)); err != nil {
			return err
		}
	}
	if len(form.Errors) > 0 {
		return s.alertsPage(w, r, form, "")
	}
	if r.PostFormValue("action") != "test" || s.alerts == nil {
		return redirect(w, r, "/settings/alerts", "alerts")
	}
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	if err := s.alerts.Test(r.Context(), settings.Alerts, secrets); err != nil {
		return s.alertsPage(w, r, alertsForm(settings.Alerts), err.Error())
	}
	return redirect(w, r, "/settings/alerts", "alerts-tested")
}

// readAlerts reads the form but the secrets.
func readAlerts(r *http.Request) AlertsForm {
	value := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	f := AlertsForm{
		Thresholds: value("thresholds"), Silent: value("silent_hours"), Completeness: value("completeness"), Port: value("mail_port"),
		To: value("mail_to"), HookURL: value("hook_url"), Errors: site.FieldErrors{},
	}
	number := func(field, text, problem string) int {
		n, err := strconv.Atoi(text)
		if text != "" && err != nil {
			f.Errors[field] = problem
		}
		return n
	}
	for text := range strings.FieldsFuncSeq(f.Thresholds, separator) {
		n := number("thresholds", text, "Thresholds are numbers in percent of the cap with commas between them, for example 50, 80, 100.")
		f.Alerts.Thresholds = append(f.Alerts.Thresholds, n)
	}
	f.Forecast = value("forecast") != ""
	f.SilentHours = number("silent_hours", f.Silent, "The hours of silence are a number from 1 to 672; leave the field empty for no alert.")
	f.Alerts.Completeness = number("completeness", f.Completeness, "The completeness is a number from 1 to 100, in percent; leave the field empty for no alert.")
	f.Mail = site.Mail{
		Host: value("mail_host"), Security: value("mail_security"), User: value("mail_user"), From: value("mail_from"),
		Port: number("mail_port", f.Port, "The port is a number from 1 to 65535; mail servers mostly take 587 (STARTTLS) or 465 (TLS)."),
	}
	for text := range strings.SplitSeq(f.To, ",") {
		if text = strings.TrimSpace(text); text != "" {
			f.Mail.To = append(f.Mail.To, text)
		}
	}
	f.Hook = site.Hook{Format: value("hook_format")}
	return f
}

func separator(r rune) bool { return strings.ContainsRune(",; %", r) }

// readSecrets keeps those whose field is empty, unless they are to be removed.
func readSecrets(r *http.Request, stored site.Secrets) site.Secrets {
	choose := func(name, stored string) string {
		if r.PostFormValue(name+"_forget") != "" {
			return ""
		}
		if text := r.PostFormValue(name); strings.TrimSpace(text) != "" {
			return strings.TrimSpace(text)
		}
		return stored
	}
	return site.Secrets{
		MailPassword: choose("mail_password", stored.MailPassword),
		HookURL:      choose("hook_url", stored.HookURL),
		HookToken:    choose("hook_token", stored.HookToken),
	}
}
