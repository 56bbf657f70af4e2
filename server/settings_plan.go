package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/site"
)

// PlanPage is the settings page of the plan.
type PlanPage struct {
	SettingsBase
	Plan     PlanForm
	Versions []PlanVersion
	Zone     zoneState
}

// PlanForm is the form of one version of the plan, as entered.
type PlanForm struct {
	site.PlanText
	Whole   bool // for all time, history included
	Errors  site.FieldErrors
	Preview []string // what it would mean, in sentences
	Zones   []string
	Action  string // where the form is sent to
	Save    string // text of the button
}

// PlanVersion is a line of the list of versions.
type PlanVersion struct {
	site.PlanText
	FromText, CapText, RenewalText string
	Current, Only                  bool
}

func (s *Server) showPlan(w http.ResponseWriter, r *http.Request) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	plans := settings.Lines[0].Plans
	current := plans.At(s.now()).Plan
	if i := slices.IndexFunc(plans, func(p billing.Plan) bool { return p.EffectiveFrom.String() == r.URL.Query().Get("version") }); i >= 0 {
		current = plans[i]
	}
	form := planForm(current, len(plans) == 1)
	form.Preview = s.planPreview(plans, plans)
	return s.planPage(w, r, settings, form)
}

// planForm shows a stored version.
func planForm(p billing.Plan, only bool) PlanForm {
	return PlanForm{PlanText: site.TextOf(p), Whole: only && p.EffectiveFrom.IsZero()}
}

func (s *Server) planPage(w http.ResponseWriter, r *http.Request, settings *site.Settings, form PlanForm) error {
	page := PlanPage{SettingsBase: s.settingsBase(r, "plan", "Plan", form.Errors), Zone: s.zoneNow(r.Context())}
	s.completePlanForm(r.Context(), &form, settings)
	form.Action, form.Save = "/settings/plan", "Save the plan"
	page.Plan = form
	plans := settings.Lines[0].Plans
	now := plans.At(s.now()).Plan
	for _, p := range plans {
		page.Versions = append(page.Versions, planVersion(p, now, len(plans) == 1))
	}
	if page.Zone.Running {
		// The page shows how far it is without a script.
		w.Header().Set("Refresh", "2; url=/settings/plan")
	}
	return s.render(w, r, formStatus(form.Errors), "settings_plan", page)
}

// completePlanForm fills in what does not come from the reader.
func (s *Server) completePlanForm(ctx context.Context, form *PlanForm, settings *site.Settings) {
	form.Zones = s.zoneNames(ctx)
	if form.From == "" {
		form.From = billing.DateOf(s.today(settings.Lines[0].Plans[0].Zone)).String()
	}
}

func planVersion(p, now billing.Plan, only bool) PlanVersion {
	v := PlanVersion{
		PlanText: site.TextOf(p), FromText: "the beginning", CapText: "no cap", RenewalText: renewalText(p.Renewal),
		Current: p.EffectiveFrom == now.EffectiveFrom, Only: only,
	}
	if !p.EffectiveFrom.IsZero() {
		v.FromText = dayLong(p.EffectiveFrom)
	}
	if p.Cap > 0 {
		v.CapText = p.Base.Format(p.Cap)
	}
	return v
}

func renewalText(r billing.Renewal) string {
	if text := r.String(); text != "month" {
		return text
	}
	return "calendar month"
}

// readPlan reads the form. The zero date of the result means: for all time.
func readPlan(r *http.Request) (PlanForm, billing.Plan) {
	form := PlanForm{
		PlanText: site.PlanText{
			Name: r.PostFormValue("name"), From: r.PostFormValue("from"), Zone: r.PostFormValue("zone"),
			Renewal: r.PostFormValue("renewal"), Cap: r.PostFormValue("cap"), Counts: r.PostFormValue("counts"),
		},
		Whole: r.PostFormValue("scope") == "all",
	}
	text := form.PlanText
	if form.Whole {
		text.From = ""
	}
	base, problem := readBase(r.PostFormValue("base"))
	form.Base, text.Base = base, base
	plan, err := text.Plan()
	form.Errors, err = fieldErrors(err)
	add := func(field, sentence string) {
		if form.Errors == nil {
			form.Errors = site.FieldErrors{}
		}
		form.Errors[field] = sentence
	}
	if err != nil {
		add("plan", err.Error())
	}
	if problem != "" {
		add("base", problem)
	}
	if !form.Whole && form.From == "" {
		add("from", "Say from which day on the plan holds, or choose all time.")
	}
	return form, plan
}

func readBase(text string) (base int, problem string) {
	switch text {
	case "", "0":
		return 0, ""
	case "1000":
		return int(billing.Decimal), ""
	case "1024":
		return int(billing.Binary), ""
	}
	return 0, "Units are either of 1000 (kB, MB, GB) or of 1024 (KiB, MiB, GiB); choose one."
}

