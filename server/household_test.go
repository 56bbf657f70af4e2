package server

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/report"
)

// household answers report requests from made-up days that sum exactly, so
// that pages can be looked at and tested without a database.
type household struct {
	plans    billing.Plans
	now      time.Time
	first    billing.Date // nothing before
	gap      billing.Date // a day nothing was received
	machines []machine
	services []report.Row
	networks []report.Row
	cells    []cell
}

type machine struct {
	addr     netip.Addr
	name     string
	from     string
	weight   float64
	services []int // indexes of services
}

// cell is what one machine used for one service on one day.
type cell struct {
	date             billing.Date
	machine, service int
	report.Counters
}

func auckland() *time.Location {
	zone, err := time.LoadLocation("Pacific/Auckland")
	if err != nil {
		panic(err)
	}
	return zone
}

// newHousehold makes a household of n machines that has been watched since
// first, with a plan that renews on the 12th.
func newHousehold(n int, first billing.Date, limit uint64) *household {
	renewal, err := billing.ParseRenewal("12")
	if err != nil {
		panic(err)
	}
	h := &household{
		plans: billing.Plans{{ID: "home", Name: "Home", Zone: auckland(), Renewal: renewal, Cap: limit, Base: billing.Decimal}},
		now:   time.Date(2026, 11, 23, 18, 40, 0, 0, auckland()), first: first, gap: billing.Date{Year: 2026, Month: 11, Day: 16},
	}
	for _, s := range []struct {
		protocol               string
		number                 uint8
		port                   uint16
		name, title, cat, note string
	}{
		{"tcp", 6, 443, "https", "HTTPS", "Web", ""},
		{"udp", 17, 443, "quic", "QUIC", "Web", ""},
		{"tcp", 6, 80, "http", "HTTP", "Web", ""},
		{"udp", 17, 53, "dns", "DNS", "DNS", ""},
		{"tcp", 6, 22, "ssh", "SSH", "Remote access", ""},
		{"udp", 17, 3074, "xbox", "Xbox Live", "Games", ""},
		{"tcp", 6, 6881, "bittorrent", "BitTorrent", "File sharing", ""},
		{"udp", 17, 51820, "wireguard", "WireGuard", "VPN", ""},
		{"tcp", 6, 993, "imaps", "IMAPS", "Mail", ""},
		{"tcp", 6, 0, "tcp", "Other TCP", "Other", ""},
		{"udp", 17, 0, "udp", "Other UDP", "Other", ""},
	} {
		h.services = append(h.services, report.Row{Protocol: s.protocol, ProtocolNumber: s.number, Service: s.port, Name: s.name, Title: s.title, Category: s.cat})
	}
	h.networks = []report.Row{
		{Network: "192.168.0.0/16", Name: "LAN", Metered: true},
		{Network: "192.168.20.0/24", Name: "Guest", Metered: true},
		{Network: "192.168.30.0/24", Name: "Backup line", Metered: false},
		{Network: "fd00::/8", Name: "", Metered: true},
		{Network: "elsewhere"},
		{Network: "unmatched"},
	}
	names := []struct{ name, from string }{
		{"PlayStation", "own"}, {"nas.lan", "dhcp"}, {"Anna’s laptop", "own"}, {"living-room-tv.lan", "dns"}, {"Pixel-8", "dhcp"}, {"", ""}, {"printer.lan", "dns"}, {"thermostat", "dhcp"},
	}
	for i := range n {
		m := machine{addr: netip.AddrFrom4([4]byte{192, 168, byte(1 + 19*(i%5/4)), byte(20 + i)}), weight: 1 / float64(i*i/2+i+1)}
		if i >= 200 { // more than one /24 has room for
			m.addr = netip.AddrFrom4([4]byte{192, 168, byte(40 + i/250), byte(1 + i%250)})
		}
		if i%9 == 5 {
			m.addr = netip.MustParseAddr(fmt.Sprintf("fd00::%x", 0x1000+i))
		}
		switch {
		case i < len(names):
			m.name, m.from = names[i].name, names[i].from
		case i%3 == 0:
			m.name, m.from = "device-"+strconv.Itoa(i)+".lan", "dns"
		}
		for j := range h.services {
			if (i+j)%3 == 0 || j < 2 {
				m.services = append(m.services, j)
			}
		}
		h.machines = append(h.machines, m)
	}
	if n > 1 {
		h.machines = append(h.machines, machine{addr: netip.IPv6Unspecified(), weight: .02, services: []int{1, 9}})
	}
	h.fill()
	return h
}

