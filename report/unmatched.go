package report

import (
	"context"
	"net/netip"
)

// unmatchedReport lists the address ranges of the traffic with no local end,
// the biggest first: /24 of IPv4; of IPv6 the smallest of /64, /56 and /48 that
// holds all that was seen of a /48. A record has two ends and is booked on the
// ranges of both, so that the rows add up to up to twice the total.
func (q *question) unmatchedReport(ctx context.Context) (*Result, error) {
	w := q.window()
	s := q.from(w, dims{})
	// As for far ends: a record overlaps the window when it ends in it or after
	// it and began before its end.
	s.where = []string{"u.direction = 'unmatched' AND u.end >= toDateTime({start:UInt32}, 'UTC') AND toUnixTimestamp(u.end) < toUInt64({end:UInt32}) + 4294968"}
	s.table, s.in = "flows", rawReach(w)
	q.filter(&s)
	result := &Result{Rows: []Row{}}
	ranges := uint64(0)
	err := q.each(ctx, "unmatched ranges", unmatchedSQL, s, nil, func(r scanner) error {
		var low, high netip.Addr
		var row Row
		if err := r.Scan(&low, &high, &row.Unmatched, &row.Packets, &row.Flows, &row.LastSeen, &ranges); err != nil {
			return err
		}
		row.Network = rangeOf(low.Unmap(), high.Unmap()).String()
		row.LastSeen = row.LastSeen.In(w.start.Location())
		result.Rows = append(result.Rows, row)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if more := ranges - uint64(len(result.Rows)); more > 0 {
		q.notes.add(plural(more, "range") + " with less traffic are not listed.")
	}
	result.Total, err = q.total(ctx, w)
	return result, err
}

// rangeOf is the range that two addresses of one /24, or one /48, share.
func rangeOf(low, high netip.Addr) netip.Prefix {
	if low.Is4() {
		return netip.PrefixFrom(low, 24).Masked()
	}
	for _, bits := range []int{64, 56} {
		if p := netip.PrefixFrom(low, bits).Masked(); p.Contains(high) {
			return p
		}
	}
	return netip.PrefixFrom(low, 48).Masked()
}
