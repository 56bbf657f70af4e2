package report

import (
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/billing"
)

// TestPeopleConserve: the rows of people sum to the raw flows, to the byte, and
// the fair shares to what is shared.
func TestPeopleConserve(t *testing.T) {
	const name = "Asia/Kathmandu"
	zone := location(t, name)
	now := time.Date(2026, 3, 20, 10, 20, 0, 0, zone)
	records := randomRecords(11, time.Date(2026, 2, 20, 0, 0, 0, 0, zone), now, 400)
	pieces := piecesOf(records)
	conn := database(t, name)
	insert(t, conn, records)
	settings := owners(t, name)
	for _, span := range []string{"period=2026-03-12", "period=2026-02-20", "from=2026-03-14T06:15:00%2B05:45&to=2026-03-18T00:00:00%2B05:45", "person=ben", "protocol=udp"} {
		got := run(t, newReports(t, conn, settings, now), parse(t, People, span))
		all := run(t, newReports(t, conn, settings, now), parse(t, Hosts, span))
		if got.Total != all.Total || sum(got.Rows) != all.Total {
			t.Errorf("%s: people sum to %+v of a total of %+v, hosts to %+v", span, sum(got.Rows), got.Total, all.Total)
		}
		if !got.Request.Filter.Protocol.Set && got.Request.Filter.Person == "" {
			if want := sumPieces(pieces, got.Span.Start, got.Span.End, nil); got.Total != want {
				t.Errorf("%s: people have %+v, raw is %+v", span, got.Total, want)
			}
		}
		hosts := 0
		for _, row := range got.Rows {
			hosts += row.Hosts
		}
		if hosts != len(all.Rows) {
			t.Errorf("%s: people have %d hosts of %d", span, hosts, len(all.Rows))
		}
	}
}

func TestFairShares(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	conn := database(t, "UTC")
	use := func(host int, bytes uint64) record {
		r := received(now.Add(-time.Hour), bytes)
		r.host = hosts[host]
		return r
	}
	// Anna's laptop by two addresses, Ben's phone in a network that does not
	// count toward the cap, a heater of nobody's.
	insert(t, conn, []record{use(0, 600), use(6, 0), use(4, 300), use(2, 90), use(8, 1000)})
	rowsOf := func(change func(*billing.Plan), query string) map[string]Row {
		settings := owners(t, "UTC")
		settings.Lines[0].Plans = billing.Plans{plan(t, "UTC", "1", change)}
		got := map[string]Row{}
		for _, row := range run(t, newReports(t, conn, settings, now), parse(t, People, query)).Rows {
			got[row.Person] = row
		}
		return got
	}
	capped := func(p *billing.Plan) { p.Cap = 3000 }
	for _, tt := range []struct {
		name   string
		change func(*billing.Plan)
		query  string
		fair   map[string]uint64
	}{
		{"of the cap by weight", capped, "", map[string]uint64{"anna": 1000, "ben": 2000, "cleo": 0, Nobody: 0}},
		{"of what people used, without a cap", nil, "", map[string]uint64{"anna": 200, "ben": 400, "cleo": 0, Nobody: 0}},
		{"of what people used, in a range of days", capped, "from=2026-11-20&to=2026-11-21", map[string]uint64{"anna": 200, "ben": 400, "cleo": 0, Nobody: 0}},
	} {
		rows := rowsOf(tt.change, tt.query)
		for person, want := range tt.fair {
			if got := rows[person].Fair; got != want {
				t.Errorf("%s: the fair share of %s is %d, want %d", tt.name, person, got, want)
			}
		}
		if got := rows["anna"]; got.Received != 900 || got.Used != 600 || got.Hosts != 1 {
			t.Errorf("%s: Anna has %+v; want 900 bytes of one host, of which the 300 of the unmetered network do not count", tt.name, got)
		}
		if got := rows["ben"]; got.Received != 90 || got.Used != 0 {
			t.Errorf("%s: Ben has %+v; want 90 bytes that do not count", tt.name, got)
		}
	}
}
