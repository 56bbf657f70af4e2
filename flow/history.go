package flow

import "net/netip"

// Daily history that other meters kept before there were flows is booked under
// exporters of its own, with addresses from the range for documentation: no
// router has them.

// VnStatHistory is the exporter of days imported from vnStat.
func VnStatHistory() netip.Addr { return netip.MustParseAddr("2001:db8:f1a7::a") }

// NlbwmonHistory is the exporter of days imported from nlbwmon.
func NlbwmonHistory() netip.Addr { return netip.MustParseAddr("2001:db8:f1a7::b") }
