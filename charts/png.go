package charts

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"slices"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// PNG writes the chart as a PNG file, for mail and other places that draw no
// SVG: of a width in pixels, light or dark, with its title and its legend.
// Each of these pixels is scale pixels of the file wide and high.
func (p Picture) PNG(w io.Writer, width int, isDark bool, scale float64) error {
	s := p.sheet(width)
	c := &canvas{theme: light, scale: scale, plot: s.plot, tier: s.tier, faces: map[face]font.Face{}}
	if isDark {
		c.theme = dark
	}
	c.dense, c.meter = hasClass(p.kind, "chart-dense"), hasClass(p.kind, "chart-meter")
	c.image = image.NewNRGBA(image.Rect(0, 0, c.pixels(s.full), c.pixels(s.height)))
	draw.Draw(c.image, c.image.Bounds(), image.NewUniform(c.theme.paper), image.Point{}, draw.Src)
	var err error
	if c.regular, err = opentype.Parse(goregular.TTF); err != nil {
		return fmt.Errorf("read font: %w", err)
	}
	if c.medium, err = opentype.Parse(gomedium.TTF); err != nil {
		return fmt.Errorf("read font: %w", err)
	}
	base := c.theme.base()
	c.write(c.theme.class(base, "heading", false, false), 16, 28, p.Title)
	for i, k := range p.legend {
		c.key(k, base, 16+s.keys[i].x, 42+s.keys[i].y)
		c.write(base, 36+s.keys[i].x, 52+s.keys[i].y, k.words)
	}
	c.left, c.top = s.left, s.head
	for _, m := range p.marks {
		m.paint(c, base)
	}
	if c.err != nil {
		return fmt.Errorf("draw chart: %w", c.err)
	}
	return png.Encode(w, c.image)
}

// canvas is a picture of pixels being drawn.
type canvas struct {
	theme           theme
	image           *image.NRGBA
	scale           float64 // pixels of the file for each of the drawing
	left, top, plot float64 // where the plot is
	tier            int
	dense, meter    bool
	raster          vector.Rasterizer

	regular, medium *opentype.Font
	faces           map[face]font.Face
	err             error // of a font, the first
}

// face is a size of one of the fonts.
type face struct {
	size float64
	bold bool
}

func (c *canvas) pixels(v float64) int { return int(math.Round(v * c.scale)) }

// with is the style of something inside a style.
func (c *canvas) with(s style, class, pattern string) style {
	return c.theme.with(s, class, pattern, c.dense, c.meter)
}

func (g group) paint(c *canvas, s style) {
	s = c.with(s, g.class, g.pattern)
	for _, m := range g.marks {
		m.paint(c, s)
	}
}

func (r rect) paint(c *canvas, s style) {
	s = c.with(s, r.class, "")
	c.area(s, c.left+r.x*c.plot, c.top+r.y, r.w*c.plot, r.h)
}

func (l line) paint(c *canvas, s style) {
	s = c.with(s, l.class, "")
	c.stroke(s, []point{{c.left + l.x1*c.plot, c.top + l.y1}, {c.left + l.x2*c.plot, c.top + l.y2}})
}

func (t text) paint(c *canvas, s style) {
	if t.tier <= c.tier {
		c.write(c.with(s, t.class, ""), c.left+t.x*c.plot+t.dx, c.top+t.y, t.words)
	}
}

func (l cells) paint(c *canvas, s style) {
	s = c.with(s, l.class, "")
	unit := c.plot / float64(l.units)
	for _, b := range l.boxes {
		c.area(s, c.left+b.x*unit, c.top+b.y, b.w*unit, b.h)
	}
}

func (l curve) paint(c *canvas, s style) {
	if len(l.points) == 0 {
		return
	}
	s = c.with(s, l.class, "")
	points := make([]point, 0, len(l.points)+2)
	for _, p := range l.points {
		points = append(points, point{c.left + p.x*c.plot, c.top + p.y})
	}
	if l.area {
		base := c.top + l.base
		c.polygon(s.fill, append(slices.Clone(points), point{points[len(points)-1].x, base}, point{points[0].x, base}))
		return
	}
	c.stroke(s, points)
}

// key draws the sample of a legend entry.
func (c *canvas) key(k key, s style, x, y float64) {
	if k.line {
		c.stroke(c.with(s, k.class, ""), []point{{x, y + 6}, {x + 14, y + 6}})
		return
	}
	if k.class != "" {
		c.area(c.with(s, k.class, ""), x+1, y+1, 12, 10)
	}
	if k.pattern != "" {
		c.area(c.with(style{}, "", k.pattern), x+1, y+1, 12, 10)
	}
}

// area fills a rectangle, with its pattern and its outline.
func (c *canvas) area(s style, x, y, w, h float64) {
	x, y, w, h = x+s.inset, y+s.inset, w-2*s.inset, h-2*s.inset
	if w <= 0 || h <= 0 {
		return
	}
	corners := []point{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}
	c.polygon(s.fill, corners)
	switch s.hatch {
	case "second":
		c.hatch(c.theme.accent, 1, -1, x, y, w, h)
	case "partial":
		c.hatch(c.theme.paper, 1.4, 1, x, y, w, h)
	}
	if s.width > 0 {
		c.stroke(s, append(corners, corners[0]))
	}
}

