package imports_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/cluster"
	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/imports"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

// now is the time of all tests; what they import lies before.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const zone = "Pacific/Auckland"

// lab is a database with an importer.
type lab struct {
	*imports.Importer

	conn driver.Conn
}

func newLab(t *testing.T) *lab {
	t.Helper()
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: zone}); err != nil {
		t.Fatal(err)
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	im, err := imports.New(imports.Deps{
		Database: cluster.Single(conn, dsn), Settings: site.NewStore(conn, loc).Load, Now: func() time.Time { return now },
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &lab{im, conn}
}

// bring imports a file and fails the test when that fails.
func (l *lab) bring(t *testing.T, path string, opts imports.Options) imports.Summary {
	t.Helper()
	s, err := l.Import(t.Context(), path, opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// content is all that reports read, by table: two that are equal give the same
// reports.
func (l *lab) content(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for table, sql := range map[string]string{
		"flows":               "SELECT count(), sum(bytes), sum(packets), sum(cityHash64(end, duration_ms, exporter, host, peer, direction, bytes)) FROM flows",
		"usage_15m":           "SELECT sum(received), sum(sent), sum(internal + unmatched), toUInt64(min(bucket)) FROM usage_15m",
		"daily_total":         "SELECT sum(received), sum(sent), sum(internal + unmatched), toUInt64(min(day)) FROM daily_total",
		"daily_host":          "SELECT sum(received), sum(sent), count(), groupBitXor(cityHash64(host)) FROM (SELECT host, sum(received) AS received, sum(sent) AS sent FROM daily_host GROUP BY host)",
		"daily_protocol":      "SELECT sum(received), sum(sent), count(), toUInt64(0) FROM (SELECT protocol, service, sum(received) AS received, sum(sent) AS sent FROM daily_protocol GROUP BY protocol, service)",
		"daily_host_protocol": "SELECT sum(received), sum(sent), sum(internal + unmatched), toUInt64(min(day)) FROM daily_host_protocol",
		"daily_peer":          "SELECT sum(received), sum(sent), sum(internal + unmatched), toUInt64(min(day)) FROM daily_peer",
		"ledger":              "SELECT sum(count), uniqExact(bucket, exporter, event), toUInt64(0), toUInt64(0) FROM ledger WHERE count > 0",
	} {
		var a, b, c, d uint64
		if err := l.conn.QueryRow(t.Context(), sql).Scan(&a, &b, &c, &d); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		all[table] = fmt.Sprint(a, b, c, d)
	}
	return all
}

// verified fails the test unless every rollup equals raw.
func (l *lab) verified(t *testing.T) {
	t.Helper()
	report, err := schema.Verify(t.Context(), l.conn, schema.VerifyOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Differences) > 0 || report.NotCovered != "" {
		t.Errorf("verify: not covered %q, differences %v", report.NotCovered, report.Differences)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// table is a CSV file with all that matters: IPv6, a long flow, a time zone's
// midnight, quotes.
const table = `start,end,exporter,src_addr,dst_addr,src_port,dst_port,protocol,bytes,packets
2026-10-01 10:00:00,2026-10-01 10:20:00,192.168.1.1,203.0.113.5,192.168.1.20,443,50000,tcp,900001,700
1790848800.5,1790852400.25,192.168.1.1,192.168.1.20,203.0.113.5,50000,443,6,45000,300
2026-10-31T22:00:00Z,2026-11-02T01:00:00Z,192.168.1.1,"2001:db8::1","fd00::20",443,50001,udp,123456789,99999
`

func TestImportCountsOnceAndUndoes(t *testing.T) {
	l := newLab(t)
	l.bring(t, write(t, "before.csv", strings.ReplaceAll(table, "192.168.1.1,", "192.168.1.2,")), imports.Options{})
	before := l.content(t)

	s := l.bring(t, write(t, "flows.csv", table), imports.Options{})
	if s.Rows != 3 || s.Bytes != 900001+45000+123456789 || s.Before {
		t.Errorf("summary: got %+v, want 3 rows", s)
	}
	l.verified(t)
	with := l.content(t)
	if with["daily_total"] == before["daily_total"] {
		t.Error("the import changed no total")
	}
	again := l.bring(t, write(t, "other-name.csv", table), imports.Options{})
	if !again.Before || again.Number != s.Number {
		t.Errorf("the same content again: got %+v, want import %d named", again, s.Number)
	}
	if diff := cmp.Diff(with, l.content(t)); diff != "" {
		t.Errorf("the same content again changed (-once +twice):\n%s", diff)
	}
	if _, err := l.Undo(t.Context(), s.Number, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, l.content(t)); diff != "" {
		t.Errorf("after undo (-before +after):\n%s", diff)
	}
	l.verified(t)
	if _, err := l.Undo(t.Context(), s.Number, nil); err == nil {
		t.Error("undo twice: got no error")
	}
	if s := l.bring(t, write(t, "flows.csv", table), imports.Options{}); s.Before || s.Rows != 3 {
		t.Errorf("import after undo: got %+v, want 3 rows", s)
	}
	if diff := cmp.Diff(with, l.content(t)); diff != "" {
		t.Errorf("after undo and import (-first +second):\n%s", diff)
	}
}

// Undoing the oldest import leaves a database that is whole, not one whose
// first months have lost their raw flows.
func TestUndoOfTheOldest(t *testing.T) {
	l := newLab(t)
	old := l.bring(t, write(t, "old.csv", strings.ReplaceAll(table, "2026-10", "2024-10")), imports.Options{})
	l.bring(t, write(t, "new.csv", "end,src_addr,dst_addr,bytes\n2026-11-20 10:00:00,203.0.113.5,192.168.1.20,77\n"), imports.Options{})
	if _, err := l.Undo(t.Context(), old.Number, nil); err != nil {
		t.Fatal(err)
	}
	l.verified(t)
	var usage uint64
	if err := l.conn.QueryRow(t.Context(), "SELECT sum(received + sent) FROM daily_total").Scan(&usage); err != nil || usage != 77 {
		t.Errorf("usage left: got %d, %v, want 77", usage, err)
	}
}

// An import that was cut off between any two of its steps is undone by the
// next one.
func TestCutOff(t *testing.T) {
	for _, state := range []string{"loading", "undoing"} {
		t.Run(state, func(t *testing.T) {
			l := newLab(t)
			l.bring(t, write(t, "before.csv", strings.ReplaceAll(table, "192.168.1.1,", "192.168.1.2,")), imports.Options{})
			before := l.content(t)
			s := l.bring(t, write(t, "flows.csv", table), imports.Options{})
			run(t, l.conn, fmt.Sprintf("INSERT INTO imports (import, file, hash, kind, rows, first, last, state, started_at, changed_at) SELECT import, file, hash, kind, rows, first, last, '%s', started_at, changed_at + INTERVAL 1 HOUR FROM imports FINAL WHERE import = %d", state, s.Number))
			// A part of its rows, and rollups that are not what raw says.
			run(t, l.conn, "ALTER TABLE flows DELETE WHERE import = 2 AND bytes = 45000 SETTINGS mutations_sync = 2")
			run(t, l.conn, "ALTER TABLE daily_peer DELETE WHERE day < '2026-10-05' SETTINGS mutations_sync = 2")
			if err := l.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, l.content(t)); diff != "" {
				t.Errorf("after the cut (-before +after):\n%s", diff)
			}
			l.verified(t)
		})
	}
}

func run(t *testing.T, conn driver.Conn, sql string) {
	t.Helper()
	if err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// Nothing of a file that cannot be read whole is in the database, and the
// error says where it is wrong.
func TestBadFiles(t *testing.T) {
	good := "end,src_addr,dst_addr,bytes\n2026-11-01 10:00:00,203.0.113.5,192.168.1.20,77\n"
	cases := map[string]struct{ name, text, want string }{
		"address":     {"a.csv", good + "2026-11-01 10:00:00,203.0.113,192.168.1.20,77\n", `line 3: column src_addr: "203.0.113" is no IP address`},
		"number":      {"b.csv", good + "2026-11-01 10:00:00,203.0.113.5,192.168.1.20,-1\n", `line 3: column bytes: "-1" is no whole number from 0 to 18446744073709551615`},
		"columns":     {"c.csv", good + "2026-11-01 10:00:00,203.0.113.5\n", "line 3: wrong number of fields"},
		"future":      {"d.csv", good + "2027-11-01 10:00:00,203.0.113.5,192.168.1.20,1\n", "line 3: it ends on 2027-11-01 10:00:00, which is still to come"},
		"no time":     {"e.csv", "src_addr,dst_addr,bytes\n203.0.113.5,192.168.1.20,77\n", "the columns end (or start, or received_at) are missing"},
		"json":        {"f.json", `{"time_flow_end_ns":1793520000000000000,"src_addr":"203.0.113.5","dst_addr":"192.168.1.20","bytes":5}` + "\n{oops}\n", "line 2: it is no JSON object"},
		"other":       {"g.txt", "what is this\n", "it is none of what can be imported"},
		"empty":       {"h.txt", "", "the file is empty"},
		"vnstat":      {"i.json", `{"vnstatversion":"2.10","jsonversion":"2","interfaces":[`, "--host"},
		"nlbwmon":     {"j.json", `{"columns":["ip"],"data":[]}`, "--from"},
		"cut parquet": {"k.parquet", "PAR1....", "the Parquet file is damaged"},
		"cut capture": {"l.pcap", "\xd4\xc3\xb2\xa1\x02\x00\x04\x00", "the head of the pcap file is damaged"},
		"cut gzip":    {"m.csv.gz", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "the compressed file is damaged or cut off"},
	}
	l := newLab(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := l.Import(t.Context(), write(t, c.name, c.text), imports.Options{}, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if got := l.content(t)["flows"]; !strings.HasPrefix(got, "0 ") {
		t.Errorf("flows after bad files: got %s, want none", got)
	}
	if list, err := l.List(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("imports: got %v, %v, want none", list, err)
	}
}

// capture writes datagrams as a pcap file.
func capture(t *testing.T, name string, list []decodetest.Datagram) string {
	t.Helper()
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 101, 0, 0, 0)
	for _, d := range list {
		packet := make([]byte, 28, 28+len(d.Payload))
		packet[0], packet[8], packet[9] = 0x45, 64, 17
		binary.BigEndian.PutUint16(packet[2:], uint16(28+len(d.Payload)))
		src, dst := d.Src.Addr().As4(), d.Dst.Addr().As4()
		copy(packet[12:], src[:])
		copy(packet[16:], dst[:])
		binary.BigEndian.PutUint16(packet[20:], d.Src.Port())
		binary.BigEndian.PutUint16(packet[22:], d.Dst.Port())
		binary.BigEndian.PutUint16(packet[24:], uint16(8+len(d.Payload)))
		packet = append(packet, d.Payload...)
		b = binary.LittleEndian.AppendUint32(b, uint32(d.Time.Unix()))
		b = binary.LittleEndian.AppendUint32(b, uint32(d.Time.Nanosecond()/1000))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(packet)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(packet)))
		b = append(b, packet...)
	}
	return write(t, name, string(b))
}

// corpus is where captures of real exporters lie, beside the module.
const corpus = "../../shared/corpus"

// TestCorpus imports every capture of the corpus: what becomes of it is what
// the decoder's own test has verified, and the totals are those of
// expected.json wherever no exception applies.
func TestCorpus(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(corpus, "expected.json"))
	if os.IsNotExist(err) {
		t.Skip("the corpus of captures is not beside the module")
	}
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Name       string         `json:"scenario"`
		Pcap       string         `json:"pcap"`
		Class      string         `json:"cls"`
		Protos     []string       `json:"protos"`
		Records    int            `json:"records"`
		Bytes      uint64         `json:"bytes_sampling_corrected"`
		Packets    uint64         `json:"packets_sampling_corrected"`
		Reverse    uint64         `json:"reverse_octets"`
		ByteFields map[string]int `json:"byte_fields"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	// Their exceptions are explained in ingest/decode's test of the corpus.
	exceptions := map[string]bool{
		"nf9-nprobe4-graylog": true, "ipfix-datatemplate-graylogint": true, "nf9-graylog": true, "nf5-invalid01-logstash": true, "ipfix-example-telegraf": true,
	}
	l := newLab(t)
	for _, c := range list {
		if c.Class != "real" || exceptions[c.Name] || c.Reverse > 0 || strings.HasPrefix(c.Protos[0], "sflow") {
			continue
		}
		s, err := l.Import(t.Context(), filepath.Join(corpus, c.Pcap), imports.Options{}, nil)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if s.Before {
			continue // two scenarios of the corpus have the same content
		}
		if want := uint64(c.Records - c.ByteFields["none"]); s.Rows != want || s.Bytes != c.Bytes {
			t.Errorf("%s: got %d rows, %d bytes, want %d, %d", c.Name, s.Rows, s.Bytes, want, c.Bytes)
		}
		if s.Rows == 0 {
			continue
		}
		var bytes, packets uint64
		if err := l.conn.QueryRow(t.Context(), "SELECT sum(bytes), sum(packets) FROM flows WHERE import = ?", s.Number).Scan(&bytes, &packets); err != nil {
			t.Fatal(err)
		}
		if bytes != c.Bytes || packets != c.Packets {
			t.Errorf("%s: flows hold %d bytes, %d packets, want %d, %d", c.Name, bytes, packets, c.Bytes, c.Packets)
		}
	}
	l.verified(t)
}

// settingsOf stores what the user would.
func (l *lab) settings(t *testing.T, change func(ctx context.Context, s *site.Store) error) {
	t.Helper()
	if err := change(t.Context(), site.NewStore(l.conn, time.UTC)); err != nil {
		t.Fatal(err)
	}
}

func TestSettingsApply(t *testing.T) {
	l := newLab(t)
	l.settings(t, func(ctx context.Context, s *site.Store) error {
		return s.SaveExporter(ctx, site.Exporter{Address: netip.MustParseAddr("192.168.1.1"), Blocked: true, CountDirection: "any"})
	})
	s := l.bring(t, write(t, "flows.csv", table+"2026-10-01 10:00:00,2026-10-01 10:20:00,192.168.1.7,203.0.113.5,192.168.1.20,443,50000,tcp,11,1\n"), imports.Options{})
	if s.Rows != 1 || s.Bytes != 11 || s.Skipped != 3 {
		t.Errorf("with a blocked exporter: got %+v, want 1 row, 3 left out", s)
	}
}

func TestGoflow2(t *testing.T) {
	l := newLab(t)
	s := l.bring(t, write(t, "goflow2.json", `{"type":"NETFLOW_V9","time_received_ns":1793520001000000000,"sampling_rate":10,"sampler_address":"192.168.1.1","time_flow_start_ns":1793519990000000000,"time_flow_end_ns":1793520000000000000,"bytes":1500,"packets":2,"src_addr":"203.0.113.5","dst_addr":"192.168.1.20","etype":"IPv4","proto":"TCP","src_port":443,"dst_port":50000,"in_if":3,"out_if":4,"src_mac":"00:00:00:00:00:00","dst_mac":"02:00:00:00:00:01","flow_direction":1}
`), imports.Options{})
	if s.Rows != 1 || s.Bytes != 15000 {
		t.Errorf("got %+v, want 1 row of 15000 bytes", s)
	}
	var got string
	if err := l.conn.QueryRow(t.Context(), "SELECT concat(toString(direction), ' ', toString(host), ' ', toString(service), ' ', toString(exporter), ' ', toString(received_at), ' ', toString(start), ' ', toString(flow_direction)) FROM flows").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if want := "received ::ffff:192.168.1.20 443 ::ffff:192.168.1.1 2026-11-01 08:00:01 2026-11-01 07:59:50.000 egress"; got != want {
		t.Errorf("row: got %s, want %s", got, want)
	}
}

func TestHistory(t *testing.T) {
	l := newLab(t)
	vnstat := write(t, "vnstat.json", `{"vnstatversion":"2.10","jsonversion":"2","interfaces":[{"name":"eth0","traffic":{"day":[
		{"date":{"year":2026,"month":9,"day":27},"rx":1000003,"tx":2001},
		{"date":{"year":2026,"month":10,"day":1},"rx":500,"tx":60},
		{"date":{"year":2026,"month":10,"day":2},"rx":500,"tx":60},
		{"date":{"year":2026,"month":11,"day":24},"rx":7,"tx":7}]}},{"name":"wlan0","traffic":{"day":[]}}]}`)
	host := netip.MustParseAddr("192.168.1.1")
	if _, err := l.Import(t.Context(), vnstat, imports.Options{Host: host}, nil); err == nil || !strings.Contains(err.Error(), "eth0, wlan0") {
		t.Errorf("without --interface: got %v, want the interfaces named", err)
	}
	if _, err := l.Import(t.Context(), vnstat, imports.Options{Host: netip.MustParseAddr("8.8.8.8"), Interface: "eth0"}, nil); err == nil {
		t.Error("a host that is not local: got no error")
	}
	l.bring(t, write(t, "flows.csv", "end,src_addr,dst_addr,bytes\n2026-10-01 10:00:00,203.0.113.5,192.168.1.20,77\n"), imports.Options{})
	s := l.bring(t, vnstat, imports.Options{Host: host, Interface: "eth0"})
	want := map[string]uint64{"days that have flows already": 1, "days that are not over (FlatTraffic counts from here on)": 1}
	if diff := cmp.Diff(want, s.Reasons); diff != "" || s.Rows != 4 {
		t.Errorf("left out (-want +got):\n%s\nrows: got %d, want 4", diff, s.Rows)
	}
	l.verified(t)
	days := map[string][2]uint64{}
	rows, err := l.conn.Query(t.Context(), "SELECT toString(day), sum(received), sum(sent) FROM daily_total WHERE exporter = ? GROUP BY day", flow.VnStatHistory())
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var day string
		var received, sent uint64
		if err := rows.Scan(&day, &received, &sent); err != nil {
			t.Fatal(err)
		}
		days[day] = [2]uint64{received, sent}
	}
	// 27 September 2026 has 23 hours in this zone.
	if diff := cmp.Diff(map[string][2]uint64{"2026-09-27": {1000003, 2001}, "2026-10-02": {500, 60}}, days); diff != "" {
		t.Errorf("days of history (-want +got):\n%s", diff)
	}

	_, err = l.Import(t.Context(), write(t, "late.csv", "end,src_addr,dst_addr,bytes\n2026-10-02 10:00:00,203.0.113.5,192.168.1.20,78\n"), imports.Options{}, nil)
	if err == nil || !strings.Contains(err.Error(), "1 day (2026-10-02) in it is covered already by an imported daily history") {
		t.Errorf("flows of a day with history: got %v, want it refused", err)
	}
}

func date(t *testing.T, text string) billing.Date {
	t.Helper()
	d, err := billing.ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNlbwmon(t *testing.T) {
	l := newLab(t)
	s := l.bring(t, write(t, "nlbw.json", `{"columns":["family","proto","port","mac","ip","conns","rx_bytes","rx_pkts","tx_bytes","tx_pkts","layer7"],"data":[
		[4,"TCP",443,"02:00:00:00:00:01","192.168.1.20",5,1000001,900,31,30,"HTTPS"],
		[6,"UDP",53,"02:00:00:00:00:01","fd00::20",5,0,0,100,3,"DNS"]]}`),
		imports.Options{From: date(t, "2026-10-01"), To: date(t, "2026-11-01")})
	if s.Bytes != 1000001+31+100 {
		t.Errorf("bytes: got %d, want all of the table's", s.Bytes)
	}
	l.verified(t)
	var days, received, https uint64
	if err := l.conn.QueryRow(t.Context(), "SELECT uniqExact(day), sum(received), sumIf(received + sent, protocol = 6 AND service = 443) FROM daily_host_protocol").Scan(&days, &received, &https); err != nil {
		t.Fatal(err)
	}
	if days != 31 || received != 1000001 || https != 1000032 {
		t.Errorf("got %d days, %d received, %d by https, want 31, 1000001, 1000032", days, received, https)
	}
}

// flowRow is a row of a Parquet file as ClickHouse writes flows.
type flowRow struct {
	End     int64    `parquet:"end,timestamp(millisecond)"`
	Src     [16]byte `parquet:"src_addr"`
	Dst     string   `parquet:"dst_addr"`
	Bytes   uint64   `parquet:"bytes"`
	Packets *uint64  `parquet:"packets,optional"`
	Proto   uint32   `parquet:"protocol"`
	Comment string   `parquet:"comment"`
}

func TestParquet(t *testing.T) {
	l := newLab(t)
	path := filepath.Join(t.TempDir(), "flows.parquet")
	src, packets := netip.MustParseAddr("::ffff:203.0.113.5").As16(), uint64(7)
	end := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC).UnixMilli()
	err := parquet.WriteFile(path, []flowRow{
		{End: end, Src: src, Dst: "192.168.1.20", Bytes: 1 << 40, Packets: &packets, Proto: 6},
		{End: end, Src: src, Dst: "192.168.1.20", Bytes: 5, Proto: 17},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := l.bring(t, path, imports.Options{})
	if s.Rows != 2 || s.Bytes != 1<<40+5 || s.Last.UnixMilli() != end {
		t.Errorf("got %+v, want 2 rows, %d bytes", s, uint64(1<<40+5))
	}
	if err := parquet.WriteFile(path, []flowRow{{End: end, Src: src, Dst: "192.168.1.20"}, {End: end, Src: src, Dst: "elsewhere"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Import(t.Context(), path, imports.Options{}, nil); err == nil || !strings.Contains(err.Error(), `row 2: column dst_addr: "elsewhere" is no IP address`) {
		t.Errorf("a bad row: got %v, want it named", err)
	}
}

// A capture counts in the ledger too; a copy of it that is compressed, and one
// cut off, are told.
func TestCapture(t *testing.T) {
	l := newLab(t)
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	router := netip.MustParseAddrPort("192.168.1.1:2055")
	var list []decodetest.Datagram
	for i := range 20 {
		payload := decodetest.V5{
			Time: at.Add(time.Duration(i) * time.Minute), Sequence: uint32(i), Uptime: time.Hour,
			Records: []decodetest.V5Record{{
				Src: netip.MustParseAddr("203.0.113.5"), Dst: netip.MustParseAddr("192.168.1.20"), SrcPort: 443, DstPort: 50000, Protocol: 6,
				Octets: 1000, Packets: 2, First: time.Hour - time.Second, Last: time.Hour,
			}},
		}.Bytes()
		if i == 7 {
			continue // lost on the way
		}
		list = append(list, decodetest.Datagram{Time: at.Add(time.Duration(i) * time.Minute), Src: router, Dst: router, Payload: payload})
	}
	list = append(list, decodetest.Datagram{Time: at, Src: router, Dst: router, Payload: []byte("no flow export")})
	path := capture(t, "flows.pcap", list)
	s := l.bring(t, path, imports.Options{})
	if s.Rows != 19 || s.Datagrams != 19 || s.Bytes != 19000 || s.Reasons["UDP datagrams that are no flow export"] != 1 {
		t.Errorf("got %+v, want 19 rows of as many datagrams", s)
	}
	var lost, records uint64
	if err := l.conn.QueryRow(t.Context(), "SELECT sumIf(count, event = 'lost_records'), sumIf(count, event = 'records') FROM ledger").Scan(&lost, &records); err != nil {
		t.Fatal(err)
	}
	if lost != 1 || records != 19 {
		t.Errorf("ledger: got %d lost, %d records, want 1, 19", lost, records)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(content)
	z.Close()
	if s := l.bring(t, write(t, "copy.pcap.gz", packed.String()), imports.Options{}); !s.Before {
		t.Errorf("the same capture compressed: got %+v, want it known", s)
	}
	_, err = l.Import(t.Context(), write(t, "cut.pcap", string(content[:len(content)-3])), imports.Options{}, nil)
	if err == nil || !strings.Contains(err.Error(), "packet 20, after 2026-11-01 10:19:00.000, can't be read") {
		t.Errorf("a capture that was cut off: got %v, want the packet named", err)
	}
	before := l.content(t)
	if _, err := l.Undo(t.Context(), s.Number, nil); err != nil {
		t.Fatal(err)
	}
	if after := l.content(t); after["ledger"] == before["ledger"] || after["flows"][:2] != "0 " {
		t.Errorf("after undo: got %v", after)
	}
}

// nfcapd writes the file, nfdump reads it; both are Debian's package nfdump.
func TestNfdump(t *testing.T) {
	nfcapd, err := exec.LookPath("nfcapd")
	if err != nil {
		t.Skip("nfcapd is not installed (Debian: apt install nfdump)")
	}
	dir := t.TempDir()
	probe, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := probe.LocalAddr().String()
	probe.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.CommandContext(t.Context(), nfcapd, "-w", dir, "-p", port, "-b", "127.0.0.1", "-z")
	if help, _ := exec.CommandContext(t.Context(), nfcapd, "-h").CombinedOutput(); !bytes.Contains(help, []byte("-w flowdir")) {
		cmd = exec.CommandContext(t.Context(), nfcapd, "-l", dir, "-p", port, "-b", "127.0.0.1", "-z")
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	time.Sleep(2 * time.Second) // nothing says when it listens
	start := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	payload := decodetest.V5{
		Time: start, Uptime: time.Hour,
		Records: []decodetest.V5Record{
			{Src: netip.MustParseAddr("203.0.113.5"), Dst: netip.MustParseAddr("192.168.1.20"), SrcPort: 443, DstPort: 50000, Protocol: 6, Octets: 123456, Packets: 99, First: time.Hour - 90*time.Second, Last: time.Hour},
			{Src: netip.MustParseAddr("192.168.1.20"), Dst: netip.MustParseAddr("203.0.113.5"), SrcPort: 50000, DstPort: 443, Protocol: 6, Octets: 654, Packets: 9, First: time.Hour - 90*time.Second, Last: time.Hour},
		},
	}.Bytes()
	if _, err := out.Write(payload); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Log(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "nfcapd.2*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files of nfcapd: got %v, %v, want one", files, err)
	}
	l := newLab(t)
	s := l.bring(t, files[0], imports.Options{})
	if s.Rows != 2 || s.Bytes != 123456+654 || !s.First.Equal(start.Add(-90*time.Second)) || !s.Last.Equal(start) {
		t.Errorf("got %+v, want 2 rows from %v to %v", s, start.Add(-90*time.Second), start)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Import(t.Context(), write(t, "nfcapd.cut", string(content[:len(content)/2])), imports.Options{}, nil); err == nil {
		t.Error("a file that was cut off: got no error")
	}
}
