package report

import (
	"context"
	"net/netip"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/site"
)

// timeout bounds a whole report. A month of a household takes milliseconds;
// this is for years of a provider on a small machine.
const timeout = 30 * time.Second

// atOnce is how many statements of all reports run at the same time. The others
// wait: more would only take processors and memory from each other.
const atOnce = 8

// Names knows the names of addresses. It answers from memory, at once; source
// is own, dhcp or dns, both are empty when there is no name.
type Names interface {
	Name(addr netip.Addr) (name, source string)
	// Then returns what Name would have said in [from, to), which is over.
	Then(ctx context.Context, from, to time.Time) (func(netip.Addr) (name, source string), error)
	// Devices lists the machines of the household with their addresses in the
	// span [from, to): those of stored, which the user has said something
	// about, and those told by the MAC of their addresses alone.
	Devices(ctx context.Context, stored []site.Device, from, to time.Time) ([]site.Device, error)
}

// Reports answers requests. It is safe for concurrent use.
type Reports struct {
	conn     driver.Conn
	settings func(context.Context) (*site.Settings, error)
	services *flow.Services
	names    Names
	now      func() time.Time
	doubles  doublesCache
	answers  *answers
	rosters  rosters
	places   chan struct{} // one for each statement that may run
}

// New returns reports on the connection's database. settings is asked once for
// each report, and so is now.
func New(conn driver.Conn, settings func(context.Context) (*site.Settings, error), services *flow.Services, names Names, now func() time.Time) *Reports {
	return &Reports{conn: conn, settings: settings, services: services, names: names, now: now, answers: newAnswers(), places: make(chan struct{}, atOnce)}
}

// Run answers a request. The error is a *RequestError when the request makes no
// sense, has ErrUnavailable in its chain when ClickHouse does not answer, and
// is the context's when the caller left.
func (r *Reports) Run(ctx context.Context, req Request) (*Result, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result, err := r.run(limited, req)
	if err != nil {
		if ctx.Err() != nil { // the caller's deadline or leaving, whatever the driver made of it
			return nil, ctx.Err()
		}
		return nil, classify(err)
	}
	return result, nil
}

// run answers, and answers again when the days of the daily tables turn out to
// be of another zone than the answer took them for.
func (r *Reports) run(ctx context.Context, req Request) (*Result, error) {
	for {
		read, err := r.begin(ctx, req)
		if err != nil {
			return nil, err
		}
		zone := read.held.zone
		result, err := r.runIn(ctx, req, read)
		if err != nil {
			return nil, err
		}
		if agreed, err := r.finish(ctx, read, zone); err != nil || agreed {
			return result, err
		}
	}
}

// runIn answers, with the days of the daily tables taken as those of the zone
// that the reading began with.
func (r *Reports) runIn(ctx context.Context, req Request, read *reading) (*Result, error) {
	q, err := r.definite(ctx, req, read)
	if err != nil {
		return nil, err
	}
	before, err := q.compared(ctx)
	if err != nil {
		return nil, err
	}
	if before == nil {
		return q.answer(ctx)
	}
	var result, then *Result
	err = together(ctx,
		func(ctx context.Context) (err error) { result, err = q.answer(ctx); return err },
		func(ctx context.Context) (err error) { then, err = before.answer(ctx); return err },
	)
	if err != nil {
		return nil, err
	}
	result.Before = then
	return result, nil
}

// answer answers the question, and finds out at the same time how complete the
// answer is.
func (q *question) answer(ctx context.Context) (*Result, error) {
	answer := map[Kind]func(context.Context) (*Result, error){
		Overview: q.overview, Days: q.daysReport, Hosts: q.hostsReport, Host: q.hostReport,
		Protocols: q.protocolsReport, Networks: q.networksReport, People: q.peopleReport, History: q.history,
		Ranges: q.unmatchedReport,
	}[q.req.Kind]
	if answer == nil {
		return nil, requestErrorf("kind", "there is no report %q", q.req.Kind)
	}
	if q.req.Kind == History {
		if err := q.findPeriods(ctx); err != nil {
			return nil, err
		}
	}
	var result *Result
	var remarks *tally
	err := together(ctx,
		func(ctx context.Context) (err error) { result, err = answer(ctx); return err },
		func(ctx context.Context) (err error) { remarks, err = q.remarks(ctx); return err },
	)
	if err != nil {
		return nil, err
	}
	result.Request, result.Span = q.req, q.span
	if result.Completeness, err = q.completeness(ctx, remarks, result.Total); err != nil {
		return nil, err
	}
	return result, nil
}

// list is a result of rows whose total is their sum.
func list(rows []Row) *Result {
	if rows == nil {
		rows = []Row{}
	}
	return &Result{Rows: rows, Total: sum(rows)}
}

func sum(rows []Row) Counters {
	var total Counters
	for i := range rows {
		total.add(rows[i].Counters)
	}
	return total
}

func (c *Counters) add(o Counters) {
	c.Received += o.Received
	c.Sent += o.Sent
	c.Internal += o.Internal
	c.Unmatched += o.Unmatched
	c.Packets += o.Packets
	c.Flows += o.Flows
}

// less returns the counters without those of a part.
func (c Counters) less(part Counters) Counters {
	return Counters{
		c.Received - part.Received, c.Sent - part.Sent, c.Internal - part.Internal,
		c.Unmatched - part.Unmatched, c.Packets - part.Packets, c.Flows - part.Flows,
	}
}

// fields are the columns of {{counters}} in its order.
func (c *Counters) fields() []any {
	return []any{&c.Received, &c.Sent, &c.Internal, &c.Unmatched, &c.Packets, &c.Flows}
}
