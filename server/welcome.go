package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/go-chi/chi/v5"

	"github.com/flattraffic/flattraffic/site"
)

// The steps of the first run, in order. The one to resume at is kept with the
// settings.
const (
	stepPassword = "password"
	stepPlan     = "plan"
	stepRouter   = "router"
	stepNetworks = "networks"
	stepDone     = "done"
)

var steps = []struct{ name, title string }{
	{stepPassword, "Password"}, {stepPlan, "Plan"}, {stepRouter, "Router"}, {stepNetworks, "Networks"},
}

// WelcomePage is one step of the first run.
type WelcomePage struct {
	Base
	Step  string
	Steps []WelcomeStep
	Next  string // the step after

	Errors    site.FieldErrors // password
	Plan      PlanForm         // plan
	Recipes                    // router
	Sources   []WelcomeSource
	Networks  []site.Network // networks
	Found     []FoundRange
	Unmatched []FoundRange
}

// WelcomeStep is an entry of the list of steps.
type WelcomeStep struct {
	Title, Href   string
	Current, Past bool
}

// WelcomeSource is a router that was heard.
type WelcomeSource struct{ Flows, Address string }

// FoundRange is a range in which traffic was seen.
type FoundRange struct{ Range, Usage, Hosts string }

func (s *Server) welcomeRoutes(r chi.Router) {
	s.get(r, "/welcome", s.resumeWelcome)
	s.get(r, "/welcome/password", s.welcomePassword)
	s.post(r, "/welcome/password", s.setFirstPassword)
	r.Group(func(r chi.Router) {
		r.Use(s.requireAdmin)
		s.get(r, "/welcome/plan", s.welcomePlan)
		s.post(r, "/welcome/plan", s.saveWelcomePlan)
		s.get(r, "/welcome/router", s.welcomeRouter)
		s.get(r, "/welcome/networks", s.welcomeNetworks)
		s.post(r, "/welcome/next", s.nextStep)
		s.post(r, "/welcome/sample", s.addDemo)
	})
}

// resumeWelcome goes to the step that was left.
func (s *Server) resumeWelcome(w http.ResponseWriter, r *http.Request) error {
	v := visitorOf(r)
	switch {
	case !v.SetUp && v.Local:
		return redirect(w, r, "/welcome/password", "")
	case !v.SetUp:
		return &Problem{Status: http.StatusForbidden, Title: "Not set up yet", Detail: sayLocalOnly}
	case v.Account == "":
		return redirect(w, r, "/login?next=/welcome", "")
	case v.Role != Admin:
		return redirect(w, r, "/", "")
	}
	step, err := s.setupStep(r.Context())
	if err != nil {
		return err
	}
	if step == stepDone {
		step = stepPlan // Opened again on purpose: go through it once more.
	}
	return redirect(w, r, "/welcome/"+step, "")
}

// setupStep is the step to resume at.
func (s *Server) setupStep(ctx context.Context) (string, error) {
	if s.setUp.Load() {
		return stepDone, nil
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var step string
	err := s.conn.QueryRow(ctx, statement("setup_step")).Scan(&step)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return stepPlan, nil
	case err != nil:
		return "", fmt.Errorf("read the setup step: %w", err)
	}
	s.setUp.Store(step == stepDone)
	if !slices.Contains([]string{stepPlan, stepRouter, stepNetworks, stepDone}, step) {
		step = stepPlan
	}
	return step, nil
}

func (s *Server) setSetupStep(ctx context.Context, step string) error {
	ctx, cancel := with(ctx, clickhouse.Parameters{"step": step})
	defer cancel()
	if err := s.conn.Exec(ctx, statement("set_setup_step")); err != nil {
		return fmt.Errorf("keep the setup step: %w", err)
	}
	s.setUp.Store(step == stepDone)
	return nil
}

// setupLink is where an admin goes on setting up; empty when all is done.
func (s *Server) setupLink(r *http.Request, v visitor) string {
	if v.Role != Admin || r.URL.Path == "/login" {
		return ""
	}
	if !v.SetUp {
		return "/welcome"
	}
	if step, err := s.setupStep(r.Context()); err != nil || step == stepDone {
		return ""
	}
	return "/welcome"
}

func (s *Server) welcomeBase(r *http.Request, step, title string) WelcomePage {
	page := WelcomePage{Base: s.base(r, title, ""), Step: step, Next: stepDone}
	page.Setup = "" // The page is the setup; no need to offer it.
	v, past := visitorOf(r), true
	for i, st := range steps {
		current := st.name == step
		if current {
			past = false
			if i+1 < len(steps) {
				page.Next = steps[i+1].name
			}
		}
		ws := WelcomeStep{Title: st.title, Current: current, Past: past}
		if st.name == stepPassword {
			ws.Past = v.SetUp
		}
		if !current && v.Role == Admin && (st.name != stepPassword || !v.SetUp) {
			ws.Href = "/welcome/" + st.name
		}
		page.Steps = append(page.Steps, ws)
	}
	return page
}

func (s *Server) welcomePassword(w http.ResponseWriter, r *http.Request) error {
	if v := visitorOf(r); v.SetUp || !v.Local {
		return s.resumeWelcome(w, r)
	}
	return s.render(w, r, http.StatusOK, "welcome", s.welcomeBase(r, stepPassword, "Welcome"))
}

