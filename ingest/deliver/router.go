package deliver

import (
	"net/netip"

	"github.com/go-faster/city"
)

// ShardOf returns which of n shards gets the flows of a host, from 0. In
// ClickHouse that is cityHash64(host) % n.
func ShardOf(host netip.Addr, n int) int {
	b := host.As16() // no address is ::
	return int(city.CH64(b[:]) % uint64(n))
}

// Router gives each row to the Deliverer of the shard that its host is on. It
// is for one goroutine; the Deliverers may be shared.
type Router struct {
	shards []*Deliverer
	parts  [][]Row // rows of the call, by shard
}

// NewRouter returns a Router to at least one shard, in order.
func NewRouter(shards []*Deliverer) *Router {
	return &Router{shards: shards, parts: make([][]Row, len(shards))}
}

// Append adds rows, which it copies. It waits as Deliverer.Append does.
func (r *Router) Append(rows []Row) {
	if len(r.shards) == 1 {
		r.shards[0].Append(rows)
		return
	}
	split(r.parts, rows)
	for n, part := range r.parts {
		if len(part) > 0 {
			r.shards[n].Append(part)
		}
	}
}

// split puts rows into the parts of the shards of their hosts, in place of what
// is there.
func split(parts [][]Row, rows []Row) {
	for n := range parts {
		parts[n] = parts[n][:0]
	}
	for i := range rows {
		n := ShardOf(rows[i].Ends.Host, len(parts))
		parts[n] = append(parts[n], rows[i])
	}
}
