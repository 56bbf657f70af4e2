package demo

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// subscriberCount is how many hosts the provider has.
const subscriberCount = 5000

// subscribers is a small provider's network: each subscriber is one host, with
// an address and an IPv6 prefix of its own.
func subscribers(seed uint64) *scene {
	s := &scene{
		networks: []network{
			{netip.MustParsePrefix("10.20.0.0/16"), "Subscribers"},
			{netip.MustParsePrefix("2001:db8:8000::/36"), "Subscribers IPv6"},
		},
		wan:  netip.MustParseAddr(homeWAN),
		plan: planText{name: "Transit", renewal: "1"},
	}
	kinds := [][]habit{
		slices.Concat(browsing(1.2*gigabyte, pocket()), video(3*gigabyte, evenings()), background(120)),
		slices.Concat(browsing(1.5*gigabyte, office()), video(1.5*gigabyte, evenings()), tunnel(.8*gigabyte, office()), background(150)),
		slices.Concat(browsing(1.2*gigabyte, student()), video(3*gigabyte, student()), games(.3*gigabyte, student()), downloads(30*gigabyte, 14, student(), 55), background(130)),
		slices.Concat(video(2.5*gigabyte, evenings()), sharing(5*gigabyte), background(200)),
	}
	for _, list := range kinds {
		for i := range list {
			if list[i].sessions > 2 { // so many hosts are smooth anyway
				list[i].sessions, list[i].length = 2, list[i].length+time.Hour
			}
		}
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range subscriberCount {
		d := device{
			name: fmt.Sprintf("subscriber-%04d", i+1), role: machine, stable6: true, lan: 1,
			address: netip.AddrFrom4([4]byte{10, 20, byte(i / 250), byte(i%250 + 1)}),
			prefix6: subscriberPrefix(i),
			scale:   max(spread(rng, 1.1), .1), // nobody is never there
			habits:  kinds[[]int{0, 0, 0, 0, 0, 1, 1, 2, 2, 3}[rng.IntN(10)]],
		}
		if rng.IntN(3) > 0 {
			d.share6 = 150
		}
		s.devices = append(s.devices, d)
	}
	s.devices = append(s.devices, device{
		name: "gateway", role: gateway, stable6: true, lan: 1, address: at("10.20.255.1"), prefix6: subscriberPrefix(subscriberCount), scale: 40,
		habits: slices.Concat(pings(), scans()),
	})
	return s
}

// subscriberPrefix is the first /64 of a subscriber's /56.
func subscriberPrefix(i int) netip.Prefix {
	a := netip.MustParseAddr("2001:db8:8000::").As16()
	a[5], a[6] = byte(i>>8), byte(i)
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}
