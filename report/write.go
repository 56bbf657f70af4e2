package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/flattraffic/flattraffic/billing"
)

// WriteJSON writes the result as one JSON object with period, rows, total and
// completeness; an overview and a host page have their own parts beside them.
func WriteJSON(w io.Writer, r *Result) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(document(r))
}

// WriteCSV writes the rows: keys first, counters in bytes, packets and flows
// after them, and then what a terminal has no room for. There is no row for the
// total, so that sums stay right. A compared report has the counters of then
// beside those of now.
func WriteCSV(w io.Writer, r *Result) error {
	out := csv.NewWriter(w)
	columns, wide := columnsOf(r.Request.Kind)
	line := func(cell func(column) string, counters ...string) error {
		var cells []string
		for _, c := range columns {
			cells = append(cells, cell(c))
		}
		cells = append(cells, counters...)
		for _, c := range wide {
			cells = append(cells, cell(c))
		}
		return out.Write(cells)
	}
	header := slices.Clone(counterNames)
	before := r.Counterparts()
	if before != nil {
		for _, name := range counterNames {
			header = append(header, "before_"+name)
		}
	}
	if err := line(func(c column) string { return c.name }, header...); err != nil {
		return err
	}
	row := func(row Row, counters ...Counters) error {
		var cells []string
		for _, c := range counters {
			cells = append(cells, counterCells(c)...)
		}
		return line(func(c column) string { return c.csv(row) }, cells...)
	}
	for _, now := range r.Rows {
		counters := []Counters{now.Counters}
		if before != nil {
			counters = append(counters, before.Of(now))
		}
		if err := row(now, counters...); err != nil {
			return err
		}
	}
	if before != nil {
		for _, gone := range before.gone(r.Rows) {
			if err := row(gone, Counters{}, gone.Counters); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

// counterNames are the names of the counters in all formats.
var counterNames = []string{"received", "sent", "internal", "unmatched", "packets", "flows"}

func counterCells(c Counters) []string {
	var cells []string
	for _, n := range []uint64{c.Received, c.Sent, c.Internal, c.Unmatched, c.Packets, c.Flows} {
		cells = append(cells, strconv.FormatUint(n, 10))
	}
	return cells
}

// column is a key of a row.
type column struct {
	name  string
	value func(Row) string
	free  bool // the text comes from people or from the network
}

// csv is the cell of a row. A spreadsheet takes a cell that begins with one of
// these signs for a formula; a name must not be able to be one.
func (c column) csv(row Row) string {
	value := c.value(row)
	if c.free && value != "" && strings.ContainsRune("=+-@\t\r", rune(value[0])) {
		return "'" + value
	}
	return value
}

// columnsOf are the keys of the rows of a kind, and what else a row says where
// there is room for it.
func columnsOf(kind Kind) (keys, wide []column) {
	name := column{name: "name", value: func(r Row) string { return r.Name }, free: true}
	switch kind {
	case Hosts:
		return []column{{name: "host", value: func(r Row) string { return r.Host.String() }}, name}, []column{
			{name: "addresses", value: addressesText},
			{name: "device", value: func(r Row) string { return r.Device }, free: true},
			{name: "owner", value: func(r Row) string { return r.Owner }, free: true},
		}
	case Protocols:
		return []column{
			{name: "protocol", value: func(r Row) string { return r.Protocol }},
			{name: "service", value: func(r Row) string { return strconv.Itoa(int(r.Service)) }},
			name,
		}, nil
	case Networks:
		return []column{{name: "network", value: func(r Row) string { return r.Network }}, name}, nil
	case Ranges:
		return []column{{name: "network", value: func(r Row) string { return r.Network }}}, []column{
			{name: "last_seen", value: func(r Row) string { return r.LastSeen.Format(time.RFC3339) }},
		}
	case People:
		return []column{{name: "person", value: func(r Row) string { return r.Person }, free: true}, name}, []column{
			{name: "used", value: func(r Row) string { return strconv.FormatUint(r.Used, 10) }},
			{name: "fair_share", value: func(r Row) string { return strconv.FormatUint(r.Fair, 10) }},
			{name: "weight", value: func(r Row) string { return strconv.Itoa(int(r.Weight)) }},
			{name: "hosts", value: func(r Row) string { return strconv.Itoa(r.Hosts) }},
		}
	case History:
		return []column{
			{name: "start", value: func(r Row) string { return r.Start.Format(time.RFC3339) }},
			{name: "end", value: func(r Row) string { return r.End.Format(time.RFC3339) }},
			{name: "cap", value: func(r Row) string { return strconv.FormatUint(r.Cap, 10) }},
		}, nil
	case Overview, Days, Host:
	}
	return []column{{name: "date", value: func(r Row) string { return r.Date.String() }}}, nil
}

// addressesText lists the addresses of a row in one cell.
func addressesText(r Row) string {
	var texts []string
	for _, a := range r.Addresses {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, " ")
}

// WriteTable writes the result for a terminal, sizes in the units of the plan.
func WriteTable(w io.Writer, r *Result) error {
	base := r.Span.Plan.Base
	if base == 0 {
		base = billing.Decimal
	}
	out := table.NewWriter()
	out.SetStyle(table.StyleLight)
	out.Style().Format.Header, out.Style().Format.Footer = text.FormatDefault, text.FormatDefault
	columns, _ := columnsOf(r.Request.Kind)
	var header, footer table.Row
	var configs []table.ColumnConfig
	for i, c := range columns {
		header, footer = append(header, c.name), append(footer, "")
		configs = append(configs, table.ColumnConfig{Number: i + 1, WidthMax: 60})
	}
	footer[0] = "total"
	for i, name := range counterNames {
		header = append(header, name)
		configs = append(configs, table.ColumnConfig{Number: len(columns) + i + 1, Align: text.AlignRight, AlignFooter: text.AlignRight})
	}
	before := r.Counterparts()
	if before != nil {
		header = append(header, "usage before")
		configs = append(configs, table.ColumnConfig{Number: len(header), Align: text.AlignRight, AlignFooter: text.AlignRight})
	}
	out.AppendHeader(header)
	out.SetColumnConfigs(configs)
	for _, row := range r.Rows {
		var cells table.Row
		for _, c := range columns {
			cells = append(cells, printable(c.terminal(row, base)))
		}
		counted := sizes(row.Counters, base)
		if row.Gap { // nobody knows that there was nothing
			for i := range counted {
				counted[i] = "–"
			}
		}
		if before != nil {
			counted = append(counted, base.Format(before.Of(row).Usage()))
		}
		out.AppendRow(append(cells, counted...))
	}
	footer = append(footer, sizes(r.Total, base)...)
	if before != nil {
		footer = append(footer, base.Format(r.Before.Total.Usage()))
	}
	out.AppendFooter(footer)
	_, err := fmt.Fprintf(w, "%s\n%s\n%s", caption(r, base), out.Render(), completenessText(r.Completeness))
	return err
}

// terminal is the cell of a row for people.
func (c column) terminal(row Row, base billing.Base) string {
	switch c.name {
	case "start", "end":
		at := row.Start
		if c.name == "end" {
			at = row.End
		}
		if at.Format("15:04:05") == "00:00:00" {
			return at.Format(time.DateOnly)
		}
		return at.Format("2006-01-02 15:04")
	case "cap":
		if row.Cap == 0 {
			return "none"
		}
		return base.Format(row.Cap)
	case "date":
		switch {
		case row.Gap:
			return row.Date.String() + " (nothing received)"
		case row.Partial:
			return row.Date.String() + " (so far)"
		}
	case "host":
		if row.Name == unmatchedName && row.Host.IsUnspecified() {
			return ""
		}
	}
	return c.value(row)
}

// printable keeps a name from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '�'
		}
		return r
	}, s)
}

