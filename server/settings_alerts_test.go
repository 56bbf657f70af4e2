package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/alerts"
	"github.com/flattraffic/flattraffic/site"
)

// alerter notes what was tested.
type alerter struct {
	err    error
	tested []site.Secrets
	recent []alerts.Sent
}

func (a *alerter) Test(_ context.Context, _ site.Alerts, secrets site.Secrets) error {
	a.tested = append(a.tested, secrets)
	return a.err
}

func (a *alerter) Recent(context.Context) ([]alerts.Sent, error) { return a.recent, nil }

func alertsOf(values ...string) url.Values {
	form := url.Values{
		"thresholds": {"100, 80 %;50"}, "forecast": {"1"}, "silent_hours": {"12"}, "completeness": {""},
		"mail_host": {"mail.example.org"}, "mail_port": {"465"}, "mail_security": {"tls"}, "mail_user": {"us"}, "mail_password": {"hush hush"},
		"mail_from": {"ft@example.org"}, "mail_to": {"anna@example.org, Bo <bo@example.org>"},
		"hook_url": {"https://ntfy.example.org/secret-topic"}, "hook_format": {"text"}, "hook_token": {"tk_1"}, "action": {"save"},
	}
	for i := 0; i < len(values); i += 2 {
		form.Set(values[i], values[i+1])
	}
	return form
}

func TestAlertsAreSavedAndSecretsKept(t *testing.T) {
	h := newHouse(t, Config{})
	speaker := &alerter{recent: []alerts.Sent{
		{Way: "mail", Subject: "FlatTraffic: 80 % of 500 GB used (Home)", State: "sent", At: time.Now()},
		{Way: "webhook", Subject: "FlatTraffic: <b>x</b>", State: "failed", Problem: "the webhook answered 500", At: time.Now()},
	}}
	h.deps.Alerts = speaker
	h.restart(t)
	admin := h.setUp(t)
	page := admin.submit("/settings/alerts", alertsOf())
	if got, want := texts(page.document, ".notice.good"), []string{flashText("alerts")}; !cmp.Equal(got, want) {
		t.Errorf("the page says %q, want %q", got, want)
	}
	want := site.Alerts{
		Thresholds: []int{50, 80, 100}, Forecast: true, SilentHours: 12,
		Mail: site.Mail{Host: "mail.example.org", Port: 465, Security: "tls", User: "us", From: "ft@example.org", To: []string{"anna@example.org", "Bo <bo@example.org>"}},
		Hook: site.Hook{On: true, Format: "text"},
	}
	if diff := cmp.Diff(want, h.settingsNow(t).Alerts); diff != "" {
		t.Errorf("stored: %s", diff)
	}
	for _, secret := range []string{"hush hush", "secret-topic", "tk_1"} {
		if strings.Contains(page.body, secret) {
			t.Errorf("the page shows the secret %q", secret)
		}
		if text, err := h.store.Export(t.Context()); err != nil || strings.Contains(string(text), secret) {
			t.Errorf("the exported settings hold the secret %q, %v", secret, err)
		}
	}
	if got := texts(page.document, "table tbody tr"); len(got) != 2 || !strings.Contains(got[1], "did not get through: the webhook answered 500") || len(find(page.document, "table b")) != 0 {
		t.Errorf("said lately: %q", got)
	}
	if got := page.value("form.form input[name=thresholds]"); got != "50, 80, 100" {
		t.Errorf("thresholds shown as %q", got)
	}

	// Empty fields keep the secrets; a test gets them.
	admin.submit("/settings/alerts", alertsOf("mail_password", "", "hook_url", "", "hook_token", "", "action", "test"))
	secrets := site.Secrets{MailPassword: "hush hush", HookURL: "https://ntfy.example.org/secret-topic", HookToken: "tk_1"}
	if !cmp.Equal(speaker.tested, []site.Secrets{secrets}) {
		t.Errorf("tested with %+v", speaker.tested)
	}
	speaker.err = errors.New("mail: 550 nobody of that name")
	page = admin.post("/settings/alerts", alertsOf("mail_password", "", "hook_url", "", "hook_token", "", "action", "test"))
	if got := strings.Join(texts(page.document, ".notice.bad"), ""); page.status != http.StatusBadGateway || !strings.Contains(got, "550 nobody of that name") {
		t.Errorf("a test that failed = %d, %q", page.status, got)
	}

	admin.submit("/settings/alerts", alertsOf("mail_password_forget", "1", "hook_url_forget", "1", "hook_token_forget", "1"))
	if got, err := h.store.Secrets(t.Context()); err != nil || got != (site.Secrets{}) || h.settingsNow(t).Alerts.Hook.On {
		t.Errorf("after all were forgotten: %+v, %v", got, err)
	}
}

func TestAlertErrorsStandAtTheFields(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	before := h.settingsNow(t).Alerts
	for _, tt := range []struct{ field, value string }{
		{"thresholds", "eighty"},
		{"thresholds", "0"},
		{"thresholds", "1001"},
		{"silent_hours", "soon"},
		{"silent_hours", "-1"},
		{"silent_hours", "673"},
		{"completeness", "101"},
		{"mail_host", "mail.example.org:25"},
		{"mail_host", "https://mail.example.org"},
		{"mail_port", "0x19"},
		{"mail_port", "65536"},
		{"mail_security", "maybe"},
		{"mail_from", "nobody"},
		{"mail_to", ""},
		{"mail_to", "anna"},
		{"mail_to", "a@example.org\r\nBcc: b@example.org"},
		{"hook_url", "ftp://example.org/x"},
		{"hook_url", "ntfy.example.org"},
		{"hook_format", "xml"},
		{"hook_token", "tk\r\nX: y"},
	} {
		page := admin.post("/settings/alerts", alertsOf(tt.field, tt.value))
		said := texts(page.document, "#"+tt.field+"-error")
		if page.status != http.StatusUnprocessableEntity || len(said) != 1 || !strings.HasSuffix(said[0], ".") || len(find(page.document, "#"+tt.field+"[aria-invalid=true]")) != 1 {
			t.Errorf("%s = %q: status %d, the field says %q; want 422 and a sentence", tt.field, tt.value, page.status, said)
		}
	}
	if diff := cmp.Diff(before, h.settingsNow(t).Alerts); diff != "" {
		t.Errorf("settings changed by refused forms: %s", diff)
	}
}
