package charts

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// drawPNG draws a picture and reads it back.
func drawPNG(t *testing.T, p Picture, width int, isDark bool) (file []byte, img image.Image) {
	t.Helper()
	var b bytes.Buffer
	if err := p.PNG(&b, width, isDark, 1); err != nil {
		t.Fatal(err)
	}
	file = b.Bytes()
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	return file, img
}

func TestGoldenPNG(t *testing.T) {
	for _, name := range []string{"days-30", "compared", "running", "history-27", "week", "year", "meter-likely-over"} {
		for _, theme := range []string{"light", "dark"} {
			t.Run(name+" "+theme, func(t *testing.T) {
				file, got := drawPNG(t, pictures()[name], 720, theme == "dark")
				path := filepath.Join("testdata", name+"-"+theme+".png")
				if *update {
					if err := os.WriteFile(path, file, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				golden, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				want, err := png.Decode(bytes.NewReader(golden))
				if err != nil {
					t.Fatal(err)
				}
				if n := differing(got, want); n > 0 {
					t.Errorf("%d pixels differ from %s; look at both, rewrite with -update", n, path)
				}
			})
		}
	}
}

// differing counts the pixels that differ by more than the rounding of
// another machine.
func differing(a, b image.Image) int {
	if a.Bounds() != b.Bounds() {
		return a.Bounds().Dx() * a.Bounds().Dy()
	}
	const tolerance = 4 << 8
	n := 0
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			r1, g1, b1, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			if max(r1, r2)-min(r1, r2) > tolerance || max(g1, g2)-min(g1, g2) > tolerance || max(b1, b2)-min(b1, b2) > tolerance {
				n++
			}
		}
	}
	return n
}

func TestPNGSize(t *testing.T) {
	for name, p := range pictures() {
		for _, width := range []int{1, 1600} {
			var b bytes.Buffer
			if err := p.PNG(&b, width, false, 2); err != nil {
				t.Fatalf("%s at %d: %v", name, width, err)
			}
			img, err := png.Decode(&b)
			if err != nil {
				t.Fatalf("%s at %d: %v", name, width, err)
			}
			s := p.sheet(width)
			if got, want := img.Bounds().Dx(), int(s.full*2+.5); got != want {
				t.Errorf("%s at %d is %d pixels wide, want %d", name, width, got, want)
			}
			if got, want := img.Bounds().Dy(), int(s.height*2+.5); got != want {
				t.Errorf("%s at %d is %d pixels high, want %d", name, width, got, want)
			}
		}
	}
}

// What a mark is coloured in a picture is what charts.css says of its class.
func TestPNGColours(t *testing.T) {
	_, img := drawPNG(t, Columns{Columns: []Column{{Parts: []uint64{100}}}, Base: 1000}.Picture(), 720, false)
	s := Columns{Columns: []Column{{Parts: []uint64{100}}}, Base: 1000}.Picture().sheet(720)
	at := func(x, y float64) image.Point { return image.Pt(int(x), int(y)) }
	for name, test := range map[string]struct {
		at   image.Point
		want any
	}{
		"paper":  {at(3, 3), light.paper},
		"column": {at(s.left+s.plot/2, s.head+plotTop+defaultPlot/2), light.accent},
		"beside": {at(s.left+s.plot/2+s.plot/8, s.head+plotTop+defaultPlot*0.45), light.paper},
	} {
		if got := color.NRGBAModel.Convert(img.At(test.at.X, test.at.Y)); got != test.want {
			t.Errorf("%s at %v is %v, want %v", name, test.at, got, test.want)
		}
	}
}
