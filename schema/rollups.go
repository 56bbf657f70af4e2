package schema

import (
	"fmt"
	"slices"
	"strings"
)

// rollup is a table that views keep up to date from another.
type rollup struct {
	table    string
	view     string // its name, which is also its migration's
	source   string // flows or usage_15m
	time     string // its first key: bucket or day
	keys     []string
	counters []string
}

// rollups are all rollups; usage_15m comes before those made from it.
func rollups() []rollup {
	var full []string
	for _, suffix := range []string{"", "_packets", "_flows"} {
		for _, direction := range directions() {
			full = append(full, direction+suffix)
		}
	}
	return []rollup{
		{"usage_15m", "usage_15m_mv", "flows", "bucket", []string{"exporter", "host", "protocol", "service"}, full},
		{"daily_total", "daily_total_mv", "usage_15m", "day", []string{"exporter"}, full},
		{"daily_host", "daily_host_mv", "usage_15m", "day", []string{"exporter", "host"}, full},
		{"daily_protocol", "daily_protocol_mv", "usage_15m", "day", []string{"exporter", "protocol", "service"}, full},
		{"daily_host_protocol", "daily_host_protocol_mv", "usage_15m", "day", []string{"exporter", "host", "protocol", "service"}, full},
		{"daily_peer", "daily_peer_mv", "flows", "day", []string{"exporter", "host", "peer"}, append(directions(), "packets", "flows")},
	}
}

func directions() []string { return []string{"received", "sent", "internal", "unmatched"} }

// columns lists keys and counters in the table's order.
func (r rollup) columns() []string {
	return slices.Concat([]string{r.time}, r.keys, r.counters)
}

// definitions are the texts of the migrations by name, the zone filled in.
type definitions map[string]string

func newDefinitions(zone string) (definitions, error) {
	list, err := migrations()
	if err != nil {
		return nil, err
	}
	d := definitions{}
	for _, m := range list {
		d[m.name] = strings.ReplaceAll(m.text, "{zone}", zone)
	}
	return d, nil
}

// selectFrom returns the query of a rollup's view, over another source: a
// table's name, or a query in parentheses.
func (d definitions) selectFrom(r rollup, source string) string {
	_, text, _ := strings.Cut(d[r.view], " AS\n")
	from := "\nFROM " + r.source
	if strings.Count(text, from) != 1 {
		panic("schema: view " + r.view + " does not read once from " + r.source)
	}
	return strings.Replace(text, from, "\nFROM "+source, 1)
}

// spread returns the query that spreads the raw flows of a source over the
// quarter hours they cover, one row a flow and quarter hour, the way
// usage_15m_mv does it.
func (d definitions) spread(source string) string {
	text := d.selectFrom(rollups()[0], source)
	with, rest, ok := strings.Cut(text, "\nSELECT\n")
	_, from, ok2 := strings.Cut(rest, "\nFROM ")
	from, _, ok3 := strings.Cut(from, "\nGROUP BY ")
	if !ok || !ok2 || !ok3 {
		panic("schema: view usage_15m_mv has not the expected form")
	}
	return with + "\nSELECT toDateTime(quarter * 900, 'UTC') AS bucket, exporter, host, peer, protocol, service, direction, octets, pkts, starts\nFROM " + from
}

// view returns the statement that makes the view under another name, from
// another source, into another target.
func (d definitions) createView(r rollup, name, source, target string) string {
	return fmt.Sprintf("CREATE MATERIALIZED VIEW %s TO %s AS\n%s", name, target, d.selectFrom(r, source))
}
