package server

import (
	"html/template"
	"time"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/charts"
	"github.com/flattraffic/flattraffic/report"
)

// chart is a drawing with its legend and the numbers it was made from.
type chart struct {
	SVG, Legend template.HTML
	Unit        string // what a row of the table is: Day
	Rows        []chartRow
	Single      bool // rows have usage only

	picture charts.Picture
}

// chartRow is a column of a chart as words.
type chartRow struct {
	Label, Received, Sent, Usage string
	Gap                          bool
}

// columnsOf is the frame of a column chart of received and sent.
func (a answer) columnsOf(title string) charts.Columns {
	c := charts.Columns{
		Frame:  charts.Frame{ID: "chart", Title: title},
		Series: []string{"Received", "Sent"}, Base: uint64(a.base), Tick: a.base.FormatRound,
		PartialName: "not over yet", GapName: "nothing was received",
	}
	if a.now.Before(a.Span.End) {
		c.LikelyName = "likely"
	}
	if a.Before != nil {
		c.BeforeName = a.comparedName()
	}
	return c
}

// setBefore marks in a column what it is compared with.
func (a answer) setBefore(c *charts.Column, before report.Counters) {
	if a.Before == nil {
		return
	}
	c.Before = before.Usage()
	c.Name += "; " + a.comparedName() + " " + a.base.Format(c.Before)
}

// column draws a row. Its name says the figures to those who point at it or
// do not see it.
func (a answer) column(label, name, href string, r report.Row) charts.Column {
	if a.unlinked {
		href = ""
	}
	c := charts.Column{
		Label: label, Href: href, Gap: r.Gap, Partial: r.Partial,
		Parts: []uint64{r.Received, r.Sent},
		Name:  name + ": " + a.base.Format(r.Usage()) + " (received " + a.base.Format(r.Received) + ", sent " + a.base.Format(r.Sent) + ")",
	}
	if r.Gap {
		c.Name = name + ": nothing was received"
	}
	return c
}

func (a answer) chartRow(label string, r report.Row) chartRow {
	return chartRow{label, a.base.Format(r.Received), a.base.Format(r.Sent), a.base.Format(r.Usage()), r.Gap}
}

// dayChart draws the days of the span, or its months when there are many. The
// days to come stand pale at what is likely.
func (a answer) dayChart(days []report.Row) chart {
	if len(days) == 0 {
		return chart{}
	}
	if len(days) > maxDayRows {
		return a.monthChart(byMonth(days))
	}
	var most report.Row
	for _, d := range days {
		if d.Usage() > most.Usage() {
			most = d
		}
	}
	title := "Usage of each day"
	if most.Usage() > 0 {
		title += ", the most on " + a.day(most.Date).Text + " with " + a.base.Format(most.Usage())
	}
	spec := a.columnsOf(title)
	spec.Pace = a.paceLine()
	today := billing.DateOf(a.now)
	before := a.Counterparts()
	for _, d := range days {
		c := a.column(itoa(d.Date.Day), a.day(d.Date).Text, a.at.on().to("/days/"+d.Date.String()), d)
		c.Now = d.Date == today
		if before != nil {
			a.setBefore(&c, before.Of(d))
		}
		spec.Columns = append(spec.Columns, c)
	}
	a.addLikely(&spec, days[len(days)-1].Date)
	drawing := drawn(spec.Picture())
	drawing.Unit = "Day"
	for _, d := range days {
		drawing.Rows = append(drawing.Rows, a.chartRow(a.day(d.Date).Text, d))
	}
	return drawing
}

// paceLine is what an even use of the cap would be a day.
func (a answer) paceLine() charts.Line {
	_, all := elapsed(a.Span, a.now)
	if !a.capped() || all == 0 {
		return charts.Line{}
	}
	pace := a.Span.Plan.Cap / uint64(all)
	return charts.Line{Name: "even pace " + a.base.Format(pace), Value: pace}
}

// addLikely adds the days after last, with an even share of what is likely to
// come on each.
func (a answer) addLikely(spec *charts.Columns, last billing.Date) {
	next := endDate(a.Span.End)
	left := last.DaysUntil(next) - 1
	if left <= 0 {
		return
	}
	var each uint64
	if o := a.Overview; o != nil && o.LikelyHigh > o.Used {
		each = ((o.LikelyLow+o.LikelyHigh)/2 - min(o.Used, (o.LikelyLow+o.LikelyHigh)/2)) / uint64(left)
	}
	for d := last.AddDays(1); d.Before(next); d = d.AddDays(1) {
		c := charts.Column{Label: itoa(d.Day), Parts: []uint64{0, 0}, Likely: each}
		if each > 0 {
			c.Name = a.day(d).Text + ": likely about " + a.base.Format(each)
		}
		spec.Columns = append(spec.Columns, c)
	}
}

func (a answer) monthChart(months []report.Row) chart {
	spec := a.columnsOf("Usage of each month")
	spec.LikelyName = ""
	before := a.monthsBefore()
	var rows []chartRow
	for _, m := range months {
		t := time.Date(m.Date.Year, m.Date.Month, 1, 12, 0, 0, 0, time.UTC)
		label := t.Format("Jan")
		if m.Date.Month == time.January || len(months) > 24 {
			label = t.Format("2006")
		}
		if len(months) > 24 && m.Date.Month != time.January {
			label = ""
		}
		href := a.at.between(m.Date, addMonths(m.Date, 1)).to("/days")
		c := a.column(label, t.Format("January 2006"), href, m)
		a.setBefore(&c, before[a.monthOf(m)])
		spec.Columns = append(spec.Columns, c)
		rows = append(rows, a.chartRow(t.Format("January 2006"), m))
	}
	drawing := drawn(spec.Picture())
	drawing.Unit, drawing.Rows = "Month", rows
	return drawing
}

// periodChart draws the billing periods, each with its cap as it was.
func (a answer) periodChart(periods []report.Row) chart {
	spec := a.columnsOf("Usage of each billing period")
	spec.LikelyName, spec.CapName, spec.OverName = "", "cap", "over the cap"
	for _, r := range periods {
		first, next := billing.DateOf(r.Start), endDate(r.End)
		label := r.Start.Format("Jan")
		if first.Month == time.January {
			label = r.Start.Format("2006")
		}
		c := a.column(label, dateRange(first, next), a.at.on("period", first.String()).to("/"), r)
		c.Cap = r.Cap
		if r.Cap > 0 && !r.Gap {
			c.Name += ", cap " + a.base.Format(r.Cap)
		}
		spec.Columns = append(spec.Columns, c)
	}
	return drawn(spec.Picture())
}

// spark draws the days of a host without labels; the figures stand beside it.
func spark(days []uint64) template.HTML {
	if len(days) < 2 {
		return ""
	}
	return template.HTML(charts.Spark{Values: days}.Inline()) //nolint:gosec // escaped by charts
}
