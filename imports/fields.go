package imports

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/site"
)

// fields is one record of a table as its columns say it.
type fields struct {
	record         flow.Record
	startMs, endMs int64 // Unix milliseconds, 0 = not said
	durationMs     int64
	durationSaid   bool
	scale          bool // counters are to be multiplied by the sampling rate (goflow2)
	bytesSaid      bool
}

// setter reads one column's text.
type setter func(f *fields, text string) error

// columns are the column names that are understood: those of the table flows,
// and those of goflow2's JSON. Others are ignored.
func columns(protocols map[string]uint8) map[string]setter {
	c := map[string]setter{
		"start":       func(f *fields, s string) error { return instant(&f.startMs, s) },
		"end":         func(f *fields, s string) error { return instant(&f.endMs, s) },
		"received_at": func(f *fields, s string) error { return instant(&f.record.ReceivedMs, s) },
		"duration_ms": func(f *fields, s string) error {
			f.durationSaid = true
			return number(&f.durationMs, s, 32)
		},
		"exporter":       func(f *fields, s string) error { return address(&f.record.Exporter, s) },
		"src_addr":       func(f *fields, s string) error { return address(&f.record.Src, s) },
		"dst_addr":       func(f *fields, s string) error { return address(&f.record.Dst, s) },
		"src_port":       func(f *fields, s string) error { return number(&f.record.SrcPort, s, 16) },
		"dst_port":       func(f *fields, s string) error { return number(&f.record.DstPort, s, 16) },
		"protocol":       func(f *fields, s string) error { return protocol(&f.record.Protocol, s, protocols) },
		"bytes":          func(f *fields, s string) error { f.bytesSaid = true; return number(&f.record.Bytes, s, 64) },
		"packets":        func(f *fields, s string) error { return number(&f.record.Packets, s, 64) },
		"sampling_rate":  func(f *fields, s string) error { return number(&f.record.SamplingRate, s, 32) },
		"in_if":          func(f *fields, s string) error { return number(&f.record.InIf, s, 32) },
		"out_if":         func(f *fields, s string) error { return number(&f.record.OutIf, s, 32) },
		"src_mac":        func(f *fields, s string) error { return mac(&f.record.SrcMAC, s) },
		"dst_mac":        func(f *fields, s string) error { return mac(&f.record.DstMAC, s) },
		"src_as":         func(f *fields, s string) error { return number(&f.record.SrcAS, s, 32) },
		"dst_as":         func(f *fields, s string) error { return number(&f.record.DstAS, s, 32) },
		"vlan":           func(f *fields, s string) error { return number(&f.record.VLAN, s, 16) },
		"tcp_flags":      func(f *fields, s string) error { return number(&f.record.TCPFlags, s, 16) },
		"tos":            func(f *fields, s string) error { return number(&f.record.TOS, s, 8) },
		"icmp_type":      func(f *fields, s string) error { return number(&f.record.ICMPType, s, 8) },
		"icmp_code":      func(f *fields, s string) error { return number(&f.record.ICMPCode, s, 8) },
		"flow_direction": func(f *fields, s string) error { return observed(&f.record.Observed, s) },
	}
	for alias, name := range map[string]string{
		"proto": "protocol", "ip_tos": "tos", "vlan_id": "vlan", "time_received": "received_at",
		"time_flow_start": "start", "time_flow_end": "end", "time_flow_start_ms": "start", "time_flow_end_ms": "end",
		"time_flow_start_ns": "start", "time_flow_end_ns": "end", "time_received_ns": "received_at",
	} {
		c[alias] = c[name]
	}
	c["sampler_address"] = func(f *fields, s string) error {
		f.scale = true
		return address(&f.record.Exporter, s)
	}
	return c
}

// protocolNumbers are the names that the program knows.
func protocolNumbers() (map[string]uint8, error) {
	services, err := flow.NewServices()
	if err != nil {
		return nil, err
	}
	names := map[string]uint8{"icmp6": 58, "ipv6-icmp": 58}
	for _, p := range services.Protocols() {
		names[p.Name] = p.Number
	}
	return names, nil
}

// instant reads a time: seconds since 1970, with a fraction or not, milli-,
// micro- or nanoseconds by their size, RFC 3339, or a date and time of UTC.
func instant(to *int64, text string) error {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		switch {
		case n > 1e17:
			n /= 1e6
		case n > 1e14:
			n /= 1e3
		case n < 1e11:
			n *= 1e3
		}
		*to = n
		return nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 && seconds < 1e11 {
		*to = int64(seconds*1000 + .5)
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, text); err == nil {
			*to = t.UnixMilli()
			return nil
		}
	}
	return fmt.Errorf("%q is no time; write seconds since 1970, or 2026-11-23 12:00:00 in UTC", text)
}

