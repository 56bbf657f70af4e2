package report

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/site"
)

// allLinesName stands where the name of a plan does when a report is about all
// lines.
const allLinesName = "All lines"

// noLineName is the row of the exporters that are on no line.
const noLineName = "On no line"

// everyLine reports whether the question is about all lines together.
func (q *question) everyLine() bool { return q.line.ID == site.AllLines }

// findLine finds the line of the request. All lines together have the periods
// of the first, and neither a cap nor free times.
func (q *question) findLine() error {
	if q.req.Filter.Line != site.AllLines {
		var ok bool
		if q.line, ok = q.settings.Line(q.req.Filter.Line); !ok {
			return requestErrorf("line", "there is no line %q; the lines are in the settings of the plan", q.req.Filter.Line)
		}
		return nil
	}
	first := q.settings.Lines[0]
	if len(q.settings.Lines) == 1 {
		q.req.Filter.Line, q.line = "", first
		return nil
	}
	q.line = site.Line{ID: site.AllLines, Name: allLinesName, Plans: slices.Clone(first.Plans)}
	for i := range q.line.Plans {
		p := &q.line.Plans[i]
		p.Name, p.Cap, p.CapText, p.Counts, p.Free = allLinesName, 0, "", billing.CountBoth, billing.FreeTimes{}
	}
	return nil
}

// lineRows has a row for each line: what it carried in the span, so that the
// rows sum to the total, and what of its own cap was used in its own period.
func (q *question) lineRows(ctx context.Context) ([]Row, error) {
	byExporter := map[netip.Addr]Counters{}
	err := q.each(ctx, "lines", exportersSQL, q.from(q.window(), dims{}), nil, func(rows scanner) error {
		var exporter netip.Addr
		var c Counters
		if err := rows.Scan(append([]any{&exporter}, c.fields()...)...); err != nil {
			return err
		}
		byExporter[exporter.Unmap()] = c
		return nil
	})
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, line := range q.settings.Lines {
		row, err := q.lineRow(ctx, line)
		if err != nil {
			return nil, err
		}
		for exporter, c := range byExporter {
			if slices.Contains(line.Exporters, exporter) || line.Rest() && !slices.Contains(q.settings.Named(), exporter) {
				row.add(c)
				delete(byExporter, exporter)
			}
		}
		rows = append(rows, row)
	}
	if len(byExporter) > 0 {
		row := Row{Name: noLineName}
		for _, c := range byExporter {
			row.add(c)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// lineRow says what of a line's cap was used in its period that holds the last
// instant of the span, or now.
func (q *question) lineRow(ctx context.Context, line site.Line) (Row, error) {
	at := q.at
	if end := q.span.End.Add(-time.Nanosecond); end.Before(at) {
		at = end
	}
	p := line.Plans.At(at)
	one := *q
	one.req.Filter = Filter{Line: line.ID}
	one.line = line
	one.span = billingSpan(p)
	usage, err := one.splitOf(ctx, one.window(), p.Plan)
	if err != nil {
		return Row{}, err
	}
	counted := usage.counted()
	return Row{
		Line: line.ID, Name: line.Label(), Start: one.span.Start, End: one.span.End, Cap: p.Plan.Cap,
		Used: p.Plan.Used(counted.Received, counted.Sent), Free: usage.free.Usage(),
	}, nil
}
