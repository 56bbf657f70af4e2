package imports

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/site"
)

// maxHistory bounds how much of a file of another meter is read, bytes.
const maxHistory = 256 << 20

// usage is what another meter counted for a host in a day.
type usage struct {
	host                         netip.Addr
	protocol                     uint8
	port                         uint16
	received, sent               uint64 // bytes
	receivedPackets, sentPackets uint64
}

// days puts usage into the days it belongs to, except those that have flows
// already, today, and what is to come.
type days struct {
	exporter netip.Addr
	zone     *time.Location
	used     map[string]bool
	today    billing.Date
}

func (im *Importer) newDays(ctx context.Context, exporter netip.Addr, settings *site.Settings) (*days, error) {
	zone, err := time.LoadLocation(settings.DayZone())
	if err != nil {
		return nil, fmt.Errorf("load time zone %s: %w", settings.DayZone(), err)
	}
	used, err := im.usedDays(ctx)
	if err != nil {
		return nil, err
	}
	return &days{exporter: exporter, zone: zone, used: used, today: billing.DateOf(im.deps.Now().In(zone))}, nil
}

// free says whether a day may be filled, and counts it as left out if not.
func (d *days) free(day billing.Date, s *sink) bool {
	switch {
	case !day.Before(d.today):
		s.skip("days that are not over (FlatTraffic counts from here on)", 1)
	case d.used[day.String()]:
		s.skip("days that have flows already", 1)
	default:
		return true
	}
	return false
}

// book makes a day's usage two records, one each way, that last the day.
func (d *days) book(ctx context.Context, day billing.Date, u usage, s *sink) error {
	start, end := day.Start(d.zone), day.AddDays(1).Start(d.zone).Add(-time.Second)
	record := flow.Record{
		Exporter: d.exporter, Origin: flow.Import, SamplingRate: 1, Protocol: u.protocol,
		ReceivedMs: end.UnixMilli(), StartMs: start.UnixMilli(), EndMs: end.UnixMilli(),
	}
	far := netip.IPv6Unspecified()
	for _, way := range []struct {
		src, dst         netip.Addr
		srcPort, dstPort uint16
		bytes, packets   uint64
	}{
		{far, u.host, u.port, 0, u.received, u.receivedPackets},
		{u.host, far, 0, u.port, u.sent, u.sentPackets},
	} {
		if way.bytes == 0 && way.packets == 0 {
			continue
		}
		r := record
		r.Src, r.Dst, r.SrcPort, r.DstPort, r.Bytes, r.Packets = way.src, way.dst, way.srcPort, way.dstPort, way.bytes, way.packets
		if err := s.record(ctx, &r); err != nil {
			return err
		}
	}
	return nil
}

// vnStatFile is what vnstat --json d writes. Version 1 counts KiB, version 2
// bytes.
type vnStatFile struct {
	Version    string `json:"jsonversion"`
	Interfaces []struct {
		Name    string `json:"name"`
		ID      string `json:"id"` // version 1
		Traffic struct {
			Day  []vnStatDay `json:"day"`
			Days []vnStatDay `json:"days"` // version 1
		} `json:"traffic"`
	} `json:"interfaces"`
}

type vnStatDay struct {
	Date struct {
		Year  int `json:"year"`
		Month int `json:"month"`
		Day   int `json:"day"`
	} `json:"date"`
	Received uint64 `json:"rx"`
	Sent     uint64 `json:"tx"`
}

