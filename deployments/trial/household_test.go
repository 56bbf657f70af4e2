//go:build compose

package trial_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/demo"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

// household is a day of the sample household: its settings, and its flows as
// the records that a router would export.
type household struct {
	settings []byte
	flows    []record
	totals   totals
}

// totals are what raw flows and reports are compared by.
type totals struct {
	Received, Sent, Internal, Unmatched, Packets, Flows uint64
}

// record is a flow as it goes over the wire.
type record struct {
	v6   bool
	data []byte
}

const totalsSQL = `SELECT sumIf(bytes, direction = 'received'), sumIf(bytes, direction = 'sent'),
	sumIf(bytes, direction = 'internal'), sumIf(bytes, direction = 'unmatched'), sum(packets), count() FROM flows WHERE counted`

const flowsSQL = `SELECT src_addr, dst_addr, src_port, dst_port, protocol, tcp_flags, in_if, out_if, bytes, packets,
	toUnixTimestamp64Milli(start), toInt64(toUnixTimestamp(end)) * 1000 FROM flows WHERE counted ORDER BY end, start`

// templates of IPFIX: addresses, ports, protocol, flags, interfaces, counters
// and absolute times in milliseconds.
func templates() (v4, v6 decodetest.Template) {
	rest := []uint16{7, 11, 4, 6, 10, 14, 1, 2, 152, 153}
	wide := func(t decodetest.Template) decodetest.Template { return t.With(8, 1, 2) }
	return wide(decodetest.NewTemplate(300, append([]uint16{8, 12}, rest...)...)), wide(decodetest.NewTemplate(301, append([]uint16{27, 28}, rest...)...))
}

// newHousehold makes up a day, with an engine on this machine.
func newHousehold(t *testing.T) household {
	t.Helper()
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn, Zone: "UTC"}); err != nil {
		t.Fatal(err)
	}
	if _, err := demo.Write(t.Context(), conn, demo.Options{Years: 1.0 / 365, Seed: 7}, nil); err != nil {
		t.Fatal(err)
	}
	var h household
	var err error
	if h.settings, err = site.NewStore(conn, time.UTC).Export(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.totals = sums(t, conn)
	rows, err := conn.Query(t.Context(), flowsSQL)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	v4, v6 := templates()
	for rows.Next() {
		var (
			src, dst         net.IP
			srcPort, dstPort uint16
			protocol         uint8
			flags            uint16
			in, out          uint32
			bytes, packets   uint64
			start, end       int64
		)
		if err := rows.Scan(&src, &dst, &srcPort, &dstPort, &protocol, &flags, &in, &out, &bytes, &packets, &start, &end); err != nil {
			t.Fatal(err)
		}
		from, to := address(src), address(dst)
		template := v4
		if from.Is6() {
			template = v6
		}
		h.flows = append(h.flows, record{from.Is6(), template.Record(from, to, int(srcPort), int(dstPort), int(protocol), int(flags&0xff), in, out, bytes, packets, start, end)})
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return h
}

func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

func sums(t *testing.T, conn driver.Conn) totals {
	t.Helper()
	var s totals
	if err := conn.QueryRow(t.Context(), totalsSQL).Scan(&s.Received, &s.Sent, &s.Internal, &s.Unmatched, &s.Packets, &s.Flows); err != nil {
		t.Fatal(err)
	}
	return s
}

// router exports the household's flows over UDP.
type router struct {
	t    *testing.T
	conn net.Conn
	sent uint32 // records
}

func newRouter(t *testing.T, addr string) *router {
	t.Helper()
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &router{t: t, conn: conn}
}

// export sends records, at most about a thousand bytes of them, with the
// templates, which an ingest that was just started needs.
func (r *router) export(flows []record) {
	v4, v6 := templates()
	m := &decodetest.Message{Version: 10, Time: time.Now(), Sequence: r.sent, Domain: 1}
	m.Templates(v4, v6)
	for _, f := range flows {
		if f.v6 {
			m.Data(v6, f.data)
		} else {
			m.Data(v4, f.data)
		}
	}
	if _, err := r.conn.Write(m.Bytes()); err != nil {
		r.t.Logf("datagram not sent: %v", err)
	}
	r.sent += uint32(len(flows))
}
