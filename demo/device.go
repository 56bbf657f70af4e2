package demo

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/flattraffic/flattraffic/billing"
)

// role is when a device is in use.
type role int

// The roles.
const (
	machine  role = iota // always on: storage, printer, thermostat
	personal             // goes where its owner goes
	shared               // used when somebody is at home
	console              // shared, and bought one March
	guest                // there now and then
	gateway              // the router itself
)

// device is what has an address in the site.
type device struct {
	name  string // as the router's leases call it
	own   string // as the people call it, empty = they don't
	owner string // name of the person it belongs to, empty = nobody
	role  role

	address netip.Addr
	prefix6 netip.Prefix // of its IPv6 addresses, a /64
	share6  uint8        // of 256 conversations to the internet that use IPv6
	stable6 bool         // no privacy addresses
	mac     uint64
	vlan    uint16
	lan     uint32 // interface index of its network

	scale  float64 // of its habits' bytes and conversations
	habits []habit
}

// network is a range of the site.
type network struct {
	prefix netip.Prefix
	name   string
}

// scene is a site with its devices.
type scene struct {
	devices  []device
	networks []network
	wan      netip.Addr // the router's own address outside, in no local range
	storage  netip.Addr // what internal habits ask
	storeMAC uint64
	plan     planText
	bought   billing.Date // day the console came, zero = was always there
}

// planText is a plan as it is stored.
type planText struct {
	name, renewal, cap string
	bytes              uint64
}

const megabyte, gigabyte = 1e6, 1e9

// owners are the people that devices of the scene belong to, in their order.
func (s *scene) owners() []string {
	var list []string
	for _, d := range s.devices {
		if d.owner != "" && !slices.Contains(list, d.owner) {
			list = append(list, d.owner)
		}
	}
	return list
}

// personID is the stable id of a person of the demo, empty for nobody.
func personID(name string) string {
	if name == "" {
		return ""
	}
	return devicePrefix + strings.ToLower(name)
}

// macOf returns a hardware address from the range for documentation.
func macOf(n int) uint64 { return 0x00005e005300 + uint64(n&0xff) }
