package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// receivingFor is how long after the newest datagram an exporter counts as
// heard: two rounds of a router's active timeout and the time to deliver.
const receivingFor = 3 * time.Minute

// feed knows what comes in: which exporters were heard, when, and how well.
type feed struct {
	conn driver.Conn // the ledger and the state of exporters
	all  driver.Conn // flows and usage
	now  func() time.Time

	mu   sync.Mutex
	last time.Time // of the newest datagram
	from netip.Addr
	read time.Time
}

// state says whether datagrams arrive, and in words since when not. It is
// asked for every page, so the answer may be five seconds old; when the
// database does not answer in half a second the last one stands.
func (f *feed) state(ctx context.Context) (receiving bool, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.read) > 5*time.Second {
		ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		var last time.Time
		var from netip.Addr
		err := f.conn.QueryRow(ctx, statement("last_seen")).Scan(&from, &last)
		if err == nil || errors.Is(err, sql.ErrNoRows) {
			f.last, f.from = last, from.Unmap()
		}
		f.read = time.Now()
	}
	if f.last.IsZero() {
		return false, "No flows have arrived yet"
	}
	ago := f.now().Sub(f.last)
	if ago < receivingFor {
		return true, "Flows arrive; the newest from " + f.from.String()
	}
	return false, "No flows for " + lasted(ago) + "; the last came from " + f.from.String()
}

// lasted writes a duration the way people say it.
func lasted(d time.Duration) string {
	switch {
	case d < 90*time.Second:
		return count(int(d.Seconds()), "second", "seconds")
	case d < 90*time.Minute:
		return count(int(d.Minutes()+.5), "minute", "minutes")
	case d < 36*time.Hour:
		return count(int(d.Hours()+.5), "hour", "hours")
	}
	return count(int(d.Hours()/24+.5), "day", "days")
}

// exporterSeen is what the ingest says about one exporter. Events, and the
// bytes by direction, are of the last 24 hours.
type exporterSeen struct {
	Address      netip.Addr // unmapped; :: stands for the ingest as a whole
	Known        bool       // it has sent something that could be read
	FirstSeen    time.Time
	LastSeen     time.Time
	Origin       string
	Templates    uint32
	LastTemplate time.Time
	ClockOffset  time.Duration
	SamplingRate uint32
	Interfaces   []uint32
	Longest      time.Duration // longest record lately
	Events       map[string]uint64

	Received, Sent, Internal, Unmatched uint64
}

// exporters returns what is known of every exporter heard, the newest first;
// what belongs to the ingest as a whole comes apart.
func (f *feed) exporters(ctx context.Context) (list []*exporterSeen, ingest *exporterSeen, err error) {
	list, err = f.seen(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read exporters: %w", err)
	}
	known := map[netip.Addr]*exporterSeen{}
	for _, e := range list {
		known[e.Address] = e
	}
	of := func(a netip.Addr) *exporterSeen {
		a = a.Unmap()
		e := known[a]
		if e == nil {
			e = &exporterSeen{Address: a, SamplingRate: 1, Events: map[string]uint64{}}
			known[a] = e
			if !a.IsUnspecified() && len(list) < maxExportersShown {
				list = append(list, e)
			}
		}
		return e
	}
	if err := f.events(ctx, of); err != nil {
		return nil, nil, fmt.Errorf("read the ledger of exporters: %w", err)
	}
	if err := f.directions(ctx, of); err != nil {
		return nil, nil, fmt.Errorf("read the usage of exporters: %w", err)
	}
	ingest = of(netip.IPv6Unspecified())
	if ingest.LastSeen, err = f.ingestRan(ctx); err != nil {
		return nil, nil, fmt.Errorf("read when the ingest ran: %w", err)
	}
	return list, ingest, nil
}

// ingestRan returns the start of the last quarter hour the ingest ran in, of
// the last day; 1970 when it did not.
func (f *feed) ingestRan(ctx context.Context) (last time.Time, err error) {
	ctx, cancel := f.since(ctx, 24*time.Hour)
	defer cancel()
	return last, f.conn.QueryRow(ctx, statement("ingest_last")).Scan(&last)
}

// maxExportersShown bounds the page when strangers send from made-up addresses.
const maxExportersShown = 1000

func (f *feed) seen(ctx context.Context) ([]*exporterSeen, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	rows, err := f.conn.Query(ctx, statement("exporters_seen"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []*exporterSeen
	for rows.Next() {
		e := &exporterSeen{Known: true, Events: map[string]uint64{}}
		var offset int64
		var longest uint32
		if err := rows.Scan(&e.Address, &e.FirstSeen, &e.LastSeen, &e.Origin, &e.Templates, &e.LastTemplate,
			&offset, &e.SamplingRate, &e.Interfaces, &longest); err != nil {
			return nil, err
		}
		e.Address = e.Address.Unmap()
		e.ClockOffset = time.Duration(offset) * time.Millisecond
		e.Longest = time.Duration(longest) * time.Second
		list = append(list, e)
	}
	return list, rows.Err()
}

func (f *feed) since(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return with(ctx, clickhouse.Parameters{"from": strconv.FormatInt(f.now().Add(-d).Unix(), 10)})
}

func (f *feed) events(ctx context.Context, of func(netip.Addr) *exporterSeen) error {
	ctx, cancel := f.since(ctx, 24*time.Hour)
	defer cancel()
	rows, err := f.conn.Query(ctx, statement("ledger_since"))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var a netip.Addr
		var event string
		var n uint64
		if err := rows.Scan(&a, &event, &n); err != nil {
			return err
		}
		of(a).Events[event] = n
	}
	return rows.Err()
}

func (f *feed) directions(ctx context.Context, of func(netip.Addr) *exporterSeen) error {
	ctx, cancel := f.since(ctx, 24*time.Hour)
	defer cancel()
	rows, err := f.all.Query(ctx, statement("directions_since"))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var a netip.Addr
		var received, sent, internal, unmatched uint64
		if err := rows.Scan(&a, &received, &sent, &internal, &unmatched); err != nil {
			return err
		}
		e := of(a)
		e.Received, e.Sent, e.Internal, e.Unmatched = received, sent, internal, unmatched
	}
	return rows.Err()
}

// source of flows of the last hour.
type flowSource struct {
	Address netip.Addr
	Flows   uint64
	Newest  time.Time
}

// lately returns who sent flows in the last hour, the busiest first.
func (f *feed) lately(ctx context.Context) ([]flowSource, error) {
	ctx, cancel := f.since(ctx, time.Hour)
	defer cancel()
	rows, err := f.all.Query(ctx, statement("flows_lately"))
	if err != nil {
		return nil, fmt.Errorf("count flows of the last hour: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var list []flowSource
	for rows.Next() {
		var s flowSource
		if err := rows.Scan(&s.Address, &s.Flows, &s.Newest); err != nil {
			return nil, fmt.Errorf("count flows of the last hour: %w", err)
		}
		s.Address = s.Address.Unmap()
		list = append(list, s)
	}
	return list, rows.Err()
}
