package charts

// Frame is what every chart has: how it is told apart on its page and how it
// is told to people who do not see it.
type Frame struct {
	ID    string // unique on the page; prefix of all ids in the chart
	Title string // the finding in a few words
	Desc  string // the finding in a sentence or two; may be empty
}

// Picture is a display list: what to draw, without saying in which format.
// Horizontal positions are fractions of the plot's width, 0 to 1, so that it
// can be drawn at any width; vertical positions are pixels from the top.
type Picture struct {
	Frame

	kind   string // the class that says which chart it is
	height float64
	gutter bool // leave room for labels left of the plot
	defs   bool // it uses the patterns
	marks  []mark
	hits   []hit
	legend []key
}

// A mark is one thing to draw: as SVG, or in pixels in the style of what it
// stands in.
type mark interface {
	write(*writer)
	paint(*canvas, style)
}

// group draws its marks with a class, filled with a pattern when one is named.
type group struct {
	class   string
	pattern string
	marks   []mark
}

// rect is a rectangle.
type rect struct {
	class      string
	x, w, y, h float64 // x and w are fractions
}

// line is a straight line.
type line struct {
	class          string
	x1, x2, y1, y2 float64 // x1 and x2 are fractions
}

// text is a word or a few. It is shown from the width class tier upward.
type text struct {
	class string
	x     float64 // fraction
	dx    float64 // pixels to the right of x
	y     float64 // of the baseline
	tier  int
	words string
}

// cells are rectangles of one kind on a grid: of columns side by side, in
// rows of pixels.
type cells struct {
	class string
	units int // columns in the whole width
	boxes []box
}

// box is one of the cells: x and w in columns, y and h in pixels.
type box struct{ x, w, y, h float64 }

// curve is a line through points, from the left; with area, what is under it
// down to base is filled.
type curve struct {
	class  string
	area   bool
	base   float64 // pixels
	points []point
}

// point is a place in the plot: x a fraction, y pixels.
type point struct{ x, y float64 }

// hit is the area that answers to the pointer: it shows a name, and leads
// somewhere when it has a link.
type hit struct {
	name, href string
	area       rect
}

// key is an entry of the legend: a mark in small, and what it means.
type key struct {
	class, pattern string
	line           bool // a stroke, not an area
	words          string
}

// Widths in pixels.
const (
	gutterWidth = 56.0 // room for the labels of the vertical axis
	charWidth   = 7.6  // a digit of a wide font at the size of labels, on the safe side
	labelGap    = 8.0  // between two labels
)

// tierPlots are the least widths of the plot, in pixels, from which labels of
// a tier are shown. They follow the container widths in charts.css: 15rem (a
// narrow phone), 30rem and 50rem, less the gutter.
var tierPlots = [...]float64{170, 420, 740}

// textWidth estimates how wide a label is, in pixels.
func textWidth(s string) float64 {
	n := 0
	for range s {
		n++
	}
	return float64(n) * charWidth
}
