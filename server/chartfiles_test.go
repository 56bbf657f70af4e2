package server

import (
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestChartFiles(t *testing.T) {
	b := visit(t, newHousehold(9, date(t, "2025-01-05"), 300e9))
	for _, path := range []string{
		"/chart", "/chart?kind=meter", "/chart?compare=last&protocol=https", "/chart?period=2026-10-12", "/days/chart", "/days/chart?kind=total&compare=year",
		"/days/2026-11-21/chart", "/hosts/192.168.1.20/chart", "/hosts/192.168.1.20/chart?kind=week", "/hosts/nas.lan/chart",
		"/history/chart", "/history/chart?kind=year", "/history/chart?kind=year&year=2025",
	} {
		path, query, _ := strings.Cut(path, "?")
		svg := b.get(path + ".svg?" + query)
		if svg.status != http.StatusOK || svg.header.Get("Content-Type") != "image/svg+xml" {
			t.Errorf("%s.svg?%s = %d %s: %s", path, query, svg.status, svg.header.Get("Content-Type"), svg.body)
			continue
		}
		wellFormed(t, svg.body)
		picture := b.get(path + ".png?theme=dark&scale=1&width=640&" + query)
		img, err := png.Decode(strings.NewReader(picture.body))
		if err != nil {
			t.Errorf("%s.png?%s = %d: %v", path, query, picture.status, err)
			continue
		}
		if got := img.Bounds().Dx(); got != 640 {
			t.Errorf("%s.png?%s is %d pixels wide, want 640", path, query, got)
		}
	}
}

// A file follows the viewer's light or dark unless it was asked for in one.
func TestChartFilesOfATheme(t *testing.T) {
	b := visit(t, newHousehold(9, date(t, "2025-01-05"), 300e9))
	for theme, want := range map[string]string{"": "@media (prefers-color-scheme: dark)", "light": "@media not all", "dark": "@media all"} {
		svg := b.get("/chart.svg?theme=" + theme)
		wellFormed(t, svg.body)
		if !strings.Contains(svg.body, want) || theme != "" && strings.Contains(svg.body, "prefers-color-scheme") {
			t.Errorf("the SVG of the theme %q does not say %q for the dark, or asks the viewer all the same", theme, want)
		}
	}
}

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Errorf("the SVG is broken: %v", err)
			return
		}
	}
}

func TestChartFilesSayWhatIsWrong(t *testing.T) {
	b := visit(t, newHousehold(9, date(t, "2026-11-01"), 0))
	for path, want := range map[string]int{
		"/chart.png?width=9": 400, "/chart.png?width=99999": 400, "/chart.png?width=x": 400, "/chart.png?scale=0": 400, "/chart.png?scale=4": 400,
		"/chart.svg?theme=pink": 400, "/chart.svg?kind=pie": 400, "/days/chart.svg?kind=pie": 400, "/hosts/192.168.1.20/chart.svg?kind=pie": 400,
		"/history/chart.svg?kind=pie": 400, "/chart.svg?period=never": 400, "/days/never/chart.svg": 404, "/hosts/nobody/chart.png": 404,
		"/chart.svg?kind=meter": 404, // there is no cap
	} {
		a := b.get(path)
		if a.status != want || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
			t.Errorf("GET %s = %d %s, want %d and a sentence", path, a.status, a.header.Get("Content-Type"), want)
		}
	}
}

// A chart is read by who may read its page, and by nobody else.
func TestChartFilesNeedALogin(t *testing.T) {
	h := newHouse(t, Config{})
	h.setUp(t)
	stranger := h.remote(t)
	for _, path := range []string{"/chart.svg", "/chart.png", "/days/chart.png", "/history/chart.svg", "/hosts/192.168.1.20/chart.png", "/days/2026-11-21/chart.svg"} {
		if a := stranger.get(path); a.status != http.StatusUnauthorized || strings.Contains(a.body, "<svg") {
			t.Errorf("GET %s by a stranger = %d, want 401", path, a.status)
		}
	}
}
