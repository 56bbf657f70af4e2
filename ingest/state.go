package ingest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/decode"
)

const (
	maxInterfaces = 64      // of an exporter, in the table
	maxFirstSeen  = 1 << 14 // exporters whose first datagram is remembered
)

// inserter takes rows for a table.
type inserter interface {
	Insert(table string, input proto.Input) error
}

// stateTable keeps the tables exporter_state and addresses up to date.
type stateTable struct {
	out inserter

	mu        sync.Mutex
	byWorker  map[int][]decode.State
	sightings map[sighting]int64 // Unix seconds
	firstSeen map[netip.Addr]time.Time
	recalled  bool // firstSeen was read from the table
	written   map[netip.Addr]decode.State
}

func newStateTable(out inserter) *stateTable {
	return &stateTable{
		out: out, byWorker: map[int][]decode.State{}, sightings: map[sighting]int64{},
		firstSeen: map[netip.Addr]time.Time{}, written: map[netip.Addr]decode.State{},
	}
}

// update takes a worker's view.
func (s *stateTable) update(worker int, states []decode.State, seen map[sighting]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byWorker[worker] = states
	for k, at := range seen {
		if len(s.sightings) < maxSightings {
			s.sightings[k] = at
		}
	}
}

// exporters returns the state of all exporters.
func (s *stateTable) exporters() []decode.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []decode.State
	for _, states := range s.byWorker {
		all = append(all, states...)
	}
	slices.SortFunc(all, func(a, b decode.State) int { return a.Exporter.Compare(b.Exporter) })
	return all
}

// recall reads, once, when exporters were first seen: the newest row replaces
// the others, and a restarted decoder does not know.
func (s *stateTable) recall(ctx context.Context, conn driver.Conn) error {
	s.mu.Lock()
	done := s.recalled
	s.mu.Unlock()
	if done {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	rows, err := conn.Query(ctx, "SELECT exporter, first_seen FROM exporter_state FINAL WHERE NOT deleted")
	if err != nil {
		return fmt.Errorf("read exporter_state: %w", err)
	}
	defer rows.Close()
	first := map[netip.Addr]time.Time{}
	for rows.Next() {
		var exporter netip.Addr
		var at time.Time
		if err := rows.Scan(&exporter, &at); err != nil {
			return fmt.Errorf("read exporter_state: %w", err)
		}
		first[exporter.Unmap()] = at
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read exporter_state: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.firstSeen, s.recalled = first, true
	return nil
}

// write sends the exporters whose state has changed, and new sightings.
func (s *stateTable) write() {
	states := s.exporters()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recalled {
		s.writeExporters(states)
	}
	s.writeAddresses()
}

// writeExporters sends changed states. A refused insert is no loss: the next
// one says more.
func (s *stateTable) writeExporters(states []decode.State) {
	var t exporterColumns
	written := make(map[netip.Addr]decode.State, len(states))
	for _, e := range states {
		w, ok := s.written[e.Exporter]
		written[e.Exporter] = e
		if ok && w.Last.Equal(e.Last) && w.Templates == e.Templates {
			continue
		}
		first, known := s.firstSeen[e.Exporter]
		if !known || e.First.Before(first) {
			first = e.First
			if len(s.firstSeen) < maxFirstSeen {
				s.firstSeen[e.Exporter] = first
			}
		}
		t.append(&e, first)
	}
	s.written = written
	_ = s.out.Insert("exporter_state", t.input())
}

// exporterColumns are the columns of exporter_state.
type exporterColumns struct {
	address                 proto.ColIPv6
	origin                  proto.ColStr
	first, last, template   proto.ColDateTime
	templates, rate, active proto.ColUInt32
	offset                  proto.ColInt64
	interfaces              *proto.ColArr[uint32]
}

func (t *exporterColumns) append(e *decode.State, first time.Time) {
	if t.interfaces == nil {
		t.interfaces = new(proto.ColUInt32).Array()
	}
	t.address = append(t.address, e.Exporter.As16())
	t.origin.Append(originName(e.Protocols))
	t.first.Append(first)
	t.last.Append(e.Last)
	if e.LastTemplate.IsZero() {
		t.template.AppendRaw(0)
	} else {
		t.template.Append(e.LastTemplate)
	}
	t.templates = append(t.templates, uint32(e.Templates))
	rate := uint32(1)
	if n := len(e.Rates); n > 0 {
		rate = e.Rates[n-1]
	}
	t.rate = append(t.rate, rate)
	t.active = append(t.active, uint32(e.Longest/time.Second))
	t.offset = append(t.offset, e.ClockOffset.Milliseconds())
	t.interfaces.Append(e.Interfaces[:min(len(e.Interfaces), maxInterfaces)])
}

func (t *exporterColumns) input() proto.Input {
	if len(t.address) == 0 {
		return nil
	}
	return proto.Input{
		{Name: "exporter", Data: &t.address},
		{Name: "first_seen", Data: &t.first},
		{Name: "last_seen", Data: &t.last},
		{Name: "origin", Data: &t.origin},
		{Name: "templates", Data: &t.templates},
		{Name: "last_template", Data: &t.template},
		{Name: "clock_offset_ms", Data: &t.offset},
		{Name: "sampling_rate", Data: &t.rate},
		{Name: "interfaces", Data: t.interfaces},
		{Name: "active_timeout_s", Data: &t.active},
	}
}

// originName is the protocol an exporter is shown with: the newest it speaks.
func originName(protocols []flow.Origin) string {
	if len(protocols) == 0 {
		return ""
	}
	switch protocols[len(protocols)-1] {
	case flow.NetFlow5:
		return "netflow5"
	case flow.SFlow:
		return "sflow"
	case flow.NetFlow9:
		return "netflow9"
	case flow.IPFIX:
		return "ipfix"
	case flow.Import, flow.Demo: // no exporter speaks these
	}
	return ""
}