func (h *household) fill() {
	rng := rand.New(rand.NewPCG(1, 2))
	for d := h.first; d.Compare(billing.DateOf(h.now)) <= 0; d = d.AddDays(1) {
		if d == h.gap {
			continue
		}
		busy := .6 + rng.Float64()
		if d.Weekday() == time.Saturday || d.Weekday() == time.Sunday {
			busy *= 1.7
		}
		for i, m := range h.machines {
			if rng.Float64() < .1 {
				continue
			}
			for j, service := range m.services {
				n := uint64(8e9 * busy * m.weight * rng.Float64() / float64(j*j+1))
				c := cell{d, i, service, report.Counters{Received: n, Sent: n / uint64(4+service), Packets: n / 900, Flows: n/90000 + 1}}
				if m.addr == netip.IPv6Unspecified() {
					c.Counters = report.Counters{Unmatched: n, Packets: n / 900, Flows: n/90000 + 1}
				} else if service == 4 {
					c.Internal = n * 3
				}
				h.cells = append(h.cells, c)
			}
		}
	}
}

func (h *household) span(p report.Period) report.Span {
	current := h.plans.At(h.now)
	switch {
	case !p.FromDate.IsZero():
		zone := h.plans[0].Zone
		return report.Span{Start: p.FromDate.Start(zone), End: p.ToDate.Start(zone), Plan: h.plans[0]}
	case !p.From.IsZero():
		return report.Span{Start: p.From.In(h.plans[0].Zone), End: p.To.In(h.plans[0].Zone), Plan: h.plans[0]}
	case !p.Holding.IsZero():
		current = h.plans.Holding(p.Holding)
	case p.Previous:
		current = h.plans.Previous(current)
	}
	return report.Span{Start: current.Start, End: current.End, Plan: current.Plan, Billing: true}
}

// in returns the cells of a span, in whole days, that pass a filter.
func (h *household) in(start, end time.Time, f report.Filter) []cell {
	first, next := billing.DateOf(start), endDate(end)
	var out []cell
	for _, c := range h.cells {
		m, s := h.machines[c.machine], h.services[c.service]
		if c.date.Before(first) || !c.date.Before(next) || f.Host.IsValid() && m.addr != f.Host ||
			f.Protocol.Set && s.Name != f.Protocol.Text && protocolFilter(s) != f.Protocol.Text {
			continue
		}
		out = append(out, c)
	}
	return out
}

// group sums cells by a key, the biggest first.
func group[K comparable](cells []cell, key func(cell) K, row func(K) report.Row) []report.Row {
	index := map[K]int{}
	var rows []report.Row
	for _, c := range cells {
		k := key(c)
		i, ok := index[k]
		if !ok {
			i = len(rows)
			index[k] = i
			rows = append(rows, row(k))
		}
		rows[i].Counters = sum(rows[i].Counters, c.Counters)
	}
	slices.SortStableFunc(rows, func(a, b report.Row) int { return cmp.Compare(b.Usage(), a.Usage()) })
	return rows
}

func (h *household) hostRows(cells []cell, span report.Span) []report.Row {
	rows := group(cells, func(c cell) int { return c.machine }, func(i int) report.Row {
		m := h.machines[i]
		return report.Row{Host: m.addr, Name: m.name, NameFrom: m.from, LastSeen: h.now.Add(-time.Duration(i*i) * time.Minute)}
	})
	first := billing.DateOf(span.Start)
	days := first.DaysUntil(endDate(span.End))
	index := map[netip.Addr]int{}
	for i := range rows {
		rows[i].Days = make([]uint64, days)
		index[rows[i].Host] = i
	}
	for _, c := range cells {
		rows[index[h.machines[c.machine].addr]].Days[first.DaysUntil(c.date)] += c.Usage()
	}
	return rows
}

func (h *household) protocolRows(cells []cell) []report.Row {
	return group(cells, func(c cell) int { return c.service }, func(i int) report.Row { return h.services[i] })
}

func (h *household) networkRows(cells []cell) []report.Row {
	rows := slices.Clone(h.networks)
	for _, c := range cells {
		addr, best, bits := h.machines[c.machine].addr, len(rows)-2, -1
		if addr == netip.IPv6Unspecified() {
			best = len(rows) - 1
		}
		for i, r := range rows {
			if p, err := netip.ParsePrefix(r.Network); err == nil && p.Contains(addr) && p.Bits() > bits {
				best, bits = i, p.Bits()
			}
		}
		rows[best].Counters = sum(rows[best].Counters, c.Counters)
	}
	return rows
}

