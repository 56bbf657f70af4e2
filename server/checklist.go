package server

import (
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Check is one step on the way from a router to right figures: it holds or it
// does not, in words.
type Check struct {
	OK   bool
	Text string
}

// checklist goes through the steps of an exporter in the order in which they
// have to hold. What cannot be told yet is left out. Of an exporter of which
// nothing could be read there is nothing to go through.
func checklist(e *exporterSeen, doubled bool, now time.Time) []Check {
	if !e.Known {
		return nil
	}
	var list []Check
	add := func(ok bool, holds, fails string) {
		if !ok {
			holds = fails
		}
		list = append(list, Check{ok, holds})
	}
	add(now.Sub(e.LastSeen) <= receivingFor, "Datagrams arrive", "No datagrams")
	if templates(e.Origin) {
		add(e.LastTemplate.Unix() > 0 && e.Events["template_missing"] == 0, "Templates are here", "Templates are missing")
	}
	if usage := e.Received + e.Sent; usage >= littleUsage {
		add(e.Received > 0 && e.Sent > 0, "Both directions", "One direction only")
	}
	add(!doubled, "Nothing counted twice", "Counted twice")
	if e.Longest > 0 {
		add(e.Longest <= tooLong, "Active timeout is short", "Active timeout is too long")
	}
	if records := e.Events["records"]; records > 0 {
		lost, estimate := lostRecords(e)
		to := "Complete to "
		if estimate {
			to += "about "
		}
		add(len(losses(e)) == 0, to+fraction(1-float64(lost)/float64(records+lost)), "Some of it is lost")
	}
	return list
}

// Recipes are how routers are set up to report to this machine.
type Recipes struct {
	Collector    string       // the address to send to
	Target       string       // with the port for NetFlow
	Others       []netip.Addr // more addresses of this machine
	NetFlow      string       // the first port of each
	SFlow        string
	NetFlowPorts string // all of them, for a choice
	SFlowPorts   string
	Recipe       string // the router whose recipe is open
}

// recipes are those of a page, for the router that its query names.
func (s *Server) recipes(r *http.Request) Recipes {
	list := Recipes{
		NetFlow: s.netflowPorts()[0], SFlow: s.sflowPorts()[0], NetFlowPorts: either(s.netflowPorts()), SFlowPorts: either(s.sflowPorts()),
		Collector: "the address of this machine", Recipe: r.URL.Query().Get("recipe"),
	}
	if addresses := s.collectorAddresses(r); len(addresses) > 0 {
		list.Collector, list.Others = addresses[0].String(), addresses[1:]
	}
	list.Target = net.JoinHostPort(list.Collector, list.NetFlow)
	return list
}