func (s *Server) savePlan(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	form, plan := readPlan(r)
	if len(form.Errors) == 0 && r.PostFormValue("action") == "preview" {
		form.Preview = s.planPreview(settings.Lines[0].Plans, withVersion(settings.Lines[0].Plans, plan, form.Whole))
	}
	if len(form.Errors) > 0 || r.PostFormValue("action") == "preview" {
		return s.planPage(w, r, settings, form)
	}
	done, err := s.storePlan(r.Context(), settings, plan, form.Whole)
	if form.Errors, err = fieldErrors(err); err != nil {
		return err
	}
	if len(form.Errors) > 0 {
		return s.planPage(w, r, settings, form)
	}
	return redirect(w, r, "/settings/plan", done)
}

// storePlan saves a version, for all time or from its date on, and starts the
// re-cut when the time zone of the days is another one.
func (s *Server) storePlan(ctx context.Context, before *site.Settings, plan billing.Plan, whole bool) (done string, err error) {
	line := before.Lines[0]
	from := plan.EffectiveFrom
	if whole {
		from = billing.Date{}
	}
	if err := s.site.SavePlan(ctx, line.ID, plan, from); err != nil {
		return "", err
	}
	if whole {
		for _, p := range line.Plans {
			if p.EffectiveFrom.IsZero() {
				continue
			}
			if err := s.site.DeletePlanVersion(ctx, line.ID, p.EffectiveFrom); err != nil {
				return "", err
			}
		}
	}
	return s.recut(ctx, before, "plan")
}

// recut starts cutting the days again when their time zone has become another
// one. It returns what to say: "zone" then, done otherwise.
func (s *Server) recut(ctx context.Context, before *site.Settings, done string) (string, error) {
	after, err := s.settings(ctx)
	if err != nil {
		return "", err
	}
	zone, changed := site.ZoneChanged(before, after)
	if !changed {
		return done, nil
	}
	s.zone.start(zone)
	return "zone", nil
}

func (s *Server) deletePlan(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	var from billing.Date
	if text := r.PostFormValue("from"); text != "" {
		if from, err = billing.ParseDate(text); err != nil {
			return &Problem{Status: http.StatusBadRequest, Detail: err.Error()}
		}
	}
	err = s.site.DeletePlanVersion(r.Context(), settings.Lines[0].ID, from)
	errs, err := fieldErrors(err)
	if err != nil {
		return err
	}
	if len(errs) > 0 {
		return &Problem{Status: http.StatusConflict, Title: "Not deleted", Detail: errs["from"]}
	}
	done, err := s.recut(r.Context(), settings, "plan-deleted")
	if err != nil {
		return err
	}
	return redirect(w, r, "/settings/plan", done)
}

// retryZone starts a re-cut again that did not succeed.
func (s *Server) retryZone(w http.ResponseWriter, r *http.Request) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	s.zone.start(settings.DayZone())
	return redirect(w, r, "/settings/plan", "")
}

// withVersion is the versions of a line as they would be with another one.
func withVersion(plans billing.Plans, plan billing.Plan, whole bool) billing.Plans {
	if whole {
		plan.EffectiveFrom = billing.Date{}
		return billing.Plans{plan}
	}
	after := slices.DeleteFunc(slices.Clone(plans), func(p billing.Plan) bool { return p.EffectiveFrom == plan.EffectiveFrom })
	after = append(after, plan)
	slices.SortFunc(after, func(a, b billing.Plan) int { return a.EffectiveFrom.Compare(b.EffectiveFrom) })
	return after
}

// planPreview says in sentences what a change would make of the present
// period; with after equal to before, what the present period is.
func (s *Server) planPreview(before, after billing.Plans) []string {
	if err := after.Validate(); err != nil {
		return []string{err.Error()}
	}
	would := "would be"
	if slices.Equal(before, after) {
		would = "is"
	}
	p := after.At(s.now())
	next := after.Next(p)
	lines := []string{
		fmt.Sprintf("This period %s %s, %s.", would, dateRange(p.First, p.Next), count(p.Length(), "day", "days")),
		fmt.Sprintf("The next one %s %s.", would, dateRange(next.First, next.Next)),
	}
	if p.Plan.Cap > 0 {
		lines = append(lines, fmt.Sprintf("An even pace is %s a day.", p.Plan.Base.Format(p.Plan.Cap/uint64(max(p.Length(), 1)))))
	}
	return lines
}

// zoneList is the time zones the database knows, asked for once.
type zoneList struct {
	mu    sync.Mutex
	names []string
}

// zoneNames returns the names offered in the form; none when they cannot be
// read, for the field takes any name.
func (s *Server) zoneNames(ctx context.Context) []string {
	s.zones.mu.Lock()
	defer s.zones.mu.Unlock()
	if s.zones.names != nil {
		return s.zones.names
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var names []string
	rows, err := s.conn.Query(ctx, statement("time_zones"))
	if err != nil {
		return nil
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if rows.Scan(&name) == nil {
			names = append(names, name)
		}
	}
	if rows.Err() == nil {
		s.zones.names = names
	}
	return names
}
