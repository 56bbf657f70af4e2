package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// settleFor is how long a started program is left alone before its idle use is
// measured, and idleFor how long that is.
const (
	settleFor = 2 * time.Minute
	idleFor   = time.Minute
)

// measureRest measures, over one history, what is not a page: nfdump's answers,
// room on the disk, start and idleness.
func (b *bench) measureRest(ctx context.Context, data string, years int, f []figures, list []page, disk, start *strings.Builder) error {
	if b.cold {
		dropCaches()
	}
	h, err := b.up(ctx, data)
	if err != nil {
		return err
	}
	began := h.took
	time.Sleep(settleFor)
	stop := watch(h.family())
	time.Sleep(idleFor)
	idle := stop()
	fmt.Fprintf(start, "## Start and idleness\n\nWith %d years of history.\n\n%s", years, table([]string{"what", "figure"}, [][]string{
		{"from `up` to the first page, cold", ms(began)},
		{"processor, idle", fmt.Sprintf("%.2f %% of a core", 100*sumOf(idle.cpu).Seconds()/idleFor.Seconds())},
		{"memory, idle: flattraffic, its ClickHouse", mega(idle.rss[0]) + ", " + mega(sumOf(idle.rss)-idle.rss[0])},
	}))
	conn, err := h.connect(ctx)
	if err != nil {
		return errors.Join(err, h.stop())
	}
	defer conn.Close()
	if err := b.compareFiles(ctx, conn, years, f, list, disk); err != nil {
		return errors.Join(err, h.stop())
	}
	return h.stop()
}

func sumOf[T int64 | time.Duration](all []T) (sum T) {
	for _, v := range all {
		sum += v
	}
	return sum
}

// compareFiles writes nfdump's files of a month of the flows, asks nfdump, and
// compares the room on the disk.
func (b *bench) compareFiles(ctx context.Context, conn driver.Conn, years int, f []figures, list []page, disk *strings.Builder) error {
	dir := filepath.Join(b.work, "month")
	i, err := b.nfcapd(ctx, dir, func(to string) (sent, error) { return replayMonth(ctx, conn, to) })
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if i.stored != i.flows {
		return fmt.Errorf("nfcapd stored %d of %d flows of the month", i.stored, i.flows)
	}
	files, err := filepath.Glob(filepath.Join(dir, "nfcapd.2*"))
	if err != nil {
		return err
	}
	whole := filepath.Join(b.work, "years")
	if err := errors.Join(os.RemoveAll(whole), os.MkdirAll(whole, 0o750)); err != nil {
		return err
	}
	defer os.RemoveAll(whole)
	for n := range years * 12 {
		for k, file := range files {
			if err := os.Link(file, filepath.Join(whole, fmt.Sprintf("nfcapd.%04d%02d%08d", 2000+n/12, 1+n%12, k))); err != nil {
				return err
			}
		}
	}
	for n, p := range list {
		if p.nfdump == nil {
			continue
		}
		began := time.Now()
		if out, err := exec.CommandContext(ctx, "nfdump", append([]string{"-q", "-R", whole}, p.nfdump...)...).CombinedOutput(); err != nil {
			return fmt.Errorf("nfdump: %w\n%s", err, out)
		}
		f[n].nfdump = time.Since(began)
	}
	return b.compareDisk(ctx, conn, years, dir, i.flows, disk)
}

