// Package report answers the questions people ask of the rollups: one
// pipeline from a typed request through one SQL file a question to a typed
// result, the same for HTML, JSON, CSV and the terminal.
package report

import (
	"net/netip"
	"time"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/site"
)

// Kind is one of the reports.
type Kind string

// The reports.
const (
	Overview  Kind = "overview"
	Days      Kind = "days"
	Hosts     Kind = "hosts"
	Host      Kind = "host" // one host; Filter.Host must be set
	Protocols Kind = "protocols"
	Networks  Kind = "networks"
	People    Kind = "people"
	History   Kind = "history"
	// Ranges are the address ranges of unmatched traffic: a part of Networks.
	Ranges Kind = "unmatched"
)

// Request is a question, as typed values. The zero Period means the current
// billing period. Parse makes one from the URL query or the command line.
type Request struct {
	Kind    Kind
	Period  Period
	Filter  Filter
	Compare Compare
	// Brief leaves out the far ends of a host over more than 62 days, which take
	// a second to put together where all else takes some milliseconds.
	Brief bool
}

// Period selects a span of time: one of the fields, or none for the current
// billing period.
type Period struct {
	Holding  billing.Date // the billing period that holds this day
	Previous bool         // the billing period before the current one
	From, To time.Time    // half-open instants, rounded outward to quarter hours
	// FromDate and ToDate stand in for From and To when they are set: days of
	// the zone of the plan in force on FromDate, half-open. Run turns them into
	// instants. From alone runs to the present.
	FromDate, ToDate billing.Date
}

// Filter narrows a report. Zero fields do not filter.
type Filter struct {
	Host     netip.Addr // with all addresses of its device; :: = unmatched traffic
	HostName string     // instead of Host: a name, or the id or MAC of a device; Run sets Host
	Person   string     // hosts of this person, by id; also Nobody, or unmatched
	Protocol ProtocolFilter
	Network  netip.Prefix // hosts inside this range, whichever network they are booked on
	Group    Group        // instead of Network: the rows of the networks report that are no range
	Line     string       // id of the line; empty = the first
}

// Group is a set of hosts that is no address range.
type Group string

// The groups, as in Row.Network and the query parameter network.
const (
	Elsewhere Group = "elsewhere" // local when recorded, in no local network of the present settings
	Unmatched Group = "unmatched" // neither end was local
)

// ProtocolFilter is a protocol, a service, or a protocol and a service.
type ProtocolFilter struct {
	Set      bool
	Text     string // as given: https, tcp/443, udp
	Protocol uint8
	Service  uint16
	Any      bool // true: all services of Protocol; false: exactly Service
	// Run sets Protocol, Service and Any from Text. A name that stands for
	// several (dns is tcp/53 and udp/53) filters for all of them; Protocol and
	// Service are then the first.
}

// Counters are totals over some rows: bytes by direction, and packets and
// flow records of all directions together. Sums of the table are exact.
type Counters struct {
	Received  uint64 `json:"received"`
	Sent      uint64 `json:"sent"`
	Internal  uint64 `json:"internal"`
	Unmatched uint64 `json:"unmatched"`
	Packets   uint64 `json:"packets"`
	Flows     uint64 `json:"flows"`
}

// Usage is what counts: received plus sent, in bytes.
func (c Counters) Usage() uint64 { return c.Received + c.Sent }

// Span is the period a result is about.
type Span struct {
	Start, End time.Time    // half-open, in the plan's zone
	Plan       billing.Plan // the plan in force
	Billing    bool         // true: a billing period; false: a range the user chose
}

// Row is one line of a report. Which key fields are set depends on the kind:
// days Date; hosts Host, Name and what follows it; protocols Protocol, Service, Name, Title and
// Category; networks Network and Name; unmatched Network and LastSeen; history Start, End and Cap.
type Row struct {
	Date      billing.Date
	Host      netip.Addr // stands for its device; :: = Unmatched
	Name      string
	NameFrom  string       // own, dhcp, dns; empty = no name
	Device    string       // id of the device, empty = an address by itself
	Addresses []netip.Addr // all of the device with traffic in the span; the first is Host
	Owner     string       // id of the person, empty = nobody
	LastSeen  time.Time    // in the span; to the quarter hour in its last two days, before that the start of the day
	New       bool         // a host that was not seen in the 400 days before the span
	Days      []uint64     // usage a day of the span up to today, for a sparkline (hosts); nil for spans over 400 days

	Protocol       string // tcp
	ProtocolNumber uint8
	Service        uint16 // 0 = Other
	Title          string // HTTPS
	Category       string // Web

	Person string // id, Nobody or unmatched (people)
	Weight uint16 // of the fair share
	Fair   uint64 // the fair share, in bytes
	Hosts  int    // how many hosts

	Network string // CIDR, "elsewhere" or "unmatched"
	Metered bool

	Start, End time.Time
	Cap        uint64
	Used       uint64 // history, lines: what counts toward the cap, per the plan's Counts, free times and unmetered networks
	Free       uint64 // history, lines: usage that does not count: of free times and unmetered networks

	Line string // lines: id of the line; empty = of the exporters on none

	Partial bool // the row's time is not over yet
	Gap     bool // nothing was received from any exporter in all of the row's time
	Counters
}

