package server

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/report"
	"github.com/flattraffic/flattraffic/site"
)

// doubleSeen is one reason why traffic is counted twice, in words, with the
// form that mends it.
type doubleSeen struct {
	ID       int
	Text     string
	Examples []doubleExample
	Remedy   *doubleRemedy // nil: nothing to set would do
}

// doubleExample is a conversation that was seen more than once.
type doubleExample struct {
	What string // TCP 192.168.1.20:51000 → 203.0.113.5:443
	At   moment
	Seen []string // 12.3 MB by 192.168.1.1 at 1 → 2, coming in
}

// doubleRemedy is the exporter's form with the proposed setting.
type doubleRemedy struct {
	ExporterForm
	Button, Effect string
}

// doubles looks for traffic that is counted twice. Found nothing and not found
// out are told apart by the problem.
func (s *Server) doubles(ctx context.Context, settings *site.Settings) (found []doubleSeen, problem string) {
	d, err := s.reports.Doubles(ctx)
	if err != nil {
		s.log.Warn("whether traffic is counted twice is not known", "error", err)
		return nil, "Whether traffic is counted twice could not be looked at just now; the log says why."
	}
	fig := newFigures(settings.Lines[0].Plans.At(s.now()).Plan, s.now())
	for i, x := range d.Found {
		seen := doubleSeen{ID: i + 1, Text: x.Text(d.Every > 1), Remedy: remedyForm(x, settings, fig)}
		for _, e := range x.Examples {
			seen.Examples = append(seen.Examples, exampleText(e, fig))
		}
		found = append(found, seen)
	}
	return found, ""
}

func exampleText(f report.DoubleFlow, fig figures) doubleExample {
	e := doubleExample{What: protocolTitle(f.Protocol) + " " + endText(f.Src) + " → " + endText(f.Dst), At: fig.clock(f.At)}
	for i, m := range f.Meters {
		if i < len(f.Bytes) {
			e.Seen = append(e.Seen, fig.size(f.Bytes[i]).Text+" by "+m.String())
		}
	}
	return e
}

func endText(a netip.AddrPort) string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.String()
}

// protocolTitle names the protocols that have ports, and the others by number.
func protocolTitle(n uint8) string {
	switch n {
	case 1:
		return "ICMP"
	case 6:
		return "TCP"
	case 17:
		return "UDP"
	case 58:
		return "ICMPv6"
	}
	return "Protocol " + strconv.Itoa(int(n))
}

// remedyForm is what to set, as a form that sends what is set already with it.
func remedyForm(d report.Double, settings *site.Settings, fig figures) *doubleRemedy {
	if d.Remedy == nil {
		return nil
	}
	rule := d.Remedy.Rule
	e := settingsOf(settings, rule.Exporter)
	e.CountInterfaces, e.CountDirection = rule.Interfaces, "any"
	name := rule.Exporter.String()
	r := &doubleRemedy{}
	switch {
	case rule.None:
		e.CountDirection = "none"
		r.Button = "Keep what " + name + " sends, and count nothing of it"
	case rule.Observed == flow.Ingress:
		e.CountDirection = "ingress"
		r.Button = "Count of " + name + " only what comes in" + atInterfaces(rule.Interfaces)
	case rule.Observed == flow.Egress:
		e.CountDirection = "egress"
		r.Button = "Count of " + name + " only what leaves" + atInterfaces(rule.Interfaces)
	default:
		r.Button = "Count " + name + " only" + atInterfaces(rule.Interfaces)
	}
	r.ExporterForm = exporterForm(e)
	r.Effect = fig.size(d.Bytes-min(d.Bytes, d.Remedy.Left)).Text + " of the last 24 hours would count once then."
	if d.Remedy.Left > 0 {
		r.Effect += " " + fig.size(d.Remedy.Left).Text + " would still be double."
	}
	if d.Remedy.Lost > 0 {
		r.Effect += " " + fig.size(d.Remedy.Lost).Text + " that were seen there only would be in no total."
	}
	return r
}

func atInterfaces(list []uint32) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return " at interface " + numbers(list)
	}
	return " at interfaces " + numbers(list)
}

// doubledBy says for the status page of an exporter that it is one of those
// that count twice.
func doubledBy(d report.Doubles, exporter netip.Addr) []Finding {
	var found []Finding
	for _, x := range d.Found {
		if slices.Contains(x.Exporters, exporter) {
			found = append(found, Finding{true, x.Text(d.Every > 1), "See under Settings, Exporters, what to count; the past is counted again with it."})
		}
	}
	return found
}
