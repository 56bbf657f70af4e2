package charts

import "math"

// scale maps values to pixels: 0 to the bottom of the plot, limit to its top.
type scale struct {
	limit       float64 // the value at the top, > 0
	top, bottom float64 // pixels
	ticks       []float64
}

// y returns the vertical position of a value.
func (s scale) y(value float64) float64 {
	return s.bottom - (s.bottom-s.top)*min(value/s.limit, 1)
}

// newScale makes a scale from zero up to the largest value, with three to five
// round ticks in units of base (1000 or 1024).
func newScale(largest float64, base uint64, top, bottom float64) scale {
	s := scale{limit: 1, top: top, bottom: bottom, ticks: []float64{0}}
	if largest <= 0 {
		return s
	}
	step := tickStep(largest, base)
	// The highest column may end a little above the last tick; a whole further
	// step would leave the top of the chart empty.
	s.limit = min(math.Ceil(largest/step)*step, largest*1.05)
	for i := 1.0; i*step <= s.limit*1.0001; i++ {
		s.ticks = append(s.ticks, i*step)
	}
	return s
}

// tickStep returns the smallest round step that needs at most five ticks.
func tickStep(largest float64, base uint64) float64 {
	unit := 1.0
	for ; ; unit *= float64(factor(base)) {
		for _, m := range steps(base) {
			if step := m * unit; largest/step <= 5 && step == math.Trunc(step) {
				return step
			}
		}
	}
}

// factor is 1024 for base 1024 and 1000 for any other.
func factor(base uint64) uint64 {
	if base == 1024 {
		return 1024
	}
	return 1000
}

// steps are the round multiples of a unit, below the next unit.
func steps(base uint64) []float64 {
	if factor(base) == 1024 {
		return []float64{1, 2, 5, 10, 20, 50, 100, 200, 256, 512}
	}
	return []float64{1, 2, 2.5, 5, 10, 20, 25, 50, 100, 200, 250, 500}
}

// label is a word on the horizontal axis, at a position in columns.
type label struct {
	at    float64 // fraction of the width
	words string
}

// tiers says for each label from which tier on it is shown, so that in no tier
// two labels touch. A label shown in a tier is shown in all higher ones; those
// that never fit get len(tierPlots).
func tiers(labels []label) []int {
	out := make([]int, len(labels))
	step := 1
	for tier := len(tierPlots) - 1; tier >= 0; tier-- {
		for next := step; ; next += step {
			if fits(labels, next, tierPlots[tier]) {
				step = next
				break
			}
		}
		for i := range labels {
			if tier == len(tierPlots)-1 {
				out[i] = len(tierPlots)
			}
			if i%step == 0 {
				out[i] = tier
			}
		}
	}
	return out
}

// fits says whether every step-th label has room in a plot of a width.
func fits(labels []label, step int, plot float64) bool {
	for i := step; i < len(labels); i += step {
		a, b := labels[i-step], labels[i]
		if (b.at-a.at)*plot < (textWidth(a.words)+textWidth(b.words))/2+labelGap {
			return false
		}
	}
	return true
}
