package report

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flattraffic/flattraffic/site"
)

// Nobody is the person of hosts that belong to no one yet.
const Nobody = "nobody"

// roster says which device has an address in the span of the question. It is
// shared by reports and never changed.
type roster struct {
	number  uint64 // no two of a program have the same, but those without devices, which have 0
	devices []site.Device
	of      map[netip.Addr]int
}

// rosters are those of the last reports.
type rosters struct {
	mu     sync.Mutex
	made   uint64
	latest []roster // the latest used first
}

// rostersKept is how many spans have their rosters kept ready: a page that is
// compared needs two.
const rostersKept = 4

// of makes the roster of devices, or takes that of an earlier report whose
// devices are the same list. Names gives the same one for the same span for as
// long as nothing changes, and nobody changes a list that was given.
func (r *rosters) of(devices []site.Device) roster {
	if len(devices) == 0 {
		return roster{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := slices.IndexFunc(r.latest, func(o roster) bool { return len(o.devices) == len(devices) && &o.devices[0] == &devices[0] })
	if at < 0 {
		r.made++
		now := roster{r.made, devices, map[netip.Addr]int{}}
		for i, d := range devices {
			for _, a := range d.Addresses {
				now.of[a] = i
			}
		}
		if len(r.latest) == rostersKept {
			r.latest = r.latest[:rostersKept-1]
		}
		at = len(r.latest)
		r.latest = append(r.latest, now)
	}
	found := r.latest[at]
	r.latest = slices.Insert(slices.Delete(r.latest, at, at+1), 0, found)
	return found
}

// loadDevices finds out which addresses are of one device in the span.
func (q *question) loadDevices(ctx context.Context) error {
	devices, err := q.names.Devices(ctx, q.settings.Devices, q.span.Start, q.span.End)
	if err != nil {
		return err
	}
	q.roster = q.rosters.of(devices)
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
// by usage. The first of them stands for the device. The rows have no names.
func (q *question) byDevice(addresses []address) []Row {
	const none = -1
	device, many, devices := make([]int, len(addresses)), make([]int, len(q.roster.devices)), 0
	for i := range addresses {
		at, ok := q.roster.of[addresses[i].host]
		if !ok || addresses[i].host.IsUnspecified() {
			device[i] = none
			continue
		}
		if device[i] = at; many[at] == 0 {
			devices++
		}
		many[at]++
	}
	of := make([][]int, len(many)) // the places of each device's addresses
	var alone []int
	for i, at := range device {
		switch {
		case at == none:
			alone = append(alone, i)
			continue
		case of[at] == nil:
			of[at] = make([]int, 0, many[at])
		}
		of[at] = append(of[at], i)
	}
	rows := make([]Row, 0, devices+len(alone))
	room := make([]netip.Addr, len(addresses))
	list := func(places []int) []netip.Addr {
		hosts := room[:len(places):len(places)]
		room = room[len(places):]
		for i, at := range places {
			hosts[i] = addresses[at].host
		}
		return hosts
	}
	for i, places := range of {
		if len(places) == 0 {
			continue
		}
		sortInDevice(addresses, places)
		first := addresses[places[0]]
		for _, at := range places[1:] {
			first.merge(addresses[at])
		}
		d := &q.roster.devices[i]
		rows = append(rows, q.hostRow(Row{Device: d.ID, Owner: d.Owner, Addresses: list(places)}, first))
	}
	for _, at := range alone {
		rows = append(rows, q.hostRow(Row{Addresses: list([]int{at})}, addresses[at]))
	}
	return rows
}

// sortInDevice sorts places of a device's addresses: those of IPv4 come before
// those of IPv6, and each by usage.
func sortInDevice(addresses []address, places []int) {
	sixes := 0
	for _, at := range places {
		if addresses[at].host.Is6() {
			sixes++
		}
	}
	slices.SortStableFunc(places, func(a, b int) int { return familyFirst(addresses[a].host, addresses[b].host) })
	fours := len(places) - sixes
	for _, family := range [][]int{places[:fours], places[fours:]} {
		sortPlaces(family, func(at int) uint64 { return addresses[at].Usage() }, func(a, b int) int {
			return cmp.Or(byUsage(addresses[a].Counters, addresses[b].Counters), addresses[a].host.Compare(addresses[b].host))
		})
	}
}

// hostRow fills in a host's row but its name: its first address, with the
// traffic of all.
func (q *question) hostRow(row Row, a address) Row {
	row.Host, row.Days, row.Counters, row.LastSeen = a.host, a.days, a.Counters, q.dayOf(a.last)
	return row
}

// dayOf is the start of a day in the zone of the span; the zero time of day 0.
func (q *question) dayOf(number uint16) time.Time {
	if number == 0 {
		return time.Time{}
	}
	return epoch.AddDays(int(number)).Start(q.span.Start.Location())
}

func familyFirst(a, b netip.Addr) int {
	return cmp.Compare(a.BitLen(), b.BitLen())
}

func fourFirst(a, b netip.Addr) int { return cmp.Or(familyFirst(a, b), a.Compare(b)) }

// named are the rows with names. What is given stays as it is.
func (q *question) named(rows []Row) []Row {
	rows = slices.Clone(rows)
	for i := range rows {
		q.nameRow(&rows[i])
	}
	return rows
}

// nameRow names the row of a host: Unmatched, what the user calls the device,
// or the best name that one of its addresses has.
func (q *question) nameRow(row *Row) {
	if row.Host == netip.IPv6Unspecified() {
		row.Name = unmatchedName
		return
	}
	d, ok := q.roster.device(row.Host)
	if ok && d.Name != "" {
		row.Name, row.NameFrom = d.Name, "own"
		return
	}
	row.Name, row.NameFrom = q.bestName(row.Addresses)
	if ok && row.Name == "" {
		row.Name, row.NameFrom = q.bestName(slices.SortedFunc(slices.Values(d.Addresses), fourFirst))
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
