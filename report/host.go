package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// peerLimit is how many far ends are listed by themselves.
const peerLimit = 100

// hostReport is the page of one host. Its rows are its days.
func (q *question) hostReport(ctx context.Context) (*Result, error) {
	result := &Result{}
	var detail HostResult
	err := settle(ctx, func() (bool, error) {
		days, err := q.days(ctx)
		if err != nil {
			return false, err
		}
		protocols, err := q.protocols(ctx)
		if err != nil {
			return false, err
		}
		if q.past { // far ends are not compared
			*result, detail = *list(days), HostResult{Days: days, Protocols: protocols}
			return result.Total == sum(protocols), nil
		}
		peers, err := q.peers(ctx)
		if err != nil {
			return false, err
		}
		*result = *list(days)
		if peers, err = q.withForgotten(ctx, peers, result.Total); err != nil {
			return false, err
		}
		detail = HostResult{Days: days, Protocols: protocols, Peers: peers}
		far := sumPeers(peers)
		return result.Total == sum(protocols) && result.Total == far, nil
	})
	if err != nil {
		return nil, err
	}
	if q.past {
		result.Detail = &detail
		return result, nil
	}
	if detail.Names, err = q.namesOfHost(ctx); err != nil {
		return nil, err
	}
	if w, ok := q.before(); ok {
		if detail.Previous, err = q.total(ctx, w); err != nil {
			return nil, err
		}
	}
	if detail.Week, err = q.week(ctx); err != nil {
		return nil, err
	}
	if err := q.whoIs(ctx, &detail); err != nil {
		return nil, err
	}
	result.Detail = &detail
	return result, nil
}

// whoIs names the host and says which addresses it has.
func (q *question) whoIs(ctx context.Context, detail *HostResult) error {
	rows, err := q.addresses(ctx, dims{host: true})
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(familyFirst(a.Host, b.Host), byUsage(a.Counters, b.Counters), a.Host.Compare(b.Host))
	})
	row := Row{Host: q.req.Filter.Host}
	for _, r := range rows {
		row.Addresses = append(row.Addresses, r.Host)
	}
	if len(rows) == 0 {
		row.Addresses = q.only
	}
	q.nameRow(&row)
	detail.Name, detail.NameFrom, detail.Addresses = row.Name, row.NameFrom, rows
	detail.Device, _ = q.roster.device(row.Host)
	return nil
}

// peers lists the far ends of the host by usage, those beyond the limit as one.
func (q *question) peers(ctx context.Context) ([]Peer, error) {
	w := q.window()
	s := q.from(w, dims{})
	statement := peersSQL
	if s.table == "usage_15m" || q.req.Filter.Protocol.Set { // daily_peer has days only, and no protocols
		statement = peersRawSQL
		// A record overlaps the window when it ends in it or after it and
		// began before its end; no duration is longer than 32 bits hold.
		s.where = []string{"u.end >= toDateTime({start:UInt32}, 'UTC') AND toUnixTimestamp(u.end) < toUInt64({end:UInt32}) + 4294968"}
		q.filter(&s)
	} else {
		s.table = "daily_peer"
	}
	var peers []Peer
	err := q.each(ctx, "far ends", statement, s, nil, func(r driver.Rows) error {
		var p Peer
		if err := r.Scan(append([]any{&p.Address}, p.fields()...)...); err != nil {
			return err
		}
		p.Address = p.Address.Unmap()
		peers = append(peers, p)
		return nil
	})
	slices.SortFunc(peers, func(a, b Peer) int { return cmp.Or(byUsage(a.Counters, b.Counters), a.Address.Compare(b.Address)) })
	if len(peers) > peerLimit+1 {
		others := Peer{Name: fmt.Sprintf("Others (%d)", len(peers)-peerLimit)}
		for _, p := range peers[peerLimit:] {
			others.add(p.Counters)
		}
		peers = append(peers[:peerLimit], others)
	}
	for i := range peers {
		if peers[i].Address.IsValid() {
			peers[i].Name, _ = q.called(peers[i].Address)
		}
	}
	return peers, err
}

// withForgotten adds what far ends lack to the total because raw flows of the
// time have been dropped, as a row of its own.
func (q *question) withForgotten(ctx context.Context, peers []Peer, total Counters) ([]Peer, error) {
	rest, less := total.minus(sumPeers(peers))
	if !less {
		return peers, nil
	}
	dropped := false
	err := q.each(ctx, "months without raw flows", rawDroppedSQL, q.ledger(q.window()), nil, func(r driver.Rows) error { return r.Scan(&dropped) })
	if err != nil || !dropped {
		return peers, err
	}
	return append(peers, Peer{Name: "Not known any more (raw flows were dropped)", Counters: rest}), nil
}

func sumPeers(peers []Peer) Counters {
	var far Counters
	for _, p := range peers {
		far.add(p.Counters)
	}
	return far
}

// minus returns c less o; less says that nothing of o is more, and something
// is less.
func (c Counters) minus(o Counters) (rest Counters, less bool) {
	if o.Received > c.Received || o.Sent > c.Sent || o.Internal > c.Internal || o.Unmatched > c.Unmatched || o.Packets > c.Packets || o.Flows > c.Flows {
		return Counters{}, false
	}
	rest = Counters{c.Received - o.Received, c.Sent - o.Sent, c.Internal - o.Internal, c.Unmatched - o.Unmatched, c.Packets - o.Packets, c.Flows - o.Flows}
	return rest, rest != Counters{}
}

// namesOfHost lists the names the host had, latest first.
func (q *question) namesOfHost(ctx context.Context) ([]Name, error) {
	var names []Name
	s := source{params: map[string]string{"hosts": addressArray(q.only)}}
	err := q.each(ctx, "names", namesSQL, s, nil, func(r driver.Rows) error {
		var n Name
		if err := r.Scan(&n.Name, &n.Source, &n.FirstSeen, &n.LastSeen); err != nil {
			return err
		}
		zone := q.span.Start.Location()
		n.FirstSeen, n.LastSeen = n.FirstSeen.In(zone), n.LastSeen.In(zone)
		names = append(names, n)
		return nil
	})
	return names, err
}
