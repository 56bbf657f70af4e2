package demo

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/flow"
)

// session is one device at one habit for a while: what the database expands
// into flows. The fields are the columns of its table.
type session struct {
	key              uint64 // of the hashes that tell its flows apart
	start, seconds   uint32 // Unix seconds
	kind             kind
	host, host6      netip.Addr
	share6           uint8
	mac              uint64
	peer             netip.Addr // the other end, when there is but one
	peerMAC          uint64
	peers, pool      uint32
	lan              uint32
	vlan             uint16
	protocol         uint8
	port, service    uint16
	conversations    uint32
	down, up         float64 // mean bytes of a conversation, to and from the client
	tail             float64
	downSize, upSize float64 // bytes a packet
	duration         float64 // mean seconds of a conversation
}

// author makes the sessions of a scene's days.
type author struct {
	*scene
	calendar
	from     billing.Date
	density  float64 // conversations for each of the habits' own measure
	services *flow.Services
}

// newAuthor returns an author of options that are complete. The zone is that
// of the household's days.
func newAuthor(o Options, zone *time.Location) (*author, error) {
	services, err := flow.NewServices()
	if err != nil {
		return nil, err
	}
	until := billing.DateOf(o.Until.In(zone))
	a := &author{
		calendar: calendar{seed: o.Seed, zone: zone, until: until},
		from:     until.AddDays(-int(math.Round(o.Years * 365.25))),
		services: services,
	}
	if o.Profile == ISP {
		a.scene = subscribers(o.Seed)
	} else {
		a.scene = household(a.from, until)
	}
	a.density = float64(o.FlowsPerDay) / a.measure()
	return a, nil
}

// measure is how many records the habits would make on a mean day.
func (a *author) measure() float64 {
	var sum float64
	for i := range a.devices {
		d := &a.devices[i]
		share := map[role]float64{machine: 1, gateway: 1, personal: .87, shared: .95, console: .95, guest: .16}[d.role]
		for _, h := range d.habits {
			n := h.conversations * d.scale * share
			if h.every > 1 {
				n /= h.every
			}
			if h.up < 1 { // somebody answers
				n *= 2
			}
			sum += n
		}
	}
	return sum
}

// day emits all sessions of a day.
func (a *author) day(date billing.Date, emit func(*session) error) error {
	start, end := date.Start(a.zone), date.AddDays(1).Start(a.zone)
	visitors := a.visitors(date)
	for i := range a.devices {
		d := &a.devices[i]
		if d.role == guest {
			if visitors == 0 {
				continue
			}
			visitors--
		}
		amount := a.amount(d, i, date)
		if amount == 0 {
			continue
		}
		base := session{
			host: d.address, host6: a.address6(d, i, date), share6: d.share6, mac: d.mac, lan: d.lan, vlan: d.vlan,
			peer: netip.IPv6Unspecified(),
		}
		for j := range d.habits {
			w := writer{
				author: a, habit: &d.habits[j], base: base, amount: amount, scale: d.scale,
				start: start.Unix(), length: end.Unix() - start.Unix(), weekend: isWeekend(date),
				rng: a.draw(saltHabit, dayNumber(date)<<24|uint64(i)<<8|uint64(j)), emit: emit,
			}
			if err := w.write(); err != nil {
				return err
			}
		}
	}
	return nil
}

// amount is how much the device is used that day, with the mean near 1.
func (a *author) amount(d *device, i int, date billing.Date) float64 {
	rng := a.draw(saltMood, dayNumber(date)<<16|uint64(i))
	mood := spread(rng, .4)
	switch d.role {
	case machine:
		factor := 1.0
		if a.empty(date) {
			factor = .6
		}
		return spread(rng, .2) * factor * a.appetite(date)
	case gateway:
		return spread(rng, .2)
	case console:
		if date.Before(a.bought) {
			return 0
		}
		if date.Before(a.bought.AddDays(3)) {
			mood *= 1.8 // it is new
		}
		fallthrough
	case shared:
		if a.empty(date) {
			return 0
		}
	case personal:
		if a.away(d.owner, date) || rng.Float64() < .04 {
			return 0
		}
	case guest:
	}
	return mood * a.appetite(date)
}

// address6 is the device's IPv6 address of the day: privacy addresses are new
// each day.
func (a *author) address6(d *device, i int, date billing.Date) netip.Addr {
	thing := uint64(i)
	if !d.stable6 {
		thing |= dayNumber(date) << 16
	}
	address := d.prefix6.Addr().As16()
	id := a.draw(saltAddress, thing).Uint64()
	for b := range 8 {
		address[8+b] = byte(id >> (8 * b))
	}
	return netip.AddrFrom16(address)
}

// writer writes one habit's day.
type writer struct {
	*author
	*habit
	base          session
	amount, scale float64
	start, length int64 // seconds
	weekend       bool
	rng           *rand.Rand
	emit          func(*session) error
}

// slots is how many parts a day has for habits that go on all day.
const slots = 12

func (w *writer) write() error {
	bytes, conversations := w.bytes*w.scale*w.amount, w.conversations*w.scale*w.density
	if w.weekend {
		bytes *= w.shape.boost
	}
	conversations *= .5 + .5*w.amount
	if w.every > 1 && w.rng.Float64()*w.every >= 1 {
		return nil
	}
	if w.sessions == 0 {
		for i := range slots {
			share := w.shape.share(w.weekend, i*24/slots, (i+1)*24/slots)
			at := w.start + w.length*int64(i)/slots
			if err := w.session(at, w.length/slots, bytes*share, conversations*share); err != nil {
				return err
			}
		}
		return nil
	}
	count := max(1, whole(w.rng, w.sessions*(.6+.8*w.rng.Float64())))
	weights, sum := make([]float64, count), 0.0
	for i := range weights {
		weights[i] = .3 + w.rng.ExpFloat64()
		sum += weights[i]
	}
	for _, weight := range weights {
		at := w.start + int64(w.shape.pick(w.rng, w.weekend)*float64(w.length))
		length := min(int64(w.habit.length.Seconds()*(.5+w.rng.Float64())), w.start+w.length-at)
		if err := w.session(at, max(length, 1), bytes*weight/sum, conversations*weight/sum); err != nil {
			return err
		}
	}
	return nil
}

// session emits one session of so many bytes in so many conversations.
func (w *writer) session(start, length int64, bytes, conversations float64) error {
	s := w.base
	s.key = w.rng.Uint64()
	if s.conversations = whole(w.rng, conversations); s.conversations == 0 {
		return nil
	}
	mean := bytes / conversations
	s.start, s.seconds = uint32(start), uint32(length)
	s.kind, s.protocol, s.port = w.kind, w.protocol, w.port
	s.service = w.services.Of(s.protocol, s.port, s.port)
	s.down, s.up = math.Ceil(mean*(1-w.up)), math.Ceil(mean*w.up)
	s.tail, s.downSize, s.upSize, s.duration = w.tail, w.downSize, w.upSize, w.seconds
	s.peers, s.pool = w.peers, w.pool
	if w.v4Only {
		s.share6 = 0
	}
	switch w.kind {
	case internal:
		s.peer, s.peerMAC, s.share6 = w.storage, w.storeMAC, 0
	case unmatched:
		s.host, s.mac, s.share6 = w.wan, 0, 0
	case multicast:
		s.peer, s.share6 = netip.AddrFrom4([4]byte{224, 0, 0, 251}), 0
	case client, server:
	}
	return w.emit(&s)
}