// compareDisk writes what a flow takes on the disk.
func (b *bench) compareDisk(ctx context.Context, conn driver.Conn, years int, dir string, flows uint64, disk *strings.Builder) error {
	var rows [][]string
	var stored, raw, rollups uint64
	if err := conn.QueryRow(ctx, `SELECT sumIf(rows, table = 'flows'), sumIf(bytes_on_disk, table = 'flows'),
		sumIf(bytes_on_disk, table = 'usage_15m' OR startsWith(table, 'daily_')) FROM system.parts WHERE active AND database = currentDatabase()`).Scan(&stored, &raw, &rollups); err != nil {
		return err
	}
	ours := float64(raw) / float64(stored)
	rows = append(rows, []string{"flattraffic, raw flows", fmt.Sprintf("%.1f", ours), "1.0"})
	for _, way := range []struct{ name, flag string }{{"nfdump, plain", ""}, {"nfdump, LZ4", "-y"}, {"nfdump, LZO", "-z"}, {"nfdump, BZ2", "-j"}} {
		file := filepath.Join(b.work, "packed")
		args := []string{"-q", "-R", dir, "-w", file}
		if way.flag != "" {
			args = append(args, way.flag)
		}
		if out, err := exec.CommandContext(ctx, "nfdump", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("nfdump: %w\n%s", err, out)
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		each := float64(info.Size()) / float64(flows)
		rows = append(rows, []string{way.name, fmt.Sprintf("%.1f", each), fmt.Sprintf("%.1f", each/ours)})
		os.Remove(file)
	}
	fmt.Fprintf(disk, "## Disk\n\n%d flows of %d years; nfdump has %d of them, the last 30 days.\n\n%s\nAll rollups together, which stay for ever: %.0f MB a year (raw flows: %.0f MB a year).\n",
		stored, years, flows, table([]string{"what", "bytes a flow", "ratio"}, rows), float64(rollups)/1e6/float64(years), float64(raw)/1e6/float64(years))
	return nil
}

// The templates of the month's flows, by family.
var (
	month4 = decodetest.NewTemplate(1024, 8, 12, 21, 22, 1, 2, 7, 11, 10, 14, 4, 6)
	month6 = decodetest.NewTemplate(1025, 27, 28, 21, 22, 1, 2, 7, 11, 10, 14, 4, 6)
)

// monthRate is how fast nfcapd gets the month, in flows a second.
const monthRate = 60_000

// replayMonth sends the last 30 days of flows with their own times.
func replayMonth(ctx context.Context, conn driver.Conn, to string) (s sent, err error) {
	socket, err := new(net.Dialer).DialContext(ctx, "udp", to)
	if err != nil {
		return s, err
	}
	defer socket.Close()
	rows, err := conn.Query(ctx, "SELECT toUnixTimestamp(`end`), duration_ms, src_addr, dst_addr, src_port, dst_port, in_if, out_if, protocol, toUInt8(tcp_flags), bytes, packets FROM flows WHERE `end` > (SELECT max(`end`) FROM flows) - INTERVAL 30 DAY ORDER BY `end`")
	if err != nil {
		return s, err
	}
	defer rows.Close()
	m := month{socket: socket, began: time.Now()}
	for rows.Next() {
		var f monthFlow
		if err := rows.Scan(&f.end, &f.lasted, &f.src, &f.dst, &f.srcPort, &f.dstPort, &f.inIf, &f.outIf, &f.protocol, &f.flags, &f.bytes, &f.packets); err != nil {
			return s, err
		}
		if err := m.add(f); err != nil {
			return m.sent, err
		}
	}
	m.took = time.Since(m.began)
	return m.sent, errors.Join(rows.Err(), m.flush())
}

// monthFlow is a flow as it is sent again.
type monthFlow struct {
	end, lasted, inIf, outIf uint32
	src, dst                 netip.Addr
	srcPort, dstPort         uint16
	protocol, flags          uint8
	bytes, packets           uint64
}

// month sends flows, those of one family and second together.
type month struct {
	sent
	socket   net.Conn
	began    time.Time
	base     uint32 // Unix seconds at which the exporter's uptime begins
	sequence uint32
	four     bool
	end      uint32
	records  [][]byte
}

func (m *month) add(f monthFlow) error {
	f.src, f.dst = f.src.Unmap(), f.dst.Unmap()
	four := f.src.Is4() && f.dst.Is4()
	if m.base == 0 {
		m.base = f.end - 7200
	}
	if len(m.records) == perDatagram || len(m.records) > 0 && (four != m.four || f.end != m.end) {
		if err := m.flush(); err != nil {
			return err
		}
	}
	t := month6
	if four {
		t = month4
	}
	last := (f.end - m.base) * 1000
	m.four, m.end = four, f.end
	m.records = append(m.records, t.Record(address(f.src, four), address(f.dst, four), last, last-min(f.lasted, last), uint32(min(f.bytes, 1<<32-1)), uint32(min(f.packets, 1<<32-1)),
		int(f.srcPort), int(f.dstPort), f.inIf, f.outIf, int(f.protocol), int(f.flags)))
	m.flows++
	m.octets += f.bytes
	return nil
}

// address is an address in the family of the template.
func address(a netip.Addr, four bool) netip.Addr {
	if four {
		return a
	}
	return netip.AddrFrom16(a.As16())
}

func (m *month) flush() error {
	if len(m.records) == 0 {
		return nil
	}
	message := decodetest.Message{
		Version: 9, Uptime: time.Duration(m.end-m.base) * time.Second, Time: time.Unix(int64(m.end), 0), Sequence: m.sequence, Domain: 1,
	}
	if m.sequence%4096 == 0 {
		message.Templates(month4, month6)
	}
	t := month6
	if m.four {
		t = month4
	}
	datagram := message.Data(t, m.records...).Bytes()
	binary.BigEndian.PutUint32(datagram[12:], m.sequence)
	m.sequence++
	m.records = m.records[:0]
	if due := m.began.Add(time.Duration(float64(m.flows) / monthRate * float64(time.Second))); time.Until(due) > time.Millisecond {
		time.Sleep(time.Until(due))
	}
	_, err := m.socket.Write(datagram)
	return err
}

// measureISP measures the reports over a provider's days.
func measureISP(ctx context.Context, b *bench) (string, error) {
	data := filepath.Join(b.work, "isp")
	if err := b.write(ctx, data, "isp", float64(b.ispDays)/365.25, b.ispPerDay); err != nil {
		return "", err
	}
	const host = "10.20.0.7"
	list := append(pages(host), page{name: "unmatched, this period", path: "/networks/unmatched"})
	f, err := b.measurePages(ctx, data, host, list, time.Now().AddDate(0, 0, -b.ispDays), true)
	if err != nil {
		return "", err
	}
	var rows [][]string
	for i, p := range list {
		raw, ratio := "–", "–"
		if f[i].raw > 0 {
			raw, ratio = ms(f[i].raw), times(f[i].p50, f[i].raw)
		}
		rows = append(rows, []string{strings.Replace(p.name, "all years", "all days", 1), ms(f[i].p50), ms(f[i].p95), ms(f[i].p99), ms(f[i].cold), ms(f[i].live50), ms(f[i].live99), raw, ratio})
	}
	return "## A provider\n\n" + strconv.Itoa(b.ispDays) + " days of 5,000 hosts with " + strconv.Itoa(b.ispPerDay) + " flows a day.\n\n" +
		table([]string{"page", "p50", "p95", "p99", "cold", "p50 with flows", "p99 with flows", "raw flows", "ratio"}, rows), nil
}
