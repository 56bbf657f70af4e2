package report

import (
	"context"
	"net/netip"
)

// namer says what an address is called, and who says so.
type namer func(netip.Addr) (name, source string)

// nameThen makes the report use the names of its time. What ends in the future
// or now has those of today; a time that is over has those that were seen in
// it, so that an address which has changed hands since keeps its old name there.
func (q *question) nameThen(ctx context.Context) error {
	q.called = q.names.Name
	if q.span.End.After(q.at) || q.req.Kind != Overview && q.req.Kind != Hosts && q.req.Kind != Host && q.req.Filter.HostName == "" {
		return nil
	}
	var err error
	q.called, err = q.names.Then(ctx, q.span.Start, q.span.End)
	return err
}