func (h *household) dayRows(cells []cell, span report.Span) []report.Row {
	var rows []report.Row
	first := billing.DateOf(span.Start)
	for d := first; d.Before(endDate(span.End)) && d.Compare(billing.DateOf(h.now)) <= 0; d = d.AddDays(1) {
		rows = append(rows, report.Row{Date: d, Partial: d == billing.DateOf(h.now), Gap: d == h.gap || d.Before(h.first)})
	}
	for _, c := range cells {
		r := &rows[first.DaysUntil(c.date)]
		r.Counters = sum(r.Counters, c.Counters)
	}
	return rows
}

func (h *household) run(ctx context.Context, req report.Request) (*report.Result, error) {
	res := h.answer(req)
	if before, ok := req.Compare.Of(res.Span, h.plans, h.now); ok && req.Kind != report.History {
		then := req
		then.Compare, then.Period = report.CompareNone, report.Period{From: before.Start, To: before.End}
		res.Before = h.answer(then)
		res.Before.Span = before
	}
	return res, ctx.Err()
}

func (h *household) answer(req report.Request) *report.Result {
	span := h.span(req.Period)
	if req.Kind == report.History {
		first := h.plans.Holding(h.first)
		span = report.Span{Start: first.Start, End: h.plans.At(h.now).End, Plan: h.plans[0]}
	}
	cells := h.in(span.Start, span.End, req.Filter)
	res := &report.Result{Request: req, Span: span, Completeness: report.Completeness{Known: len(cells) > 0, Fraction: .998}}
	if len(cells) > 0 {
		res.Completeness.Notes = []string{"No flows from 192.168.1.1 on 14 Nov 02:10–02:40. If the router was on, check the network between it and FlatTraffic."}
	}
	for _, c := range cells {
		res.Total = sum(res.Total, c.Counters)
	}
	switch req.Kind {
	case report.Days:
		res.Rows = h.dayRows(cells, span)
	case report.Hosts:
		res.Rows = h.hostRows(cells, span)
	case report.Protocols:
		res.Rows = h.protocolRows(cells)
	case report.Networks:
		res.Rows = h.networkRows(cells)
	case report.Ranges:
		for _, network := range []string{"203.0.113.0/24", "2001:db8:77::/64"} {
			res.Rows = append(res.Rows, report.Row{Network: network, LastSeen: h.now, Counters: report.Counters{Unmatched: res.Total.Unmatched, Flows: res.Total.Flows}})
		}
	case report.People:
		res.Rows = []report.Row{{Person: report.Nobody, Name: "Nobody yet", Hosts: len(h.machines), Counters: res.Total}}
	case report.History:
		for p := h.plans.Holding(h.first); !p.Start.After(h.now); p = h.plans.Next(p) {
			r := report.Row{Start: p.Start, End: p.End, Cap: p.Plan.Cap, Partial: p.Contains(h.now)}
			for _, c := range h.in(p.Start, p.End, req.Filter) {
				r.Counters = sum(r.Counters, c.Counters)
			}
			r.Used = r.Usage()
			res.Rows = append(res.Rows, r)
		}
		res.Days = h.dayRows(cells, span)
	case report.Overview:
		res.Overview = h.overview(req, span, cells, res.Total)
		res.Rows = res.Overview.Days
	case report.Host:
		res.Detail = h.detail(req.Filter.Host, cells, span, res.Total)
		if req.Brief && span.End.Sub(span.Start) > 62*24*time.Hour {
			res.Detail.Peers, res.Detail.PeersLeft = nil, true
		}
		res.Rows = res.Detail.Days
	}
	return res
}

