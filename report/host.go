package report

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"unsafe"
)

// peerLimit is how many far ends are listed by themselves.
const peerLimit = 100

// briefDays is the longest span whose far ends are listed in a brief answer.
const briefDays = 62

// hostReport is the page of one host. Its rows are its days.
func (q *question) hostReport(ctx context.Context) (*Result, error) {
	result, detail := &Result{}, &HostResult{}
	result.Detail = detail
	figures := func(ctx context.Context) error { return q.figuresOfHost(ctx, result) }
	if q.past {
		return result, figures(ctx)
	}
	err := together(ctx, figures,
		func(ctx context.Context) (err error) { detail.Names, err = q.namesOfHost(ctx); return err },
		func(ctx context.Context) (err error) { detail.Week, err = q.week(ctx); return err },
		func(ctx context.Context) (err error) { detail.Addresses, err = q.addressRows(ctx); return err },
		func(ctx context.Context) (err error) {
			if w, ok := q.before(); ok {
				detail.Previous, err = q.total(ctx, w)
			}
			return err
		},
	)
	if err != nil {
		return nil, err
	}
	q.whoIs(detail)
	return result, nil
}

// figuresOfHost sets the days of a host, and its protocols and far ends. Far
// ends are not compared.
func (q *question) figuresOfHost(ctx context.Context, result *Result) error {
	detail := result.Detail
	w := q.window()
	detail.PeersLeft = !q.past && q.req.Brief && w.first.DaysUntil(w.next) > briefDays
	without := q.past || detail.PeersLeft
	return q.settle(ctx, func() (bool, error) {
		var raw bool // raw flows told the far ends
		err := together(ctx,
			func(ctx context.Context) (err error) { detail.Days, err = q.days(ctx); return err },
			func(ctx context.Context) (err error) { detail.Protocols, err = q.protocols(ctx); return err },
			func(ctx context.Context) (err error) {
				if !without {
					detail.Peers, raw, err = q.peers(ctx)
				}
				return err
			},
		)
		if err != nil {
			return false, err
		}
		answer := list(detail.Days)
		result.Rows, result.Total = answer.Rows, answer.Total
		if without {
			return result.Total == sum(detail.Protocols), nil
		}
		detail.Peers, err = q.withForgotten(ctx, detail.Peers, raw, result.Total)
		return result.Total == sum(detail.Protocols) && result.Total == sumPeers(detail.Peers), err
	})
}

// addressRows are the addresses of the host with traffic: IPv4 before IPv6, and
// each by usage. The result is shared with other reports and must not be changed.
func (q *question) addressRows(ctx context.Context) ([]Row, error) {
	w := worked[[]Row]{what: "addresses", queries: q.hostQueries(dims{host: true}), with: q.deviceTime(), size: sizeOfHosts}
	w.make = func(ctx context.Context) ([]Row, error) {
		addresses, err := q.addresses(ctx, dims{host: true})
		order := allPlaces(len(addresses))
		sortInDevice(addresses, order)
		rows := make([]Row, 0, len(addresses))
		for _, at := range order {
			a := &addresses[at]
			rows = append(rows, Row{Host: a.host, LastSeen: q.dayOf(a.last), Counters: a.Counters})
		}
		return rows, err
	}
	return w.out(ctx, q)
}

// whoIs names the host, by its addresses with traffic if it has any.
func (q *question) whoIs(detail *HostResult) {
	row := Row{Host: q.req.Filter.Host, Addresses: make([]netip.Addr, 0, len(detail.Addresses))}
	for i := range detail.Addresses {
		row.Addresses = append(row.Addresses, detail.Addresses[i].Host)
	}
	if len(row.Addresses) == 0 {
		row.Addresses = q.only
	}
	q.nameRow(&row)
	detail.Name, detail.NameFrom = row.Name, row.NameFrom
	detail.Device, _ = q.roster.device(row.Host)
}

// peers lists the far ends of the host by usage, those beyond the limit as one,
// and says whether they were read from raw flows.
func (q *question) peers(ctx context.Context) (peers []Peer, raw bool, err error) {
	w := q.window()
	s := q.from(w, dims{})
	statement := peersSQL
	if raw = s.table == "usage_15m" || q.req.Filter.Protocol.Set; raw { // daily_peer has days only, and no protocols
		statement = peersRawSQL
		// A record overlaps the window when it ends in it or after it and
		// began before its end; no duration is longer than 32 bits hold.
		s.where = []string{"u.end >= toDateTime({start:UInt32}, 'UTC') AND toUnixTimestamp(u.end) < toUInt64({end:UInt32}) + 4294968"}
		s.table, s.in = "flows", rawReach(w)
		q.filter(&s)
	} else {
		s.table = "daily_peer"
	}
	listed := worked[[]Peer]{what: "far ends", queries: []query{s.query("far ends", statement, atMost(peerLimit+1))}}
	listed.make = func(ctx context.Context) ([]Peer, error) {
		found, apart, err := q.farEndsApart(ctx, s.table, w)
		if !apart && err == nil {
			found, err = q.farEnds(ctx, statement, s, peerLimit+1)
		}
		return found.listed(), err
	}
	listed.size = func(peers []Peer) int { return len(peers) * int(unsafe.Sizeof(Peer{})) }
	if peers, err = listed.out(ctx, q); err != nil {
		return nil, raw, err
	}
	peers = slices.Clone(peers)
	for i := range peers {
		if peers[i].Address.IsValid() {
			peers[i].Name, _ = q.called(peers[i].Address)
		}
	}
	return peers, raw, nil
}

