package charts

// Columns is a chart of stacked columns: one a day, an hour or a billing
// period.
type Columns struct {
	Frame
	Series  []string // names of the parts, from the bottom; two looks exist
	Columns []Column
	Pace    Line   // a level across all columns; zero = none
	CapName string // what Column.Cap is called in the legend
	Base    uint64 // 1000 or 1024: what round ticks are round in

	// Words for the legend, where such columns occur; empty = not in it.
	PartialName, LikelyName, GapName, OverName string

	BeforeName string // what Column.Before is called in the legend

	Tick   func(uint64) string // writes the value of a tick
	Height int                 // of the plot, in pixels; 0 = 180
}

// Column is one column of the chart.
type Column struct {
	Label   string   // on the axis, a few characters; left out where it has no room
	Name    string   // the figures in words, for the pointer and for assistive technology
	Href    string   // where it leads, on this site; empty = nowhere
	Parts   []uint64 // values of the series, from the bottom
	Likely  uint64   // likely value at the end, shown pale above the parts; 0 = none
	Partial bool     // not over yet: hatched
	Gap     bool     // nothing is known: drawn as a gap, never as zero
	Now     bool     // its label stands out
	Cap     uint64   // limit of this column, drawn as a mark; 0 = none
	Before  uint64   // what it is compared with, drawn as a mark; 0 = none
}

// Line is a level to compare the columns with.
type Line struct {
	Name  string
	Value uint64
}

const (
	defaultPlot = 180.0 // height of the plot, in pixels
	plotTop     = 10.0  // room for half a label above the highest tick
	axisHeight  = 24.0  // room for the labels beneath

	// A level this many times the highest column would press the columns flat;
	// it is left out.
	levelLimit = 3.0
	// Few columns do not grow wider than this part of the plot.
	widestColumn = 1.0 / 8
	// From this many columns on the gaps between them are half as wide.
	denseColumns = 40
)

// sum is the total of the parts.
func (c Column) sum() float64 {
	total := 0.0
	for _, part := range c.Parts {
		total += float64(part)
	}
	return total
}

// reach is the highest the column goes.
func (c Column) reach() float64 {
	if c.Gap {
		return float64(c.Before)
	}
	return max(c.sum(), float64(c.Likely), float64(c.Before))
}

// Picture lays the chart out.
func (c Columns) Picture() Picture {
	height := float64(c.Height)
	if c.Height <= 0 {
		height = defaultPlot
	}
	d := &columnsDrawing{Columns: c, highest: 0, n: float64(len(c.Columns))}
	for _, column := range c.Columns {
		d.highest = max(d.highest, column.reach())
	}
	d.scale = newScale(d.largest(), c.Base, plotTop, plotTop+height)
	p := Picture{Frame: c.Frame, kind: "chart-columns", height: plotTop + height + axisHeight, gutter: true, defs: true}
	if len(c.Columns) > denseColumns {
		p.kind += " chart-dense"
	}
	p.marks = append(p.marks, d.grid(c.Tick), d.gaps())
	p.marks = append(p.marks, d.bars()...)
	p.marks = append(p.marks, line{"axis", 0, 1, d.scale.bottom, d.scale.bottom}, d.caps(), d.before())
	if d.shows(c.Pace.Value) {
		y := d.scale.y(float64(c.Pace.Value))
		p.marks = append(p.marks, line{"pace", 0, 1, y, y})
	}
	p.marks = append(p.marks, d.labels())
	p.hits = d.hits()
	p.legend = d.legend()
	return p
}

// columnsDrawing is a chart being laid out.
type columnsDrawing struct {
	Columns
	scale   scale
	highest float64
	n       float64
}

// shows says whether a level is near enough to the columns to be drawn.
func (d *columnsDrawing) shows(level uint64) bool {
	return level > 0 && (d.highest == 0 || float64(level) <= d.highest*levelLimit)
}

// largest is the highest value that is drawn.
func (d *columnsDrawing) largest() float64 {
	largest := d.highest
	if d.shows(d.Pace.Value) {
		largest = max(largest, float64(d.Pace.Value))
	}
	for _, column := range d.Columns.Columns {
		if d.shows(column.Cap) {
			largest = max(largest, float64(column.Cap))
		}
	}
	return largest
}

// span is where column i stands: its slot, and the column in the slot.
func (d *columnsDrawing) span(i int) (slot, width, x, w float64) {
	width = 1 / d.n
	w = min(width, widestColumn)
	return float64(i) * width, width, (float64(i)+0.5)*width - w/2, w
}

// grid draws the ticks and their labels. The lowest is the axis itself.
func (d *columnsDrawing) grid(tick func(uint64) string) mark {
	var lines, labels []mark
	for i, value := range d.scale.ticks {
		y := d.scale.y(value)
		if i > 0 {
			lines = append(lines, line{"", 0, 1, y, y})
		}
		if tick != nil {
			labels = append(labels, text{dx: -8, y: y + 4, words: tick(uint64(value))})
		}
	}
	return group{marks: []mark{group{class: "grid", marks: lines}, group{class: "ticks", marks: labels}}}
}

// gaps draws each run of columns about which nothing is known as one field.
func (d *columnsDrawing) gaps() mark {
	var fields []mark
	for i := 0; i < len(d.Columns.Columns); i++ {
		first := i
		for i < len(d.Columns.Columns) && d.Columns.Columns[i].Gap {
			i++
		}
		if i > first {
			fields = append(fields, rect{"gap", float64(first) / d.n, float64(i-first) / d.n, d.scale.top, d.scale.bottom - d.scale.top})
		}
	}
	return group{marks: fields}
}

