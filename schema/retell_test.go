package schema_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/schema"
)

const insertRecords = "INSERT INTO flows (`end`, duration_ms, exporter, direction, counted, host, peer, host_port, peer_port, unmatched_dst, host_mac, peer_mac, host_as, peer_as, " +
	"in_if, out_if, flow_direction, protocol, service, bytes, packets, origin, sampling_rate)"

// record is a flow as it came in: what the ingest tells it by.
type record struct {
	flow.Record

	id uint64 // in the column packets, to know it by
}

func (r record) appendTo(batch driver.Batch, told flow.Ends, counted bool) error {
	six := func(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }
	return batch.Append(time.UnixMilli(r.EndMs), uint32(r.EndMs-r.StartMs), six(r.Exporter), told.Direction.String(), counted,
		six(told.Host), six(told.Peer), told.HostPort, told.PeerPort, six(told.UnmatchedDst), told.HostMAC, told.PeerMAC, told.HostAS, told.PeerAS,
		r.InIf, r.OutIf, int8(r.Observed), r.Protocol, told.Service, r.Bytes, r.id, "ipfix", uint32(1))
}

// randomRecords returns records of three exporters between addresses of every
// kind, in and about the ranges of testNetworks.
func randomRecords(r *rand.Rand, n int, firstID uint64) []record {
	addresses := []string{
		"192.168.1.20", "192.168.1.21", "192.168.2.1", "10.0.0.9", "172.31.255.255", "172.32.0.0", "198.51.100.7", "198.51.100.8", "203.0.113.9",
		"169.254.7.7", "224.0.0.251", "239.255.255.255", "240.0.0.1", "255.255.255.255", "223.255.255.255", "0.0.0.0", "::", "::1",
		"fd00::7", "fe80::1", "febf:ffff::1", "fec0::1", "ff02::fb", "2001:db8:9::1", "2001:db8:9:ff::1", "2001:db8:9:100::1", "2001:db8:a::1",
	}
	list := make([]record, n)
	for i := range list {
		end := november.UnixMilli()/1000*1000 + r.Int64N(5*86400)*1000
		f := flow.Record{
			Exporter: netip.MustParseAddr([]string{"192.0.2.1", "192.0.2.2", "2001:db8::1"}[r.IntN(3)]),
			EndMs:    end, StartMs: end - r.Int64N(3*3600_000),
			Src: netip.MustParseAddr(addresses[r.IntN(len(addresses))]), Dst: netip.MustParseAddr(addresses[r.IntN(len(addresses))]),
			SrcPort: uint16(r.IntN(1 << 16)), DstPort: uint16(r.IntN(1 << 16)), Protocol: 6,
			SrcMAC: r.Uint64N(1 << 48), DstMAC: r.Uint64N(1 << 48), SrcAS: r.Uint32(), DstAS: r.Uint32(),
			InIf: r.Uint32N(4), OutIf: r.Uint32N(4), Observed: flow.ObservedDirection(r.IntN(3)),
			Bytes: r.Uint64N(1 << 40),
		}
		list[i] = record{f, firstID + uint64(i)}
	}
	return list
}

// teller tells records as the ingest does.
type teller struct {
	classifier *flow.Classifier
	rules      map[netip.Addr]flow.CountRule
}

func newTeller(t *testing.T, rules schema.Rules) teller {
	t.Helper()
	services, err := flow.NewServices()
	if err != nil {
		t.Fatal(err)
	}
	x := teller{flow.NewClassifier(rules.Networks, services), map[netip.Addr]flow.CountRule{}}
	for _, c := range rules.Counting {
		x.rules[c.Exporter] = c
	}
	return x
}

func (x teller) tell(r *record) (flow.Ends, bool) {
	rule, known := x.rules[r.Exporter]
	return x.classifier.Classify(&r.Record), !known || rule.Counts(&r.Record)
}

func (x teller) insert(ctx context.Context, conn driver.Conn, list []record) error {
	batch, err := conn.PrepareBatch(ctx, insertRecords)
	if err != nil {
		return err
	}
	defer batch.Close()
	for i := range list {
		ends, counted := x.tell(&list[i])
		if err := list[i].appendTo(batch, ends, counted); err != nil {
			return err
		}
	}
	return batch.Send()
}

