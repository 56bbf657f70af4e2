package report

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/flattraffic/flattraffic/flow"
)

const (
	doublesWindow = 24 * time.Hour  // of the flows that are looked at
	doublesSample = 500_000         // flows looked at, about; of more a part of the 5-tuples is
	doublesFresh  = 5 * time.Minute // how long what was found is good
	doublesFlows  = 10              // 5-tuples that must be double before it is said
	doublesShare  = 0.005           // of all bytes that must be double before it is said
)

// Meter is a place where an exporter counts flows.
type Meter struct {
	Exporter netip.Addr // unmapped
	In, Out  uint32     // interfaces, 0 = not said
	Observed flow.ObservedDirection
}

func (m Meter) record() *flow.Record {
	return &flow.Record{Exporter: m.Exporter, InIf: m.In, OutIf: m.Out, Observed: m.Observed}
}

// String says where the meter is: "192.168.1.1 at 1 → 2, coming in".
func (m Meter) String() string {
	text := m.Exporter.String()
	switch {
	case m.In > 0 && m.Out > 0:
		text += fmt.Sprintf(" at %d → %d", m.In, m.Out)
	case m.In > 0:
		text += fmt.Sprintf(" at %d →", m.In)
	case m.Out > 0:
		text += fmt.Sprintf(" at → %d", m.Out)
	}
	switch m.Observed {
	case flow.Ingress:
		text += ", coming in"
	case flow.Egress:
		text += ", leaving"
	case flow.ObservedUnknown:
	}
	return text
}

// Doubles are flows that seem to be counted more than once.
type Doubles struct {
	From, To time.Time // half-open; flows that end in it were looked at
	Flows    uint64    // counted flows of that time
	Bytes    uint64    // of those
	Every    uint64    // 1 = all 5-tuples were looked at; N: one of N, figures are estimates
	Found    []Double  // the gravest first
}

// Double is one reason why flows are counted more than once: some meters, of
// one exporter or of several, that see the same traffic.
type Double struct {
	Exporters []netip.Addr // one or more, in order
	Meters    []Meter      // those that see most of it
	Flows     uint64       // 5-tuples that were seen more than once
	Bytes     uint64       // counted beyond the first time
	Share     float64      // of all bytes counted, 0 to 1
	Examples  []DoubleFlow // up to three, the biggest first
	Remedy    *Remedy      // nil: no setting would mend it without losing other traffic
}

// DoubleFlow is a 5-tuple that was seen more than once.
type DoubleFlow struct {
	Protocol uint8
	Src, Dst netip.AddrPort // unmapped
	At       time.Time      // its first packet, to the second
	Meters   []Meter
	Bytes    []uint64 // that each meter saw
}

// Remedy is what to set for an exporter so that traffic counts once.
type Remedy struct {
	Rule flow.CountRule
	Left uint64 // of Bytes that would still be double
	Lost uint64 // bytes that count once now and would not count at all
}

// doublesCache keeps what was found for a while.
type doublesCache struct {
	mu    sync.Mutex
	found Doubles
	err   error
	at    time.Time // of reading, by the machine's clock
}

// Doubles looks for flows of the last day that are counted more than once. The
// answer may be some minutes old; ForgetDoubles makes it anew.
func (r *Reports) Doubles(ctx context.Context) (Doubles, error) {
	r.doubles.mu.Lock()
	defer r.doubles.mu.Unlock()
	if time.Since(r.doubles.at) > doublesFresh {
		found, err := r.findDoubles(ctx)
		if ctx.Err() != nil {
			return Doubles{}, ctx.Err()
		}
		r.doubles.found, r.doubles.err, r.doubles.at = found, err, time.Now()
	}
	return r.doubles.found, r.doubles.err
}

// ForgetDoubles is for the time after a change of what counts.
func (r *Reports) ForgetDoubles() {
	r.doubles.mu.Lock()
	defer r.doubles.mu.Unlock()
	r.doubles.at = time.Time{}
}

func (r *Reports) findDoubles(ctx context.Context) (Doubles, error) {
	settings, err := r.settings(ctx)
	if err != nil {
		return Doubles{}, fmt.Errorf("load settings: %w", err)
	}
	to := r.now().Truncate(time.Second)
	d := Doubles{From: to.Add(-doublesWindow), To: to}
	params := ch.Parameters{"start": strconv.FormatInt(d.From.Unix(), 10), "end": strconv.FormatInt(d.To.Unix(), 10)}
	if err := r.conn.QueryRow(ch.Context(ctx, ch.WithParameters(params)), doublesWindowSQL).Scan(&d.Flows, &d.Bytes); err != nil {
		return d, fmt.Errorf("count recent flows: %w", err)
	}
	d.Every = max(1, (d.Flows+doublesSample-1)/doublesSample)
	params["every"] = strconv.FormatUint(d.Every, 10)
	seen, err := r.seenBy(ch.Context(ctx, ch.WithParameters(params)))
	if err != nil {
		return d, fmt.Errorf("look for flows counted twice: %w", err)
	}
	rules := map[netip.Addr]flow.CountRule{}
	for _, rule := range settings.CountRules() {
		rules[rule.Exporter] = rule
	}
	d.Found = judge(seen, rules, d.Every)
	return d, nil
}

// sighting is the traffic that was seen by the same meters.
type sighting struct {
	meters      []Meter // more than one: they saw the same
	flows       uint64
	once, total uint64 // bytes, counted once and as often as they were seen
	examples    []DoubleFlow
}

func (r *Reports) seenBy(ctx context.Context) ([]sighting, error) {
	rows, err := r.conn.Query(ctx, doublesSQL)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []sighting
	for rows.Next() {
		var s sighting
		var exporters []net.IP // the driver gives arrays of addresses in the old type
		var in, out []uint32
		var observed []uint8
		var examples []string
		if err := rows.Scan(&exporters, &in, &out, &observed, &s.flows, &s.once, &s.total, &examples); err != nil {
			return nil, err
		}
		for i := range exporters {
			a, _ := netip.AddrFromSlice(exporters[i])
			s.meters = append(s.meters, Meter{a.Unmap(), in[i], out[i], flow.ObservedDirection(observed[i])})
		}
		if len(s.meters) > 1 {
			for _, text := range examples {
				s.examples = append(s.examples, parseExample(text, s.meters))
			}
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// parseExample reads what doubles.sql writes: protocol, both ends, time, and
// the bytes of each meter.
func parseExample(text string, meters []Meter) DoubleFlow {
	f := strings.Fields(text)
	number := func(s string) uint64 {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			panic("report: doubles.sql writes a number as " + s)
		}
		return n
	}
	end := func(address, port string) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr(address).Unmap(), uint16(number(port)))
	}
	d := DoubleFlow{
		Protocol: uint8(number(f[0])), Src: end(f[1], f[2]), Dst: end(f[3], f[4]),
		At: time.Unix(int64(number(f[5])), 0), Meters: meters,
	}
	for n := range strings.SplitSeq(f[6], ",") {
		d.Bytes = append(d.Bytes, number(n))
	}
	return d
}

// exporters lists the exporters of some meters, each once, in order.
func exporters(meters []Meter) []netip.Addr {
	var list []netip.Addr
	for _, m := range meters {
		list = append(list, m.Exporter)
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}
