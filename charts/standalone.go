package charts

import (
	_ "embed"
	"strings"
)

//go:embed charts.css
var css string

// CSS returns the style sheet of all charts: classes, light and dark, print
// and forced colours. It is written for a page's own tokens and has values of
// its own where the page sets none.
func CSS() string { return css }

// Theme is the colours of a file that stands alone.
type Theme string

// The themes.
const (
	AsViewer Theme = ""      // light or dark as the viewer prefers
	Light    Theme = "light" // whatever the viewer prefers
	Dark     Theme = "dark"
)

// prefersDark begins the part of the style sheet for the dark.
const prefersDark = "@media (prefers-color-scheme: dark)"

// sheet returns the style sheet of a file.
func (t Theme) sheet() string {
	switch t {
	case Light:
		return strings.ReplaceAll(css, prefersDark, "@media not all")
	case Dark:
		return strings.ReplaceAll(css, prefersDark, "@media all")
	case AsViewer:
	}
	return css
}

// sheet is the layout of a file that stands alone, in pixels.
type sheet struct {
	left, plot, full float64 // room on the left, width of the plot and of all
	head, height     float64 // where the plot begins, and the height of all
	tier             int     // labels of higher tiers have no room
	keys             []box   // places of the legend
}

// sheet lays the chart out at a width, with its title and its legend above.
func (p Picture) sheet(width int) sheet {
	s := sheet{left: 16}
	right := 16.0
	if p.gutter {
		s.left = gutterWidth
	}
	s.plot = max(float64(width)-s.left-right, 60)
	for i, least := range tierPlots {
		if s.plot >= least {
			s.tier = i
		}
	}
	s.full = s.left + s.plot + right
	keys, head := p.keyPlaces(s.full - 32)
	s.keys, s.head = keys, head+44
	s.height = s.head + p.height + 8
	return s
}

// Standalone writes the chart as an SVG file of a width in pixels, with its
// title, its legend and its own style sheet. It has no links.
func (p Picture) Standalone(width int, theme Theme) string {
	s := p.sheet(width)
	w := &writer{id: identifier(p.ID), width: s.plot, tier: s.tier}
	w.WriteString(`<svg xmlns="http://www.w3.org/2000/svg"`)
	w.image(p.Frame)
	w.attr("width", number(s.full, 0))
	w.attr("height", number(s.height, 0))
	w.attr("viewBox", "0 0 "+number(s.full, 0)+" "+number(s.height, 0))
	w.WriteByte('>')
	w.names(p.Frame)
	w.WriteString("<style>" + theme.sheet() + "</style><g")
	w.attr("class", p.classes())
	w.WriteString(`><rect class="paper" width="100%" height="100%"/>`)
	if p.defs {
		w.patterns()
	}
	w.WriteString(`<text class="heading" x="16" y="28">`)
	w.escaped(p.Title)
	w.WriteString("</text>")
	for i, k := range p.legend {
		w.key(k, 16+s.keys[i].x, 42+s.keys[i].y)
		w.WriteString("<text")
		w.attr("x", number(36+s.keys[i].x, 1))
		w.attr("y", number(52+s.keys[i].y, 1))
		w.WriteByte('>')
		w.escaped(k.words)
		w.WriteString("</text>")
	}
	w.WriteString("<g")
	w.attr("transform", "translate("+number(s.left, 1)+" "+number(s.head, 1)+")")
	w.WriteByte('>')
	for _, m := range p.marks {
		m.write(w)
	}
	w.WriteString("</g></g></svg>\n")
	return w.String()
}

// keyPlaces sets the entries of the legend in rows of a width and returns the
// height of the rows.
func (p Picture) keyPlaces(width float64) (places []box, height float64) {
	x, y := 0.0, 0.0
	for _, k := range p.legend {
		w := 20 + textWidth(k.words) + 16
		if x > 0 && x+w > width {
			x, y = 0, y+20
		}
		places = append(places, box{x: x, y: y, w: w, h: 20})
		x += w
	}
	if len(places) > 0 {
		height = y + 20
	}
	return places, height
}
