package demo

import (
	"net/netip"
	"slices"
	"time"

	"github.com/flattraffic/flattraffic/billing"
)

// The household's ranges: IPv4 as in many homes, IPv6 from the range for
// documentation. Its far ends are in ranges that nobody has on the internet.
const (
	homeLAN    = "192.168.42.0/24"
	homeGuests = "192.168.43.0/24"
	homePrefix = "2001:db8:5f00:a200::/56"
	homeLAN6   = "2001:db8:5f00:a201::/64"
	homeGuest6 = "2001:db8:5f00:a214::/64"
	homeWAN    = "203.0.113.77"
)

// guestCount is how many guests' phones there are.
const guestCount = 8

// household is a shared flat of four people and their guests.
func household(from, until billing.Date) *scene {
	s := &scene{
		networks: []network{
			{netip.MustParsePrefix(homeLAN), "Flat"},
			{netip.MustParsePrefix(homeGuests), "Guests"},
			{netip.MustParsePrefix(homePrefix), "Flat IPv6"},
		},
		wan:    netip.MustParseAddr(homeWAN),
		plan:   planText{"Home", "12", "650 GB", 650 * gigabyte},
		bought: consoleDay(from, until),
	}
	for _, d := range slices.Concat(flatmates(), furniture(), things()) {
		d.prefix6, d.lan = netip.MustParsePrefix(homeLAN6), 1
		s.add(d)
	}
	s.storage, s.storeMAC = netip.MustParseAddr("192.168.42.10"), s.devices[slices.IndexFunc(s.devices, func(d device) bool { return d.name == "nas.lan" })].mac
	for i, d := range guests() {
		d.prefix6, d.lan, d.vlan = netip.MustParsePrefix(homeGuest6), 3, 20
		d.address = netip.MustParsePrefix(homeGuests).Addr()
		for range 100 + i {
			d.address = d.address.Next()
		}
		s.add(d)
	}
	return s
}

func (s *scene) add(d device) {
	d.mac = macOf(len(s.devices) + 1)
	if d.scale == 0 {
		d.scale = 1
	}
	s.devices = append(s.devices, d)
}

// consoleDay is the day the console came: 14 March, two months or more before
// the end. A history without one has the console from its first day.
func consoleDay(from, until billing.Date) billing.Date {
	day := billing.Date{Year: until.Year, Month: time.March, Day: 14}
	if until.Before(day.AddDays(60)) {
		day.Year--
	}
	if day.Before(from) {
		return billing.Date{}
	}
	return day
}

func at(address string) netip.Addr { return netip.MustParseAddr(address) }

