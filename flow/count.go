package flow

import (
	"net/netip"
	"slices"
)

// CountRule says which records of an exporter count in the totals. An exporter
// that sees traffic twice is told to count it at some interfaces only, one way
// only, or not at all; the rest is stored and in no total.
type CountRule struct {
	Exporter   netip.Addr        `json:"exporter"`             // unmapped
	Interfaces []uint32          `json:"interfaces,omitempty"` // only records with one of these as in- or out-interface; empty = all
	Observed   ObservedDirection `json:"observed,omitempty"`   // only records observed this way; ObservedUnknown = all
	None       bool              `json:"none,omitempty"`       // no record counts
}

// Counts reports whether a record of the rule's exporter counts.
func (c CountRule) Counts(r *Record) bool {
	if c.None {
		return false
	}
	if len(c.Interfaces) > 0 && !slices.Contains(c.Interfaces, r.InIf) && !slices.Contains(c.Interfaces, r.OutIf) {
		return false
	}
	return c.Observed == ObservedUnknown || r.Observed == c.Observed
}

// All reports whether every record counts.
func (c CountRule) All() bool {
	return !c.None && len(c.Interfaces) == 0 && c.Observed == ObservedUnknown
}
