package charts

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// writer writes marks as SVG. The two formats differ in what a horizontal
// fraction becomes: a percentage inside a page, pixels in a file.
type writer struct {
	strings.Builder

	id    string
	width float64 // of the plot, in pixels; 0 = fluid, in percent
	tier  int     // labels of higher tiers are left out; fluid writes all that are ever shown
}

// across writes a horizontal fraction.
func (w *writer) across(fraction float64) string {
	if w.width == 0 {
		if fraction == 0 {
			return "0"
		}
		return number(fraction*100, 2) + "%"
	}
	return number(fraction*w.width, 2)
}

// number writes a coordinate with few digits.
func number(v float64, decimals int) string {
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

// attr writes an attribute; one without a value is left out.
func (w *writer) attr(name, value string) {
	if value == "" {
		return
	}
	w.WriteString(" " + name + `="`)
	w.escaped(value)
	w.WriteByte('"')
}

// escaped writes text so that it stays text, whatever is in it.
func (w *writer) escaped(s string) {
	// A strings.Builder returns no error.
	_ = xml.EscapeText(w, []byte(s))
}

// element writes an element that holds nothing but text.
func (w *writer) element(name, id, words string) {
	w.WriteString("<" + name)
	w.attr("id", id)
	w.WriteByte('>')
	w.escaped(words)
	w.WriteString("</" + name + ">")
}

// fill names the pattern to fill with.
func (w *writer) fill(pattern string) {
	if pattern != "" {
		w.attr("fill", "url(#"+w.id+"-"+pattern+")")
	}
}

func (g group) write(w *writer) {
	if len(g.marks) == 0 {
		return
	}
	plain := g.class == "" && g.pattern == ""
	if !plain {
		w.WriteString("<g")
		w.attr("class", g.class)
		w.fill(g.pattern)
		w.WriteByte('>')
	}
	for _, m := range g.marks {
		m.write(w)
	}
	if !plain {
		w.WriteString("</g>")
	}
}

func (r rect) write(w *writer) {
	w.WriteString("<rect")
	w.attr("class", r.class)
	if r.x != 0 {
		w.attr("x", w.across(r.x))
	}
	if r.y != 0 {
		w.attr("y", number(r.y, 1))
	}
	w.attr("width", w.across(r.w))
	w.attr("height", number(r.h, 1))
	w.WriteString("/>")
}

func (l line) write(w *writer) {
	w.WriteString("<line")
	w.attr("class", l.class)
	w.attr("x1", w.across(l.x1))
	w.attr("x2", w.across(l.x2))
	w.attr("y1", number(l.y1, 1))
	w.attr("y2", number(l.y2, 1))
	w.WriteString("/>")
}

func (t text) write(w *writer) {
	if t.tier > w.tier {
		return
	}
	class := t.class
	if w.width == 0 && t.tier > 0 {
		class = strings.TrimSpace(class + " wide" + strconv.Itoa(t.tier))
	}
	w.WriteString("<text")
	w.attr("class", class)
	if t.x == 0 {
		w.attr("x", number(t.dx, 1))
	} else {
		w.attr("x", w.across(t.x))
		if t.dx != 0 {
			w.attr("dx", number(t.dx, 1))
		}
	}
	w.attr("y", number(t.y, 1))
	w.WriteByte('>')
	w.escaped(t.words)
	w.WriteString("</text>")
}

func (c cells) write(w *writer) {
	if len(c.boxes) == 0 {
		return
	}
	if w.width > 0 {
		w.WriteString("<g")
		w.attr("transform", "scale("+number(w.width/float64(c.units), 4)+" 1)")
		w.WriteByte('>')
		w.path(c)
		w.WriteString("</g>")
		return
	}
	bottom := 0.0
	for _, b := range c.boxes {
		bottom = max(bottom, b.y+b.h)
	}
	w.WriteString("<svg")
	w.attr("height", number(bottom, 1))
	w.attr("viewBox", "0 0 "+strconv.Itoa(c.units)+" "+number(bottom, 1))
	w.attr("preserveAspectRatio", "none")
	w.WriteByte('>')
	w.path(c)
	w.WriteString("</svg>")
}

// curveUnits is the width of the drawing that a fluid curve is stretched from.
const curveUnits = 1000

func (c curve) write(w *writer) {
	if len(c.points) == 0 {
		return
	}
	width, fluid := w.width, w.width == 0
	if fluid {
		width = curveUnits
		bottom := c.base
		for _, p := range c.points {
			bottom = max(bottom, p.y)
		}
		w.WriteString("<svg")
		w.attr("height", number(bottom+2, 1))
		w.attr("viewBox", "0 0 "+strconv.Itoa(curveUnits)+" "+number(bottom+2, 1))
		w.attr("preserveAspectRatio", "none")
		w.WriteByte('>')
	}
	w.WriteString("<path")
	w.attr("class", c.class)
	w.WriteString(` d="`)
	for i, p := range c.points {
		sign := "L"
		if i == 0 {
			sign = "M"
		}
		w.WriteString(sign + number(p.x*width, 1) + " " + number(p.y, 1))
	}
	if c.area {
		w.WriteString("L" + number(c.points[len(c.points)-1].x*width, 1) + " " + number(c.base, 1))
		w.WriteString("L" + number(c.points[0].x*width, 1) + " " + number(c.base, 1) + "z")
	}
	w.WriteString(`"/>`)
	if fluid {
		w.WriteString("</svg>")
	}
}

// path writes all cells as one path.
func (w *writer) path(c cells) {
	w.WriteString("<path")
	w.attr("class", c.class)
	w.WriteString(` d="`)
	for _, b := range c.boxes {
		w.WriteString("M" + number(b.x, 2) + " " + number(b.y, 1) + "h" + number(b.w, 2) + "v" + number(b.h, 1) + "h" + number(-b.w, 2) + "z")
	}
	w.WriteString(`"/>`)
}

// patterns defines the fills that are more than a colour.
func (w *writer) patterns() {
	w.WriteString("<defs><pattern")
	w.attr("id", w.id+"-second")
	w.WriteString(` width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="under" width="4" height="4"/><path class="over-second" d="M1 0v4"/></pattern><pattern`)
	w.attr("id", w.id+"-partial")
	w.WriteString(` width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)"><path class="over-partial" d="M1 0v4"/></pattern></defs>`)
}

// identifier keeps the characters of an id that need no escaping anywhere.
func identifier(s string) string {
	id := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return -1
	}, s)
	if id == "" {
		return "chart"
	}
	return id
}
