package server

import (
	"strconv"
	"time"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/charts"
	"github.com/flattraffic/flattraffic/report"
)

// yearMap is a calendar year day by day, and the way to the other years.
type yearMap struct {
	Chart chart
	Years []link
}

// yearMapOf draws the year asked for, or the present one.
func (a answer) yearMapOf(days []report.Row, asked string) yearMap {
	year := a.yearShown(asked)
	m := yearMap{Chart: a.yearChart(days, year)}
	for y := a.Span.Start.Year(); y <= a.now.Year(); y++ {
		m.Years = append(m.Years, link{Text: strconv.Itoa(y), Href: a.at.with("year", strconv.Itoa(y)).href() + "#year", Current: y == year})
	}
	return m
}

// yearShown is the calendar year to draw: the one asked for, or the present.
func (a answer) yearShown(asked string) int {
	if n, err := strconv.Atoi(asked); err == nil && n >= a.Span.Start.Year() && n <= a.now.Year() {
		return n
	}
	return a.now.Year()
}

// yearChart draws the days of a calendar year as weeks by weekday.
func (a answer) yearChart(days []report.Row, year int) chart {
	first := billing.Date{Year: year, Month: time.January, Day: 1}
	next := billing.Date{Year: year + 1, Month: time.January, Day: 1}
	lead := (int(first.Weekday()) + 6) % 7 // Mondays begin the weeks
	weeks := (lead + first.DaysUntil(next) + 6) / 7
	m := charts.HeatMap{
		Frame: charts.Frame{ID: "year-map", Desc: "Each field is a day; a column is a week from Monday to Sunday."},
		Rows:  []string{"Mon", "", "Wed", "", "Fri", "", "Sun"}, Columns: make([]string, weeks),
		Base: uint64(a.base), Tick: a.base.FormatRound, GapName: "nothing was received", Height: 14,
		Cells: make([][]charts.Cell, 7),
	}
	for i := range m.Cells {
		m.Cells[i] = make([]charts.Cell, weeks)
		for j := range m.Cells[i] {
			m.Cells[i][j].Blank = true
		}
	}
	for month := time.January; month <= time.December; month++ {
		at := lead + first.DaysUntil(billing.Date{Year: year, Month: month, Day: 1}) + 6
		m.Columns[min(at/7, weeks-1)] = month.String()[:3]
	}
	var total uint64
	var most report.Row
	for _, d := range days {
		if d.Date.Year != year {
			continue
		}
		at := lead + first.DaysUntil(d.Date)
		m.Cells[at%7][at/7] = charts.Cell{Value: d.Usage(), Gap: d.Gap, Name: a.yearName(d), Href: "/days/" + d.Date.String()}
		total += d.Usage()
		if d.Usage() > most.Usage() {
			most = d
		}
	}
	if total == 0 {
		return chart{}
	}
	m.Title = strconv.Itoa(year) + ": " + a.base.Format(total) + ", the most on " + dayShort(most.Date) + " with " + a.base.Format(most.Usage())
	return drawn(m.Picture())
}

func (a answer) yearName(d report.Row) string {
	if d.Gap {
		return dayShort(d.Date) + ": nothing was received"
	}
	return dayShort(d.Date) + ": " + a.base.Format(d.Usage())
}

// yearTable is the billing periods as a table of years by months of their
// start. It is empty where two periods of a year begin in one month, and where
// there is but one row.
type yearTable struct {
	Months []string
	Rows   []yearRow
}

type yearRow struct {
	Year  string
	Cells []yearCell
	Total size
}

// yearCell is a period; without a link there is none.
type yearCell struct {
	Size size
	Href string
	Name string
	Bad  bool // over its cap
	Gap  bool
	Some bool // it is not over yet
}

func (a answer) yearTableOf(rows []report.Row) yearTable {
	var t yearTable
	index := map[int]int{}
	totals := map[int]uint64{}
	for _, r := range rows {
		first := billing.DateOf(r.Start)
		at, known := index[first.Year]
		if !known {
			at = len(t.Rows)
			index[first.Year] = at
			t.Rows = append(t.Rows, yearRow{Year: strconv.Itoa(first.Year), Cells: make([]yearCell, 12)})
		}
		cell := &t.Rows[at].Cells[first.Month-1]
		if cell.Href != "" {
			return yearTable{}
		}
		*cell = yearCell{
			Size: a.size(r.Usage()), Href: a.at.on("period", first.String()).to("/"), Name: dateRange(first, endDate(r.End)),
			Bad: r.Cap > 0 && r.Used > r.Cap, Gap: r.Gap, Some: r.Partial,
		}
		totals[at] += r.Usage()
	}
	if len(t.Rows) < 2 {
		return yearTable{}
	}
	for i := range t.Rows {
		t.Rows[i].Total = a.size(totals[i])
	}
	for month := time.January; month <= time.December; month++ {
		t.Months = append(t.Months, month.String()[:3])
	}
	return t
}
