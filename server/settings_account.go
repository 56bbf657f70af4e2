package server

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/flattraffic/flattraffic/site"
)

// AccountPage is the settings page of the reader's own account and, for
// admins, of all accounts.
type AccountPage struct {
	SettingsBase
	Preset   bool // the admin's password comes from the configuration
	SetUp    bool // an admin password exists
	Sessions uint64
	Accounts []Account
	New      Account // as entered
}

// accountRoutes are for everyone who may read; what only admins may do is
// checked by the handlers.
func (s *Server) accountRoutes(r chi.Router) {
	s.get(r, "/settings/account", s.showAccount)
	s.post(r, "/settings/account/password", s.changePassword)
	s.post(r, "/settings/account/others", s.endOtherSessions)
	s.post(r, "/settings/account/add", s.addAccount)
	s.post(r, "/settings/account/delete", s.deleteAccount)
}

func (s *Server) showAccount(w http.ResponseWriter, r *http.Request) error {
	return s.accountPage(w, r, Account{Role: Viewer}, nil)
}

func (s *Server) accountPage(w http.ResponseWriter, r *http.Request, entered Account, errs site.FieldErrors) error {
	v := visitorOf(r)
	switch { // The reports may be public; accounts never are.
	case v.Account == "" && v.SetUp:
		return redirect(w, r, "/login?next=/settings/account", "")
	case v.Account == "" && v.Role != Admin:
		return &Problem{Status: http.StatusForbidden, Title: "Not set up yet", Detail: sayLocalOnly}
	}
	page := AccountPage{SettingsBase: s.settingsBase(r, "account", "Account", errs), SetUp: v.SetUp, New: entered}
	page.Preset = s.cfg.AdminPassword != "" && v.Account == Admin
	var err error
	if v.Account != "" {
		if page.Sessions, err = s.store.count(r.Context(), v.Account); err != nil {
			return err
		}
	}
	if v.Role == Admin {
		if page.Accounts, err = s.accounts.List(r.Context()); err != nil {
			return err
		}
	}
	return s.render(w, r, formStatus(errs), "settings_account", page)
}

var errLoginFirst = &Problem{Status: http.StatusForbidden, Title: "Sign in first", Detail: "This changes an account; sign in with it first."}

// changePassword changes the reader's own password. The present one is asked
// for again, since the browser may be somebody else's by now.
func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	v := visitorOf(r)
	if v.Account == "" {
		return errLoginFirst
	}
	errs := site.FieldErrors{}
	if s.cfg.AdminPassword != "" && v.Account == Admin {
		errs["current"] = "This password comes from the configuration; change it there and restart."
		return s.accountPage(w, r, Account{Role: Viewer}, errs)
	}
	if _, ok := s.logins.allow(s.client(r)); !ok {
		errs["current"] = "Too many tries. Wait a minute, then try again."
		return s.accountPage(w, r, Account{Role: Viewer}, errs)
	}
	_, ok, err := s.accounts.Verify(r.Context(), v.Account, r.PostFormValue("current"))
	if err != nil {
		return err
	}
	if !ok {
		errs["current"] = "This is not the present password."
	}
	checkNewPassword(r, errs)
	if len(errs) > 0 {
		return s.accountPage(w, r, Account{Role: Viewer}, errs)
	}
	s.logins.succeeded(s.client(r))
	if err := s.setPassword(w, r, v.Account, v.Role, r.PostFormValue("password")); err != nil {
		return err
	}
	return redirect(w, r, "/settings/account", "password")
}

// checkNewPassword says what is wrong with a new password and its repetition.
func checkNewPassword(r *http.Request, errs site.FieldErrors) {
	password := r.PostFormValue("password")
	if err := CheckPassword(password); err != nil {
		errs["password"] = sentence(err)
	} else if r.PostFormValue("repeat") != password {
		errs["repeat"] = "The two are not the same; enter the new password again."
	}
}

// setPassword stores a password and goes on with a new session of the account,
// which is the only one then.
func (s *Server) setPassword(w http.ResponseWriter, r *http.Request, name, role, password string) error {
	if err := s.accounts.Set(r.Context(), name, role, password); err != nil {
		return err
	}
	if err := s.store.deleteOthers(r.Context(), name, ""); err != nil {
		return err
	}
	known, err := s.accounts.current(r.Context())
	if err != nil {
		return err
	}
	return s.signIn(w, r, known[name])
}

// sentence writes an error for people: a capital first, a full stop last.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

func (s *Server) endOtherSessions(w http.ResponseWriter, r *http.Request) error {
	v := visitorOf(r)
	if v.Account == "" {
		return errLoginFirst
	}
	if err := s.store.deleteOthers(r.Context(), v.Account, s.sessions.Token(r.Context())); err != nil {
		return err
	}
	return redirect(w, r, "/settings/account", "others")
}

func (s *Server) addAccount(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	v := visitorOf(r)
	if v.Role != Admin {
		return &Problem{Status: http.StatusForbidden, Title: "For admins", Detail: sayAdminOnly}
	}
	a := Account{Name: strings.TrimSpace(r.PostFormValue("name")), Role: r.PostFormValue("role")}
	errs := site.FieldErrors{}
	known, err := s.accounts.current(r.Context())
	if err != nil {
		return err
	}
	if _, taken := known[a.Name]; taken {
		errs["name"] = "There is an account of this name; remove it first to give it another password."
	} else if err := CheckAccountName(a.Name); err != nil {
		errs["name"] = sentence(err)
	}
	if a.Role != Admin && a.Role != Viewer {
		errs["role"] = "Choose viewer or admin."
	}
	if err := CheckPassword(r.PostFormValue("new_password")); err != nil {
		errs["new_password"] = sentence(err)
	}
	if !v.SetUp && a.Role != Admin {
		errs["role"] = "Set the admin password first."
	}
	if len(errs) > 0 {
		return s.accountPage(w, r, a, errs)
	}
	if err := s.accounts.Set(r.Context(), a.Name, a.Role, r.PostFormValue("new_password")); err != nil {
		return err
	}
	return redirect(w, r, "/settings/account", "account")
}

func (s *Server) deleteAccount(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	v := visitorOf(r)
	if v.Role != Admin {
		return &Problem{Status: http.StatusForbidden, Title: "For admins", Detail: sayAdminOnly}
	}
	name := r.PostFormValue("name")
	if name == v.Account {
		return &Problem{Status: http.StatusConflict, Title: "Not removed", Detail: "You cannot remove the account you are signed in with. Let another admin do it."}
	}
	if err := s.accounts.Delete(r.Context(), name); err != nil {
		return err
	}
	if err := s.store.deleteOthers(r.Context(), name, ""); err != nil {
		return err
	}
	return redirect(w, r, "/settings/account", "account-deleted")
}
