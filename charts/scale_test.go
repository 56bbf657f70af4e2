package charts

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTicks(t *testing.T) {
	const gib = 1 << 30
	for _, tt := range []struct {
		largest float64
		base    uint64
		want    []float64
	}{
		{0, 1000, []float64{0}},
		{1, 1000, []float64{0, 1}},
		{3, 1000, []float64{0, 1, 2, 3}},
		{16e9, 1000, []float64{0, 5e9, 10e9, 15e9}},
		{21e9, 1000, []float64{0, 5e9, 10e9, 15e9, 20e9}},
		{9.9e9, 1000, []float64{0, 2e9, 4e9, 6e9, 8e9, 10e9}},
		{12e9, 1000, []float64{0, 2.5e9, 5e9, 7.5e9, 10e9, 12.5e9}},
		{999e9, 1000, []float64{0, 200e9, 400e9, 600e9, 800e9, 1000e9}},
		{3.2 * gib, 1024, []float64{0, gib, 2 * gib, 3 * gib}},
		{1.5 * gib, 1024, []float64{0, gib / 2, gib, 1.5 * gib}},
		{700 * gib, 1024, []float64{0, 200 * gib, 400 * gib, 600 * gib}},
	} {
		got := newScale(tt.largest, tt.base, 0, 100).ticks
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("largest %g, base %d (-want +got):\n%s", tt.largest, tt.base, diff)
		}
	}
}

// Whatever the values, they stay in the plot and there are at most five ticks
// above zero.
func TestScaleHoldsAnything(t *testing.T) {
	for _, base := range []uint64{0, 1000, 1024} {
		for largest := 1.0; largest < 2*math.MaxUint64; largest *= 1.37 {
			s := newScale(largest, base, 10, 190)
			if n := len(s.ticks); n < 2 || n > 6 {
				t.Fatalf("largest %g, base %d: got %d ticks", largest, base, n)
			}
			if y := s.y(largest); y < 10 || y > 30 {
				t.Fatalf("largest %g, base %d: the highest column ends at %g", largest, base, y)
			}
		}
	}
}

func TestShades(t *testing.T) {
	bounds := shadeBounds(18e9, 1000)
	if diff := cmp.Diff([]float64{1e9, 2e9, 5e9, 10e9, 20e9}, bounds); diff != "" {
		t.Errorf("bounds (-want +got):\n%s", diff)
	}
	for value, want := range map[uint64]int{0: 0, 1: 1, 1e9: 1, 1e9 + 1: 2, 10e9: 4, 18e9: 5} {
		if got := shade(value, bounds); got != want {
			t.Errorf("shade of %d: got %d, want %d", value, got, want)
		}
	}
	if got := shade(1, shadeBounds(1, 1000)); got != shades {
		t.Errorf("the only value: got shade %d, want the darkest", got)
	}
}

// In each tier no two labels touch, with 31 and 62 columns and long labels
// too, in the narrowest plot that shows the tier.
func TestLabelsDoNotTouch(t *testing.T) {
	for _, n := range []int{1, 2, 7, 24, 25, 30, 31, 53, 62, 366} {
		for _, pattern := range []string{"%d", "%d Nov", "%d November"} {
			var labels []label
			for i := range n {
				labels = append(labels, label{(float64(i) + 0.5) / float64(n), fmt.Sprintf(pattern, i%31+1)})
			}
			shown := tiers(labels)
			for tier, plot := range tierPlots {
				end := math.Inf(-1)
				for i, l := range labels {
					if shown[i] > tier {
						continue
					}
					begin := l.at*plot - textWidth(l.words)/2
					if begin < end+labelGap-0.001 {
						t.Fatalf("%d labels like %q: %q touches the one before in a plot of %g", n, pattern, l.words, plot)
					}
					end = begin + textWidth(l.words)
				}
				if math.IsInf(end, -1) {
					t.Fatalf("%d labels like %q: none is shown in a plot of %g", n, pattern, plot)
				}
			}
		}
	}
}

// heights reads the heights of the columns in a group.
func heights(t *testing.T, drawing, group string) []float64 {
	t.Helper()
	_, rest, found := strings.Cut(drawing, group+">")
	if !found {
		return nil
	}
	rest, _, _ = strings.Cut(rest, "</g>")
	var out []float64
	for _, m := range regexp.MustCompile(` height="([0-9.]+)"`).FindAllStringSubmatch(rest, -1) {
		h, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, h)
	}
	return out
}

