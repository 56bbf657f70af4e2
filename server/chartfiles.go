package server

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/flattraffic/flattraffic/charts"
	"github.com/flattraffic/flattraffic/report"
)

// chartRoutes add the charts of the report pages as files, for mail and for
// embedding elsewhere: on the path of their page, with its query and by its
// rules of who may read.
func (p reportPages) chartRoutes(r chi.Router) {
	for pattern, draw := range map[string]func(*http.Request) (chart, error){
		"":              p.overviewChart,
		"/days":         p.daysChart,
		"/days/{date}":  p.hoursChart,
		"/hosts/{host}": p.hostChart,
		"/history":      p.historyChart,
	} {
		for _, file := range []string{"/chart.svg", "/chart.png"} {
			p.s.get(r, pattern+file, func(w http.ResponseWriter, r *http.Request) error {
				c, err := draw(r)
				if err != nil {
					return err
				}
				return p.sendChart(w, r, c)
			})
		}
	}
}

// chartSize is how a chart file is drawn.
type chartSize struct {
	width int // of the drawing, in pixels
	scale float64
	theme charts.Theme // a PNG is light unless it is to be dark
}

// The limits of a chart file. A picture of the largest has some ten million
// pixels.
const (
	minChart, usualChart, maxChart = 240, 720, 2000
	usualScale, maxScale           = 2, 3
)

func parseChartSize(r *http.Request) (chartSize, error) {
	q := r.URL.Query()
	size := chartSize{width: usualChart, scale: usualScale}
	if text := q.Get("width"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < minChart || n > maxChart {
			return size, &Problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("The width %q is not one from %d to %d pixels.", text, minChart, maxChart)}
		}
		size.width = n
	}
	if text := q.Get("scale"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxScale {
			return size, &Problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("The scale %q is not 1, 2 or %d.", text, maxScale)}
		}
		size.scale = float64(n)
	}
	switch size.theme = charts.Theme(q.Get("theme")); size.theme {
	case charts.AsViewer, charts.Light, charts.Dark:
	default:
		return size, &Problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("The theme %q is neither light nor dark.", size.theme)}
	}
	return size, nil
}

// sendChart answers with a chart as SVG or PNG, by the path's extension.
func (p reportPages) sendChart(w http.ResponseWriter, r *http.Request, c chart) error {
	size, err := parseChartSize(r)
	if err != nil {
		return err
	}
	if c.SVG == "" {
		return &Problem{Status: http.StatusNotFound, Detail: "There is nothing to draw in this time."}
	}
	var buf bytes.Buffer
	contentType := "image/png"
	if path.Ext(r.URL.Path) == ".svg" {
		contentType = "image/svg+xml"
		buf.WriteString(c.picture.Standalone(size.width, size.theme))
	} else if err := c.picture.PNG(&buf, size.width, size.theme == charts.Dark, size.scale); err != nil {
		return fmt.Errorf("draw %s: %w", r.URL.Path, err)
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "private, no-cache")
	// The file holds its own style sheet and nothing that runs.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	if p.s.cfg.PublicReports { // everybody may read them, so pages of others may show them
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	_, _ = w.Write(buf.Bytes()) // The client may have left; that is no error of ours.
	return nil
}

// overviewChart is the chart of the front page; with kind=meter how much of
// the cap is used.
func (p reportPages) overviewChart(r *http.Request) (chart, error) {
	a, err := p.answer(r, report.Overview, "/")
	if err != nil {
		return chart{}, err
	}
	switch kind := r.URL.Query().Get("kind"); kind {
	case "", "days":
		return a.dayChart(a.Overview.Days), nil
	case "meter":
		return a.meter(), nil
	default:
		return chart{}, &Problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("The kind %q is neither days nor meter.", kind)}
	}
}

// daysChart is the chart of the days; with kind=total how they run up.
func (p reportPages) daysChart(r *http.Request) (chart, error) {
	a, err := p.answer(r, report.Days, "/days")
	if err != nil {
		return chart{}, err
	}
	switch kind := r.URL.Query().Get("kind"); kind {
	case "", "days":
		return a.dayChart(a.Rows), nil
	case "total":
		return a.totalChart(a.Rows), nil
	default:
		return chart{}, &Problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("The kind %q is neither days nor total.", kind)}
	}
}

func (p reportPages) hoursChart(r *http.Request) (chart, error) {
	_, a, err := p.dayAnswer(r)
	if err != nil {
		return chart{}, err
	}
	return a.hourChart(), nil
}

// hostChart is the chart of a host's days; with kind=week its hours by
// weekday.
func (p reportPages) hostChart(r *http.Request) (chart, error) {
	addr, err := p.hostAddress(r)
	if err != nil {
		return chart{}, err
	}
	a, err := p.hostAnswer(r, addr, true)
	if err != nil {
		return chart{}, err
	}
	switch kind := r.URL.Query().Get("kind"); kind {
	case "", "days":
		return a.dayChart(a.Detail.Days), nil
	case "week":
		return a.weekChart(), nil
	default:
		return chart{}, &Problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("The kind %q is neither days nor week.", kind)}
	}
}

// historyChart is the chart of the billing periods; with kind=year the days of
// a calendar year, the present one or the one asked for.
func (p reportPages) historyChart(r *http.Request) (chart, error) {
	a, err := p.answer(r, report.History, "/history")
	if err != nil {
		return chart{}, err
	}
	switch kind := r.URL.Query().Get("kind"); kind {
	case "", "periods":
		return a.periodChart(a.Rows), nil
	case "year":
		return a.yearChart(a.Days, a.yearShown(r.URL.Query().Get("year"))), nil
	default:
		return chart{}, &Problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("The kind %q is neither periods nor year.", kind)}
	}
}

// drawn puts a picture into a page. The charts package escapes all it is given.
func drawn(p charts.Picture) chart {
	return chart{SVG: template.HTML(p.Inline()), Legend: template.HTML(p.Legend()), picture: p} //nolint:gosec // escaped by charts
}