func sizes(c Counters, base billing.Base) table.Row {
	return table.Row{
		base.Format(c.Received), base.Format(c.Sent), base.Format(c.Internal), base.Format(c.Unmatched),
		grouped(c.Packets), grouped(c.Flows),
	}
}

// caption says what the table is about, and on the overview the answer.
func caption(r *Result, base billing.Base) string {
	layout := "2006-01-02 15:04"
	line := fmt.Sprintf("%s: %s to %s (%s)", printable(r.Span.Plan.Name), r.Span.Start.Format(layout), r.Span.End.Format(layout), r.Span.Start.Location())
	o := r.Overview
	if o == nil {
		return line
	}
	line += "\n" + base.Format(o.Used)
	if r.Span.Billing && r.Span.Plan.Cap > 0 {
		line += " of " + base.Format(r.Span.Plan.Cap)
	}
	line += fmt.Sprintf(" used, day %d of %d", o.DayNumber, o.DayCount)
	if o.Unmetered > 0 {
		line += ", " + base.Format(o.Unmetered) + " free"
	}
	if o.EvenPace > 0 {
		line += ", even pace " + base.Format(o.EvenPace)
	}
	if o.LikelyHigh > 0 {
		line += fmt.Sprintf("\nlikely at the end %s to %s", base.Format(o.LikelyLow), base.Format(o.LikelyHigh))
	}
	if o.SafePerDay > 0 {
		line += "\n" + base.Format(o.SafePerDay) + " a day would stay inside"
	}
	if !o.OverOn.IsZero() {
		line += fmt.Sprintf("\ncap reached on about %s", o.OverOn)
	}
	if d := o.Driver; d != nil {
		line += fmt.Sprintf(", driven by %s (%s %% of the last %s)", printable(d.Label()), percent(d.Share), plural(uint64(d.Days), "day"))
	}
	parts := []string{line}
	for _, row := range o.Lines {
		parts = append(parts, lineText(row, base))
	}
	return strings.Join(parts, "\n")
}

// lineText says what of a line's cap was used in its own period.
func lineText(row Row, base billing.Base) string {
	text := printable(row.Name) + ": "
	if row.Line == "" {
		return text + base.Format(row.Usage())
	}
	text += base.Format(row.Used)
	if row.Cap > 0 {
		text += " of " + base.Format(row.Cap)
	}
	return text + fmt.Sprintf(" used in its period %s to %s", row.Start.Format(time.DateOnly), row.End.Format(time.DateOnly))
}

func completenessText(c Completeness) string {
	var b strings.Builder
	if c.Known {
		fmt.Fprintf(&b, "complete to %s %%\n", percent(c.Fraction))
	}
	for _, note := range c.Notes {
		b.WriteString(note + "\n")
	}
	return b.String()
}

// percent never writes 100 for less than all.
func percent(fraction float64) string {
	if fraction == 1 {
		return "100"
	}
	return strconv.FormatFloat(float64(int(fraction*1000))/10, 'f', 1, 64)
}
