package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/flattraffic/flattraffic/flow"
)

// otherName is the name of the service 0 of protocols that have services.
const otherName = "other"

// protocolsReport has a row for every protocol and service, by usage.
func (q *question) protocolsReport(ctx context.Context) (*Result, error) {
	rows, err := q.protocols(ctx)
	if err != nil {
		return nil, err
	}
	return list(rows), nil
}

func (q *question) protocols(ctx context.Context) ([]Row, error) {
	var rows []Row
	place := map[serviceKey]int{}
	scan := func(r scanner) error {
		var row Row
		if err := r.Scan(append([]any{&row.ProtocolNumber, &row.Service}, row.fields()...)...); err != nil {
			return err
		}
		key := serviceKey{row.ProtocolNumber, row.Service}
		if at, known := place[key]; known {
			rows[at].add(row.Counters)
			return nil
		}
		nameProtocol(q.Reports.services, &row)
		place[key] = len(rows)
		rows = append(rows, row)
		return nil
	}
	if err := q.over(ctx, "protocols", protocolsSQL, q.parts(q.window(), dims{protocol: true}), scan); err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(byUsage(a.Counters, b.Counters), cmp.Compare(a.ProtocolNumber, b.ProtocolNumber), cmp.Compare(a.Service, b.Service))
	})
	return rows, nil
}

// nameProtocol names a row of the protocols report.
func nameProtocol(services *flow.Services, row *Row) {
	protocol := services.Protocol(row.ProtocolNumber)
	row.Protocol, row.Category = protocol.Name, "Other"
	if service, ok := services.Lookup(row.ProtocolNumber, row.Service); ok {
		row.Name, row.Title, row.Category = service.Name, service.Title, service.Category
		return
	}
	switch {
	case row.Service != 0: // a service that a former version of the table knew
		row.Name = fmt.Sprintf("%s/%d", protocol.Name, row.Service)
		row.Title = fmt.Sprintf("%s port %d", protocol.Title, row.Service)
	case slices.Contains(withServices(services), row.ProtocolNumber):
		row.Name, row.Title = otherName, "Other "+protocol.Title
	default:
		row.Name, row.Title = protocol.Name, protocol.Title
	}
}
