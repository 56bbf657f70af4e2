package charts

// Meter shows how much of a cap is used, where an even pace would be and what
// is likely at the end. What is over the cap has its own colour.
type Meter struct {
	Frame
	Used, Cap             uint64 // Cap 0 = none: the bar shows only what is used of what is likely
	Pace                  uint64 // 0 = not shown
	LikelyLow, LikelyHigh uint64 // LikelyHigh 0 = not shown

	PaceText, CapText    string // beneath and above their marks; empty = no words
	UsedName, LikelyName string // for the legend; empty = not in it
}

const (
	meterBar  = 22.0 // height of the bar, in pixels
	meterText = 18.0 // room for words above or beneath
)

// Picture lays the meter out.
func (m Meter) Picture() Picture {
	// What is likely may lie far beyond the cap; the bar shows as much of it as
	// leaves the rest readable.
	likely := m.LikelyHigh
	if m.Cap > 0 {
		likely = min(likely, m.Cap+m.Cap/2)
	}
	d := &meterDrawing{Meter: m, full: float64(max(m.Cap, m.Used, m.Pace, likely, 1)), top: 4}
	inside := m.Cap > 0 && float64(m.Cap) < d.full
	if inside && m.CapText != "" {
		d.top += meterText
	}
	p := Picture{Frame: m.Frame, kind: "chart-meter", height: d.top + meterBar + 4, defs: true}
	p.marks = append(p.marks,
		rect{"track", 0, 1, d.top, meterBar},
		group{class: "first", marks: d.part(0, m.Used, false)},
		group{class: "over", marks: d.part(0, m.Used, true)},
	)
	if m.LikelyHigh > m.Used {
		low := max(m.LikelyLow, m.Used)
		p.marks = append(p.marks,
			group{class: "likely", marks: d.part(m.Used, m.LikelyHigh, false)},
			group{class: "likely over", marks: d.part(m.Used, m.LikelyHigh, true)},
			group{pattern: "partial", marks: append(d.part(low, m.LikelyHigh, false), d.part(low, m.LikelyHigh, true)...)},
		)
	}
	if m.Pace > 0 {
		at := float64(m.Pace) / d.full
		p.marks = append(p.marks, d.tick("pace", at)...)
		if m.PaceText != "" {
			p.height += meterText
			p.marks = append(p.marks, words(at, d.top+meterBar+16, m.PaceText))
		}
	}
	if inside {
		at := float64(m.Cap) / d.full
		p.marks = append(p.marks, d.tick("cap", at)...)
		if m.CapText != "" {
			p.marks = append(p.marks, words(at, d.top-8, m.CapText))
		}
	}
	p.legend = m.legend()
	return p
}

func (m Meter) legend() []key {
	var keys []key
	if m.UsedName != "" {
		keys = append(keys, key{class: "first", words: m.UsedName})
	}
	if m.LikelyName != "" && m.LikelyHigh > m.Used {
		keys = append(keys, key{class: "likely", pattern: "partial", words: m.LikelyName})
	}
	return keys
}

// meterDrawing is a meter being laid out.
type meterDrawing struct {
	Meter
	full float64 // the value at the right end
	top  float64 // of the bar
}

// part draws the stretch between two values: what of it is inside the cap, or
// what is over it; nothing when there is none.
func (d *meterDrawing) part(from, to uint64, over bool) []mark {
	switch {
	case d.Cap > 0 && over:
		from = max(from, d.Cap)
	case d.Cap > 0:
		to = min(to, d.Cap)
	case over:
		return nil
	}
	a, b := min(float64(from)/d.full, 1), min(float64(to)/d.full, 1)
	if b <= a {
		return nil
	}
	return []mark{rect{"", a, b - a, d.top, meterBar}}
}

// tick draws a line across the bar, set off from whatever is under it.
func (d *meterDrawing) tick(class string, at float64) []mark {
	top, bottom := d.top-3, d.top+meterBar+3
	return []mark{line{"halo", at, at, top, bottom}, line{class, at, at, top, bottom}}
}

// words writes a label at a position, turned inward at the ends so that it
// stays in the picture.
func words(at, y float64, s string) mark {
	t := text{class: "mark", x: at, y: y, words: s}
	switch {
	case at < 0.25:
		t.class = "mark start"
	case at > 0.75:
		t.class = "mark end"
	}
	return t
}