// hatch draws lines four pixels apart at 45 degrees, falling to the left with
// slope -1, to the right with 1. They meet across neighbouring areas.
func (c *canvas) hatch(ink color.NRGBA, width, slope, x, y, w, h float64) {
	step := 4 * math.Sqrt2
	half := width / 2 * math.Sqrt2
	// Along a line x - slope*y is constant.
	low, high := x-max(slope*y, slope*(y+h)), x+w-min(slope*y, slope*(y+h))
	for at := math.Floor(low/step) * step; at <= high+half; at += step {
		stripe := []point{{at - half + slope*y, y}, {at + half + slope*y, y}, {at + half + slope*(y+h), y + h}, {at - half + slope*(y+h), y + h}}
		c.polygon(ink, clipAcross(stripe, x, x+w))
	}
}

// clipAcross cuts a polygon off left of low and right of high.
func clipAcross(polygon []point, low, high float64) []point {
	polygon = clipAt(polygon, low, func(p point) bool { return p.x >= low })
	return clipAt(polygon, high, func(p point) bool { return p.x <= high })
}

// clipAt cuts a polygon at a vertical line, keeping what is inside.
func clipAt(polygon []point, x float64, inside func(point) bool) []point {
	var out []point
	for i, b := range polygon {
		a := polygon[(i+len(polygon)-1)%len(polygon)]
		if inside(a) != inside(b) {
			out = append(out, point{x, a.y + (b.y-a.y)*(x-a.x)/(b.x-a.x)})
		}
		if inside(b) {
			out = append(out, b)
		}
	}
	return out
}

// polygon fills a closed shape.
func (c *canvas) polygon(ink color.NRGBA, points []point) {
	if ink.A == 0 || len(points) < 3 {
		return
	}
	low, high := points[0], points[0]
	for _, p := range points {
		low, high = point{min(low.x, p.x), min(low.y, p.y)}, point{max(high.x, p.x), max(high.y, p.y)}
	}
	// The rasterizer works on as much of the picture as the shape covers.
	bounds := image.Rect(
		int(math.Floor(low.x*c.scale)), int(math.Floor(low.y*c.scale)),
		int(math.Ceil(high.x*c.scale)), int(math.Ceil(high.y*c.scale)),
	).Intersect(c.image.Bounds())
	if bounds.Empty() {
		return
	}
	c.raster.Reset(bounds.Dx(), bounds.Dy())
	for i, p := range points {
		x, y := float32(p.x*c.scale-float64(bounds.Min.X)), float32(p.y*c.scale-float64(bounds.Min.Y))
		if i == 0 {
			c.raster.MoveTo(x, y)
		} else {
			c.raster.LineTo(x, y)
		}
	}
	c.raster.ClosePath()
	c.raster.Draw(c.image, bounds, image.NewUniform(ink), image.Point{})
}

// stroke draws a line through points, in dashes where the style has them.
func (c *canvas) stroke(s style, points []point) {
	if s.stroke.A == 0 || s.width <= 0 {
		return
	}
	for _, part := range dashes(points, s.dash) {
		for i := 1; i < len(part); i++ {
			c.segment(s.stroke, s.width, part[i-1], part[i])
		}
	}
}

// segment draws one straight stroke.
func (c *canvas) segment(ink color.NRGBA, width float64, a, b point) {
	length := math.Hypot(b.x-a.x, b.y-a.y)
	if length == 0 {
		return
	}
	dx, dy := -(b.y-a.y)/length*width/2, (b.x-a.x)/length*width/2
	c.polygon(ink, []point{{a.x + dx, a.y + dy}, {b.x + dx, b.y + dy}, {b.x - dx, b.y - dy}, {a.x - dx, a.y - dy}})
}

// dashes cuts a line into the parts that are drawn.
func dashes(points []point, dash [2]float64) [][]point {
	if dash[0] <= 0 || dash[1] <= 0 {
		return [][]point{points}
	}
	var parts [][]point
	on, left := true, dash[0]
	var part []point
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		if on && part == nil {
			part = []point{a}
		}
		for length := math.Hypot(b.x-a.x, b.y-a.y); length > 0; length = math.Hypot(b.x-a.x, b.y-a.y) {
			if length <= left {
				left -= length
				if on {
					part = append(part, b)
				}
				break
			}
			a = point{a.x + (b.x-a.x)*left/length, a.y + (b.y-a.y)*left/length}
			if on {
				parts, part, left = append(parts, append(part, a)), nil, dash[1]
			} else {
				part, left = []point{a}, dash[0]
			}
			on = !on
		}
	}
	if len(part) > 1 {
		parts = append(parts, part)
	}
	return parts
}

// write draws words with their baseline at a place.
func (c *canvas) write(s style, x, y float64, words string) {
	f := c.face(face{s.size, s.bold})
	if f == nil {
		return
	}
	d := font.Drawer{Dst: c.image, Src: image.NewUniform(s.fill), Face: f}
	width := float64(d.MeasureString(words)) / 64
	at := x * c.scale
	switch s.anchor {
	case "middle":
		at -= width / 2
	case "end":
		at -= width
	}
	d.Dot = fixed.Point26_6{X: fixed.Int26_6(at * 64), Y: fixed.Int26_6(y * c.scale * 64)}
	d.DrawString(words)
}

// face is a font at a size, nil when it cannot be made.
func (c *canvas) face(f face) font.Face {
	if made, ok := c.faces[f]; ok {
		return made
	}
	source := c.regular
	if f.bold {
		source = c.medium
	}
	made, err := opentype.NewFace(source, &opentype.FaceOptions{Size: f.size * c.scale, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		if c.err == nil {
			c.err = err
		}
		return nil
	}
	c.faces[f] = made
	return made
}
