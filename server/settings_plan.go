package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/site"
)

// PlanPage is the settings page of the plan.
type PlanPage struct {
	SettingsBase
	Plan     PlanForm
	Line     site.Line
	Lines    []link // to the plans of all lines, when there are several
	Versions []PlanVersion
	Zone     jobState
}

// PlanForm is the form of one version of the plan, as entered.
type PlanForm struct {
	site.PlanText
	Line    string // id of the line
	Version string // the version that is being changed: its first day, "first" for the first, empty for a new one
	Scope   string // scopeThis, scopeFrom or scopeAll
	Many    bool   // there are other versions
	Holds   string // when the version holds that is being changed
	Errors  site.FieldErrors
	Preview []string // what it would mean, in sentences
	Zones   []string
	Action  string // where the form is sent to
	Save    string // text of the button
}

// What a change of the plan is for.
const (
	scopeThis = "this" // the version that is being changed keeps its time
	scopeFrom = "from" // a new version from a day on
	scopeAll  = "all"  // all time: history is cut again, other versions go
)

// firstVersion names the version that has no first day.
const firstVersion = "first"

// PlanVersion is a line of the list of versions.
type PlanVersion struct {
	site.PlanText
	Version                     string
	Holds, CapText, RenewalText string
	Current, Only               bool
}

func (s *Server) showPlan(w http.ResponseWriter, r *http.Request) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	line, err := lineOf(settings, r.URL.Query().Get("line"))
	if err != nil {
		return err
	}
	current := line.Plans.At(s.now()).Plan
	if i := findVersion(line.Plans, r.URL.Query().Get("version")); i >= 0 {
		current = line.Plans[i]
	}
	form := planForm(current, line.Plans)
	form.Preview = s.planPreview(line.Plans, line.Plans, scopeThis)
	return s.planPage(w, r, settings, line, form)
}

// lineOf finds the line that a form or an address names; none is the first.
func lineOf(settings *site.Settings, id string) (site.Line, error) {
	line, ok := settings.Line(id)
	if !ok {
		return line, &Problem{Status: http.StatusNotFound, Title: "No such line", Detail: "This line is not there; it may have been removed. The settings of the plan list those there are."}
	}
	return line, nil
}

// versionOf names a version in forms and addresses.
func versionOf(p billing.Plan) string {
	if p.EffectiveFrom.IsZero() {
		return firstVersion
	}
	return p.EffectiveFrom.String()
}

// findVersion is the place of a version, -1 when there is none of that name.
func findVersion(plans billing.Plans, version string) int {
	return slices.IndexFunc(plans, func(p billing.Plan) bool { return versionOf(p) == version })
}

// planForm shows a stored version.
func planForm(p billing.Plan, plans billing.Plans) PlanForm {
	form := PlanForm{PlanText: site.TextOf(p), Line: p.ID, Version: versionOf(p), Scope: scopeThis}
	if len(plans) == 1 && p.EffectiveFrom.IsZero() {
		form.Scope = scopeAll
	}
	return form
}

func (s *Server) planPage(w http.ResponseWriter, r *http.Request, settings *site.Settings, line site.Line, form PlanForm) error {
	page := PlanPage{SettingsBase: s.settingsBase(r, "plan", "Plan", form.Errors), Line: line, Zone: s.zoneNow(r.Context())}
	s.completePlanForm(r.Context(), &form, line)
	form.Action, form.Save = "/settings/plan", "Save the plan"
	page.Plan = form
	if len(settings.Lines) > 1 {
		for _, l := range settings.Lines {
			page.Lines = append(page.Lines, link{Text: l.Label(), Href: linePath(l), Current: l.ID == line.ID})
		}
	}
	now := line.Plans.At(s.now()).Plan
	for i := range line.Plans {
		page.Versions = append(page.Versions, planVersion(line.Plans, i, now))
	}
	if page.Zone.Running {
		// The page shows how far it is without a script.
		w.Header().Set("Refresh", "2; url=/settings/plan")
	}
	return s.render(w, r, formStatus(form.Errors), "settings_plan", page)
}

// linePath is the address of a line's plan.
func linePath(l site.Line) string { return "/settings/plan?line=" + l.ID }

// completePlanForm fills in what does not come from the reader.
func (s *Server) completePlanForm(ctx context.Context, form *PlanForm, line site.Line) {
	form.Zones = s.zoneNames(ctx)
	form.Line, form.Many = line.ID, len(line.Plans) > 1
	if i := findVersion(line.Plans, form.Version); i >= 0 {
		form.Holds = holds(line.Plans, i)
	} else {
		form.Version = ""
	}
	if form.Scope == scopeThis && form.Version == "" {
		form.Scope = scopeFrom
	}
	if form.From == "" || form.Scope == scopeThis {
		form.From = billing.DateOf(s.today(line.Plans[0].Zone)).String()
	}
}

func planVersion(plans billing.Plans, i int, now billing.Plan) PlanVersion {
	p := plans[i]
	v := PlanVersion{
		PlanText: site.TextOf(p), Version: versionOf(p), Holds: holds(plans, i), CapText: "no cap",
		RenewalText: renewalText(p.Renewal), Current: p.EffectiveFrom == now.EffectiveFrom, Only: len(plans) == 1,
	}
	if p.Cap > 0 {
		v.CapText = p.Base.Format(p.Cap)
	}
	return v
}