// bars draws the parts of all columns, series by series, then what is likely,
// over the cap and not over yet. Each column is drawn a pixel larger at its
// top and bottom, which the outline that separates columns covers again.
func (d *columnsDrawing) bars() []mark {
	series := [2][]mark{}
	var likely, over, partial []mark
	for i, column := range d.Columns.Columns {
		total := column.sum()
		if column.Gap {
			continue
		}
		_, _, x, w := d.span(i)
		top := d.scale.bottom
		if total > 0 {
			// Something is never drawn as nothing.
			top = min(d.scale.y(total), d.scale.bottom-2)
			d.parts(&series, column, x, w, top)
		}
		if float64(column.Likely) > total {
			y := d.scale.y(float64(column.Likely))
			likely = append(likely, rect{"", x, w, y - 1, max(top-y, 1) + 1})
		}
		if column.Cap > 0 && total > float64(column.Cap) {
			over = append(over, rect{"", x, w, top - 1, max(d.scale.y(float64(column.Cap))-top, 2) + 1})
		}
		if column.Partial && total > 0 {
			partial = append(partial, rect{"", x, w, top - 1, d.scale.bottom - top + 1})
		}
	}
	return []mark{
		group{class: "bars likely", marks: likely},
		group{class: "bars first", marks: series[0]},
		group{class: "bars", pattern: "second", marks: series[1]},
		group{class: "bars over", marks: over},
		group{pattern: "partial", marks: partial},
	}
}

// parts stacks the parts of one column up to top.
func (d *columnsDrawing) parts(series *[2][]mark, column Column, x, w, top float64) {
	sum, below, total := 0.0, d.scale.bottom+1, column.sum()
	for i, part := range column.Parts {
		sum += float64(part)
		y := d.scale.bottom - (d.scale.bottom-top)*sum/total
		if sum == total {
			y--
		}
		if part > 0 {
			look := min(i, 1)
			series[look] = append(series[look], rect{"", x, w, y, below - y})
			below = y
		}
	}
}

// caps draws the limit of each column, columns with the same one together.
func (d *columnsDrawing) caps() mark {
	var marks []mark
	columns := d.Columns.Columns
	for i := 0; i < len(columns); {
		first := i
		for i < len(columns) && columns[i].Cap == columns[first].Cap {
			i++
		}
		if d.shows(columns[first].Cap) {
			y := d.scale.y(float64(columns[first].Cap))
			marks = append(marks, line{"", float64(first) / d.n, float64(i) / d.n, y, y})
		}
	}
	return group{class: "cap", marks: marks}
}

// before marks what each column is compared with.
func (d *columnsDrawing) before() mark {
	var marks []mark
	for i, column := range d.Columns.Columns {
		if column.Before > 0 {
			_, _, x, w := d.span(i)
			y := d.scale.y(float64(column.Before))
			marks = append(marks, line{"", x + w*0.08, x + w*0.92, y, y})
		}
	}
	if len(marks) == 0 {
		return group{}
	}
	return group{marks: []mark{group{class: "halo", marks: marks}, group{class: "before", marks: marks}}}
}

// labels writes the axis.
func (d *columnsDrawing) labels() mark {
	var all []label
	var now []bool
	for i, column := range d.Columns.Columns {
		if column.Label != "" {
			all = append(all, label{(float64(i) + 0.5) / d.n, column.Label})
			now = append(now, column.Now)
		}
	}
	var marks []mark
	for i, tier := range tiers(all) {
		class := ""
		if now[i] {
			class = "now"
		}
		marks = append(marks, text{class: class, x: all[i].at, y: d.scale.bottom + 17, tier: tier, words: all[i].words})
	}
	return group{class: "labels", marks: marks}
}

// hits are the slots of the columns, over the whole height of the plot: a
// short column is as easy to reach as a high one.
func (d *columnsDrawing) hits() []hit {
	var hits []hit
	for i, column := range d.Columns.Columns {
		if column.Name == "" && column.Href == "" {
			continue
		}
		slot, width, _, _ := d.span(i)
		hits = append(hits, hit{column.Name, column.Href, rect{"", slot, width, d.scale.top, d.scale.bottom - d.scale.top}})
	}
	return hits
}

// legend names what occurs in the chart.
func (d *columnsDrawing) legend() []key {
	var keys []key
	for i, name := range d.Series {
		if i == 0 {
			keys = append(keys, key{class: "first", words: name})
		} else {
			keys = append(keys, key{pattern: "second", words: name})
		}
	}
	var partial, likely, gap, over, limit, before bool
	for _, c := range d.Columns.Columns {
		partial = partial || c.Partial && c.sum() > 0
		likely = likely || !c.Gap && float64(c.Likely) > c.sum()
		gap = gap || c.Gap
		over = over || c.Cap > 0 && c.sum() > float64(c.Cap)
		limit = limit || d.shows(c.Cap)
		before = before || c.Before > 0
	}
	for _, k := range []struct {
		there bool
		key   key
	}{
		{d.shows(d.Pace.Value), key{class: "pace", line: true, words: d.Pace.Name}},
		{limit, key{class: "cap", line: true, words: d.CapName}},
		{before, key{class: "before", line: true, words: d.BeforeName}},
		{over, key{class: "over", words: d.OverName}},
		{partial, key{class: "first", pattern: "partial", words: d.PartialName}},
		{likely, key{class: "likely", words: d.LikelyName}},
		{gap, key{class: "gap", words: d.GapName}},
	} {
		if k.there && k.key.words != "" {
			keys = append(keys, k.key)
		}
	}
	return keys
}
