package server

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Finding is one thing the doctor says about an exporter or about the ingest,
// with what to do.
type Finding struct {
	Bad  bool   // figures are wrong or missing until it is mended
	Text string // what is the matter
	Fix  string // what to do
}

// The bounds from which on something is worth saying.
const (
	tooLong     = 90 * time.Second // a record longer than the advised active timeout of 60 s, with some play
	clockOff    = 5 * time.Second
	clockWrong  = 5 * time.Minute // beyond it times are not believed
	lossPercent = 0.1
	littleUsage = 1_000_000 // bytes a day, below which nothing is said of directions
	// A running ingest says so every quarter hour; with the time to deliver it.
	ingestQuiet = 31 * time.Minute
)

// diagnose says what is the matter with an exporter, the gravest first.
func diagnose(e *exporterSeen, blocked bool, ports string, now time.Time) []Finding {
	if blocked {
		return []Finding{{Text: "It is blocked: its datagrams are dropped.", Fix: "Take the block away under Settings, Exporters, when it should count."}}
	}
	if !e.Known {
		return unreadable(e, ports)
	}
	var found []Finding
	add := func(bad bool, text, fix string) { found = append(found, Finding{bad, text, fix}) }
	if silent := now.Sub(e.LastSeen); silent > receivingFor {
		add(true, "Nothing has come for "+lasted(silent)+".", "See whether the router is up and still exports to this machine.")
	}
	if templates(e.Origin) && e.LastTemplate.Unix() <= 0 {
		add(true, "Its template has not come yet, so its flows cannot be read.", "Set the template refresh to 60 seconds; or restart the export on the router.")
	}
	found = append(found, losses(e)...)
	found = append(found, directions(e)...)
	if e.Longest > tooLong {
		add(false, "It reports long flows only after "+lasted(e.Longest)+".", "Set the active timeout to 60 seconds, so that figures come in time.")
	}
	switch off := e.ClockOffset.Abs(); {
	case e.Origin == "sflow":
	case off > clockWrong:
		add(true, "Its clock is "+clockText(e)+": times of its flows are not believed, the time of reception stands in.", "Set the time on the router, best by NTP.")
	case off > clockOff:
		add(false, "Its clock is "+clockText(e)+".", "Let the router take its time by NTP.")
	}
	if e.SamplingRate > 1 {
		add(false, fmt.Sprintf("It samples: only 1 packet of %s is seen, so its figures are estimates.", grouped(uint64(e.SamplingRate))),
			"Turn sampling off on the router when it is fast enough; figures are exact then.")
	}
	slices.SortStableFunc(found, func(a, b Finding) int {
		switch {
		case a.Bad == b.Bad:
			return 0
		case a.Bad:
			return -1
		}
		return 1
	})
	return found
}

// templates reports whether a protocol sends templates ahead of its flows.
func templates(origin string) bool { return origin == "netflow9" || origin == "ipfix" }

// unreadable is about an address whose datagrams never became flows.
func unreadable(e *exporterSeen, ports string) []Finding {
	switch {
	case e.Events["blocked"] > 0:
		return []Finding{{Text: "It is not on the list of exporters, so its datagrams are dropped.", Fix: "Save it under Settings, Exporters, when it should count."}}
	case e.Events["unknown_version"] > 0:
		return []Finding{{Bad: true, Text: "What it sends is neither NetFlow v5, v9, IPFIX nor sFlow v5.", Fix: "Choose one of these on the router, and the right port: " + ports + "."}}
	case e.Events["malformed"] > 0:
		return []Finding{{Bad: true, Text: "What it sends breaks the rules of its protocol.", Fix: "Look for newer software of the router, or try NetFlow v9 instead of IPFIX or the other way round."}}
	}
	if e.Received+e.Sent+e.Internal+e.Unmatched > 0 {
		return nil // Imported, or written by hand: there is nothing to mend on a router.
	}
	return []Finding{{Text: "It has sent nothing lately that could be read.", Fix: "See whether the router is up and exports to this machine."}}
}