// told is how a stored flow is told.
type told struct {
	Ends    flow.Ends
	Counted bool
}

// stored reads how the flows are told, by the id of the record.
func stored(t *testing.T, conn driver.Conn) map[uint64]told {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT packets, toUInt8(direction), counted, host, peer, host_port, peer_port, unmatched_dst,
		host_mac, peer_mac, host_as, peer_as, service FROM flows`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got := map[uint64]told{}
	for rows.Next() {
		var id uint64
		var direction uint8
		var w told
		e := &w.Ends
		if err := rows.Scan(&id, &direction, &w.Counted, &e.Host, &e.Peer, &e.HostPort, &e.PeerPort, &e.UnmatchedDst,
			&e.HostMAC, &e.PeerMAC, &e.HostAS, &e.PeerAS, &e.Service); err != nil {
			t.Fatal(err)
		}
		e.Direction = flow.Direction(direction)
		if _, twice := got[id]; twice {
			t.Errorf("record %d is stored twice", id)
		}
		got[id] = w
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return got
}

// wantTold compares the stored flows, row by row, with what the ingest makes
// of the records.
func wantTold(t *testing.T, conn driver.Conn, rules schema.Rules, list []record) {
	t.Helper()
	x := newTeller(t, rules)
	got := stored(t, conn)
	if len(got) != len(list) {
		t.Errorf("%d flows are stored, want %d", len(got), len(list))
	}
	six := cmp.Transformer("six", func(a netip.Addr) [16]byte { return a.As16() })
	wrong := 0
	for i := range list {
		ends, counted := x.tell(&list[i])
		if diff := cmp.Diff(told{ends, counted}, got[list[i].id], six); diff != "" {
			if wrong++; wrong > 3 {
				t.Fatal("and more")
			}
			t.Errorf("%+v (-want +got):\n%s", list[i].Record, diff)
		}
	}
}

func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

func testRules() []schema.Rules {
	a, b, c := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1")
	return []schema.Rules{
		{Networks: flow.DefaultLocal()},
		{Networks: prefixes("192.168.1.20/32", "203.0.113.0/24", "fd00::/8", "2001:db8:9::/56"), Counting: []flow.CountRule{{Exporter: a, Interfaces: []uint32{1, 3}}, {Exporter: b, Observed: flow.Egress}}},
		{Networks: prefixes("198.51.100.0/29", "2001:db8::/32"), Counting: []flow.CountRule{{Exporter: a, None: true}, {Exporter: b}, {Exporter: c, Interfaces: []uint32{0}, Observed: flow.Ingress}}},
		{Networks: flow.DefaultLocal(), Counting: []flow.CountRule{{Exporter: a}}},
	}
}

// Retell makes of every stored flow, row by row, what the ingest would have
// made of its record by the new rules; and the way back leads to what was.
func TestRetellIsWhatTheIngestWouldHaveTold(t *testing.T) {
	conn, _ := applied(t, "Pacific/Auckland")
	list := randomRecords(rand.New(rand.NewPCG(21, 22)), 5000, 1)
	rules := testRules()
	if err := newTeller(t, rules[0]).insert(t.Context(), conn, list); err != nil {
		t.Fatal(err)
	}
	before := totals(t, conn)
	for i, next := range rules {
		next.Patience = time.Nanosecond
		if n, err := schema.Strays(t.Context(), conn, next); err != nil || (n == 0) != (i == 0) {
			t.Errorf("rules %d: %d strays before, %v", i, n, err)
		}
		if err := schema.Retell(t.Context(), conn, next, nil); err != nil {
			t.Fatal(err)
		}
		wantTold(t, conn, next, list)
		verified(t, conn)
		wantNoLeftovers(t, conn)
		if n, err := schema.Strays(t.Context(), conn, next); err != nil || n != 0 {
			t.Errorf("rules %d: %d strays afterwards, %v", i, n, err)
		}
	}
	if diff := cmp.Diff(before, totals(t, conn)); diff != "" {
		t.Errorf("totals after the way there and back (-before +after):\n%s", diff)
	}
}

// While flows keep coming in that are told by the former rules, each of them
// ends up told by the new ones, none lost and none twice.
func TestRetellUnderIngest(t *testing.T) {
	conn, _ := applied(t, "Pacific/Auckland")
	rules := testRules()
	former, next := newTeller(t, rules[0]), rules[1]
	next.Patience = 300 * time.Millisecond
	r := rand.New(rand.NewPCG(23, 24))
	all := randomRecords(r, 3000, 1)
	if err := former.insert(t.Context(), conn, all); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	came := make(chan []record)
	go func() {
		var list []record
		id := uint64(1_000_000)
		for ctx.Err() == nil {
			batch := randomRecords(r, 40, id)
			id += 40
			for {
				err := former.insert(t.Context(), conn, batch)
				if err == nil {
					break
				}
				if !schema.IsPaused(err) {
					t.Errorf("insert: %v", err)
					break
				}
				time.Sleep(2 * time.Millisecond)
			}
			list = append(list, batch...)
		}
		came <- list
	}()
	// The ingest takes the new rules into use only when the tables are in place.
	err := schema.Retell(t.Context(), conn, next, func(done, total int) {
		if done > total/2 {
			stop()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	late := <-came
	// What came after the last look is for the next run, as from a spool.
	if n, err := schema.Strays(t.Context(), conn, next); err != nil {
		t.Fatal(err)
	} else if n > 0 {
		if err := schema.Retell(t.Context(), conn, next, nil); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d flows came meanwhile", len(late))
	wantTold(t, conn, next, append(all, late...))
	verified(t, conn)
	wantNoLeftovers(t, conn)
}

// attachDuring puts rows into flows past the views, as settling a doubted
// batch does, when the statement that begins with a text is run.
type attachDuring struct {
	driver.Conn

	at   string
	done bool
	do   func()
}

func (c *attachDuring) Exec(ctx context.Context, query string, args ...any) error {
	if !c.done && strings.HasPrefix(query, c.at) {
		c.done = true
		c.do()
	}
	return c.Conn.Exec(ctx, query, args...)
}

// A batch that is put back into flows past the views while flows are told anew
// is neither lost nor doubled.
func TestRetellSeesAttachedRows(t *testing.T) {
	conn, _ := applied(t, "Pacific/Auckland")
	rules := testRules()
	former, next := newTeller(t, rules[0]), rules[2]
	next.Patience = time.Nanosecond
	r := rand.New(rand.NewPCG(25, 26))
	all, late := randomRecords(r, 500, 1), randomRecords(r, 100, 10_000)
	if err := former.insert(t.Context(), conn, all); err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "CREATE TABLE aside AS flows")
	batch, err := conn.PrepareBatch(t.Context(), strings.Replace(insertRecords, "INTO flows", "INTO aside", 1))
	if err != nil {
		t.Fatal(err)
	}
	for i := range late {
		ends, counted := former.tell(&late[i])
		if err := late[i].appendTo(batch, ends, counted); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	watched := &attachDuring{Conn: conn, at: "INSERT INTO next_flows", do: func() {
		exec(t, conn, "ALTER TABLE flows ATTACH PARTITION ID '202611' FROM aside")
	}}
	if err := schema.Retell(t.Context(), watched, next, nil); err != nil {
		t.Fatal(err)
	}
	if !watched.done {
		t.Fatal("nothing was attached meanwhile")
	}
	exec(t, conn, "DROP TABLE aside SYNC")
	wantTold(t, conn, next, append(all, late...))
	verified(t, conn)
	wantNoLeftovers(t, conn)
}

// Cut off at any statement, and taken up by the next start, the flows are told
// wholly one way or the other, and the rollups agree with them.
func TestRetellInterrupted(t *testing.T) {
	conn, dsn := applied(t, "Pacific/Auckland")
	rules := testRules()
	list := randomRecords(rand.New(rand.NewPCG(27, 28)), 600, 1)
	if err := newTeller(t, rules[0]).insert(t.Context(), conn, list); err != nil {
		t.Fatal(err)
	}
	former, next := rules[0], rules[1]
	former.Patience, next.Patience = time.Nanosecond, time.Nanosecond
	whole := &cutOff{conn, 1 << 30}
	if err := schema.Retell(t.Context(), whole, former, nil); err != nil {
		t.Fatal(err)
	}
	n := 1<<30 - whole.left // statements it takes
	there := 0
	for _, statements := range []int{2, n / 2, n - 22, n - 17, n - 11, n - 5} {
		if err := schema.Retell(t.Context(), &cutOff{conn, statements}, next, nil); !errors.Is(err, errCutOff) {
			t.Fatalf("after %d of %d statements: got %v, want that it is cut off", statements, n, err)
		}
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn}); err != nil {
				t.Fatal(err)
			}
			// The server may take a moment to see that the lock's holder is gone.
			if len(leftovers(t, conn)) == 0 || time.Now().After(deadline) {
				break
			}
		}
		now := former
		if strays, err := schema.Strays(t.Context(), conn, next); err != nil {
			t.Fatal(err)
		} else if strays == 0 {
			now, there = next, there+1
		}
		wantTold(t, conn, now, list)
		verified(t, conn)
		if left := leftovers(t, conn); len(left) > 0 { // but a pause that was cut off ends by itself
			t.Errorf("tables left over: %v", left)
		}
		if t.Failed() {
			t.Fatalf("after %d of %d statements", statements, n)
		}
		if strays, err := schema.Strays(t.Context(), conn, former); err != nil {
			t.Fatal(err)
		} else if strays > 0 {
			former, next = next, former
		}
	}
	t.Logf("%d statements; the new rules held after %d cuts", n, there)
	if there == 0 {
		t.Error("the new rules held after no cut, want some that fall into the swap")
	}
}

// What rollups hold of the time before the raw flows is kept, whatever the raw
// flows become.
func TestRetellKeepsOlderHistory(t *testing.T) {
	conn, _ := applied(t, "Pacific/Auckland")
	r := rand.New(rand.NewPCG(29, 30))
	for month := time.September; month <= time.November; month++ {
		insert(t, conn, randomRows(r, 200, time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC), 3))
		insert(t, conn, randomRows(r, 100, time.Date(2026, month, 28, 0, 0, 0, 0, time.UTC), 3))
	}
	from, older, err := schema.HistoryFrom(t.Context(), conn)
	if err != nil || older || from.Month() != time.September {
		t.Errorf("history from %v, older %v, %v; want September and nothing older", from, older, err)
	}
	rules := schema.Rules{Networks: prefixes("192.168.1.20/32", "203.0.113.0/24"), Patience: time.Nanosecond}
	if err := schema.Retell(t.Context(), conn, rules, nil); err != nil { // everything counts from here on
		t.Fatal(err)
	}
	before := totals(t, conn)
	exec(t, conn, "ALTER TABLE flows DROP PARTITION ID '202609'")
	from, older, err = schema.HistoryFrom(t.Context(), conn)
	if err != nil || !older || from.Month() != time.October {
		t.Errorf("history from %v, older %v, %v; want October and something older", from, older, err)
	}
	rules.Networks = prefixes("192.168.0.0/16", "fd00::/8")
	if err := schema.Retell(t.Context(), conn, rules, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, totals(t, conn)); diff != "" {
		t.Errorf("totals (-before +after):\n%s", diff)
	}
	verified(t, conn)
}

// A recut that is cut off while it puts its tables in place, with raw flows
// told anew and rollups of the former telling beside each other, ends as one
// that was not cut off: also for flows that reach back into the time whose raw
// flows have been dropped.
func TestRetellInterruptedKeepsOlderHistory(t *testing.T) {
	const swap = 30 // statements from before the swap to the end, at least
	month := func(m time.Month) time.Time { return time.Date(2026, m, 1, 0, 0, 0, 0, time.UTC) }
	rules := schema.Rules{Networks: prefixes("203.0.113.0/24", "2001:db8::/32"), Patience: time.Nanosecond}
	prepare := func() (driver.Conn, string) {
		conn, dsn := applied(t, "Pacific/Auckland")
		r := rand.New(rand.NewPCG(33, 34))
		for m := time.August; m <= time.October; m++ {
			insert(t, conn, randomRows(r, 100, month(m), 31))
		}
		var reaching []row // they end in the first hours of a month, and begin before it
		for i := range 40 {
			for _, m := range []time.Month{time.September, time.October} {
				long := flowAt(month(m).Add(time.Duration(i)*5*time.Minute).Format(time.RFC3339), fmt.Sprintf("192.168.1.%d", i))
				long.durationMs = 36 * 3600_000
				reaching = append(reaching, long)
			}
		}
		insert(t, conn, reaching)
		exec(t, conn, "ALTER TABLE flows DROP PARTITION ID '202608'")
		exec(t, conn, "ALTER TABLE usage_15m DROP PARTITION ID '202607'")
		return conn, dsn
	}
	conn, _ := prepare()
	whole := &cutOff{conn, 1 << 30}
	if err := schema.Retell(t.Context(), whole, rules, nil); err != nil {
		t.Fatal(err)
	}
	n, want := 1<<30-whole.left, dump(t, conn)
	inSwap := 0
	for statements := n - swap; statements < n; statements += 6 {
		conn, dsn := prepare()
		if err := schema.Retell(t.Context(), &cutOff{conn, statements}, rules, nil); !errors.Is(err, errCutOff) {
			t.Fatalf("after %d of %d statements: got %v, want that it is cut off", statements, n, err)
		}
		if slices.Contains(leftovers(t, conn), "next_swap") {
			inSwap++
		}
		for deadline := time.Now().Add(10 * time.Second); len(leftovers(t, conn)) > 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn}); err != nil {
				t.Fatal(err)
			}
		}
		wantNoLeftovers(t, conn)
		if strays, err := schema.Strays(t.Context(), conn, rules); err != nil {
			t.Fatal(err)
		} else if strays > 0 { // cut off before the swap: nothing has changed
			if err := schema.Retell(t.Context(), conn, rules, nil); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, dump(t, conn)); diff != "" {
			t.Errorf("cut off after %d of %d statements, rollups (-whole +cut off):\n%s", statements, n, diff)
		}
		verified(t, conn)
	}
	if inSwap < 2 {
		t.Errorf("%d cuts fell into the swap, want more", inSwap)
	}
}

// dump returns the rows of the rollups, as text.
func dump(t *testing.T, conn driver.Conn) []string {
	t.Helper()
	var rows []string
	for table, keys := range map[string]string{
		"usage_15m": "bucket, host, protocol, service", "daily_total": "day", "daily_host": "day, host", "daily_protocol": "day, protocol, service",
		"daily_host_protocol": "day, host, protocol, service", "daily_peer": "day, host, peer",
	} {
		var list []string
		sql := fmt.Sprintf("SELECT groupArray(text) FROM (SELECT concat('%s ', toString(tuple(%s, sum(received), sum(sent), sum(internal), sum(unmatched), sum(packets), sum(flows)))) AS text FROM %[1]s GROUP BY %[2]s HAVING sum(received + sent + internal + unmatched + packets + flows) > 0)", table, keys)
		if err := conn.QueryRow(t.Context(), sql).Scan(&list); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, list...)
	}
	slices.Sort(rows)
	return rows
}

// Every column of flows is either part of what makes a flow itself or of how
// it is told.
func TestFlowIdentityCoversEveryColumn(t *testing.T) {
	conn, _ := applied(t, "UTC")
	var columns []string
	if err := conn.QueryRow(t.Context(), "SELECT groupArray(name) FROM system.columns WHERE database = currentDatabase() AND table = 'flows' AND default_kind != 'ALIAS'").Scan(&columns); err != nil {
		t.Fatal(err)
	}
	toldBy := []string{"direction", "counted", "host", "peer", "host_port", "peer_port", "unmatched_dst"} // src_addr and so on stand for them
	for _, c := range columns {
		if !strings.Contains(schema.FlowIdentity, c) && !slices.Contains(toldBy, c) {
			t.Errorf("column %s is compared by nothing", c)
		}
	}
	if err := conn.Exec(t.Context(), fmt.Sprintf("SELECT cityHash64(%s) FROM flows", schema.FlowIdentity)); err != nil {
		t.Error(err)
	}
}

func TestRetellNeedsNetworks(t *testing.T) {
	conn, _ := applied(t, "UTC")
	if err := schema.Retell(t.Context(), conn, schema.Rules{}, nil); err == nil || !strings.Contains(err.Error(), "no local networks") {
		t.Errorf("got %v, want that networks are missing", err)
	}
}
