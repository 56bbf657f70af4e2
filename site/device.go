package site

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/flattraffic/flattraffic/flow"
)

// ZoneChanged returns the time zone that the daily tables are to be cut in
// after a change of settings, and whether it is another than before: the zone
// of the newest version of the first line's plan.
func ZoneChanged(before, after *Settings) (zone string, changed bool) {
	zone = after.DayZone()
	return zone, zone != before.DayZone()
}

// DayZone is the name of the time zone of the daily tables.
func (s *Settings) DayZone() string {
	plans := s.Lines[0].Plans
	return plans[len(plans)-1].Zone.String()
}

// CountRule is what the exporter's settings say about its records.
func (e Exporter) CountRule() flow.CountRule {
	rule := flow.CountRule{Exporter: e.Address, Interfaces: e.CountInterfaces}
	switch e.CountDirection {
	case "ingress":
		rule.Observed = flow.Ingress
	case "egress":
		rule.Observed = flow.Egress
	case "none":
		rule.None = true
	}
	return rule
}

// CountRules are those of all exporters something is set for.
func (s *Settings) CountRules() []flow.CountRule {
	list := make([]flow.CountRule, 0, len(s.Exporters))
	for _, e := range s.Exporters {
		list = append(list, e.CountRule())
	}
	return list
}

// Prefixes returns the ranges of the local networks.
func (s *Settings) Prefixes() []netip.Prefix {
	list := make([]netip.Prefix, 0, len(s.Networks))
	for _, n := range s.Networks {
		list = append(list, n.Prefix)
	}
	return list
}

// DeviceOf returns the device that an address was set for by hand.
func (s *Settings) DeviceOf(address netip.Addr) (Device, bool) {
	for _, d := range s.Devices {
		if slices.Contains(d.Addresses, address) {
			return d, true
		}
	}
	return Device{}, false
}

func newDeviceID() string { return strings.ToLower(rand.Text()[:16]) }

// shares says which address or MAC two devices have in common.
func (d Device) shares(other Device) (what string, ok bool) {
	for _, a := range d.Addresses {
		if slices.Contains(other.Addresses, a) {
			return a.String(), true
		}
	}
	for _, m := range d.MACs {
		if slices.Contains(other.MACs, m) {
			return FormatMAC(m), true
		}
	}
	return "", false
}

// label is how a device is called in a message.
func (d Device) label() string {
	switch {
	case d.Name != "":
		return d.Name
	case d.Owner != "":
		return "a device of " + d.Owner
	}
	return "another device"
}

// FormatMAC writes a MAC address as 3c:22:fb:01:02:03.
func FormatMAC(mac uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], mac)
	return net.HardwareAddr(b[2:]).String()
}

// ParseMAC reads a MAC address in any usual form.
func ParseMAC(text string) (uint64, error) {
	mac, err := net.ParseMAC(strings.TrimSpace(text))
	if err != nil || len(mac) != 6 {
		return 0, fmt.Errorf("%q is not a MAC address: write it like 3c:22:fb:01:02:03", text)
	}
	return binary.BigEndian.Uint64(append([]byte{0, 0}, mac...)), nil
}
