package charts

// Spark is a row of tiny columns beside a figure, without axis or words.
type Spark struct {
	Title   string // what it shows; empty = decoration, hidden from assistive technology
	Values  []uint64
	Largest uint64 // the value of a full column; 0 = the largest of Values
}

const sparkHeight = 24.0 // in the units of the drawing; the style sheet gives the size

// Inline writes the spark as one small SVG element. A value above zero is
// never drawn as nothing.
func (s Spark) Inline() string {
	largest := s.Largest
	if largest == 0 {
		for _, v := range s.Values {
			largest = max(largest, v)
		}
	}
	c := cells{class: "first", units: max(len(s.Values), 1)}
	for i, v := range s.Values {
		if v > 0 {
			h := max(sparkHeight*min(float64(v)/float64(largest), 1), 1)
			c.boxes = append(c.boxes, box{float64(i), 0.8, sparkHeight - h, h})
		}
	}
	w := &writer{}
	w.WriteString(`<svg class="chart-spark"`)
	w.decoration(s.Title)
	w.attr("viewBox", "0 0 "+number(float64(c.units), 0)+" "+number(sparkHeight, 0))
	w.attr("preserveAspectRatio", "none")
	w.WriteByte('>')
	w.path(c)
	w.WriteString("</svg>")
	return w.String()
}

// Bar is a bar behind or beside the figures of a row.
type Bar struct {
	Title string   // what it shows; empty = decoration, hidden from assistive technology
	Parts []uint64 // from the left; two looks exist
	Of    uint64   // the value of a full bar
}

// Inline writes the bar as one small SVG element.
func (b Bar) Inline() string {
	w := &writer{}
	w.WriteString(`<svg class="chart-bar"`)
	w.decoration(b.Title)
	w.WriteByte('>')
	sum, full := 0.0, max(float64(b.Of), 1)
	for i, part := range b.Parts {
		class := "first"
		if i > 0 {
			class = "under"
		}
		from := min(sum/full, 1)
		sum += float64(part)
		if to := min(sum/full, 1); to > from {
			w.WriteString("<rect")
			w.attr("class", class)
			if from > 0 {
				w.attr("x", w.across(from))
			}
			w.attr("width", w.across(to-from))
			w.attr("height", "100%")
			w.WriteString("/>")
		}
	}
	w.WriteString("</svg>")
	return w.String()
}

// decoration names a small image, or hides one without a name.
func (w *writer) decoration(title string) {
	if title == "" {
		w.attr("aria-hidden", "true")
		return
	}
	w.attr("role", "img")
	w.attr("aria-label", title)
}
