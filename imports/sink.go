package imports

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest"
	"github.com/flattraffic/flattraffic/ingest/deliver"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

// Summary says what was read of a file.
type Summary struct {
	Entry

	Before    bool              // it had been imported before; nothing was done
	Datagrams uint64            // of a capture, that carried flow exports
	Uncounted uint64            // rows that are stored but count in no total, by an exporter's settings
	Reasons   map[string]uint64 // why records were left out, with how many
}

// sink takes what readers find and puts it into the stage.
type sink struct {
	replay *ingest.Replay
	writer *deliver.Writer
	latest int64 // Unix milliseconds: nothing can have ended later

	rows, bytes, datagrams, uncounted uint64
	firstMs, lastMs                   int64
	skips                             map[string]uint64
}

func newSink(replay *ingest.Replay, writer *deliver.Writer, now time.Time) *sink {
	return &sink{replay: replay, writer: writer, latest: now.Add(flow.MaxFuture).UnixMilli(), skips: map[string]uint64{}}
}

// datagram takes a flow export as it was captured.
func (s *sink) datagram(ctx context.Context, from netip.Addr, at time.Time, payload []byte) error {
	s.datagrams++
	return s.take(ctx, s.replay.Datagram(from, at, payload))
}

// record takes one decoded record.
func (s *sink) record(ctx context.Context, r *flow.Record) error {
	row, refused := s.replay.Record(r)
	if refused {
		s.skip("its exporter is blocked in the settings", 1)
		return nil
	}
	return s.take(ctx, []deliver.Row{row})
}

func (s *sink) take(ctx context.Context, rows []deliver.Row) error {
	for i := range rows {
		r := rows[i].Record
		if s.rows == 0 || r.StartMs < s.firstMs {
			s.firstMs = r.StartMs
		}
		s.lastMs = max(s.lastMs, r.EndMs)
		s.rows++
		s.bytes += r.Bytes
		if !rows[i].Counted {
			s.uncounted++
		}
	}
	return s.writer.Append(ctx, rows)
}

// skip counts records that are left out.
func (s *sink) skip(reason string, n uint64) {
	if n > 0 {
		s.skips[reason] += n
	}
}

// lossReasons are the ledger's events of a capture that mean that something in
// it did not become flows.
var lossReasons = map[ledger.Event]string{
	ledger.Blocked:         "datagrams of an exporter that is blocked in the settings",
	ledger.NoCounters:      "records without counters (NAT and security events)",
	ledger.TemplateMissing: "sets whose template is not in the capture",
	ledger.UnknownVersion:  "datagrams that are no NetFlow v5, v9, IPFIX or sFlow v5",
	ledger.Malformed:       "datagrams or sets that break their protocol's rules",
	ledger.BadTemplate:     "templates that break the rules",
	ledger.StateLimit:      "datagrams or sets of more sources than are kept",
	ledger.DropNotices:     "sFlow notices of discarded packets",
}

// summary ends the reading.
func (s *sink) summary(e Entry) Summary {
	for event, n := range s.replay.End() {
		if reason, ok := lossReasons[event]; ok {
			s.skip(reason, n)
		}
	}
	for _, n := range s.skips {
		e.Skipped += n
	}
	e.Rows, e.Bytes = s.rows, s.bytes
	e.First, e.Last = time.UnixMilli(s.firstMs).UTC(), time.UnixMilli(s.lastMs).UTC()
	return Summary{Entry: e, Datagrams: s.datagrams, Uncounted: s.uncounted, Reasons: s.skips}
}

// Lines says the summary in words.
func (s Summary) Lines() []string {
	if s.Before {
		return []string{fmt.Sprintf("%s: imported before, as %d (%s, on %s); nothing was changed", s.File, s.Number, s.File, s.Started.Format(time.DateOnly))}
	}
	head := s.File + ": nothing in it became a flow"
	if s.Rows > 0 {
		head = fmt.Sprintf("%s: import %d, %s, %s, %d bytes, %s to %s UTC", s.File, s.Number, s.Kind, plural(int(s.Rows), "flow"), s.Bytes, //nolint:gosec // no file has so many
			s.First.Format("2006-01-02 15:04:05"), s.Last.Format("2006-01-02 15:04:05"))
	}
	lines := []string{head}
	if s.Datagrams > 0 {
		lines = append(lines, "  read from "+plural(int(s.Datagrams), "datagram")) //nolint:gosec // no file has so many
	}
	if s.Uncounted > 0 {
		lines = append(lines, fmt.Sprintf("  stored but not counted, by the exporter's settings: %d", s.Uncounted))
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Reasons)) {
		lines = append(lines, fmt.Sprintf("  left out: %d %s", s.Reasons[reason], reason))
	}
	return lines
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// few names the first of many.
func few(list []string) string {
	if len(list) > 3 {
		return "(" + strings.Join(list[:3], ", ") + ", …)"
	}
	return "(" + strings.Join(list, ", ") + ")"
}