// flatmates are the devices of the four people.
func flatmates() []device {
	return []device{
		{
			name: "annas-laptop.lan", own: "Anna's laptop", owner: "Anna", role: personal, address: at("192.168.42.31"), share6: 150,
			habits: slices.Concat(browsing(.55*gigabyte, office()), video(.5*gigabyte, evenings()), calls(.5*gigabyte, office()), mail(25*megabyte, office()), sharedFiles(.5*gigabyte, office()), background(260)),
		},
		{
			name: "bens-pc.lan", own: "Ben's PC", owner: "Ben", role: personal, address: at("192.168.42.32"), share6: 60,
			habits: slices.Concat(browsing(.5*gigabyte, student()), video(.7*gigabyte, student()), games(.12*gigabyte, student()), downloads(16*gigabyte, 13, evenings(), 55), sharing(.3*gigabyte), background(300)),
		},
		{
			name: "chloes-macbook.lan", own: "Chloe's MacBook", owner: "Chloe", role: personal, address: at("192.168.42.33"), share6: 160,
			habits: slices.Concat(browsing(.5*gigabyte, student()), video(.7*gigabyte, student()), calls(.2*gigabyte, evenings()), apple(), sharedFiles(.2*gigabyte, student()), background(240)),
		},
		{
			name: "davids-thinkpad.lan", own: "David's ThinkPad", owner: "David", role: personal, address: at("192.168.42.34"), share6: 120,
			habits: slices.Concat(browsing(.35*gigabyte, office()), tunnel(.6*gigabyte, office()), shell(60*megabyte, office()), calls(.35*gigabyte, office()), mail(15*megabyte, office()), sharedFiles(.3*gigabyte, evenings()), background(280)),
		},
		{
			name: "annas-phone.lan", own: "Anna's phone", owner: "Anna", role: personal, address: at("192.168.42.41"), share6: 190,
			habits: slices.Concat(browsing(.22*gigabyte, pocket()), video(.16*gigabyte, pocket()), google(), background(160)),
		},
		{
			name: "bens-phone.lan", own: "Ben's phone", owner: "Ben", role: personal, address: at("192.168.42.42"), share6: 180,
			habits: slices.Concat(browsing(.25*gigabyte, pocket()), video(.22*gigabyte, pocket()), google(), background(150)),
		},
		{
			name: "chloes-iphone.lan", own: "Chloe's iPhone", owner: "Chloe", role: personal, address: at("192.168.42.43"), share6: 200,
			habits: slices.Concat(browsing(.3*gigabyte, pocket()), video(.35*gigabyte, pocket()), apple(), background(170)),
		},
		{
			name: "davids-phone.lan", own: "David's phone", owner: "David", role: personal, address: at("192.168.42.44"), share6: 180,
			habits: slices.Concat(browsing(.15*gigabyte, pocket()), video(.06*gigabyte, pocket()), mail(5*megabyte, pocket()), google(), background(150)),
		},
	}
}

// furniture are the devices that all use.
func furniture() []device {
	return []device{
		{
			name: "living-room-tv.lan", own: "Living room TV", role: shared, address: at("192.168.42.20"),
			habits: slices.Concat(video(3.4*gigabyte, evenings()), background(140)),
		},
		{
			name: "playstation", own: "PlayStation", owner: "Ben", role: console, address: at("192.168.42.50"),
			habits: slices.Concat(shooter(.25*gigabyte, student()), video(.5*gigabyte, evenings()), downloads(24*gigabyte, 12, student(), 56), background(90)),
		},
		{
			name: "kitchen-tablet.lan", own: "Kitchen tablet", role: shared, address: at("192.168.42.21"), share6: 150,
			habits: slices.Concat(browsing(.08*gigabyte, pocket()), music(.12*gigabyte, pocket()), google(), background(80)),
		},
		{
			name: "speaker-kitchen.lan", role: shared, address: at("192.168.42.72"),
			habits: slices.Concat(music(.1*gigabyte, pocket()), background(60)),
		},
	}
}

// things are the devices that nobody looks at.
func things() []device {
	return []device{
		{
			name: "router.lan", role: gateway, address: at("192.168.42.1"), stable6: true,
			habits: slices.Concat(background(400), pings(), scans()),
		},
		{
			name: "nas.lan", own: "NAS", role: machine, address: at("192.168.42.10"), share6: 90, stable6: true,
			habits: slices.Concat(copying(1.5*gigabyte), visits(.12*gigabyte), background(120), downloads(.6*gigabyte, 7, nights(), 57)),
		},
		{name: "printer.lan", role: machine, address: at("192.168.42.70"), habits: background(20)},
		{name: "thermostat.lan", role: machine, address: at("192.168.42.71"), habits: slices.Concat(sensors(3*megabyte), background(25))},
		{name: "doorbell.lan", role: machine, address: at("192.168.42.73"), habits: slices.Concat(sensors(90*megabyte), background(30))},
	}
}

// guests are phones and tablets that come for an evening.
func guests() []device {
	names := [guestCount]string{"iPhone", "Galaxy-S24", "Pixel-8", "iPad", "moto-g54", "iPhone-von-Lea", "OnePlus-12", "SurfacePro"}
	var list []device
	for _, name := range names {
		list = append(list, device{
			name: name, role: guest, share6: 170,
			habits: slices.Concat(browsing(.25*gigabyte, evenings()), video(.35*gigabyte, evenings()), background(60)),
		})
	}
	return list
}
