package site

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Alerts say when to speak up, and how. The secrets are apart.
type Alerts struct {
	Thresholds   []int `json:"thresholds" toml:"thresholds"`     // percent of the cap, ascending, each said once a period
	Forecast     bool  `json:"forecast" toml:"forecast"`         // when the cap is likely to be reached before the end
	SilentHours  int   `json:"silent_hours" toml:"silent_hours"` // an exporter that sent nothing for so long; 0 = not said
	Completeness int   `json:"completeness" toml:"completeness"` // percent; said when a period is less complete; 0 = not said
	Mail         Mail  `json:"mail" toml:"mail"`
	Hook         Hook  `json:"webhook" toml:"webhook"`
}

// Mail is how alerts go by e-mail; no host means not at all.
type Mail struct {
	Host     string   `json:"host" toml:"host"`
	Port     int      `json:"port" toml:"port"`
	Security string   `json:"security" toml:"security"` // starttls, tls or none
	User     string   `json:"user" toml:"user"`         // empty = without a login
	From     string   `json:"from" toml:"from"`
	To       []string `json:"to" toml:"to"`
}

// Hook is how alerts go to a web address; the address is a secret, for it is
// often all that keeps others out.
type Hook struct {
	On     bool   `json:"on" toml:"on"`
	Format string `json:"format" toml:"format"` // text (as ntfy takes it) or json
}

// Secrets of the alerts.
type Secrets struct {
	MailPassword string
	HookURL      string
	HookToken    string // sent as bearer token; empty = none
}

// DefaultAlerts are the alerts until the user has chosen: none is sent, for no
// way is set.
func DefaultAlerts() Alerts {
	return Alerts{
		Thresholds: []int{80, 100}, Forecast: true, SilentHours: 24, Completeness: 95,
		Mail: Mail{Port: 587, Security: "starttls"}, Hook: Hook{Format: "text"},
	}
}

// Ways reports whether any way is set that alerts could go.
func (a Alerts) Ways() bool { return a.Mail.Host != "" || a.Hook.On }

// The keys of the table secrets, and of alerts in the table settings.
const (
	keyAlerts       = "alerts"
	keyMailPassword = "mail_password"
	keyHookURL      = "webhook_url"
	keyHookToken    = "webhook_token"
)

// Secrets reads the secrets. They are not part of a snapshot, so that they
// cannot end up where settings are shown or exported.
func (s *Store) Secrets(ctx context.Context) (Secrets, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var secrets Secrets
	err := s.each(ctx, loadSecretsSQL, func(rows driver.Rows) error {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			return err
		}
		switch key {
		case keyMailPassword:
			secrets.MailPassword = value
		case keyHookURL:
			secrets.HookURL = value
		case keyHookToken:
			secrets.HookToken = value
		}
		return nil
	})
	if err != nil {
		return Secrets{}, fmt.Errorf("load secrets: %w", err)
	}
	return secrets, nil
}

// SaveAlerts stores the alerts and their secrets. The error is FieldErrors with
// thresholds, silent_hours, completeness, mail_host, mail_port, mail_security,
// mail_user, mail_from, mail_to, hook_url, hook_token and hook_format.
func (s *Store) SaveAlerts(ctx context.Context, a Alerts, secrets Secrets) error {
	return s.change(ctx, func(*Settings) ([]change, error) {
		a, err := checkAlerts(a)
		fields, ok := errors.AsType[FieldErrors](err)
		if !ok {
			fields = FieldErrors{}
		}
		secrets.check(a, fields)
		if err := fields.or(); err != nil {
			return nil, err
		}
		var rows []row
		for key, value := range map[string]string{keyMailPassword: secrets.MailPassword, keyHookURL: secrets.HookURL, keyHookToken: secrets.HookToken} {
			rows = append(rows, row{key, value, value == ""})
		}
		return []change{alerts(a), {"secrets", insertSecretsSQL, rows}}, nil
	})
}

