package ingest_test

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
	"github.com/flattraffic/flattraffic/schema"
)

// perDatagram is how many records a datagram of NetFlow v5 holds at most.
const perDatagram = 30

// shipment is a datagram that left: when, and what its records add up to.
type shipment struct {
	at time.Time
	sums
}

// load exports flows at a rate. Each datagram has a number of its own, which
// all its records carry in their two interfaces, so that it can be told of each
// datagram whether it was stored, and exactly.
type load struct {
	t       *testing.T
	router  *router
	shipped []shipment // by number
	busy    time.Duration
}

func newLoad(t *testing.T) *load {
	t.Helper()
	return &load{t: t, router: &router{t: t, random: newRandom(), boot: time.Now().Add(-100 * time.Hour)}}
}

// run exports to an address until stop is called, which waits.
func (l *load) run(to netip.AddrPort, perSecond int) (stop func()) {
	l.t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}}).DialContext(l.t.Context(), "udp", to.String())
	if err != nil {
		l.t.Fatal(err)
	}
	ended, over := make(chan struct{}), make(chan struct{})
	began := time.Now()
	go func() {
		defer close(over)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; {
			select {
			case <-ended:
				return
			case now := <-tick.C:
				for due := int(now.Sub(began).Seconds() * float64(perSecond) / perDatagram); n < due; n++ {
					l.ship(conn)
				}
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(ended)
		<-over
		l.busy += time.Since(began)
		conn.Close()
	})
}

// ship sends the next datagram. The kernel refuses one when nobody listens any
// more; then it was sent after the end of whoever should have had it.
func (l *load) ship(conn net.Conn) {
	number := uint32(len(l.shipped))
	payload, holds := l.router.datagram(perDatagram, func(i int, r *decodetest.V5Record) {
		r.In, r.Out, r.SrcPort = uint16(number>>16), uint16(number), uint16(10000+i)
	})
	l.shipped = append(l.shipped, shipment{time.Now(), holds})
	_, _ = conn.Write(payload)
}

// rate is the number of flows a second that left.
func (l *load) rate() float64 { return float64(len(l.shipped)) * perDatagram / l.busy.Seconds() }

// compare checks that each datagram was stored whole and exactly, once, or not
// at all, and that every rollup equals that. It returns the numbers of those
// that were not stored.
func (l *load) compare(conn driver.Conn) (missing []int) {
	l.t.Helper()
	missing = l.match(conn)
	verify(l.t, conn)
	return missing
}

// match is compare without the proof of every rollup by raw.
func (l *load) match(conn driver.Conn) (missing []int) {
	l.t.Helper()
	stored := l.stored(conn)
	var want sums
	for number, s := range l.shipped {
		got, ok := stored[uint32(number)]
		if !ok {
			missing = append(missing, number)
			continue
		}
		if got != s.sums {
			l.t.Errorf("datagram %d was stored differently (-sent +stored):\n%s", number, cmp.Diff(s.sums, got))
		}
		want.add(s.sums)
		delete(stored, uint32(number))
	}
	if len(stored) > 0 {
		l.t.Errorf("%d datagrams are stored that nobody sent", len(stored))
	}
	check(l.t, conn, want)
	return missing
}

// verify proves every rollup by the raw flows.
func verify(t *testing.T, conn driver.Conn) {
	t.Helper()
	report, err := schema.Verify(context.WithoutCancel(t.Context()), conn, schema.VerifyOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range report.Differences {
		t.Errorf("a rollup differs from raw: %s", d)
	}
}

// stored reads what flows holds of each datagram. Its records differ in one
// port and share the other, so that one stored twice is told from two.
func (l *load) stored(conn driver.Conn) map[uint32]sums {
	l.t.Helper()
	rows, err := conn.Query(context.WithoutCancel(l.t.Context()), `SELECT toUInt32(bitShiftLeft(in_if, 16) + out_if) AS number, count(),
		uniqExact(host_port + peer_port), sumIf(bytes, direction = 'received'), sumIf(bytes, direction = 'sent'),
		sumIf(bytes, direction = 'internal'), sumIf(bytes, direction = 'unmatched'), sum(packets) FROM flows GROUP BY number`)
	if err != nil {
		l.t.Fatal(err)
	}
	defer rows.Close()
	all := map[uint32]sums{}
	for rows.Next() {
		var number uint32
		var different uint64
		var s sums
		if err := rows.Scan(&number, &s.Records, &different, &s.Received, &s.Sent, &s.Internal, &s.Unmatched, &s.Packets); err != nil {
			l.t.Fatal(err)
		}
		if different != s.Records {
			l.t.Errorf("datagram %d has %d records, only %d different ones", number, s.Records, different)
		}
		all[number] = s
	}
	if err := rows.Err(); err != nil {
		l.t.Fatal(err)
	}
	return all
}
