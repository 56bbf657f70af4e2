package server

import "github.com/flattraffic/flattraffic/site"

// linePicker chooses the line that a report is about.
type linePicker struct {
	Label   string
	Options []link
}

// newLinePicker offers the lines and all of them together; it is nil where
// there is nothing to choose.
func newLinePicker(at state, settings *site.Settings) *linePicker {
	if settings == nil || len(settings.Lines) < 2 {
		return nil
	}
	asked := at.query.Get("line")
	pick := &linePicker{Label: "All lines"}
	for i, l := range settings.Lines {
		id := l.ID
		if i == 0 {
			id = "" // the first line needs no parameter
		}
		o := link{Text: l.Label(), Href: at.with("line", id).href(), Current: asked == l.ID || asked == id}
		if o.Current {
			pick.Label = o.Text
		}
		pick.Options = append(pick.Options, o)
	}
	all := link{Text: "All lines", Href: at.with("line", site.AllLines).href(), Current: asked == site.AllLines}
	pick.Options = append(pick.Options, all)
	return pick
}
