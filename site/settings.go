// Package site holds what the user has told FlatTraffic: plans, local
// networks, exporters, display. It is kept in ClickHouse tables, one version
// a row, and read as one immutable snapshot.
package site

import (
	"net/netip"

	"github.com/flattraffic/flattraffic/billing"
)

// Settings is a snapshot of everything the user has set. Treat it as
// immutable; Store.Load returns a new one.
type Settings struct {
	Lines     []Line     // at least one; the first is the default
	Networks  []Network  // local networks, ordered by prefix; the defaults when none are stored
	Exporters []Exporter // exporters the user has set something for
	Display   Display
	Retention Retention
	Alerts    Alerts   // the defaults when none are stored
	Devices   []Device // devices the user has named, ordered by id
	People    []Person // ordered by name; every owner of a device is among them
	Bills     []Bill   // what the ISP says, by line and period
	Demo      bool     // the database holds a made-up history; set by package demo only
}

// Line is one link to the ISP with its plan over time.
type Line struct {
	ID        string        // stable id, "home" for the first
	Name      string        // shown; empty = the name of its newest plan, see Label
	Plans     billing.Plans // versions by effective date, at least one
	Exporters []netip.Addr  // exporters of this line; none = those that no other line names
}

// Network is a range that is ours.
type Network struct {
	Prefix  netip.Prefix // masked
	Name    string       // shown; may be empty
	Metered bool         // counts toward the cap
}

// Exporter is what the user has set for one exporter.
type Exporter struct {
	Address         netip.Addr // unmapped
	Name            string
	Blocked         bool     // its datagrams are dropped and counted as such
	SamplingRate    uint32   // overrides what it says, 0 = as exported
	CountInterfaces []uint32 // only records with one of these as in- or out-interface count; empty = all
	CountDirection  string   // "any", "ingress" or "egress" (information element 61), or "none": no record counts
	SumOutBytes     bool     // add elements 1 and 23 when both are set and differ
}

// Display is how figures are shown where no plan says otherwise.
type Display struct {
	AllowListOnly bool // only exporters in Exporters are accepted
	ReverseDNS    bool // look names up
}

// Device is what the user has said about a machine of the household.
type Device struct {
	ID        string // stable id
	Name      string // own name, empty = none
	Owner     string // id of the person it belongs to, empty = none
	MACs      []uint64
	Addresses []netip.Addr // unmapped, set by hand
	Apart     bool         // its MACs are a router's: what is seen with them stays apart
}
