package server

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/flattraffic/flattraffic/site"
)

// LinesPage is the settings page of the lines and their exporters.
type LinesPage struct {
	SettingsBase
	Lines []LineForm
	New   LineForm
	Stray []string // exporters that were heard and are on no line
}

// LineForm is the form of one line, as entered.
type LineForm struct {
	ID, Field            string // Field tells the fields of the page's forms apart
	Name, Label, Plan    string
	Exporters            []LineExporter
	More                 string
	New, Rest, Removable bool
	Errors               site.FieldErrors
}

// LineExporter is an exporter that may be on a line.
type LineExporter struct {
	Field, Address, Name string
	On                   bool
	Other                string // the line it is on instead
}

func (s *Server) showLines(w http.ResponseWriter, r *http.Request) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	return s.linesPage(w, r, settings, nil)
}

// linesPage shows all lines; entered, when set, stands in for its line.
func (s *Server) linesPage(w http.ResponseWriter, r *http.Request, settings *site.Settings, entered *LineForm) error {
	var errs site.FieldErrors
	if entered != nil {
		errs = entered.Errors
	}
	page := LinesPage{SettingsBase: s.settingsBase(r, "plan", "Lines", errs)}
	known := s.knownExporters(r.Context(), settings)
	for i, l := range settings.Lines {
		form := LineForm{
			ID: l.ID, Field: strconv.Itoa(i), Name: l.Label(), Label: l.Label(), Plan: linePath(l), Rest: l.Rest(), Removable: i > 0,
		}
		form.Exporters = lineExporters(form.Field, known, settings, l.ID, l.Exporters)
		if entered != nil && entered.ID == l.ID {
			form.Name, form.More, form.Errors = entered.Name, entered.More, entered.Errors
			form.Exporters = lineExporters(form.Field, known, settings, l.ID, entered.chosen())
		}
		page.Lines = append(page.Lines, form)
	}
	page.New = LineForm{New: true, Field: "new"}
	if entered != nil && entered.New {
		page.New.Name, page.New.More, page.New.Errors = entered.Name, entered.More, entered.Errors
	}
	page.New.Exporters = lineExporters("new", known, settings, "", page.New.chosenOf(entered))
	if !settings.HasRest() {
		for _, a := range known {
			if !slices.Contains(settings.Named(), a) {
				page.Stray = append(page.Stray, a.String())
			}
		}
	}
	return s.render(w, r, formStatus(errs), "settings_lines", page)
}

// chosen are the exporters that were marked in a form that came back.
func (f LineForm) chosen() []netip.Addr {
	var list []netip.Addr
	for _, e := range f.Exporters {
		if a, err := netip.ParseAddr(e.Address); err == nil && e.On {
			list = append(list, a)
		}
	}
	return list
}

func (f LineForm) chosenOf(entered *LineForm) []netip.Addr {
	if entered == nil || entered.ID != f.ID {
		return nil
	}
	return entered.chosen()
}

// knownExporters are those that were heard, are set, or are on a line.
func (s *Server) knownExporters(ctx context.Context, settings *site.Settings) []netip.Addr {
	list := slices.Clone(settings.Named())
	for _, e := range settings.Exporters {
		list = append(list, e.Address)
	}
	if heard, err := s.feed.seen(ctx); err == nil { // without the database the others stand
		for _, e := range heard {
			list = append(list, e.Address)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// lineExporters are the boxes of one line's form.
func lineExporters(field string, known []netip.Addr, settings *site.Settings, line string, on []netip.Addr) []LineExporter {
	var list []LineExporter
	for i, a := range known {
		e := LineExporter{Field: "exporter-" + field + "-" + strconv.Itoa(i), Address: a.String(), On: slices.Contains(on, a)}
		for _, x := range settings.Exporters {
			if x.Address == a {
				e.Name = x.Name
			}
		}
		for _, l := range settings.Lines {
			if l.ID != line && slices.Contains(l.Exporters, a) {
				e.Other = l.Label()
			}
		}
		list = append(list, e)
	}
	return list
}

// saveLine stores a line, or makes one when the form names none.
func (s *Server) saveLine(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	form, exporters := readLine(r)
	if form.New {
		var id string
		if id, err = s.site.AddLine(r.Context(), form.Name, exporters); err == nil {
			return redirect(w, r, "/settings/plan?line="+id, "line-added")
		}
	} else if err = s.site.SaveLine(r.Context(), form.ID, form.Name, exporters); err == nil {
		return redirect(w, r, "/settings/lines", "line")
	}
	if form.Errors, err = fieldErrors(err); err != nil {
		return err
	}
	return s.linesPage(w, r, settings, &form)
}

func readLine(r *http.Request) (LineForm, []netip.Addr) {
	form := LineForm{ID: r.PostFormValue("line"), Name: r.PostFormValue("name"), More: strings.TrimSpace(r.PostFormValue("more"))}
	form.New = form.ID == ""
	var exporters []netip.Addr
	for _, text := range r.PostForm["exporter"] {
		a, _ := netip.ParseAddr(text) // what is no address is refused when it is saved
		exporters = append(exporters, a)
		form.Exporters = append(form.Exporters, LineExporter{Address: text, On: true})
	}
	if form.More != "" {
		a, _ := netip.ParseAddr(form.More)
		exporters = append(exporters, a)
	}
	return form, exporters
}

func (s *Server) deleteLine(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	err := s.site.DeleteLine(r.Context(), r.PostFormValue("line"))
	errs, err := fieldErrors(err)
	if err != nil {
		return err
	}
	if len(errs) > 0 {
		return &Problem{Status: http.StatusConflict, Title: "Not removed", Detail: errs["line"]}
	}
	return redirect(w, r, "/settings/lines", "line-deleted")
}