func number[T ~int64 | ~uint64 | ~uint32 | ~uint16 | ~uint8](to *T, text string, bits int) error {
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil {
		return fmt.Errorf("%q is no whole number from 0 to %d", text, uint64(1)<<(bits-1)-1+uint64(1)<<(bits-1))
	}
	*to = T(n)
	return nil
}

func address(to *netip.Addr, text string) error {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return fmt.Errorf("%q is no IP address", text)
	}
	*to = a.Unmap().WithZone("")
	return nil
}

func protocol(to *uint8, text string, names map[string]uint8) error {
	if n, ok := names[strings.ToLower(text)]; ok {
		*to = n
		return nil
	}
	if err := number(to, text, 8); err != nil {
		return fmt.Errorf("%q is neither the number nor the name of a protocol", text)
	}
	return nil
}

func mac(to *uint64, text string) error {
	if n, err := strconv.ParseUint(text, 10, 48); err == nil {
		*to = n
		return nil
	}
	n, err := site.ParseMAC(text)
	if err != nil {
		return err
	}
	*to = n
	return nil
}

func observed(to *flow.ObservedDirection, text string) error {
	i := slices.Index([]string{"unknown", "ingress", "egress"}, text)
	if i < 0 {
		return fmt.Errorf("%q is neither ingress nor egress", text)
	}
	*to = flow.ObservedDirection(i) //nolint:gosec // one of three
	return nil
}

// table reads records by column names.
type table struct {
	known    map[string]setter
	exporter netip.Addr
	latest   int64
}

func newTable(opts Options, s *sink) (*table, error) {
	protocols, err := protocolNumbers()
	if err != nil {
		return nil, err
	}
	exporter := opts.Exporter
	if !exporter.IsValid() {
		exporter = netip.IPv6Unspecified()
	}
	return &table{known: columns(protocols), exporter: exporter, latest: s.latest}, nil
}

// read makes a record of columns, each with its text. Empty texts say nothing.
func (t *table) read(names []string, texts func(i int) string) (*flow.Record, error) {
	f := fields{}
	for i, name := range names {
		set := t.known[name]
		if set == nil {
			continue
		}
		text := strings.TrimSpace(texts(i))
		if text == "" {
			continue
		}
		if err := set(&f, text); err != nil {
			return nil, fmt.Errorf("column %s: %w", name, err)
		}
	}
	return f.complete(t)
}

// complete checks a record and fills in what follows from the rest.
func (f *fields) complete(t *table) (*flow.Record, error) {
	r := &f.record
	r.Origin = flow.Import
	if !r.Exporter.IsValid() {
		r.Exporter = t.exporter
	}
	switch {
	case !r.Src.IsValid() || !r.Dst.IsValid():
		return nil, errors.New("src_addr or dst_addr is missing")
	case !f.bytesSaid:
		return nil, errors.New("bytes is missing")
	}
	if err := f.times(t.latest); err != nil {
		return nil, err
	}
	r.SamplingRate = max(r.SamplingRate, 1)
	if f.scale {
		r.Bytes *= uint64(r.SamplingRate)
		r.Packets *= uint64(r.SamplingRate)
	}
	return r, nil
}

func (f *fields) times(latest int64) error {
	r := &f.record
	if f.endMs == 0 && f.startMs != 0 {
		f.endMs = f.startMs + f.durationMs
	}
	if f.endMs == 0 {
		f.endMs = r.ReceivedMs
	}
	switch {
	case f.endMs <= 0:
		return errors.New("start, end and received_at are all missing")
	case f.endMs > latest:
		return fmt.Errorf("it ends on %s, which is still to come", time.UnixMilli(f.endMs).UTC().Format(time.DateTime))
	}
	if f.startMs == 0 {
		f.startMs = f.endMs - f.durationMs
	}
	r.StartMs, r.EndMs = f.startMs, f.endMs
	if span := flow.MaxSpan.Milliseconds(); r.StartMs > r.EndMs {
		r.StartMs, r.TimeFixed = r.EndMs, true
	} else if r.EndMs-r.StartMs > span {
		r.StartMs, r.TimeFixed = r.EndMs-span, true
	}
	if r.ReceivedMs == 0 {
		r.ReceivedMs = r.EndMs
	}
	return nil
}

// missing says what a table lacks, by its column names.
func (t *table) missing(names []string) error {
	has := func(any ...string) bool {
		return slices.ContainsFunc(any, func(n string) bool { return slices.Contains(names, n) })
	}
	var lacks []string
	for _, need := range []string{"src_addr", "dst_addr", "bytes"} {
		if !has(need) {
			lacks = append(lacks, need)
		}
	}
	if !has("end", "start", "received_at", "time_flow_end_ns", "time_flow_start_ns", "time_received_ns", "time_flow_end", "time_flow_start", "time_received") {
		lacks = append(lacks, "end (or start, or received_at)")
	}
	if len(lacks) > 0 {
		return fmt.Errorf("the columns %s are missing; docs/import.md lists the names", strings.Join(lacks, ", "))
	}
	return nil
}
