package demo

import (
	"math"
	"math/rand/v2"
	"time"
)

// kind is how the flows of a habit look from the host.
type kind int8

// The kinds. The values are those of the sessions' column kind.
const (
	client    kind = 0 // the host asks a server on the internet
	internal  kind = 1 // the host asks another host of the site
	unmatched kind = 2 // somebody outside asks the router's own address
	server    kind = 3 // somebody outside asks the host
	multicast kind = 4 // the host speaks to all, nobody answers
)

// habit is what a device does day by day.
type habit struct {
	kind     kind
	protocol uint8  // IP protocol number
	port     uint16 // of the service, 0 = none that is known
	shape    *shape

	bytes         float64 // a mean day, both ways
	up            float64 // share of it that the client sends
	conversations float64 // of a mean day, relative to all others'
	sessions      float64 // of a mean day, 0 = all day long
	length        time.Duration
	every         float64 // mean days between two days it happens on, 0 = each day

	tail     float64 // 0 = all conversations are of one size, near 1 = most bytes are in few
	downSize float64 // bytes a packet to the client
	upSize   float64 // bytes a packet from the client
	seconds  float64 // mean of a conversation
	peers    uint32  // how many servers there are
	pool     uint32  // which ones
	v4Only   bool
}

// shape is how a habit's traffic lies over the hours of a day.
type shape struct {
	weekday, weekend [24]float64
	boost            float64 // what a day of the weekend has of a weekday's bytes
}

func (s *shape) hours(weekend bool) *[24]float64 {
	if weekend {
		return &s.weekend
	}
	return &s.weekday
}

// pick draws an instant of the day, as a fraction of it.
func (s *shape) pick(rng *rand.Rand, weekend bool) float64 {
	hours := s.hours(weekend)
	var all float64
	for _, w := range hours {
		all += w
	}
	at := rng.Float64() * all
	for hour, w := range hours {
		if at < w {
			return (float64(hour) + at/w) / 24
		}
		at -= w
	}
	return 1 - 1e-9
}

// share is what the hours from first to last hold of the day.
func (s *shape) share(weekend bool, first, last int) float64 {
	var part, all float64
	for hour, w := range s.hours(weekend) {
		all += w
		if hour >= first && hour < last {
			part += w
		}
	}
	return part / all
}

// spread draws a positive factor with the mean 1.
func spread(rng *rand.Rand, sigma float64) float64 {
	return math.Exp(sigma*rng.NormFloat64() - sigma*sigma/2)
}

// whole rounds to one of the neighbours so that the mean stays.
func whole(rng *rand.Rand, x float64) uint32 {
	return uint32(math.Floor(x + rng.Float64()))
}

// The shapes of days.
func always() *shape {
	s := &shape{boost: 1}
	for i := range 24 {
		s.weekday[i], s.weekend[i] = 1, 1
	}
	return s
}

func evenings() *shape {
	return &shape{
		weekday: [24]float64{3, 1, .3, .1, 0, 0, .2, .8, .6, .3, .3, .4, .8, .8, .6, .8, 1.2, 2.5, 4.5, 7, 9, 9, 7.5, 5},
		weekend: [24]float64{6, 4, 2, .6, .1, 0, 0, .3, 1, 2, 3, 3, 3.5, 3.5, 4, 4.5, 5, 5, 6, 7.5, 9, 9, 8.5, 7},
		boost:   1.35,
	}
}

func office() *shape {
	return &shape{
		weekday: [24]float64{.3, .1, 0, 0, 0, .1, .8, 3, 6, 9, 9, 8.5, 5, 7, 9, 9, 8, 5, 2.5, 2, 2, 2, 1.5, .8},
		weekend: [24]float64{.6, .3, .1, 0, 0, 0, .1, .5, 1.5, 2.5, 3, 3, 2.5, 2, 2, 2.5, 2.5, 2.5, 2, 2, 2.5, 3, 2, 1},
		boost:   .45,
	}
}

func student() *shape {
	return &shape{
		weekday: [24]float64{5, 3.5, 2, 1, .3, .1, .1, .3, .8, 1.2, 1.8, 2.2, 2.5, 2, 2, 2.5, 3, 4, 5, 6, 7, 8, 8, 7},
		weekend: [24]float64{7, 5.5, 4, 2.5, 1, .3, .1, .1, .2, .6, 1.5, 2.5, 3.5, 4, 4.5, 5, 5, 5, 5.5, 6, 6.5, 7, 7.5, 7},
		boost:   1.4,
	}
}

func pocket() *shape {
	return &shape{
		weekday: [24]float64{1.5, .6, .3, .2, .2, .4, 2.5, 5, 3, 1.2, 1, 1.2, 2.5, 1.5, 1, 1.2, 2, 4, 5, 5.5, 6, 6.5, 6, 3.5},
		weekend: [24]float64{2.5, 1.2, .6, .3, .2, .2, .5, 1.2, 3, 4.5, 4.5, 4, 4, 3.5, 3, 3, 3, 3.5, 4, 4.5, 5, 5.5, 5, 4},
		boost:   1.15,
	}
}

func nights() *shape {
	s := &shape{boost: 1}
	s.weekday = [24]float64{0, 1, 6, 8, 5, 2}
	s.weekend = s.weekday
	return s
}
