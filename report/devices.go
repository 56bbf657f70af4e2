package report

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/flattraffic/flattraffic/site"
)

// Nobody is the person of hosts that belong to no one yet.
const Nobody = "nobody"

// roster says which device has an address in the span of the question. It is
// shared by reports and never changed.
type roster struct {
	devices []site.Device
	of      map[netip.Addr]int
}

// rosterOf makes the roster of devices, or takes that of the last report when
// its devices are the same list. Names gives the same one for the same span for
// as long as nothing changes, and nobody changes a list that was given.
func (r *Reports) rosterOf(devices []site.Device) roster {
	last := r.roster.Load()
	if last != nil && len(devices) > 0 && len(last.devices) == len(devices) && &last.devices[0] == &devices[0] {
		return *last
	}
	now := roster{devices, map[netip.Addr]int{}}
	for i, d := range devices {
		for _, a := range d.Addresses {
			now.of[a] = i
		}
	}
	r.roster.Store(&now)
	return now
}

// loadDevices finds out which addresses are of one device in the span.
func (q *question) loadDevices(ctx context.Context) error {
	devices, err := q.names.Devices(ctx, q.settings.Devices, q.span.Start, q.span.End)
	if err != nil {
		return err
	}
	q.roster = q.rosterOf(devices)
	return nil
}

// device returns the device that has the address.
func (r roster) device(a netip.Addr) (site.Device, bool) {
	i, ok := r.of[a]
	if !ok {
		return site.Device{}, false
	}
	return r.devices[i], true
}

// selectHosts finds the addresses that the filters host and person stand for.
func (q *question) selectHosts(ctx context.Context) error {
	f := &q.req.Filter
	if f.HostName != "" {
		host, err := q.hostNamed(ctx, f.HostName)
		if err != nil {
			return err
		}
		f.Host = host
	}
	if f.Host.IsValid() {
		q.only = []netip.Addr{f.Host}
		if d, ok := q.roster.device(f.Host); ok {
			q.only = d.Addresses
		}
	}
	q.onlyText = addressArray(q.only)
	if f.Person == "" || f.Person == Nobody || f.Person == string(Unmatched) {
		return nil
	}
	if _, ok := q.settings.Person(f.Person); !ok {
		return requestErrorf("person", "nobody here is called %q; the people are listed under People", f.Person)
	}
	return nil
}

// hostNamed finds the host that is called so: a device by its id, MAC or name,
// or any host of the span by the name it has now. Nothing is narrowed yet when
// it is called, so that all hosts are looked through.
func (q *question) hostNamed(ctx context.Context, text string) (netip.Addr, error) {
	mac, noMAC := site.ParseMAC(text)
	for _, d := range q.roster.devices {
		if len(d.Addresses) > 0 && (d.ID == text || noMAC == nil && slices.Contains(d.MACs, mac) || d.Name != "" && strings.EqualFold(d.Name, text)) {
			return slices.MinFunc(d.Addresses, fourFirst), nil
		}
	}
	whole := *q
	whole.req.Filter = Filter{Line: q.req.Filter.Line}
	rows, err := whole.hosts(ctx, dims{host: true})
	if err != nil {
		return netip.Addr{}, err
	}
	for _, row := range rows {
		if strings.EqualFold(row.Name, text) {
			return row.Host, nil
		}
	}
	return netip.Addr{}, requestErrorf("host", "no host of this time is called %q; give its address, for example 192.168.1.20, or look for it in the list of hosts", text)
}

// narrow adds the conditions of the filters host and person.
func (q *question) narrow(s *source) {
	switch {
	case !q.req.Filter.Host.IsValid():
	case len(q.only) == 1:
		s.and("u.host = {host:IPv6}")
		s.params["host"] = addressText(q.only[0])
	default:
		s.and("u.host IN {hosts:Array(IPv6)}")
		s.params["hosts"] = q.onlyText
	}
	person := q.req.Filter.Person
	switch person {
	case "":
		return
	case string(Unmatched):
		s.and("u.host = toIPv6('::')")
		return
	}
	var owned []netip.Addr
	for _, d := range q.roster.devices {
		if d.Owner == person || person == Nobody && d.Owner != "" {
			owned = append(owned, d.Addresses...)
		}
	}
	s.params["owned"] = addressArray(owned)
	if person == Nobody {
		s.and("u.host NOT IN {owned:Array(IPv6)} AND u.host != toIPv6('::')")
	} else {
		s.and("u.host IN {owned:Array(IPv6)}")
	}
}

