package report

import (
	"cmp"
	"context"
	"slices"
)

// nobodyName is what people see for the hosts that belong to no one.
const nobodyName = "Nobody yet"

// peopleReport has a row for each person by usage, and then Nobody yet and
// Unmatched, so that the rows sum to the total. With a filter, people without
// traffic are left out.
//
// The fair share of a person is a part by weight of the cap, in a billing
// period that has one; otherwise, and with a filter, of what all people
// together used.
func (q *question) peopleReport(ctx context.Context) (*Result, error) {
	var hosts, counted []Row
	exempts := q.exempts(q.span.Plan)
	err := together(ctx,
		func(ctx context.Context) (err error) { hosts, err = q.hosts(ctx, dims{host: true}); return err },
		func(ctx context.Context) (err error) {
			if exempts {
				counted, err = q.countedByHost(ctx, q.window())
			}
			return err
		},
	)
	if err != nil {
		return nil, err
	}
	if !exempts {
		counted = hosts
	}
	result := list(q.peopleRows(hosts, counted))
	result.Shared = q.fairShares(result.Rows)
	return result, nil
}

// peopleRows books hosts on people: all their traffic, and of that what counts
// toward the cap.
func (q *question) peopleRows(hosts, counted []Row) []Row {
	place := map[string]int{}
	var rows []Row
	for _, p := range q.settings.People {
		place[p.ID] = len(rows)
		rows = append(rows, Row{Person: p.ID, Name: p.Name, Weight: p.Weight})
	}
	nobody, unmatched := Row{Person: Nobody, Name: nobodyName}, Row{Person: string(Unmatched), Name: unmatchedName}
	of := func(host Row) *Row {
		if at, ok := place[host.Owner]; ok {
			return &rows[at]
		}
		if host.Host.IsUnspecified() {
			return &unmatched
		}
		return &nobody
	}
	for _, host := range hosts {
		row := of(host)
		row.add(host.Counters)
		row.Hosts++
	}
	toward := map[*Row]Counters{}
	for _, host := range counted {
		row := of(host)
		c := toward[row]
		c.add(host.Counters)
		toward[row] = c
	}
	for row, c := range toward {
		row.Used = q.span.Plan.Used(c.Received, c.Sent)
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Or(byUsage(a.Counters, b.Counters), cmp.Compare(a.Name, b.Name)) })
	if q.filtered() {
		rows = slices.DeleteFunc(rows, func(row Row) bool { return row.Counters == Counters{} })
	}
	for _, row := range []Row{nobody, unmatched} {
		if row.Counters != (Counters{}) {
			rows = append(rows, row)
		}
	}
	return rows
}

// fairShares sets what each person's share is, and returns what is shared.
func (q *question) fairShares(rows []Row) uint64 {
	var shared uint64
	weights := 0
	for _, row := range rows {
		if _, person := q.settings.Person(row.Person); person {
			weights += int(row.Weight)
			shared += row.Used
		}
	}
	if limit := q.span.Plan.Cap; q.span.Billing && limit > 0 && !q.filtered() {
		shared = limit
	}
	if weights == 0 {
		return 0
	}
	for i := range rows {
		rows[i].Fair = share(shared, int(rows[i].Weight), weights)
	}
	return shared
}
