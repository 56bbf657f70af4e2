package report

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/flattraffic/flattraffic/site"
)

// Nobody is the person of hosts that belong to no one yet.
const Nobody = "nobody"

// roster says which device has an address in the span of the question.
type roster struct {
	devices []site.Device
	of      map[netip.Addr]int
}

// loadDevices finds out which addresses are of one device in the span.
func (q *question) loadDevices(ctx context.Context) error {
	devices, err := q.names.Devices(ctx, q.settings.Devices, q.span.Start, q.span.End)
	if err != nil {
		return err
	}
	q.roster = roster{devices, map[netip.Addr]int{}}
	for i, d := range devices {
		for _, a := range d.Addresses {
			q.roster.of[a] = i
		}
	}
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
		s.params["hosts"] = addressArray(q.only)
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

// byDevice makes one row of the rows of each device: the sums, with all its
// addresses that have a row, those of IPv4 before those of IPv6 and each by
// usage. The first of them stands for the device.
func (q *question) byDevice(rows []Row) []Row {
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(familyFirst(a.Host, b.Host), byUsage(a.Counters, b.Counters), a.Host.Compare(b.Host))
	})
	var merged []Row
	place := map[int]int{}
	for _, row := range rows {
		row.Addresses = []netip.Addr{row.Host}
		i, ok := q.roster.of[row.Host]
		if !ok || row.Host.IsUnspecified() {
			merged = append(merged, row)
			continue
		}
		d := q.roster.devices[i]
		row.Device, row.Owner = d.ID, d.Owner
		at, known := place[i]
		if !known {
			place[i] = len(merged)
			merged = append(merged, row)
			continue
		}
		m := &merged[at]
		m.add(row.Counters)
		m.Addresses = append(m.Addresses, row.Host)
		if m.LastSeen.Before(row.LastSeen) {
			m.LastSeen = row.LastSeen
		}
		for day, usage := range row.Days {
			m.Days[day] += usage
		}
	}
	for i := range merged {
		q.nameRow(&merged[i])
	}
	return merged
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
