package server

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
)

// LoginPage is the page to log in on.
type LoginPage struct {
	Base
	Name  string // as entered
	Next  string // where to go after
	Error string
}

func (s *Server) loginRoutes(r chi.Router) {
	s.get(r, "/login", s.showLogin)
	s.post(r, "/login", s.login)
	s.post(r, "/logout", s.logout)
}

func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) error {
	v := visitorOf(r)
	next := safeNext(r.URL.Query().Get("next"))
	switch {
	case v.Account != "":
		return redirect(w, r, next, "")
	case !v.SetUp && v.Local:
		return redirect(w, r, "/welcome", "")
	case !v.SetUp:
		return &Problem{Status: http.StatusForbidden, Title: "Not set up yet", Detail: sayLocalOnly}
	}
	return s.loginPage(w, r, http.StatusOK, LoginPage{Name: Admin, Next: next})
}

func (s *Server) loginPage(w http.ResponseWriter, r *http.Request, status int, page LoginPage) error {
	page.Base = s.base(r, "Sign in", "")
	return s.render(w, r, status, "login", page)
}

// login checks a name and password. The answer to a wrong name is the one to a
// wrong password.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	page := LoginPage{Name: strings.TrimSpace(r.PostFormValue("name")), Next: safeNext(r.PostFormValue("next"))}
	from := s.client(r)
	if wait, ok := s.logins.allow(from); !ok {
		seconds := int(math.Ceil(wait.Seconds()))
		s.metrics.logins.WithLabelValues("limited").Inc()
		s.log.Warn("login refused: too many tries", "client", from)
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		page.Error = fmt.Sprintf("Too many tries. Wait %d seconds, then try again.", seconds)
		return s.loginPage(w, r, http.StatusTooManyRequests, page)
	}
	account, ok, err := s.accounts.Verify(r.Context(), page.Name, r.PostFormValue("password"))
	if err != nil {
		return err
	}
	if !ok {
		s.metrics.logins.WithLabelValues("refused").Inc()
		s.log.Warn("login refused", "client", from)
		page.Error = "This name and password do not belong together. Check both; \"flattraffic password\" on the machine sets a new one."
		return s.loginPage(w, r, http.StatusUnauthorized, page)
	}
	s.logins.succeeded(from)
	s.metrics.logins.WithLabelValues("accepted").Inc()
	if err := s.signIn(w, r, account); err != nil {
		return err
	}
	return redirect(w, r, page.Next, "")
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	if err := s.signOut(w, r); err != nil {
		return err
	}
	return redirect(w, r, "/login", "logged-out")
}

// parseForm reads a posted form; one that is too large or broken is the
// sender's error.
func parseForm(r *http.Request) error {
	err := r.ParseForm()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &Problem{Status: http.StatusRequestEntityTooLarge, Detail: "The form is larger than any of ours. Nothing was changed."}
	case err != nil:
		return &Problem{Status: http.StatusBadRequest, Detail: "The form did not arrive whole. Go back and send it again."}
	}
	return nil
}