func TestColumnHeights(t *testing.T) {
	c := Columns{Base: 1000, Columns: []Column{
		{Parts: []uint64{1000}},
		{Parts: []uint64{500, 500}},
		{Parts: []uint64{1}},
		{},
		{Gap: true, Parts: []uint64{700}},
		{Parts: []uint64{0, 250}},
	}}
	drawing := c.Picture().Inline()
	// One pixel more above and below is covered by the outline.
	if diff := cmp.Diff([]float64{182, 91, 4}, heights(t, drawing, `<g class="bars first"`)); diff != "" {
		t.Errorf("first series (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{91, 47}, heights(t, drawing, `<g class="bars" fill="url(#chart-second)"`)); diff != "" {
		t.Errorf("second series (-want +got):\n%s", diff)
	}
	if strings.Count(drawing, `class="gap"`) != 1 {
		t.Error("the gap is not drawn as a gap")
	}
}

// A level far above the columns would press them flat: it is left out, of the
// legend too.
func TestFarLevelsAreLeftOut(t *testing.T) {
	for _, tt := range []struct {
		pace uint64
		want bool
	}{{0, false}, {50, true}, {300, true}, {301, false}} {
		p := Columns{Pace: Line{"even pace", tt.pace}, Columns: []Column{{Parts: []uint64{100}}}}.Picture()
		if got := strings.Contains(p.Inline(), `class="pace"`); got != tt.want {
			t.Errorf("pace %d: got drawn %t, want %t", tt.pace, got, tt.want)
		}
		if got := strings.Contains(p.Legend(), "even pace"); got != tt.want {
			t.Errorf("pace %d: got in the legend %t, want %t", tt.pace, got, tt.want)
		}
	}
}

func TestLegendNamesWhatOccurs(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		picture    Picture
	}{
		{"a running period", "received sent even pace 16.7 GB so far likely no data", days(30, 11).Picture()},
		{"all over", "received sent even pace 16.7 GB", days(3, 30).Picture()},
		{"history", "received sent cap as it was over the cap so far", history(27).Picture()},
		{"map", "≤ 0.2 GB ≤ 0.5 GB ≤ 1 GB ≤ 2 GB ≤ 5 GB no data", week().Picture()},
		{"meter", "used likely at the end", meter(1, 2, 3).Picture()},
		{"meter, nothing to come", "used", meter(4, 2, 3).Picture()},
		{"nothing", "", Columns{}.Picture()},
	} {
		var words []string
		for _, m := range regexp.MustCompile(`</svg>([^<]*)</li>`).FindAllStringSubmatch(tt.picture.Legend(), -1) {
			words = append(words, m[1])
		}
		if got := strings.Join(words, " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A file that stands alone has the width asked for, and a readable one when
// that is too little.
func TestStandaloneWidth(t *testing.T) {
	for width, want := range map[int]string{1280: `width="1280"`, 360: `width="360"`, 0: `width="132"`, -5: `width="132"`} {
		if got := days(30, 11).Picture().Standalone(width, AsViewer); !strings.Contains(got[:300], want) {
			t.Errorf("width %d: got %.200s, want %s", width, got, want)
		}
	}
}

// parts reads the x and width of the rectangles in the group of a class, in
// percent.
func parts(t *testing.T, drawing, group string) string {
	t.Helper()
	_, rest, _ := strings.Cut(drawing, "<g "+group+">")
	rest, _, _ = strings.Cut(rest, "</g>")
	var out []string
	for _, m := range regexp.MustCompile(`<rect(?: x="([0-9.]+)%")?.*? width="([0-9.]+)%"`).FindAllStringSubmatch(rest, -1) {
		out = append(out, m[1]+"+"+m[2])
	}
	return strings.Join(out, " ")
}

func TestMeterParts(t *testing.T) {
	for _, tt := range []struct {
		name                                    string
		meter                                   Meter
		used, over, likely, likelyOver, between string
	}{
		{"inside", Meter{Used: 50, Cap: 100, LikelyLow: 60, LikelyHigh: 90}, "+50", "", "50+40", "", "60+30"},
		{"likely over", Meter{Used: 50, Cap: 100, LikelyLow: 90, LikelyHigh: 125}, "+40", "", "40+40", "80+20", "72+8 80+20"},
		{"likely far over", Meter{Used: 75, Cap: 100, LikelyLow: 150, LikelyHigh: 900}, "+50", "", "50+16.67", "66.67+33.33", ""},
		{"over", Meter{Used: 125, Cap: 100}, "+80", "80+20", "", "", ""},
		{"no cap", Meter{Used: 50, LikelyLow: 80, LikelyHigh: 100}, "+50", "", "50+50", "", "80+20"},
		{"nothing yet", Meter{Cap: 100}, "", "", "", "", ""},
	} {
		drawing := tt.meter.Picture().Inline()
		got := []string{
			parts(t, drawing, `class="first"`), parts(t, drawing, `class="over"`), parts(t, drawing, `class="likely"`),
			parts(t, drawing, `class="likely over"`), parts(t, drawing, `fill="url(#chart-partial)"`),
		}
		if diff := cmp.Diff([]string{tt.used, tt.over, tt.likely, tt.likelyOver, tt.between}, got); diff != "" {
			t.Errorf("%s: used, over, likely, likely over, range (-want +got):\n%s", tt.name, diff)
		}
	}
}
