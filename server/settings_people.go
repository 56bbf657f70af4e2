package server

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/flattraffic/flattraffic/site"
)

// PeopleSettingsPage is the settings page of the people and their share links.
type PeopleSettingsPage struct {
	SettingsBase
	People  []PersonForm
	New     PersonForm
	Links   []LinkRow
	Made    string // a new link, shown once
	MadeFor string
}

// PersonForm is a person as entered.
type PersonForm struct {
	Index    int
	ID, Name string
	Weight   string
	Devices  string // how many, in words
	Errors   site.FieldErrors
}

// LinkRow is a share link in the list.
type LinkRow struct {
	ID, Person string
	Created    moment
	Expires    moment
}

// shareLasts are how long a share link may be in force, in days; 0 = until it
// is revoked.
var shareLasts = map[string]int{"": 0, "30": 30, "365": 365}

func (s *Server) peopleSettingsRoutes(r chi.Router) {
	s.get(r, "/settings/people", func(w http.ResponseWriter, r *http.Request) error {
		return s.peopleSettingsPage(w, r, PersonForm{Weight: "1"}, "", "")
	})
	s.post(r, "/settings/people", s.savePerson)
	s.post(r, "/settings/people/delete", s.deletePerson)
	s.post(r, "/settings/people/share", s.makeShare)
	s.post(r, "/settings/people/revoke", s.revokeShare)
}

func (s *Server) peopleSettingsPage(w http.ResponseWriter, r *http.Request, entered PersonForm, made, madeFor string) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	links, err := s.shares.list(r.Context(), s.now())
	if err != nil {
		return err
	}
	page := PeopleSettingsPage{SettingsBase: s.settingsBase(r, "people", "People", entered.Errors), New: PersonForm{Weight: "1"}, Made: made, MadeFor: madeFor}
	devices := map[string]int{}
	for _, d := range settings.Devices {
		devices[d.Owner]++
	}
	if entered.ID == "" {
		page.New = entered
	}
	for i, p := range settings.People {
		f := PersonForm{ID: p.ID, Name: p.Name, Weight: strconv.Itoa(int(p.Weight))}
		if entered.ID == p.ID {
			f = entered
		}
		f.Index, f.Devices = i+1, count(devices[p.ID], "host", "hosts")
		page.People = append(page.People, f)
	}
	fig := newFigures(settings.Lines[0].Plans.At(s.now()).Plan, s.now())
	for _, l := range links {
		row := LinkRow{ID: l.ID, Person: "Everyone", Created: fig.seen(l.Created), Expires: fig.seen(l.Expires)}
		if p, ok := settings.Person(l.Person); ok {
			row.Person = p.Name
		} else if l.Person != "" {
			row.Person = "somebody who was removed"
		}
		page.Links = append(page.Links, row)
	}
	return s.render(w, r, formStatus(entered.Errors), "settings_people", page)
}

func (s *Server) savePerson(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	f := PersonForm{ID: r.PostFormValue("id"), Name: strings.TrimSpace(r.PostFormValue("name")), Weight: strings.TrimSpace(r.PostFormValue("weight")), Errors: site.FieldErrors{}}
	weight, err := strconv.ParseUint(f.Weight, 10, 16)
	if err != nil || weight > 1000 {
		f.Errors["weight"] = "The weight is a whole number from 0 to 1000: 1 for an equal share, 2 for twice as much, 0 for none."
	}
	if len(f.Errors) == 0 {
		_, err := s.site.SavePerson(r.Context(), site.Person{ID: f.ID, Name: f.Name, Weight: uint16(weight)})
		if f.Errors, err = fieldErrors(err); err != nil {
			return err
		}
	}
	if len(f.Errors) > 0 {
		return s.peopleSettingsPage(w, r, f, "", "")
	}
	return redirect(w, r, "/settings/people", "person")
}

func (s *Server) deletePerson(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	id := r.PostFormValue("id")
	if err := s.site.DeletePerson(r.Context(), id); err != nil {
		return err
	}
	links, err := s.shares.list(r.Context(), s.now())
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.Person == id && id != "" {
			if err := s.shares.revoke(r.Context(), l.ID); err != nil {
				return err
			}
		}
	}
	return redirect(w, r, "/settings/people", "person-deleted")
}

// makeShare makes a link and shows it, this once: only its hash is kept.
func (s *Server) makeShare(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	person, name := r.PostFormValue("person"), "everyone"
	if person != "" {
		p, ok := settings.Person(person)
		if !ok {
			return &Problem{Status: http.StatusBadRequest, Title: "No link was made", Detail: "This person is not there any more; choose another."}
		}
		name = p.Name
	}
	days, ok := shareLasts[r.PostFormValue("days")]
	if !ok {
		return &Problem{Status: http.StatusBadRequest, Title: "No link was made", Detail: "Choose how long the link is in force from the list."}
	}
	var expires time.Time
	if days > 0 {
		expires = s.now().AddDate(0, 0, days)
	}
	token, err := s.shares.create(r.Context(), person, expires)
	if err != nil {
		return err
	}
	scheme := "http"
	if s.secure(r) {
		scheme = "https"
	}
	return s.peopleSettingsPage(w, r, PersonForm{Weight: "1"}, scheme+"://"+r.Host+"/share/"+token, name)
}

func (s *Server) revokeShare(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	if err := s.shares.revoke(r.Context(), r.PostFormValue("link")); err != nil {
		return err
	}
	return redirect(w, r, "/settings/people", "share-revoked")
}