func (im *Importer) readVnStat(ctx context.Context, opts Options, settings *site.Settings) (readFunc, error) {
	if !opts.Host.IsValid() {
		return nil, errors.New("vnStat knows no hosts: name the local address to book its days on, such as the router's own, by --host 192.168.1.1")
	}
	if !isLocal(opts.Host, settings) {
		return nil, fmt.Errorf("--host %s is in none of the local networks; name one that is", opts.Host)
	}
	days, err := im.newDays(ctx, flow.VnStatHistory(), settings)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, src *source, s *sink) error {
		var file vnStatFile
		if err := readJSON(src, &file); err != nil {
			return err
		}
		list, err := file.days(opts.Interface)
		if err != nil {
			return err
		}
		unit := uint64(1)
		if file.Version == "1" {
			unit = 1024
		}
		for i, d := range list {
			day, err := billing.ParseDate(fmt.Sprintf("%04d-%02d-%02d", d.Date.Year, d.Date.Month, d.Date.Day))
			if err != nil {
				return fmt.Errorf("day %d of the interface: %w", i+1, err)
			}
			if !days.free(day, s) {
				continue
			}
			if err := days.book(ctx, day, usage{host: opts.Host, received: d.Received * unit, sent: d.Sent * unit}, s); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// days returns the days of an interface, which must be named when there are
// several.
func (f *vnStatFile) days(name string) ([]vnStatDay, error) {
	var names []string
	for _, i := range f.Interfaces {
		n := first(i.Name, i.ID)
		names = append(names, n)
		if n != name && (name != "" || len(f.Interfaces) > 1) {
			continue
		}
		list := slices.Concat(i.Traffic.Day, i.Traffic.Days)
		if len(list) == 0 {
			return nil, errors.New("it holds no days; write it by vnstat --json d")
		}
		return list, nil
	}
	if len(names) == 0 {
		return nil, errors.New("it holds no interface; write it by vnstat --json d")
	}
	return nil, fmt.Errorf("choose the interface of your line by --interface: it has %s", strings.Join(names, ", "))
}

// nlbwmonFile is what nlbw -c json writes: a table of one accounting period.
type nlbwmonFile struct {
	Columns []string            `json:"columns"`
	Data    [][]json.RawMessage `json:"data"`
}

func (im *Importer) readNlbwmon(ctx context.Context, opts Options, settings *site.Settings) (readFunc, error) {
	if opts.From == (billing.Date{}) || opts.To == (billing.Date{}) || !opts.From.Before(opts.To) {
		return nil, errors.New("nlbwmon's table does not say its days: name the first by --from 2026-10-01 and the one after the last by --to 2026-11-01")
	}
	days, err := im.newDays(ctx, flow.NlbwmonHistory(), settings)
	if err != nil {
		return nil, err
	}
	protocols, err := protocolNumbers()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, src *source, s *sink) error {
		var file nlbwmonFile
		if err := readJSON(src, &file); err != nil {
			return err
		}
		var free []int // of the days, counted from 0
		total := 0
		for day := opts.From; day.Before(opts.To); day = day.AddDays(1) {
			if days.free(day, s) {
				free = append(free, total)
			}
			total++
		}
		for i := range file.Data {
			u, err := file.usage(i, protocols)
			if err != nil {
				return fmt.Errorf("row %d: %w", i+1, err)
			}
			if u.host.IsUnspecified() {
				s.skip("rows without a host", 1)
				continue
			}
			for _, n := range free {
				if err := days.book(ctx, opts.From.AddDays(n), u.share(uint64(n), uint64(total)), s); err != nil { //nolint:gosec // small and positive
					return err
				}
			}
		}
		return nil
	}, nil
}

// usage reads one row.
func (f *nlbwmonFile) usage(row int, protocols map[string]uint8) (usage, error) {
	var u usage
	for i, name := range f.Columns {
		if i >= len(f.Data[row]) {
			return u, errors.New("it has fewer columns than there are names")
		}
		text := strings.Trim(string(f.Data[row][i]), `"`)
		var err error
		switch name {
		case "ip":
			err = address(&u.host, text)
		case "proto":
			if n, ok := protocols[strings.ToLower(text)]; ok {
				u.protocol = n
			}
		case "port":
			err = number(&u.port, text, 16)
		case "rx_bytes":
			err = number(&u.received, text, 64)
		case "tx_bytes":
			err = number(&u.sent, text, 64)
		case "rx_pkts":
			err = number(&u.receivedPackets, text, 64)
		case "tx_pkts":
			err = number(&u.sentPackets, text, 64)
		}
		if err != nil {
			return u, fmt.Errorf("column %s: %w", name, err)
		}
	}
	if !u.host.IsValid() {
		return u, errors.New("the column ip is missing; write the table by nlbw -c json")
	}
	return u, nil
}

// share is the n-th of so many equal parts; all parts add up to the whole.
func (u usage) share(n, of uint64) usage {
	for _, v := range []*uint64{&u.received, &u.sent, &u.receivedPackets, &u.sentPackets} {
		whole, rest := *v/of, *v%of
		*v = whole + rest*(n+1)/of - rest*n/of
	}
	return u
}

func readJSON(src *source, to any) error {
	content, err := src.content()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(content, maxHistory+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", src.path, err)
	}
	if len(text) > maxHistory {
		return errors.New("it is longer than 256 MB; another meter's daily history is not")
	}
	if err := json.Unmarshal(text, to); err != nil {
		at := ""
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = " at byte " + strconv.FormatInt(syntax.Offset, 10)
		}
		return fmt.Errorf("the JSON is damaged or cut off%s: %w", at, err)
	}
	return nil
}

func isLocal(a netip.Addr, settings *site.Settings) bool {
	return slices.ContainsFunc(settings.Prefixes(), func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}