// Result answers a Request.
type Result struct {
	Request      Request
	Span         Span
	Rows         []Row
	Shared       uint64   // people: what the fair shares divide, in bytes
	Total        Counters // sum of Rows, and of the raw flows of the span
	Completeness Completeness

	// Before answers the same request about the time it is compared with; nil
	// without a comparison. On an overview its lists are whole, without a row
	// of others.
	Before *Result

	// FineFrom is set on History only: what is before it is known by the day
	// only; zero when nothing is.
	FineFrom time.Time

	// Days are set on History only: every day of it up to today.
	Days []Row

	// Set on Overview only.
	Overview *OverviewResult
	// Set on Host only.
	Detail *HostResult
}

// OverviewResult is the front page: the answer, and the head of each report.
type OverviewResult struct {
	Used                       uint64       // what counts toward the cap so far, per Plan.Counts: of Counted
	Unmetered                  uint64       // usage of free times and of networks that do not count toward the cap: of Free
	Counted, Free              Traffic      // Counted and Free together are all that was received and sent
	DayNumber, DayCount        int          // day 12 of 30
	EvenPace                   uint64       // what an even pace would have used by now, 0 without a cap
	SafePerDay                 uint64       // bytes a remaining day that stay inside the cap, 0 without a cap
	LikelyLow, LikelyHigh      uint64       // likely total at the end, an estimate; 0 before day 3
	OverOn                     billing.Date // likely day of reaching the cap; zero = not in this period
	Driver                     *Driver      // with OverOn, in a running period: the host that drives usage; nil = none
	BiggestDay                 Row
	PreviousUsed               uint64 // same elapsed days of the period before
	Days                       []Row  // every day of the span up to today; Span and DayCount tell the rest
	Hosts, Protocols, Networks []Row  // the first rows, with an "Others" row that makes them sum to Total
	HostCount, ProtocolCount   int    // without Unmatched, without Others
	Hours                      []Row  // of a span of up to two days of which quarter hours are kept: Start, End
	Lines                      []Row  // of a report about all lines: each with its own period and cap

	// Set in a running span: the host with the most usage of today, and the
	// one whose usage changed most against the period before, by this day.
	// Without one the Host of the row is not valid.
	Today, Changed Row
	ChangedFrom    Counters
}

// Traffic is usage by direction, in bytes.
type Traffic struct {
	Received uint64 `json:"received"`
	Sent     uint64 `json:"sent"`
}

// Driver is the host that used most of what counted in the last days of a
// running period.
type Driver struct {
	Host  netip.Addr `json:"host"`
	Name  string     `json:"name"`  // empty = no name
	Used  uint64     `json:"used"`  // bytes that count toward the cap in these days
	Share float64    `json:"share"` // of all hosts' in these days, 0 to 1
	Days  int        `json:"days"`  // up to seven, today among them
}

// Label is what the host is called: its name, or its address.
func (d Driver) Label() string {
	if d.Name != "" {
		return d.Name
	}
	return d.Host.String()
}

// HostResult is the page of one host.
type HostResult struct {
	Name      string      // what it is called now; empty = no name
	NameFrom  string      // own, dhcp, dns
	Device    site.Device // with all its addresses; without id when the host is an address by itself
	Addresses []Row       // the traffic of each address: Host, LastSeen to the day
	Days      []Row
	Protocols []Row
	Peers     []Peer
	PeersLeft bool // Peers are left out, as the request wanted
	Names     []Name
	Previous  Counters // the period before, same elapsed days
	Week      *Week    // nil when only daily figures are left of the span, or it is over 400 days
}

// Peer is a far end of a host.
type Peer struct {
	Address netip.Addr
	Name    string
	Counters
}

// Name is a name an address had.
type Name struct {
	Name, Source        string
	FirstSeen, LastSeen time.Time
}

// Completeness says how much of the span's traffic the figures hold.
type Completeness struct {
	Known    bool     `json:"-"`        // false: nothing was received in the span
	Fraction float64  `json:"fraction"` // 0 to 1; records counted over records counted, lost and, estimated, missed
	Notes    []string `json:"notes"`    // in words, each with what to do
}
