package server

import (
	"strconv"
	"time"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/charts"
	"github.com/flattraffic/flattraffic/report"
)

// weekdays are the rows of the maps.
var weekdays = [7]string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

// hourChart draws the hours of a day: 24, or 23 or 25 where the clocks change.
func (a answer) hourChart() chart {
	if a.Overview == nil || len(a.Overview.Hours) == 0 {
		return chart{}
	}
	hours := a.Overview.Hours
	most := hours[0]
	for _, h := range hours {
		if h.Usage() > most.Usage() {
			most = h
		}
	}
	title := "Usage of each hour"
	if most.Usage() > 0 {
		title += ", the most from " + most.Start.Format("15:04") + " with " + a.base.Format(most.Usage())
	}
	spec := a.columnsOf(title)
	spec.LikelyName, spec.BeforeName = "", ""
	var rows []chartRow
	for _, h := range hours {
		name := h.Start.Format("15:04") + "–" + h.End.Format("15:04")
		spec.Columns = append(spec.Columns, a.column(h.Start.Format("15"), name, "", h))
		rows = append(rows, a.chartRow(name, h))
	}
	// The hours to come keep their room.
	for at := hours[len(hours)-1].End; at.Before(a.Span.End); at = at.Add(time.Hour) {
		spec.Columns = append(spec.Columns, charts.Column{Label: at.Format("15"), Parts: []uint64{0, 0}})
	}
	c := drawn(spec.Picture())
	c.Unit, c.Rows = "Hour", rows
	return c
}

// weekChart draws a host's usage by weekday and hour of the clock.
func (a answer) weekChart() chart {
	if a.Detail == nil || a.Detail.Week == nil {
		return chart{}
	}
	m := charts.HeatMap{
		Frame: charts.Frame{ID: "week", Desc: "Usage of the time shown, by weekday and hour of the clock."},
		Rows:  weekdays[:], Base: uint64(a.base), Tick: a.base.FormatRound,
	}
	for hour := range 24 {
		m.Columns = append(m.Columns, strconv.Itoa(hour))
	}
	var most uint64
	busiest := ""
	c := chart{Unit: "Weekday", Single: true}
	for day, hours := range a.Detail.Week {
		var cells []charts.Cell
		var total uint64
		for hour, n := range hours {
			name := weekdays[day] + " " + strconv.Itoa(hour) + "–" + strconv.Itoa(hour+1)
			if n > most {
				most, busiest = n, name
			}
			total += n
			cells = append(cells, charts.Cell{Value: n, Name: name + ": " + a.base.Format(n)})
		}
		m.Cells = append(m.Cells, cells)
		c.Rows = append(c.Rows, chartRow{Label: weekdays[day], Usage: a.base.Format(total)})
	}
	if most == 0 {
		return chart{}
	}
	m.Title = "Busiest " + busiest + " with " + a.base.Format(most)
	d := drawn(m.Picture())
	c.SVG, c.Legend, c.picture = d.SVG, d.Legend, d.picture
	return c
}

// totalChart draws how the usage of a span runs up day by day, against an even
// pace to the cap and against the time it is compared with.
func (a answer) totalChart(days []report.Row) chart {
	if len(days) < 2 || len(days) > maxDayRows {
		return chart{}
	}
	first, next := billing.DateOf(a.Span.Start), endDate(a.Span.End)
	l := charts.Lines{
		Frame: charts.Frame{ID: "total"}, Name: "so far", Steps: first.DaysUntil(next),
		Base: uint64(a.base), Tick: a.base.FormatRound, Height: 150,
	}
	if !a.now.Before(a.Span.End) {
		l.Name = "used"
	}
	var total uint64
	c := chart{Unit: "Up to", Single: true}
	for _, d := range days {
		total += d.Usage()
		text := a.base.Format(total)
		l.Points = append(l.Points, charts.Point{Value: total, Name: "Up to " + a.day(d.Date).Text + ": " + text, Href: a.at.on().to("/days/" + d.Date.String())})
		c.Rows = append(c.Rows, chartRow{Label: a.day(d.Date).Text, Usage: text})
	}
	for d := first; d.Before(next); d = d.AddDays(1) {
		l.Labels = append(l.Labels, strconv.Itoa(d.Day))
	}
	l.Title = a.base.Format(total) + " after " + count(len(days), "day", "days")
	if a.capped() {
		limit := a.Span.Plan.Cap
		l.Pace = charts.Line{Name: "even pace", Value: limit}
		l.Cap = charts.Line{Name: "cap " + a.base.Format(limit), Value: limit}
	}
	if a.Before != nil {
		l.ThenName = a.comparedName()
		var then uint64
		for _, d := range a.Before.Rows {
			then += d.Usage()
			l.Then = append(l.Then, charts.Point{Value: then})
		}
		l.Desc = "By this day it was " + a.base.Format(then) + " " + a.comparedName() + "."
	}
	d := drawn(l.Picture())
	c.SVG, c.Legend, c.picture = d.SVG, d.Legend, d.picture
	return c
}