func (h *household) overview(req report.Request, span report.Span, cells []cell, total report.Counters) *report.OverviewResult {
	o := &report.OverviewResult{Used: span.Plan.Used(total.Received, total.Sent), Days: h.dayRows(cells, span)}
	o.DayNumber, o.DayCount = elapsed(span, h.now)
	for _, d := range o.Days {
		if d.Usage() > o.BiggestDay.Usage() {
			o.BiggestDay = d
		}
	}
	if limit := span.Plan.Cap; limit > 0 && span.Billing {
		o.EvenPace = limit * uint64(o.DayNumber) / uint64(o.DayCount)
		if left := o.DayCount - o.DayNumber; left > 0 && limit > o.Used {
			o.SafePerDay = (limit - o.Used) / uint64(left)
		}
	}
	if o.DayNumber >= 3 && h.now.Before(span.End) {
		likely := o.Used * uint64(o.DayCount) / uint64(o.DayNumber)
		o.LikelyLow, o.LikelyHigh = likely*9/10, likely*11/10
		if span.Plan.Cap > 0 && likely > span.Plan.Cap {
			o.OverOn = billing.DateOf(span.Start).AddDays(int(span.Plan.Cap * uint64(o.DayCount) / likely))
		}
	}
	if span.Billing {
		before := h.plans.Previous(h.plans.At(span.Start))
		for _, c := range h.in(before.Start, before.First.AddDays(o.DayNumber).Start(span.Plan.Zone), req.Filter) {
			o.PreviousUsed += c.Usage()
		}
	}
	if span.End.Sub(span.Start) < 26*time.Hour {
		o.Hours = hoursOf(span, h.now, total)
	}
	if len(h.machines) > 1 && h.now.Before(span.End) && total.Usage() > 0 {
		o.Today = report.Row{Host: h.machines[0].addr, Name: h.machines[0].name, Counters: total}
		o.Changed = report.Row{Host: h.machines[1].addr, Name: h.machines[1].name, Counters: report.Counters{Received: 3e9}}
		o.ChangedFrom = report.Counters{Received: 1e9}
	}
	hosts, protocols := h.hostRows(cells, span), h.protocolRows(cells)
	o.HostCount, o.ProtocolCount = len(hosts)-1, len(protocols)
	unmatchedAt := slices.IndexFunc(hosts, unmatched)
	if unmatchedAt >= 0 {
		o.Hosts = append(headOf(slices.Delete(slices.Clone(hosts), unmatchedAt, unmatchedAt+1), 8), hosts[unmatchedAt])
	} else {
		o.Hosts, o.HostCount = headOf(hosts, 8), len(hosts)
	}
	o.Protocols, o.Networks = headOf(protocols, 6), headOf(h.networkRows(cells), 6)
	return o
}

// hoursOf spreads a total over the hours of a span, the rest in the last.
func hoursOf(span report.Span, now time.Time, total report.Counters) []report.Row {
	var hours []report.Row
	for at := span.Start; at.Before(span.End) && !at.After(now); at = at.Add(time.Hour) {
		hours = append(hours, report.Row{Start: at, End: at.Add(time.Hour), Partial: now.Before(at.Add(time.Hour))})
	}
	for i := range hours {
		hours[i].Received = total.Received / uint64(len(hours))
	}
	if len(hours) > 3 {
		hours[3].Gap, hours[3].Received = true, 0
	}
	return hours
}

func headOf(rows []report.Row, n int) []report.Row {
	if len(rows) <= n {
		return rows
	}
	return append(slices.Clone(rows[:n]), report.Row{Name: fmt.Sprintf("Others (%d)", len(rows)-n), Counters: sumRows(rows[n:])})
}

func (h *household) detail(host netip.Addr, cells []cell, span report.Span, total report.Counters) *report.HostResult {
	d := &report.HostResult{Days: h.dayRows(cells, span), Protocols: h.protocolRows(cells)}
	d.Name, d.NameFrom = h.Name(host)
	if len(cells) == 0 {
		return d
	}
	d.Week = &report.Week{}
	for i, c := range cells {
		d.Week[int(c.date.Weekday()+6)%7][i%24] += c.Usage()
	}
	d.Previous = report.Counters{Received: total.Received * 8 / 10, Sent: total.Sent}
	for i := range 30 {
		d.Peers = append(d.Peers, report.Peer{Address: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), Counters: report.Counters{Received: total.Received / uint64(2+i*i), Sent: total.Sent / uint64(2+i*i)}})
	}
	d.Peers[0].Name = "cdn.example.net"
	d.Names = []report.Name{{Name: "nas.lan", Source: "dhcp", FirstSeen: h.now.AddDate(0, -5, 0), LastSeen: h.now}, {Name: "diskstation.lan", Source: "dns", FirstSeen: h.now.AddDate(-2, 0, 0), LastSeen: h.now.AddDate(0, -5, 0)}}
	return d
}