// losses is about what did not arrive or could not be used, of the last day.
func losses(e *exporterSeen) []Finding {
	var found []Finding
	add := func(bad bool, text, fix string) { found = append(found, Finding{bad, text, fix}) }
	records := e.Events["records"]
	if lost, estimate := lostRecords(e); share(lost, records+lost) > lossPercent {
		about := ""
		if estimate {
			about = "About "
		}
		add(true, about+grouped(lost)+" records got lost on the way in the last 24 hours.",
			"Use a wired line between router and this machine; a busy router can also drop exports: see its own counters.")
	}
	if n := e.Events["queue_drops"]; n > 0 {
		add(true, grouped(n)+" datagrams were dropped because this machine was too busy.", "Give this machine more power, or let the router sample.")
	}
	if n := e.Events["template_missing"]; n > 0 {
		add(true, grouped(n)+" sets of flows were given up, as their template did not come.", "Set the template refresh on the router to 60 seconds.")
	}
	if n := e.Events["malformed"] + e.Events["bad_template"]; n > 0 {
		add(true, grouped(n)+" datagrams or parts of them broke the rules of the protocol.", "Look for newer software of the router.")
	}
	if n := e.Events["time_fixed"]; share(n, records) > lossPercent {
		add(false, grouped(n)+" records had times that cannot be; the time of reception stands in.", "Set the time on the router, best by NTP.")
	}
	if n := e.Events["state_limit"]; n > 0 {
		add(true, grouped(n)+" parts were refused because it announced too many templates or sources.", "See whether it really is your router that sends from this address.")
	}
	return found
}

// lostRecords is how many records of an exporter got lost on the way. Where its
// sequence numbers count datagrams it is an estimate, by the mean of those that
// came.
func lostRecords(e *exporterSeen) (lost uint64, estimate bool) {
	lost = e.Events["lost_records"]
	datagrams := e.Events["lost_datagrams"]
	if datagrams == 0 {
		return lost, false
	}
	each := 1.0
	if came := e.Events["datagrams"]; came > 0 {
		each = max(each, float64(e.Events["records"])/float64(came))
	}
	return lost + uint64(math.Round(float64(datagrams)*each)), true
}

// share is a part of a whole in percent.
func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// directions is about which ways of the traffic the exporter reports.
func directions(e *exporterSeen) []Finding {
	var found []Finding
	usage := e.Received + e.Sent
	if e.Unmatched > usage/20 && e.Unmatched > 1e6 {
		found = append(found, Finding{
			true, "Much of its traffic is between addresses that are in no local network.",
			"Add your own ranges under Settings, Networks: often the IPv6 prefix your ISP gives you, or the router's outside address. Networks, Unmatched lists them with a button for each.",
		})
	}
	switch {
	case usage < littleUsage:
	case e.Sent == 0:
		found = append(found, Finding{true, "It reports only what is received, nothing sent.", "Turn the export on for both directions, or for the inside interface too."})
	case e.Received == 0:
		found = append(found, Finding{true, "It reports only what is sent, nothing received.", "Turn the export on for both directions, or for the outside interface too."})
	}
	return found
}

// diagnoseIngest says what is the matter with the ingest as a whole.
func diagnoseIngest(e *exporterSeen, now time.Time) []Finding {
	var found []Finding
	if now.Sub(e.LastSeen) > ingestQuiet {
		found = append(found, Finding{
			true, "The part of FlatTraffic that receives flows is not running.",
			"Start it: \"flattraffic up\" runs everything, \"flattraffic ingest\" that part alone.",
		})
	}
	if n := e.Events["kernel_drops"]; n > 0 {
		found = append(found, Finding{
			true, fmt.Sprintf("The system dropped %s datagrams in the last 24 hours, as the receive buffer was full.", grouped(n)),
			"Raise it: sysctl -w net.core.rmem_max=33554432, then restart FlatTraffic.",
		})
	}
	if n := e.Events["spool_drops"]; n > 0 {
		found = append(found, Finding{
			true, grouped(n) + " flows were dropped, as the database was away and the spool full.",
			"See why the database is away; give the spool more room.",
		})
	}
	return found
}

// usualCauses is what to look at when nothing arrives, the likeliest first.
func usualCauses(netflow, sflow []string, addresses []netip.Addr) []Finding {
	to := "this machine"
	if len(addresses) > 0 {
		to = addresses[0].String()
	}
	return []Finding{
		{Text: "The router does not export yet, or to another address.", Fix: "Set " + to + " as its collector, port " + either(netflow) + " for NetFlow or IPFIX, " + either(sflow) + " for sFlow."},
		{Text: "A firewall on this machine drops the datagrams.", Fix: "Allow UDP " + strings.Join(slices.Concat(netflow, sflow), ", ") + " from the router: for example \"ufw allow " + netflow[0] + "/udp\"."},
		{Text: "The template has not come yet.", Fix: "NetFlow v9 and IPFIX announce their layout from time to time, on some routers only every 30 minutes. Wait, or set the template refresh to 60 seconds."},
		{Text: "The export waits for flows to end.", Fix: "Set the active timeout to 60 seconds and the inactive one to 15."},
		{Text: "It arrives at the machine but not in the program.", Fix: "Look with \"tcpdump -ni any udp port " + netflow[0] + "\"; in a container, publish the UDP ports."},
	}
}
