package report

import (
	"context"
	"slices"

	"github.com/flattraffic/flattraffic/site"
)

// networksReport has a row for every local network, ordered by address with a
// range before those inside it, and then Elsewhere and Unmatched. Each host is
// booked on the most specific network that holds it, so that the rows sum to
// the total. With a filter, rows without traffic are left out.
func (q *question) networksReport(ctx context.Context) (*Result, error) {
	rows, err := q.networks(ctx)
	if err != nil {
		return nil, err
	}
	return list(rows), nil
}

func (q *question) networks(ctx context.Context) ([]Row, error) {
	specific := q.specificFirst()
	booked := make([]Counters, len(specific)+1) // 0: elsewhere
	var unmatched Counters
	scan := func(r scanner) error {
		var place uint32
		var isUnmatched bool
		var c Counters
		if err := r.Scan(append([]any{&place, &isUnmatched}, c.fields()...)...); err != nil {
			return err
		}
		if isUnmatched {
			unmatched.add(c)
		} else {
			booked[place].add(c)
		}
		return nil
	}
	parts := q.parts(q.window(), dims{host: true})
	for i := range parts {
		q.addNetworks(&parts[i])
	}
	if err := q.over(ctx, "networks", networksSQL, parts, scan); err != nil {
		return nil, err
	}
	return q.networkRows(booked, unmatched), nil
}

// networksOf books the addresses of hosts on their networks, as networks does.
func (q *question) networksOf(addresses []address) []Row {
	specific := q.specificFirst()
	booked := make([]Counters, len(specific)+1)
	var unmatched Counters
	for _, a := range addresses {
		if a.host.IsUnspecified() {
			unmatched.add(a.Counters)
			continue
		}
		place := slices.IndexFunc(specific, func(n site.Network) bool { return n.Prefix.Contains(a.host) }) + 1
		booked[place].add(a.Counters)
	}
	return q.networkRows(booked, unmatched)
}

// networkRows makes rows of what is booked on each network, by its place in
// specificFirst from 1, and of what is on none.
func (q *question) networkRows(booked []Counters, unmatched Counters) []Row {
	specific := q.specificFirst()
	var rows []Row
	for _, n := range q.settings.Networks {
		place := slices.IndexFunc(specific, func(o site.Network) bool { return o.Prefix == n.Prefix }) + 1
		rows = append(rows, Row{Network: n.Prefix.String(), Name: n.Name, Metered: n.Metered, Counters: booked[place]})
	}
	rows = append(rows,
		Row{Network: string(Elsewhere), Name: "Elsewhere", Metered: true, Counters: booked[0]},
		Row{Network: string(Unmatched), Name: unmatchedName, Counters: unmatched})
	if q.filtered() {
		rows = slices.DeleteFunc(rows, func(row Row) bool { return row.Counters == Counters{} })
	}
	return rows
}