// setFirstPassword makes the account "admin". Only the first one at this
// machine can: after it, this needs a login.
func (s *Server) setFirstPassword(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	s.setup.Lock()
	defer s.setup.Unlock()
	accounts, err := s.accounts.current(r.Context())
	if err != nil {
		return err
	}
	if accounts.hasAdmin() {
		return &Problem{Status: http.StatusForbidden, Title: "Set already", Detail: "There is a password already. Sign in with it, or run \"flattraffic password\" on the machine to set a new one."}
	}
	if !visitorOf(r).Local {
		return &Problem{Status: http.StatusForbidden, Title: "Not set up yet", Detail: sayLocalOnly}
	}
	errs := site.FieldErrors{}
	checkNewPassword(r, errs)
	if len(errs) > 0 {
		page := s.welcomeBase(r, stepPassword, "Welcome")
		page.Errors = errs
		return s.render(w, r, formStatus(errs), "welcome", page)
	}
	if err := s.setPassword(w, r, Admin, Admin, r.PostFormValue("password")); err != nil {
		return err
	}
	return redirect(w, r, "/welcome/plan", "")
}

func (s *Server) welcomePlan(w http.ResponseWriter, r *http.Request) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	line := settings.Lines[0]
	form := planForm(line.Plans.At(s.now()).Plan, line.Plans)
	form.Preview = s.planPreview(line.Plans, line.Plans, scopeThis)
	return s.welcomePlanPage(w, r, line, form)
}

func (s *Server) welcomePlanPage(w http.ResponseWriter, r *http.Request, line site.Line, form PlanForm) error {
	page := s.welcomeBase(r, stepPlan, "Your plan")
	s.completePlanForm(r.Context(), &form, line)
	form.Action, form.Save = "/welcome/plan", "Save and go on"
	page.Plan = form
	return s.render(w, r, formStatus(form.Errors), "welcome", page)
}

func (s *Server) saveWelcomePlan(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	line := settings.Lines[0]
	form, plan := readPlan(r, line)
	preview := r.PostFormValue("action") == "preview"
	if preview && len(form.Errors) == 0 {
		form.Preview = s.planPreview(line.Plans, withVersion(line.Plans, plan, form.Scope), form.Scope)
	}
	if !preview && len(form.Errors) == 0 {
		_, err := s.storePlan(r.Context(), settings, line, plan, form.Scope)
		if form.Errors, err = fieldErrors(err); err != nil {
			return err
		}
	}
	if preview || len(form.Errors) > 0 {
		return s.welcomePlanPage(w, r, line, form)
	}
	if err := s.setSetupStep(r.Context(), stepRouter); err != nil {
		return err
	}
	return redirect(w, r, "/welcome/router", "")
}

// nextStep goes on, whether the step was done or skipped.
func (s *Server) nextStep(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	step := r.PostFormValue("step")
	if !slices.Contains([]string{stepPlan, stepRouter, stepNetworks, stepDone}, step) {
		return &Problem{Status: http.StatusBadRequest, Detail: "There is no such step."}
	}
	if err := s.setSetupStep(r.Context(), step); err != nil {
		return err
	}
	if step == stepDone {
		return redirect(w, r, "/", "set-up")
	}
	return redirect(w, r, "/welcome/"+step, "")
}

func (s *Server) welcomeRouter(w http.ResponseWriter, r *http.Request) error {
	sources, err := s.feed.lately(r.Context())
	if err != nil {
		return err
	}
	page := s.welcomeBase(r, stepRouter, "Your router")
	page.Recipes = s.recipes(r)
	for _, src := range sources {
		page.Sources = append(page.Sources, WelcomeSource{Flows: grouped(src.Flows) + " flows", Address: src.Address.String()})
	}
	// The figure lives without a script, more slowly while a recipe is read.
	refresh := "3"
	if page.Recipe != "" {
		refresh = "15"
	}
	w.Header().Set("Refresh", refresh)
	return s.render(w, r, http.StatusOK, "welcome", page)
}

func (s *Server) welcomeNetworks(w http.ResponseWriter, r *http.Request) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	page := s.welcomeBase(r, stepNetworks, "Your networks")
	page.Networks = settings.Networks
	fig := newFigures(settings.Lines[0].Plans.At(s.now()).Plan, s.now())
	if page.Found, err = s.feed.ranges(r.Context(), "local_ranges", fig); err != nil {
		return err
	}
	if page.Unmatched, err = s.feed.ranges(r.Context(), "unmatched_ranges", fig); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "welcome", page)
}

// ranges returns the ranges of the last day's traffic: /24 of IPv4 and /64 of
// IPv6.
func (f *feed) ranges(ctx context.Context, name string, fig figures) ([]FoundRange, error) {
	ctx, cancel := f.since(ctx, 24*time.Hour)
	defer cancel()
	rows, err := f.all.Query(ctx, statement(name))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer func() { _ = rows.Close() }()
	var list []FoundRange
	for rows.Next() {
		var a netip.Addr
		var bytes, n uint64
		if err := rows.Scan(&a, &bytes, &n); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		bits := 64
		if a = a.Unmap(); a.Is4() {
			bits = 24
		}
		list = append(list, FoundRange{Range: netip.PrefixFrom(a, bits).String(), Usage: fig.size(bytes).Text, Hosts: count(int(n), "host", "hosts")})
	}
	return list, rows.Err()
}
