package charts

// HeatMap is a grid of values as shades: hours × weekdays, or the weeks of a
// year × weekdays.
type HeatMap struct {
	Frame
	Rows    []string // labels on the left, from the top; "" = none
	Columns []string // labels beneath, from the left; "" = none
	Cells   [][]Cell // by row, then column
	Base    uint64   // 1000 or 1024: what the shades' bounds are round in
	Tick    func(uint64) string
	GapName string // for the legend; empty = not in it
	Height  int    // of a row, in pixels; 0 = 18
}

// Cell is one field of the map.
type Cell struct {
	Value uint64
	Blank bool   // there is no such field: 31 February, a day to come
	Gap   bool   // nothing is known: drawn as a gap, never as zero
	Name  string // the figure in words, for the pointer; costs some 60 bytes a cell
	Href  string // where it leads, on this site; empty = nowhere
}

const (
	defaultRow = 18.0 // height of a row, in pixels
	shades     = 5    // above zero; class shade0 is zero
)

// Picture lays the map out. Equal shades are one shape, so that a year is
// small.
func (m HeatMap) Picture() Picture {
	row := float64(m.Height)
	if m.Height <= 0 {
		row = defaultRow
	}
	units, largest := 1, 0.0
	for _, cells := range m.Cells {
		units = max(units, len(cells))
		for _, c := range cells {
			if !c.Gap && !c.Blank {
				largest = max(largest, float64(c.Value))
			}
		}
	}
	bounds := shadeBounds(largest, m.Base)
	bottom := row * float64(len(m.Cells))
	p := Picture{Frame: m.Frame, kind: "chart-map", height: bottom + axisHeight, gutter: true}
	if units > denseColumns {
		p.kind += " chart-dense"
	}
	p.marks = append(p.marks, m.fields(bounds, units, row), m.rowLabels(row), m.columnLabels(units, bottom))
	p.hits = m.hits(units, row)
	p.legend = m.legend(bounds)
	return p
}

// shadeBounds returns the highest value of each shade above zero, ascending:
// the round value that holds the largest, and the round values below it, each
// some half of the next. Equal steps would leave all but the few busiest
// fields in the palest shade.
func shadeBounds(largest float64, base uint64) []float64 {
	if largest <= 0 {
		return nil
	}
	var bounds []float64
	for unit := 1.0; ; unit *= float64(factor(base)) {
		for _, m := range []float64{1, 2, 5, 10, 20, 50, 100, 200, 500} {
			bounds = append(bounds, m*unit)
			if m*unit >= largest {
				return bounds[max(len(bounds)-shades, 0):]
			}
		}
	}
}

// shade returns the class of a value. With fewer than five bounds the shades
// are spread over the same range, so that the highest is always the darkest.
func shade(value uint64, bounds []float64) int {
	if value == 0 {
		return 0
	}
	for i, bound := range bounds {
		if float64(value) <= bound {
			return shadeOf(i, len(bounds))
		}
	}
	return shades
}

// shadeOf is the class of the bound i of n.
func shadeOf(i, n int) int { return (i + 1) * shades / n }

// shadeClasses are the classes of the shades.
var shadeClasses = [shades + 1]string{"shade0", "shade1", "shade2", "shade3", "shade4", "shade5"}

func (m HeatMap) fields(bounds []float64, units int, row float64) mark {
	var shaded [shades + 1][]box
	var gaps []box
	for r, cells := range m.Cells {
		for c, cell := range cells {
			b := box{float64(c), 1, float64(r) * row, row}
			switch {
			case cell.Blank:
			case cell.Gap:
				gaps = append(gaps, b)
			default:
				i := shade(cell.Value, bounds)
				shaded[i] = append(shaded[i], b)
			}
		}
	}
	var marks []mark
	for i, boxes := range shaded {
		marks = append(marks, cells{shadeClasses[i], units, boxes})
	}
	marks = append(marks, cells{"gap", units, gaps})
	return group{class: "cells", marks: marks}
}

func (m HeatMap) rowLabels(row float64) mark {
	var marks []mark
	for i, words := range m.Rows {
		if words != "" {
			marks = append(marks, text{dx: -8, y: (float64(i)+0.5)*row + 4, words: words})
		}
	}
	return group{class: "rows", marks: marks}
}

func (m HeatMap) columnLabels(units int, bottom float64) mark {
	var all []label
	for i, words := range m.Columns {
		if words != "" {
			all = append(all, label{(float64(i) + 0.5) / float64(units), words})
		}
	}
	var marks []mark
	for i, tier := range tiers(all) {
		marks = append(marks, text{x: all[i].at, y: bottom + 17, tier: tier, words: all[i].words})
	}
	return group{class: "labels", marks: marks}
}

func (m HeatMap) hits(units int, row float64) []hit {
	var hits []hit
	for r, cells := range m.Cells {
		for c, cell := range cells {
			if !cell.Blank && (cell.Name != "" || cell.Href != "") {
				area := rect{"", float64(c) / float64(units), 1 / float64(units), float64(r) * row, row}
				hits = append(hits, hit{cell.Name, cell.Href, area})
			}
		}
	}
	return hits
}

func (m HeatMap) legend(bounds []float64) []key {
	var keys []key
	if m.Tick != nil {
		for i, bound := range bounds {
			keys = append(keys, key{class: shadeClasses[shadeOf(i, len(bounds))], words: "≤ " + m.Tick(uint64(bound))})
		}
	}
	if m.GapName == "" {
		return keys
	}
	for _, cells := range m.Cells {
		for _, cell := range cells {
			if cell.Gap {
				return append(keys, key{class: "gap", words: m.GapName})
			}
		}
	}
	return keys
}
