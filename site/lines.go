package site

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/flattraffic/flattraffic/billing"
)

// Line returns the line with the id; the first one for an empty id.
func (s *Settings) Line(id string) (Line, bool) {
	for i, line := range s.Lines {
		if line.ID == id || id == "" && i == 0 {
			return line, true
		}
	}
	return Line{}, false
}

// Label is what a line is called: its name, or that of its newest plan.
func (l Line) Label() string {
	if l.Name != "" || len(l.Plans) == 0 {
		return l.Name
	}
	return l.Plans[len(l.Plans)-1].Name
}

// Rest reports whether the line takes the exporters that no other line names.
func (l Line) Rest() bool { return len(l.Exporters) == 0 }

// Named lists the exporters that any line names.
func (s *Settings) Named() []netip.Addr {
	var list []netip.Addr
	for _, l := range s.Lines {
		list = append(list, l.Exporters...)
	}
	return list
}

// HasRest reports whether every exporter is on some line.
func (s *Settings) HasRest() bool { return slices.ContainsFunc(s.Lines, Line.Rest) }

// maxLines bounds the lines of a site.
const maxLines = 50

// SaveLine stores the name of a line and which exporters are on it; none means
// those that no other line names. The error is FieldErrors with line, name and
// exporters.
func (s *Store) SaveLine(ctx context.Context, id, name string, exporters []netip.Addr) error {
	return s.change(ctx, func(stored *Settings) ([]change, error) {
		lines := slices.Clone(stored.Lines)
		if len(lines) == 0 {
			lines = []Line{s.defaultLine()}
		}
		i := slices.IndexFunc(lines, func(l Line) bool { return l.ID == id })
		if i < 0 {
			return nil, FieldErrors{"line": fmt.Sprintf("There is no line %q; it may have been removed meanwhile.", id)}
		}
		lines[i].Name, lines[i].Exporters = strings.TrimSpace(name), cleaned(exporters)
		if err := checkLineOf(lines, i); err != nil {
			return nil, err
		}
		return []change{plans(newestRow(lines[i]))}, nil
	})
}

// AddLine makes a line with a plan of calendar months without a cap, in the
// zone of the first line, and returns its id. The error is as of SaveLine.
func (s *Store) AddLine(ctx context.Context, name string, exporters []netip.Addr) (id string, err error) {
	err = s.change(ctx, func(stored *Settings) ([]change, error) {
		lines := slices.Clone(stored.Lines)
		var changes []change
		if len(lines) == 0 { // the default line holds until now and is kept
			lines = []Line{s.defaultLine()}
			changes = append(changes, plans(newestRow(lines[0])))
		}
		if len(lines) == maxLines {
			return nil, FieldErrors{"name": fmt.Sprintf("There are %d lines already, and no more can be kept; remove one first.", maxLines)}
		}
		name = strings.TrimSpace(name)
		id = newLineID(name, lines)
		first := lines[0].Plans[len(lines[0].Plans)-1]
		plan := billing.Plan{ID: id, Name: name, Zone: first.Zone, Base: first.Base}
		line := Line{ID: id, Name: name, Plans: billing.Plans{plan}, Exporters: cleaned(exporters)}
		lines = append(lines, line)
		if err := checkLineOf(lines, len(lines)-1); err != nil {
			return nil, err
		}
		return append(changes, plans(newestRow(line))), nil
	})
	return id, err
}

// DeleteLine takes a line away with all versions of its plan. Its exporters
// are then on no line, or on the one that takes the rest. The first line stays.
func (s *Store) DeleteLine(ctx context.Context, id string) error {
	return s.change(ctx, func(stored *Settings) ([]change, error) {
		line, ok := stored.Line(id)
		switch {
		case !ok || id == "":
			return nil, FieldErrors{"line": "There is no such line; it may have been removed meanwhile."}
		case stored.Lines[0].ID == id:
			return nil, FieldErrors{"line": "The first line cannot be removed, for days are those of its time zone; rename it and change its plan instead."}
		}
		var rows []row
		for _, p := range line.Plans {
			rows = append(rows, planRow(p, Line{}, true))
		}
		return []change{plans(rows...)}, nil
	})
}

// newestRow writes the version of a line's plan that keeps what is said of the
// line.
func newestRow(l Line) row { return planRow(l.Plans[len(l.Plans)-1], l, false) }

// newLineID makes an id from a name that no other line has: "LTE stick" is
// lte-stick.
func newLineID(name string, lines []Line) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	base := strings.Trim(b.String(), "-")
	base = strings.Trim(base[:min(len(base), 30)], "-")
	if base == "" || base == AllLines {
		base = "line"
	}
	id := base
	for n := 2; slices.ContainsFunc(lines, func(l Line) bool { return l.ID == id }); n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	return id
}

// cleaned is a list of addresses, each once, unmapped and in order.
func cleaned(list []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, a := range list {
		out = append(out, a.WithZone("").Unmap())
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// checkLineOf says what is wrong with one of the lines.
func checkLineOf(lines []Line, i int) error {
	fields := FieldErrors{}
	line := lines[i]
	if problem := checkName(line.Name); problem != "" {
		fields["name"] = problem
	} else if line.Name == "" && len(lines) > 1 {
		fields["name"] = "The line needs a name, for example Fibre or LTE."
	}
	for _, a := range line.Exporters {
		if !a.IsValid() || a.IsUnspecified() {
			fields["exporters"] = "One of the exporters is not an address; write it like 192.168.1.1."
		}
	}
	for j, other := range lines {
		if j == i {
			continue
		}
		if line.Name != "" && strings.EqualFold(other.Label(), line.Name) {
			fields["name"] = fmt.Sprintf("Another line is called %s already; choose another name.", other.Label())
		}
		if problem := sharedExporters(line, other); problem != "" {
			fields["exporters"] = problem
		}
	}
	return fields.or()
}

// sharedExporters says which traffic would count on both lines, "" if none.
func sharedExporters(a, b Line) string {
	if a.Rest() && b.Rest() {
		return b.Label() + " takes all exporters that no line names, and only one line can; name those of this one."
	}
	for _, x := range a.Exporters {
		if slices.Contains(b.Exporters, x) {
			return fmt.Sprintf("%s is on the line %s already; an exporter can be on one line only.", x, b.Label())
		}
	}
	return ""
}

// checkLines says what is wrong with the lines of a file among themselves.
func checkLines(lines []Line) error {
	fields := FieldErrors{}
	for i, a := range lines {
		for _, b := range lines[:i] {
			if problem := sharedExporters(a, b); problem != "" {
				fields["exporters"] = problem
			}
		}
	}
	return fields.or()
}