// farEnds are far ends, and the number and the sums of all.
type farEnds struct {
	list  []Peer
	count uint64
	all   Counters
}

// listed are those with the most usage, those beyond the limit as one.
func (f farEnds) listed() []Peer {
	order := allPlaces(len(f.list))
	sortPlaces(order, func(at int) uint64 { return f.list[at].Usage() }, func(a, b int) int {
		return cmp.Or(byUsage(f.list[a].Counters, f.list[b].Counters), f.list[a].Address.Compare(f.list[b].Address))
	})
	arrange(f.list, order)
	if f.count <= peerLimit+1 {
		return f.list
	}
	peers := slices.Clone(f.list[:peerLimit])
	return append(peers, Peer{Name: "Others (" + grouped(f.count-peerLimit) + ")", Counters: f.all.less(sumPeers(peers))})
}

// farEnds reads those with the most usage, up to a limit.
func (q *question) farEnds(ctx context.Context, statement string, s source, limit int) (farEnds, error) {
	var f farEnds
	var p Peer
	fields := slices.Concat([]any{&p.Address}, p.fields(), []any{&f.count}, f.all.fields())
	err := q.each(ctx, "far ends", statement, s, atMost(limit), func(r scanner) error {
		if err := r.Scan(fields...); err != nil {
			return err
		}
		if f.list == nil {
			f.list = make([]Peer, 0, min(f.count, uint64(limit)))
		}
		p.Address = p.Address.Unmap()
		f.list = append(f.list, p)
		return nil
	})
	return f, err
}

// atMost is the parameter of a statement that has a limit.
func atMost(limit int) map[string]string { return map[string]string{"limit": strconv.Itoa(limit)} }

// farEndsApart reads the days up to this month apart from those of it, so that
// the answer of the many stays known. Both need all their far ends then, and it
// reports false when those are too many, or there is no such part.
func (q *question) farEndsApart(ctx context.Context, table string, w window) (farEnds, bool, error) {
	const most = 40_000 // of each part; about 3 MB
	at, apart := q.closed(table, w)
	if !apart {
		return farEnds{}, false, nil
	}
	var parts [2]farEnds
	read := func(part window, into *farEnds) func(context.Context) error {
		s := q.from(part, dims{})
		s.table = table
		return func(ctx context.Context) (err error) {
			*into, err = q.farEnds(ctx, peersSQL, s, most+1)
			return err
		}
	}
	err := together(ctx, read(newWindow(at, w.end), &parts[0]), read(newWindow(w.start, at), &parts[1]))
	found, before := parts[0], parts[1]
	if err != nil || found.count > most || before.count > most {
		return farEnds{}, false, err
	}
	place := make(map[netip.Addr]int, len(found.list))
	for i := range found.list {
		place[found.list[i].Address] = i
	}
	// They come by usage: beside those that are known already, only the first
	// can be among the listed ones.
	alone, both := 0, uint64(0)
	for _, p := range before.list {
		if i, ok := place[p.Address]; ok {
			found.list[i].add(p.Counters)
			both++
		} else if alone++; alone <= peerLimit+1 {
			found.list = append(found.list, p)
		}
	}
	found.count += before.count - both
	found.all.add(before.all)
	return found, true, nil
}

// withForgotten adds what far ends lack to the total because those of the time
// have been dropped, as raw flows or as rows of days, as a row of its own.
func (q *question) withForgotten(ctx context.Context, peers []Peer, raw bool, total Counters) ([]Peer, error) {
	rest, less := total.minus(sumPeers(peers))
	if !less {
		return peers, nil
	}
	s := q.quarters(q.window())
	table, statement, what := "far_end_drops", farEndsDroppedSQL, "far ends"
	if raw {
		table, statement, what = "raw_drops", rawDroppedSQL, "raw flows"
	}
	s.table, s.in = table, reach{}
	dropped := false
	err := q.each(ctx, "months without "+what, statement, s, nil, func(r scanner) error { return r.Scan(&dropped) })
	if err != nil || !dropped {
		return peers, err
	}
	return append(peers, Peer{Name: "Not known any more (" + what + " were dropped)", Counters: rest}), nil
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
	s := source{table: "host_names", params: map[string]string{"hosts": q.onlyText}}
	err := q.each(ctx, "names", namesSQL, s, nil, func(r scanner) error {
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
