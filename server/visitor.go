package server

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// The roles. An account has one of them; a visitor may have none.
const (
	Admin  = "admin"
	Viewer = "viewer"
)

// visitor is who asks.
type visitor struct {
	Account string // "" = not logged in
	Role    string // "" = may read nothing
	SetUp   bool   // an admin password exists
	Local   bool   // sits at this machine
}

type visitorKey struct{}

// visitorOf returns who asks; before identify, or when that did not succeed,
// a stranger.
func visitorOf(r *http.Request) visitor {
	v, _ := r.Context().Value(visitorKey{}).(visitor)
	return v
}

// identify finds out who asks. When the accounts cannot be read nobody is let
// in: an unknown password is not a missing one.
func (s *Server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, ctx, err := s.visitor(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Add("Vary", "Cookie")
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, visitorKey{}, v)))
	})
}

func (s *Server) visitor(r *http.Request) (visitor, context.Context, error) {
	v := visitor{Local: local(r)}
	accounts, err := s.accounts.current(r.Context())
	if err != nil {
		return v, nil, err
	}
	ctx, err := s.loadSession(r)
	if err != nil {
		return v, nil, err
	}
	v.SetUp = accounts.hasAdmin()
	if s.cfg.PublicReports {
		v.Role = Viewer
	}
	if !v.SetUp {
		if v.Local {
			v.Role = Admin
		}
		return v, ctx, nil
	}
	a, ok := accounts[s.sessions.GetString(ctx, "account")]
	if ok && a.stamp() == s.sessions.GetString(ctx, "stamp") {
		v.Account, v.Role = a.Name, a.Role
	}
	return v, ctx, nil
}

const (
	sayLocalOnly = "No password has been set yet, so FlatTraffic can only be opened on the machine it runs on. " +
		"Open it there, at http://localhost, and set one; or run \"flattraffic password\" there."
	sayAdminOnly = "Only an admin may do this. Sign in as one, or ask whoever runs FlatTraffic."
)

// requireReader lets in who may read the reports.
func (s *Server) requireReader(next http.Handler) http.Handler {
	return s.require(next, func(v visitor) bool { return v.Role != "" })
}

// requireAdmin lets in who may change the settings.
func (s *Server) requireAdmin(next http.Handler) http.Handler {
	return s.require(next, func(v visitor) bool { return v.Role == Admin })
}

func (s *Server) require(next http.Handler, may func(visitor) bool) http.Handler {
	return s.handle(func(w http.ResponseWriter, r *http.Request) error {
		v := visitorOf(r)
		switch {
		case may(v):
			next.ServeHTTP(w, r)
			return nil
		case !v.SetUp:
			return &Problem{Status: http.StatusForbidden, Title: "Not set up yet", Detail: sayLocalOnly}
		case v.Account != "":
			return &Problem{Status: http.StatusForbidden, Title: "For admins", Detail: sayAdminOnly}
		case isExport(r.URL.Path) || r.Method != http.MethodGet:
			return &Problem{Status: http.StatusUnauthorized, Title: "Sign in first", Detail: "This needs an account. Sign in at /login and send the session cookie along."}
		}
		return redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), "")
	})
}

// isExport reports whether the path is a document for programs.
func isExport(path string) bool {
	for _, suffix := range []string{".json", ".csv", "/chart.svg", "/chart.png", "/metrics"} {
		if strings.HasSuffix(path, suffix) {
			return true
		}
	}
	return false
}

// safeNext returns the page to go to after a login: only a path of ours, never
// another site.
func safeNext(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || strings.HasPrefix(u.Path, "/login") {
		return "/"
	}
	return u.RequestURI()
}