func alerts(a Alerts) change {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // it has numbers and strings only
	}
	return change{"alerts", insertSettingsSQL, []row{{keyAlerts, string(text), false}}}
}

func scanAlerts(value string, settings *Settings) error {
	var a Alerts
	if err := json.Unmarshal([]byte(value), &a); err != nil {
		return fmt.Errorf("read the alerts: %w", err)
	}
	settings.Alerts = a
	return nil
}

// maxThresholds bounds the thresholds.
const maxThresholds = 20

// checkAlerts returns the alerts as they are stored.
func checkAlerts(a Alerts) (Alerts, error) {
	fields := FieldErrors{}
	a.Thresholds = slices.Clone(a.Thresholds)
	slices.Sort(a.Thresholds)
	a.Thresholds = slices.Compact(a.Thresholds)
	if n := len(a.Thresholds); n > maxThresholds || n > 0 && (a.Thresholds[0] < 1 || a.Thresholds[n-1] > 1000) {
		fields["thresholds"] = fmt.Sprintf("Thresholds are up to %d numbers from 1 to 1000, in percent of the cap, for example 50, 80, 100.", maxThresholds)
	}
	if a.SilentHours < 0 || a.SilentHours > 24*28 {
		fields["silent_hours"] = "The hours of silence are a number from 1 to 672, or 0 for no alert."
	}
	if a.Completeness < 0 || a.Completeness > 100 {
		fields["completeness"] = "The completeness is a number from 1 to 100, in percent, or 0 for no alert."
	}
	switch a.Hook.Format {
	case "":
		a.Hook.Format = "text"
	case "text", "json":
	default:
		fields["hook_format"] = "A webhook takes text or json; choose one."
	}
	a.Mail.check(fields)
	return a, fields.or()
}

func (m *Mail) check(fields FieldErrors) {
	m.Host, m.User, m.From = strings.TrimSpace(m.Host), strings.TrimSpace(m.User), strings.TrimSpace(m.From)
	if m.Port == 0 {
		m.Port = 587
	}
	if m.Security == "" {
		m.Security = "starttls"
	}
	if m.Port < 1 || m.Port > 65535 {
		fields["mail_port"] = "The port is a number from 1 to 65535; mail servers mostly take 587 (STARTTLS) or 465 (TLS)."
	}
	if !slices.Contains([]string{"starttls", "tls", "none"}, m.Security) {
		fields["mail_security"] = "Mail goes with starttls, tls or none; choose one."
	}
	if strings.ContainsAny(m.Host, " /:@\t\r\n") && !isIPv6(m.Host) || len(m.Host) > 253 {
		fields["mail_host"] = "The mail server is a name or an address alone, for example mail.example.org."
	}
	if problem := checkName(m.User); problem != "" {
		fields["mail_user"] = problem
	}
	if m.Host == "" {
		return
	}
	if _, err := mail.ParseAddress(m.From); err != nil {
		fields["mail_from"] = "The sender is an e-mail address, for example flattraffic@example.org."
	}
	if len(m.To) == 0 || len(m.To) > 20 {
		fields["mail_to"] = "Give one to 20 e-mail addresses that the alerts go to, with commas between them."
	}
	for _, to := range m.To {
		if _, err := mail.ParseAddress(to); err != nil {
			fields["mail_to"] = strconv.Quote(to) + " is not an e-mail address; write it like anna@example.org."
		}
	}
}

func isIPv6(host string) bool {
	return strings.Count(host, ":") > 1 && !strings.ContainsAny(host, " /@\t\r\n")
}

func (s Secrets) check(a Alerts, fields FieldErrors) {
	for _, c := range s.HookToken {
		if c <= ' ' || c > '~' {
			fields["hook_token"] = "The token holds characters that no token has; copy it again."
		}
	}
	if s.HookURL == "" && !a.Hook.On {
		return
	}
	u, err := url.Parse(s.HookURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || len(s.HookURL) > 2000 {
		fields["hook_url"] = "The address of the webhook begins with https:// or http://, for example https://ntfy.example.org/flattraffic."
	}
}
