package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/flattraffic/flattraffic/flow"
)

// judge says which exporters, alone or together, see traffic twice, and what to
// set. rules are those in force; every says how much of the traffic was seen.
func judge(seen []sighting, rules map[netip.Addr]flow.CountRule, every uint64) []Double {
	var all uint64
	groups := map[string][]sighting{}
	for _, s := range seen {
		all += s.total
		if len(s.meters) > 1 {
			key := fmt.Sprint(exporters(s.meters))
			groups[key] = append(groups[key], s)
		}
	}
	var found []Double
	for _, group := range groups {
		d := Double{Exporters: exporters(group[0].meters)}
		slices.SortFunc(group, func(a, b sighting) int {
			return cmp.Or(cmp.Compare(b.total-b.once, a.total-a.once), cmp.Compare(fmt.Sprint(a.meters), fmt.Sprint(b.meters)))
		})
		d.Meters = group[0].meters
		for _, s := range group {
			d.Flows += s.flows
			d.Bytes += s.total - s.once
			d.Examples = append(d.Examples, s.examples...)
		}
		if d.Share = float64(d.Bytes) / float64(all); d.Flows < doublesFlows || d.Share < doublesShare {
			continue
		}
		slices.SortStableFunc(d.Examples, func(a, b DoubleFlow) int { return cmp.Compare(slices.Max(b.Bytes), slices.Max(a.Bytes)) })
		d.Examples = d.Examples[:min(len(d.Examples), 3)]
		d.Remedy = remedy(d, group, seen, rules)
		d.Flows, d.Bytes = d.Flows*every, d.Bytes*every
		if d.Remedy != nil {
			d.Remedy.Left, d.Remedy.Lost = d.Remedy.Left*every, d.Remedy.Lost*every
		}
		found = append(found, d)
	}
	slices.SortFunc(found, func(a, b Double) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), slices.CompareFunc(a.Exporters, b.Exporters, netip.Addr.Compare))
	})
	return found
}

// remedy tries what can be set for each exporter, and returns what leaves least
// double without leaving out what is seen once; nil when nothing does well.
func remedy(d Double, group, seen []sighting, rules map[netip.Addr]flow.CountRule) *Remedy {
	var best *Remedy
	for _, exporter := range d.Exporters {
		for _, rule := range candidates(exporter, rules[exporter], seen, len(d.Exporters) > 1) {
			r := Remedy{Rule: rule}
			for _, s := range group {
				if kept := kept(s, rule); kept > 1 {
					r.Left += (s.total - s.once) / uint64(len(s.meters)-1) * uint64(kept-1)
				}
			}
			for _, s := range seen {
				if kept(s, rule) == 0 {
					r.Lost += s.once
				}
			}
			if best == nil || r.Left+r.Lost < best.Left+best.Lost {
				best = &r
			}
		}
	}
	if best == nil || best.Left+best.Lost > d.Bytes/2 {
		return nil
	}
	return best
}

// kept is how many of the meters of a sighting still count under a rule.
func kept(s sighting, rule flow.CountRule) int {
	n := 0
	for _, m := range s.meters {
		if m.Exporter != rule.Exporter || rule.Counts(m.record()) {
			n++
		}
	}
	return n
}

// maxCandidates bounds the interfaces that are tried.
const maxCandidates = 64

// candidates are the rules to try for an exporter, the simplest first. Each
// keeps to the rule in force. To count nothing is for one that sees only what
// others see.
func candidates(exporter netip.Addr, now flow.CountRule, seen []sighting, others bool) []flow.CountRule {
	now.Exporter = exporter
	var list []flow.CountRule
	if now.Observed == flow.ObservedUnknown {
		for _, o := range []flow.ObservedDirection{flow.Ingress, flow.Egress} {
			if observes(exporter, o, seen) {
				rule := now
				rule.Observed = o
				list = append(list, rule)
			}
		}
	}
	interfaces := slices.Clone(now.Interfaces)
	if len(interfaces) == 0 {
		interfaces = interfacesOf(exporter, seen)
	}
	with := func(set []uint32) {
		rule := now
		rule.Interfaces = set
		list = append(list, rule)
	}
	for _, n := range interfaces {
		with([]uint32{n})
	}
	if len(interfaces) > 2 {
		for i := range interfaces {
			with(slices.Delete(slices.Clone(interfaces), i, i+1))
		}
	}
	if others {
		list = append(list, flow.CountRule{Exporter: exporter, None: true})
	}
	return list
}

// observes reports whether an exporter says of any flow that it was seen a way.
func observes(exporter netip.Addr, way flow.ObservedDirection, seen []sighting) bool {
	return slices.ContainsFunc(seen, func(s sighting) bool {
		return slices.ContainsFunc(s.meters, func(m Meter) bool { return m.Exporter == exporter && m.Observed == way })
	})
}

// interfacesOf lists the interfaces an exporter named.
func interfacesOf(exporter netip.Addr, seen []sighting) []uint32 {
	var list []uint32
	for _, s := range seen {
		for _, m := range s.meters {
			if m.Exporter == exporter {
				list = append(list, m.In, m.Out)
			}
		}
	}
	slices.Sort(list)
	list = slices.DeleteFunc(slices.Compact(list), func(n uint32) bool { return n == 0 })
	return list[:min(len(list), maxCandidates)]
}

// Text says in a sentence what is double and where it is seen.
func (d Double) Text(sampled bool) string {
	about := ""
	if sampled {
		about = "about "
	}
	where := "both"
	if len(d.Meters) > 2 {
		where = fmt.Sprintf("%d times", len(d.Meters))
	}
	text := fmt.Sprintf("%s%s %% of the bytes of the last %d hours seem to be counted twice: %s%s were seen %s by ",
		about, percent(d.Share), doublesWindow/time.Hour, about, plural(d.Flows, "conversation"), where)
	names := make([]string, len(d.Meters))
	for i, m := range d.Meters {
		names[i] = m.String()
	}
	last := len(names) - 1
	text += strings.Join(names[:last], ", ") + " and by " + names[last]
	return upperFirst(text) + "."
}

func upperFirst(s string) string {
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}

// noteDoubles says that figures of a span that holds the last day, or a part of
// it, count traffic twice.
func (t *tally) noteDoubles(d Doubles, span Span) {
	if !span.Start.Before(d.To) || !d.From.Before(span.End) {
		return
	}
	for _, found := range d.Found {
		t.note("%s Settings → Exporters says what to set, and counts the past again.", found.Text(d.Every > 1))
	}
}
