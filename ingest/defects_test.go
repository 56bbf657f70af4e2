package ingest_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
	"github.com/flattraffic/flattraffic/site"
)

// These tests would have caught what was wrong with how the first FlatTraffic
// took flows in: from the socket to the tables that reports read. Those on what
// the reports then made of it are in packages report, billing and names.

// exported sends one datagram of NetFlow v5 from 127.0.0.1 and waits until its
// records are stored.
func exported(t *testing.T, s *service, p decodetest.V5) {
	t.Helper()
	conn := s.conn
	before := number(t, conn, "(SELECT count() FROM flows)")
	s.router.write(p.Bytes())
	waitFor(t, "the records", func() bool { return number(t, conn, "(SELECT count() FROM flows)") == before+uint64(len(p.Records)) })
	s.stop() // rollups are filled within the insert; this waits for its end
}

func webTraffic(octets uint32) decodetest.V5Record {
	return decodetest.V5Record{Src: decodetest.Server, Dst: decodetest.Host, Packets: 10, Octets: octets, SrcPort: 443, DstPort: 50000, Protocol: 6, In: 1, Out: 2}
}

func TestFlowsAreBookedWhenTheyRanNotWhenTheyCame(t *testing.T) {
	conn, dsn := database(t)
	s := start(t, options{conn: conn, dsn: dsn})
	now := time.Now().Truncate(time.Second)
	uptime := 100 * time.Hour
	r := webTraffic(4000)
	r.First, r.Last = uptime-50*time.Hour, uptime-48*time.Hour // two hours, two days ago
	exported(t, s, decodetest.V5{Uptime: uptime, Time: now, Records: []decodetest.V5Record{r}})
	got := number(t, conn, "(SELECT sumIf(received, bucket < now('UTC') - 47 * 3600) FROM usage_15m)")
	if quarters := number(t, conn, "(SELECT uniqExact(bucket) FROM usage_15m)"); got != 4000 || quarters < 8 {
		t.Errorf("%d of 4000 bytes are booked two days ago, over %d quarter hours; want all, over 8 or 9", got, quarters)
	}
}

func TestIPv6IsMatchedToItsHost(t *testing.T) {
	conn, dsn := database(t)
	mine := defaultSettings()
	mine.Networks = append(mine.Networks, site.Network{Prefix: netip.MustParsePrefix("2001:db8:1::/56"), Metered: true})
	s := start(t, options{conn: conn, dsn: dsn, settings: &settings{now: mine}})
	six := decodetest.NewTemplate(300, 27, 28, 4, 1, 2)
	s.router.write(v9(1, func(m *decodetest.Message) {
		m.Templates(six).Data(six, six.Record(decodetest.Server6, decodetest.Host6, 6, 700, 2), six.Record(decodetest.Host6, decodetest.Server6, 6, 30, 1))
	}))
	waitFor(t, "the records", func() bool { return number(t, conn, "(SELECT count() FROM flows)") == 2 })
	s.stop()
	if got := number(t, conn, "(SELECT sum(received) * 1000 + sum(sent) FROM daily_host WHERE host = toIPv6('2001:db8:1::20'))"); got != 700_030 {
		t.Errorf("the IPv6 host has received and sent %d, want 700 and 30 (700030)", got)
	}
}

func TestSecondExporterOfALinkIsNotCounted(t *testing.T) {
	conn, dsn := database(t)
	mine := defaultSettings()
	mine.Exporters = []site.Exporter{{Address: netip.MustParseAddr("127.0.0.1"), CountInterfaces: []uint32{1}}}
	s := start(t, options{conn: conn, dsn: dsn, settings: &settings{now: mine}})
	lan, wan := webTraffic(500), webTraffic(500)
	wan.In, wan.Out = 7, 8
	exported(t, s, decodetest.V5{Uptime: time.Hour, Time: time.Now(), Records: []decodetest.V5Record{lan, wan}})
	if got := number(t, conn, "(SELECT sum(received) FROM daily_total)"); got != 500 {
		t.Errorf("traffic of 500 bytes that was seen twice counts as %d", got)
	}
	if got := number(t, conn, "(SELECT sum(bytes) FROM flows)"); got != 1000 {
		t.Errorf("raw flows hold %d bytes, want both records", got)
	}
}

func TestSamplingIsMultiplied(t *testing.T) {
	conn, dsn := database(t)
	s := start(t, options{conn: conn, dsn: dsn})
	exported(t, s, decodetest.V5{Uptime: time.Hour, Time: time.Now(), Sampling: 1<<14 | 100, Records: []decodetest.V5Record{webTraffic(500)}})
	if got := number(t, conn, "(SELECT sum(received) FROM daily_total)"); got != 50_000 {
		t.Errorf("500 bytes at one in 100 count as %d, want 50000", got)
	}
	if got := number(t, conn, "(SELECT max(sampling_rate) FROM flows)"); got != 100 {
		t.Errorf("the row says a rate of %d, want 100: it is an estimate and must be told from exact ones", got)
	}
}
