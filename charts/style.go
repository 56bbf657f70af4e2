package charts

import (
	"image/color"
	"strings"
)

// style says how a mark looks in pixels. It is what charts.css says of the
// classes, for a picture without a style sheet; marks take the style of the
// group they stand in.
type style struct {
	fill, stroke color.NRGBA // no alpha = none
	width        float64     // of the stroke
	dash         [2]float64  // on and off; zero = solid
	inset        float64     // how far an outline of the paper's colour eats into an area
	hatch        string      // pattern over the fill: second, partial, or none
	size         float64     // of text
	bold         bool
	anchor       string // of text: start, middle, end
}

// theme is the colours of a picture.
type theme struct {
	ink, muted, line, sunk, paper, accent, second, over color.NRGBA
}

// The colours of charts.css.
var (
	light = theme{
		ink: rgb(0x182022), muted: rgb(0x566366), line: rgb(0xdde3e2), sunk: rgb(0xeef1f0),
		paper: rgb(0xffffff), accent: rgb(0x0b6e6e), second: rgb(0x7fb9b3), over: rgb(0xb3261e),
	}
	dark = theme{
		ink: rgb(0xe7edec), muted: rgb(0x9fb0b0), line: rgb(0x2c3637), sunk: rgb(0x222a2b),
		paper: rgb(0x181e1f), accent: rgb(0x56c2b6), second: rgb(0x2f7a74), over: rgb(0xff8a80),
	}
)

func rgb(hex uint32) color.NRGBA {
	return color.NRGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 0xff}
}

// pale returns a colour at an opacity.
func pale(c color.NRGBA, opacity float64) color.NRGBA {
	c.A = uint8(float64(c.A)*opacity + 0.5)
	return c
}

// base is the style of a chart before any class.
func (t theme) base() style { return style{fill: t.muted, size: 12, anchor: "start"} }

// with adds the classes and the pattern of a mark or group to a style. dense
// and meter are the kinds of chart that charts.css makes a difference for.
func (t theme) with(s style, class, pattern string, dense, meter bool) style {
	for name := range strings.FieldsSeq(class) {
		s = t.class(s, name, dense, meter)
	}
	if pattern != "" {
		s.hatch, s.fill = pattern, color.NRGBA{}
		if pattern == "second" {
			s.fill = t.second
		}
	}
	return s
}

func (t theme) class(s style, name string, dense, meter bool) style {
	thin := 1.0
	if dense {
		thin = 0.5
	}
	switch name {
	case "grid":
		s.stroke, s.width = t.line, 1
	case "axis":
		s.stroke, s.width = t.muted, 1
	case "bars", "cells":
		s.inset = thin
	case "first":
		s.fill = t.accent
	case "under":
		s.fill = t.second
	case "likely":
		s.fill = pale(t.accent, 0.35)
	case "over":
		if s.fill.A != 0 && s.fill.A != 0xff { // likely over
			s.fill = pale(t.over, 0.35)
		} else {
			s.fill = t.over
		}
	case "gap":
		s.fill, s.stroke, s.width, s.dash = t.sunk, t.muted, 1, [2]float64{1, 3}
	case "pace":
		s.stroke, s.width, s.dash = t.ink, 1.25, [2]float64{4, 3}
		if meter {
			s.width, s.dash = 1.5, [2]float64{3, 2}
		}
	case "cap", "before":
		s.stroke, s.width = t.ink, 2
	case "halo":
		s.stroke, s.width = t.paper, 4.5
	case "track":
		s.fill = t.sunk
	case "area":
		s.fill = pale(t.accent, 0.16)
	case "curve":
		s.fill, s.stroke, s.width = color.NRGBA{}, t.accent, 2
	case "then":
		s.fill, s.stroke, s.width, s.dash = color.NRGBA{}, t.muted, 1.5, [2]float64{2, 3}
	case "shade0":
		s.fill = t.sunk
	case "shade1":
		s.fill = pale(t.accent, 0.16)
	case "shade2":
		s.fill = pale(t.accent, 0.34)
	case "shade3":
		s.fill = pale(t.accent, 0.54)
	case "shade4":
		s.fill = pale(t.accent, 0.76)
	case "shade5":
		s.fill = t.accent
	case "ticks", "rows", "end":
		s.anchor = "end"
	case "labels", "mark":
		s.anchor = "middle"
	case "start":
		s.anchor = "start"
	case "now":
		s.fill, s.bold = t.ink, true
	case "heading":
		s.fill, s.bold, s.size = t.ink, true, 15
	}
	return s
}