// holds says from when to when a version is in force.
func holds(plans billing.Plans, i int) string {
	last := ""
	if i+1 < len(plans) {
		last = dayYear(plans[i+1].EffectiveFrom.AddDays(-1))
	}
	switch from := plans[i].EffectiveFrom; {
	case i == 0 && last == "":
		return "always"
	case i == 0:
		return "until " + last // the first one also holds for all time before it
	case last == "":
		return "from " + dayYear(from) + " on"
	default:
		return dayYear(from) + " – " + last
	}
}

// dayYear writes a date without its weekday: 12 May 2026.
func dayYear(d billing.Date) string { return dayShort(d) + " " + itoa(d.Year) }

func renewalText(r billing.Renewal) string {
	if text := r.String(); text != "month" {
		return text
	}
	return "calendar month"
}

// readPlan reads the form for a line. The result is in force from its
// EffectiveFrom on; the zero date of it means from the beginning.
func readPlan(r *http.Request, line site.Line) (PlanForm, billing.Plan) {
	form := PlanForm{
		PlanText: site.PlanText{
			Name: r.PostFormValue("name"), From: r.PostFormValue("from"), Zone: r.PostFormValue("zone"),
			Renewal: r.PostFormValue("renewal"), Cap: r.PostFormValue("cap"), Counts: r.PostFormValue("counts"), Free: r.PostFormValue("free"),
		},
		Version: r.PostFormValue("version"), Scope: r.PostFormValue("scope"),
	}
	text := form.PlanText
	if form.Scope != scopeFrom {
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
	edited := findVersion(line.Plans, form.Version)
	switch form.Scope {
	case scopeThis:
		if edited < 0 {
			add("scope", "This version of the plan is not there any more; say from which day on the plan holds.")
			break
		}
		plan.EffectiveFrom = line.Plans[edited].EffectiveFrom
	case scopeFrom:
		if form.From == "" {
			add("from", "Say from which day on the plan holds, or choose all time.")
			break
		}
		if i := findVersion(line.Plans, versionOf(plan)); i >= 0 && i != edited && form.Errors["from"] == "" {
			add("from", fmt.Sprintf("The version %q begins on that day already, and two cannot hold at once; change that one, or choose another day.", line.Plans[i].Name))
		}
	case scopeAll:
	default:
		add("scope", "Say for which time the change is.")
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
	line, err := lineOf(settings, r.PostFormValue("line"))
	if err != nil {
		return err
	}
	form, plan := readPlan(r, line)
	if len(form.Errors) == 0 && r.PostFormValue("action") == "preview" {
		form.Preview = s.planPreview(line.Plans, withVersion(line.Plans, plan, form.Scope), form.Scope)
	}
	if len(form.Errors) > 0 || r.PostFormValue("action") == "preview" {
		return s.planPage(w, r, settings, line, form)
	}
	done, err := s.storePlan(r.Context(), settings, line, plan, form.Scope)
	if form.Errors, err = fieldErrors(err); err != nil {
		return err
	}
	if len(form.Errors) > 0 {
		return s.planPage(w, r, settings, line, form)
	}
	return redirect(w, r, planPath(settings, line), done)
}

// planPath is the page of a line's plan; the first line needs no parameter.
func planPath(settings *site.Settings, line site.Line) string {
	if line.ID == settings.Lines[0].ID {
		return "/settings/plan"
	}
	return linePath(line)
}

// storePlan saves a version, for all time or from its date on, and starts the
// re-cut when the time zone of the days is another one.
func (s *Server) storePlan(ctx context.Context, before *site.Settings, line site.Line, plan billing.Plan, scope string) (done string, err error) {
	from := plan.EffectiveFrom
	if scope == scopeAll {
		from = billing.Date{}
	}
	if err := s.site.SavePlan(ctx, line.ID, plan, from); err != nil {
		return "", err
	}
	if scope == scopeAll {
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
	line, err := lineOf(settings, r.PostFormValue("line"))
	if err != nil {
		return err
	}
	var from billing.Date
	if text := r.PostFormValue("from"); text != "" {
		if from, err = billing.ParseDate(text); err != nil {
			return &Problem{Status: http.StatusBadRequest, Detail: err.Error()}
		}
	}
	err = s.site.DeletePlanVersion(r.Context(), line.ID, from)
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
	return redirect(w, r, planPath(settings, line), done)
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
func withVersion(plans billing.Plans, plan billing.Plan, scope string) billing.Plans {
	if scope == scopeAll {
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
func (s *Server) planPreview(before, after billing.Plans, scope string) []string {
	if err := after.Validate(); err != nil {
		return []string{err.Error()}
	}
	would, same := "would be", slices.Equal(before, after)
	if same {
		would = "is"
	}
	p := after.At(s.now())
	next := after.Next(p)
	lines := []string{
		fmt.Sprintf("This period %s %s, %s.", would, dateRange(p.First, p.Next), count(p.Length(), "day", "days")),
		fmt.Sprintf("The next one %s %s.", would, dateRange(next.First, next.Next)),
	}
	if scope == scopeAll && !same {
		last := after.Previous(p)
		lines = append(lines, fmt.Sprintf("History is cut again: the period before would be %s.", dateRange(last.First, last.Next)))
	}
	if p.Plan.Cap > 0 {
		lines = append(lines, fmt.Sprintf("An even pace is %s a day.", p.Plan.Base.Format(p.Plan.Cap/uint64(max(p.Length(), 1)))))
	}
	if hours := p.Plan.Free.PerWeek().Hours(); hours > 0 {
		lines = append(lines, strconv.FormatFloat(hours, 'f', -1, 64)+" hours of a week do not count.")
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
