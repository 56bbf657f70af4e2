package charts

// Lines is a chart of values that run on: the running total of a period, set
// against an earlier one.
type Lines struct {
	Frame
	Name     string // of the values, for the legend
	Points   []Point
	Steps    int     // places across the whole width; 0 = as many as points
	Then     []Point // what they are compared with, drawn dotted
	ThenName string
	Pace     Line                // an even line from zero at the left to this at the right end
	Cap      Line                // a level across
	Base     uint64              // 1000 or 1024: what round ticks are round in
	Labels   []string            // on the axis, by place; "" = none
	Tick     func(uint64) string // writes the value of a tick
	Height   int                 // of the plot, in pixels; 0 = 180
}

// Point is a value at a place on the axis, and where it leads.
type Point struct {
	Value uint64
	Name  string // the figure in words, for the pointer and for assistive technology
	Href  string // where it leads, on this site; empty = nowhere
	Gap   bool   // nothing is known: the line is broken there
}

// Picture lays the chart out.
func (l Lines) Picture() Picture {
	height := float64(l.Height)
	if l.Height <= 0 {
		height = defaultPlot
	}
	d := &linesDrawing{Lines: l, n: float64(max(l.Steps, len(l.Points), 1))}
	d.scale = newScale(d.largest(), l.Base, plotTop, plotTop+height)
	p := Picture{Frame: l.Frame, kind: "chart-lines", height: plotTop + height + axisHeight, gutter: true}
	columns := columnsDrawing{scale: d.scale, n: d.n}
	p.marks = append(p.marks, columns.grid(l.Tick))
	for _, run := range d.runs(l.Points) {
		p.marks = append(p.marks, curve{class: "area", area: true, base: d.scale.bottom, points: run})
	}
	p.marks = append(p.marks, line{"axis", 0, 1, d.scale.bottom, d.scale.bottom})
	if d.near(l.Pace.Value) {
		p.marks = append(p.marks, line{"pace", 0, 1, d.scale.bottom, d.scale.y(float64(l.Pace.Value))})
	}
	if d.near(l.Cap.Value) {
		y := d.scale.y(float64(l.Cap.Value))
		p.marks = append(p.marks, line{"cap", 0, 1, y, y})
	}
	for _, run := range d.runs(l.Then) {
		p.marks = append(p.marks, curve{class: "then", points: run})
	}
	for _, run := range d.runs(l.Points) {
		p.marks = append(p.marks, curve{class: "curve", points: run})
	}
	p.marks = append(p.marks, d.labels())
	p.hits = d.hits()
	p.legend = d.legend()
	return p
}

// linesDrawing is a chart being laid out.
type linesDrawing struct {
	Lines
	scale scale
	n     float64
}

// highest is the highest point of all lines.
func (d *linesDrawing) highest() float64 {
	highest := 0.0
	for _, points := range [][]Point{d.Points, d.Then} {
		for _, p := range points {
			if !p.Gap {
				highest = max(highest, float64(p.Value))
			}
		}
	}
	return highest
}

// near says whether a level is near enough to the lines to be drawn.
func (d *linesDrawing) near(level uint64) bool {
	highest := d.highest()
	return level > 0 && (highest == 0 || float64(level) <= highest*levelLimit*2)
}

func (d *linesDrawing) largest() float64 {
	largest := d.highest()
	for _, level := range []uint64{d.Pace.Value, d.Cap.Value} {
		if d.near(level) {
			largest = max(largest, float64(level))
		}
	}
	return largest
}

// runs are the points of each stretch without a gap, from zero at the left
// edge where the first point has one before it.
func (d *linesDrawing) runs(points []Point) [][]point {
	var runs [][]point
	run := []point{{0, d.scale.bottom}}
	for i, p := range points {
		if p.Gap {
			if len(run) > 1 {
				runs = append(runs, run)
			}
			run = nil
			continue
		}
		run = append(run, point{float64(i+1) / d.n, d.scale.y(float64(p.Value))})
	}
	if len(run) > 1 {
		runs = append(runs, run)
	}
	return runs
}

func (d *linesDrawing) labels() mark {
	var all []label
	for i, words := range d.Labels {
		if words != "" {
			all = append(all, label{(float64(i) + 0.5) / d.n, words})
		}
	}
	var marks []mark
	for i, tier := range tiers(all) {
		marks = append(marks, text{x: all[i].at, y: d.scale.bottom + 17, tier: tier, words: all[i].words})
	}
	return group{class: "labels", marks: marks}
}

func (d *linesDrawing) hits() []hit {
	var hits []hit
	for i, p := range d.Points {
		if p.Name != "" || p.Href != "" {
			hits = append(hits, hit{p.Name, p.Href, rect{"", float64(i) / d.n, 1 / d.n, d.scale.top, d.scale.bottom - d.scale.top}})
		}
	}
	return hits
}

func (d *linesDrawing) legend() []key {
	var keys []key
	add := func(there bool, class, words string) {
		if there && words != "" {
			keys = append(keys, key{class: class, line: true, words: words})
		}
	}
	add(len(d.Points) > 0, "curve", d.Name)
	add(len(d.Then) > 0, "then", d.ThenName)
	add(d.near(d.Pace.Value), "pace", d.Pace.Name)
	add(d.near(d.Cap.Value), "cap", d.Cap.Name)
	return keys
}