// byDevice makes one row of the addresses of each device: the sums, with all
// its addresses that have traffic, those of IPv4 before those of IPv6 and each
// by usage. The first of them stands for the device.
func (q *question) byDevice(addresses []address) []Row {
	of := map[int][]address{} // by place of the device in the roster
	many := make([]int, len(q.roster.devices))
	place := func(a *address) (int, bool) {
		i, ok := q.roster.of[a.host]
		return i, ok && !a.host.IsUnspecified()
	}
	all := len(addresses)
	for i := range addresses {
		if at, ok := place(&addresses[i]); ok {
			many[at]++
			all--
		}
	}
	alone := make([]address, 0, all)
	for i := range addresses {
		at, ok := place(&addresses[i])
		if !ok {
			alone = append(alone, addresses[i])
			continue
		}
		if of[at] == nil {
			of[at] = make([]address, 0, many[at])
		}
		of[at] = append(of[at], addresses[i])
	}
	rows := make([]Row, 0, len(of)+len(alone))
	for i, list := range of {
		slices.SortFunc(list, inDevice)
		first := list[0]
		row := Row{Device: q.roster.devices[i].ID, Owner: q.roster.devices[i].Owner, Addresses: make([]netip.Addr, 0, len(list))}
		for k, a := range list {
			row.Addresses = append(row.Addresses, a.host)
			if k > 0 {
				first.merge(a)
			}
		}
		rows = append(rows, q.hostRow(row, first))
	}
	themselves := make([]netip.Addr, len(alone))
	for i, a := range alone {
		themselves[i] = a.host
		rows = append(rows, q.hostRow(Row{Addresses: themselves[i : i+1 : i+1]}, a))
	}
	return rows
}

// hostRow fills in a host's row: its first address, with the traffic of all.
func (q *question) hostRow(row Row, a address) Row {
	row.Host, row.Days, row.Counters, row.LastSeen = a.host, a.days, a.Counters, q.dayOf(a.last)
	q.nameRow(&row)
	return row
}

// dayOf is the start of a day in the zone of the span; the zero time of day 0.
func (q *question) dayOf(number uint16) time.Time {
	if number == 0 {
		return time.Time{}
	}
	return epoch.AddDays(int(number)).Start(q.span.Start.Location())
}

// inDevice orders the addresses of a device.
func inDevice(a, b address) int {
	return cmp.Or(familyFirst(a.host, b.host), byUsage(a.Counters, b.Counters), a.host.Compare(b.host))
}

func familyFirst(a, b netip.Addr) int {
	return cmp.Compare(a.BitLen(), b.BitLen())
}

func fourFirst(a, b netip.Addr) int { return cmp.Or(familyFirst(a, b), a.Compare(b)) }

// nameRow names the row of a host: Unmatched, what the user calls the device,
// or the best name that one of its addresses has.
func (q *question) nameRow(row *Row) {
	if row.Host == netip.IPv6Unspecified() {
		row.Name = unmatchedName
		return
	}
	row.Name, row.NameFrom = q.bestName(row.Addresses)
	if d, ok := q.roster.device(row.Host); ok {
		if d.Name != "" {
			row.Name, row.NameFrom = d.Name, "own"
		}
		if row.Name == "" {
			row.Name, row.NameFrom = q.bestName(slices.SortedFunc(slices.Values(d.Addresses), fourFirst))
		}
	}
}

// bestName is the first name of the best source among those of addresses.
func (q *question) bestName(addresses []netip.Addr) (name, source string) {
	rank := map[string]int{"own": 3, "dhcp": 2, "dns": 1}
	for _, a := range addresses {
		if n, s := q.called(a); rank[s] > rank[source] {
			name, source = n, s
		}
	}
	return name, source
}
