package charts

import (
	"slices"
	"strings"
)

// Inline writes the chart as HTML to put into a page that includes CSS(). It
// is as wide as its place and keeps its height.
//
// The drawing is one image to assistive technology, named by title and
// description. Links stand beside the image, not in it: what is in an image
// cannot be reached.
func (p Picture) Inline() string {
	w := &writer{id: identifier(p.ID), tier: len(tierPlots) - 1}
	w.WriteString("<div")
	w.attr("class", p.classes())
	w.WriteString("><svg")
	linked := p.linked()
	if !linked {
		w.image(p.Frame)
	}
	w.attr("height", number(p.height, 1))
	w.WriteByte('>')
	if linked {
		w.WriteString("<g")
		w.image(p.Frame)
		w.WriteByte('>')
	}
	w.names(p.Frame)
	if p.defs {
		w.patterns()
	}
	for _, m := range p.marks {
		m.write(w)
	}
	if linked {
		w.WriteString("</g>")
	}
	w.hits(p.hits)
	w.WriteString("</svg></div>")
	return w.String()
}

// Legend writes what the marks of the chart mean, as an HTML list. It belongs
// on the same page as the chart, whose patterns it uses. It is empty when
// there is nothing to tell apart.
func (p Picture) Legend() string {
	if len(p.legend) == 0 {
		return ""
	}
	w := &writer{id: identifier(p.ID)}
	w.WriteString(`<ul class="chart-legend">`)
	for _, k := range p.legend {
		w.WriteString(`<li><svg width="14" height="12" aria-hidden="true">`)
		w.key(k, 0, 0)
		w.WriteString("</svg>")
		w.escaped(k.words)
		w.WriteString("</li>")
	}
	w.WriteString("</ul>")
	return w.String()
}

// classes are those of the element around the chart.
func (p Picture) classes() string {
	if p.gutter {
		return "chart chart-gutter " + p.kind
	}
	return "chart " + p.kind
}

// linked says whether any part of the chart leads somewhere.
func (p Picture) linked() bool {
	for _, h := range p.hits {
		if local(h.href) {
			return true
		}
	}
	return false
}

// image says that an element is an image with a name.
func (w *writer) image(f Frame) {
	w.attr("role", "img")
	by := w.id + "-title"
	if f.Desc != "" {
		by += " " + w.id + "-desc"
	}
	w.attr("aria-labelledby", by)
}

// names writes title and description of an image.
func (w *writer) names(f Frame) {
	w.element("title", w.id+"-title", f.Title)
	if f.Desc != "" {
		w.element("desc", w.id+"-desc", f.Desc)
	}
}

// hits writes the areas that answer to the pointer.
func (w *writer) hits(hits []hit) {
	if len(hits) == 0 {
		return
	}
	w.WriteString(`<g class="hits">`)
	for _, h := range hits {
		name := "g"
		if local(h.href) {
			name = "a"
		}
		w.WriteString("<" + name)
		if name == "a" {
			w.attr("href", h.href)
		}
		w.WriteByte('>')
		w.element("title", "", h.name)
		h.area.write(w)
		w.WriteString("</" + name + ">")
	}
	w.WriteString("</g>")
}

// key draws the sample of a legend entry at a position in pixels.
func (w *writer) key(k key, x, y float64) {
	if k.line {
		w.WriteString("<line")
		w.attr("class", k.class)
		w.attr("x1", number(x, 1))
		w.attr("x2", number(x+14, 1))
		w.attr("y1", number(y+6, 1))
		w.attr("y2", number(y+6, 1))
		w.WriteString("/>")
		return
	}
	sample := func(class, pattern string) {
		w.WriteString("<rect")
		w.attr("class", class)
		w.attr("x", number(x+1, 1))
		w.attr("y", number(y+1, 1))
		w.attr("width", "12")
		w.attr("height", "10")
		w.fill(pattern)
		w.WriteString("/>")
	}
	if k.class != "" {
		sample(k.class, "")
	}
	if k.pattern != "" {
		sample("", k.pattern)
	}
}

// local says whether a link stays on this site: a path from the root, a query
// or a fragment. Anything else, such as a script or another host, is not one.
func local(href string) bool {
	switch {
	case href == "", strings.HasPrefix(href, "//"), strings.HasPrefix(href, `/\`):
		return false
	}
	return strings.ContainsRune("/?#", rune(href[0]))
}

// hasClass says whether a list of classes holds one.
func hasClass(classes, name string) bool {
	return slices.Contains(strings.Fields(classes), name)
}
