package deliver_test

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/ingest/deliver"
	"github.com/flattraffic/flattraffic/schema"
)

// cutter stands between a Deliverer and ClickHouse. While armed it lets an
// insert through but not its acknowledgement: it waits until ClickHouse has
// done its work, calls done, and cuts the connection.
type cutter struct {
	addr  string
	armed atomic.Int32 // acknowledgements to withhold
	done  func()
}

func newCutter(t *testing.T, target string) *cutter {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	c := &cutter{addr: listener.Addr().String(), done: func() {}}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := new(net.Dialer).DialContext(context.WithoutCancel(t.Context()), "tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			go c.pipe(client, server)
		}
	}()
	return c
}

func (c *cutter) pipe(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	var sent atomic.Int64
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := client.Read(buf)
			if err != nil {
				return
			}
			if _, err := server.Write(buf[:n]); err != nil {
				return
			}
			sent.Add(int64(n))
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		// The block of rows is far longer than anything sent before it.
		if sent.Load() > 20_000 && c.armed.Load() > 0 {
			c.armed.Add(-1)
			time.Sleep(500 * time.Millisecond)
			c.done()
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// through dials a database by way of a cutter.
func through(t *testing.T, dsn string) (*cutter, deliver.DialFunc) {
	t.Helper()
	opts, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c := newCutter(t, opts.Addr[0])
	return c, func(ctx context.Context) (*ch.Client, error) {
		return ch.Dial(ctx, ch.Options{
			Address: c.addr, Database: opts.Auth.Database, User: opts.Auth.Username, Password: opts.Auth.Password,
			Compression: ch.CompressionLZ4, ReadTimeout: 10 * time.Second,
		})
	}
}

// A batch whose acknowledgement is lost is sent again and counts once; the
// rollups are brought in line for just the time it touches.
func TestLostAcknowledgementCountsOnce(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	migrate(t, conn, dsn)
	cut, dial := through(t, dsn)
	cut.armed.Store(2) // the repeat's acknowledgement is lost too
	h := run(t, deliver.Config{}, deliver.Deps{Dial: dial})
	r := rand.New(rand.NewPCG(11, 12))
	var want sums
	at := newYear.Add(48 * time.Hour)
	for range 3 {
		rows := randomRows(t, r, 2000, at)
		want.add(rows)
		h.Append(rows)
	}
	waitFor(t, "all batches", func() bool { return h.Health().SpoolBatches == 0 && len(h.reconciliations()) > 0 })
	h.stop()
	check(t, conn, want)
	if got := cut.armed.Load(); got != 0 {
		t.Errorf("%d acknowledgements were not withheld", got)
	}
	for _, span := range h.reconciliations() {
		if span[0].Before(at.Add(-4*time.Hour)) || span[1].After(at.Add(time.Minute)) || !span[0].Before(span[1]) {
			t.Errorf("reconciled %s to %s, want the batch's time only", span[0], span[1])
		}
	}
	noRepairTables(t, conn)
}

// The engine may skip a repeated batch it never stored (its deduplication log
// is written before the part). The rows are put back into flows without
// passing the views again.
func TestSwallowedBatchIsPutBack(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	migrate(t, conn, dsn)
	cut, dial := through(t, dsn)
	r := rand.New(rand.NewPCG(13, 14))
	at := newYear.Add(48 * time.Hour)
	h := run(t, deliver.Config{}, deliver.Deps{Dial: dial})
	before := randomRows(t, r, 300, at)
	h.Append(before)
	waitFor(t, "a first batch", func() bool { return h.Health().SpoolBatches == 0 && count(t, conn, "flows") == 300 })

	// A deleted row stays in the deduplication log: from outside that is a batch
	// the table believes to have.
	lost := randomRows(t, r, 2000, at.Add(time.Hour))
	cut.done = func() {
		err := conn.Exec(context.WithoutCancel(t.Context()), "ALTER TABLE flows DELETE WHERE received_at = toDateTime("+
			timestamp(at.Add(time.Hour))+") SETTINGS mutations_sync = 2")
		if err != nil {
			t.Error(err)
		}
	}
	cut.armed.Store(1)
	h.Append(lost)
	waitFor(t, "the batch to be settled", func() bool { return len(h.reconciliations()) == 1 && h.Health().SpoolBatches == 0 })
	after := randomRows(t, r, 300, at)
	h.Append(after)
	h.stop()
	var want sums
	for _, rows := range [][]deliver.Row{before, lost, after} {
		want.add(rows)
	}
	check(t, conn, want)
	noRepairTables(t, conn)
}

// What an earlier process sent without an answer is settled by the next one.
func TestDoubtOutlivesARestart(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	migrate(t, conn, dsn)
	cut, dial := through(t, dsn)
	cfg := deliver.Config{Dir: t.TempDir()}
	r := rand.New(rand.NewPCG(15, 16))
	rows := randomRows(t, r, 2000, newYear.Add(48*time.Hour))
	var want sums
	want.add(rows)

	cut.armed.Store(1000)
	first := run(t, cfg, deliver.Deps{Dial: dial})
	first.Append(rows)
	waitFor(t, "the batch to be sent", func() bool { return !first.Health().AwaySince.IsZero() })
	first.stop()
	if got := len(spoolFiles(t, cfg.Dir, ".sent")); got != 1 {
		t.Fatalf("got %d batches in doubt, want 1", got)
	}

	cut.armed.Store(0)
	second := run(t, cfg, deliver.Deps{Dial: dial})
	waitFor(t, "the batch to be settled", func() bool { return second.Health().SpoolBatches == 0 })
	second.stop()
	if got := len(second.reconciliations()); got != 1 {
		t.Errorf("got %d reconciliations, want 1", got)
	}
	check(t, conn, want)
	noRepairTables(t, conn)
}

// ClickHouse is killed again and again while flows arrive.
func TestKilledClickHouse(t *testing.T) {
	engine := clickhousetest.Engine(t)
	conn, dsn := engine.Database(t)
	migrate(t, conn, dsn)
	dial, err := deliver.Dialer(dsn)
	if err != nil {
		t.Fatal(err)
	}
	h := run(t, deliver.Config{FlushInterval: 100 * time.Millisecond}, deliver.Deps{Dial: dial})
	r := rand.New(rand.NewPCG(17, 18))
	batches := make([][]deliver.Row, 20)
	for i := range batches {
		batches[i] = randomRows(t, r, 500, newYear.Add(48*time.Hour))
	}
	var want sums
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			h.Append(batches[i%len(batches)])
			want.add(batches[i%len(batches)])
		}
	}()
	for range 5 {
		time.Sleep(time.Duration(300+r.IntN(500)) * time.Millisecond)
		engine.Kill9(t)
	}
	time.Sleep(200 * time.Millisecond)
	close(stop)
	<-ended
	waitFor(t, "the spool to drain", func() bool { return h.Health().SpoolBatches == 0 })
	h.stop()
	check(t, conn, want)
	t.Logf("%d records, %d kills, %d reconciliations", want.Rows, 5, len(h.reconciliations()))
}

// While the schema's maintenance holds inserts back, which it does by a
// constraint, batches wait; ClickHouse is not away, and nothing is in doubt.
func TestHeldBackInserts(t *testing.T) {
	conn, dial := database(t)
	h := run(t, deliver.Config{}, deliver.Deps{Dial: dial})
	if err := conn.Exec(t.Context(), "ALTER TABLE flows ADD CONSTRAINT paused CHECK now64(3, 'UTC') >= toDateTime64('2100-01-01 00:00:00', 3, 'UTC')"); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(19, 20))
	var want sums
	for range 3 {
		rows := randomRows(t, r, 500, newYear.Add(48*time.Hour))
		want.add(rows)
		h.Append(rows)
		time.Sleep(150 * time.Millisecond)
	}
	if got := h.Health(); got.SpoolBatches == 0 || !got.AwaySince.IsZero() {
		t.Errorf("got health %+v, want batches that wait for a ClickHouse that is there", got)
	}
	if err := conn.Exec(t.Context(), "ALTER TABLE flows DROP CONSTRAINT paused"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the batches", func() bool { return h.Health().SpoolBatches == 0 })
	h.stop()
	check(t, conn, want)
	if got := len(h.reconciliations()); got != 0 {
		t.Errorf("got %d reconciliations, want none", got)
	}
}

// tellAnew tells all flows by rules that differ from those they came in by.
func tellAnew(t *testing.T, conn driver.Conn, n int) {
	t.Helper()
	networks := [][]string{{"10.0.0.0/8"}, {"192.168.0.0/16", "203.0.113.0/24"}, {"198.51.100.0/24", "fd00::/8", "2001:db8::/32"}}
	rules := schema.Rules{Patience: time.Nanosecond}
	for _, p := range networks[n%len(networks)] {
		rules.Networks = append(rules.Networks, netip.MustParsePrefix(p))
	}
	// Batches that arrive meanwhile by other rules would make it begin anew; the
	// test only needs every row once.
	if err := schema.Retell(t.Context(), conn, rules, nil); err != nil && !strings.Contains(err.Error(), "keep coming in") {
		t.Error(err)
	}
}

// wantOnce compares raw with what was appended, however it is told by now, and
// every rollup with raw.
func wantOnce(t *testing.T, conn driver.Conn, batches ...[]deliver.Row) {
	t.Helper()
	var want, got [3]uint64
	for _, rows := range batches {
		for _, r := range rows {
			want[0]++
			want[1] += r.Record.Bytes
			want[2] += r.Record.Packets
		}
	}
	if err := conn.QueryRow(t.Context(), "SELECT count(), sum(bytes), sum(packets) FROM flows").Scan(&got[0], &got[1], &got[2]); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("raw holds %d rows, %d bytes, %d packets; want %d, %d, %d", got[0], got[1], got[2], want[0], want[1], want[2])
	}
	report, err := schema.Verify(t.Context(), conn, schema.VerifyOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range report.Differences {
		t.Errorf("%v", d)
	}
	noRepairTables(t, conn)
}

// exclusive are the dependencies of a deliverer beside which the schema is
// maintained.
func exclusive(conn driver.Conn, dial deliver.DialFunc) deliver.Deps {
	return deliver.Deps{
		Dial: dial,
		Exclusive: func(ctx context.Context, fn func(context.Context) error) error {
			return schema.Exclusive(ctx, conn, fn)
		},
		Reconcile: func(ctx context.Context, from, to time.Time) error {
			_, err := schema.Reconcile(ctx, conn, from, to)
			return err
		},
	}
}

// A batch in doubt is known again although its rows have been told anew since
// it was sent.
func TestDoubtOutlivesTellingAnew(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	migrate(t, conn, dsn)
	cut, dial := through(t, dsn)
	cfg := deliver.Config{Dir: t.TempDir()}
	r := rand.New(rand.NewPCG(41, 42))
	rows := randomRows(t, r, 2000, newYear.Add(48*time.Hour))
	cut.armed.Store(1000)
	first := run(t, cfg, exclusive(conn, dial))
	first.Append(rows)
	waitFor(t, "the batch to be sent", func() bool { return !first.Health().AwaySince.IsZero() })
	first.stop()
	if got := len(spoolFiles(t, cfg.Dir, ".sent")); got != 1 {
		t.Fatalf("got %d batches in doubt, want 1", got)
	}
	if got := count(t, conn, "flows"); got != 2000 {
		t.Fatalf("got %d rows, want the batch to be there", got)
	}
	tellAnew(t, conn, 1)

	cut.armed.Store(0)
	second := run(t, cfg, exclusive(conn, dial))
	waitFor(t, "the batch to be settled", func() bool { return second.Health().SpoolBatches == 0 })
	second.stop()
	wantOnce(t, conn, rows)
}

// Batches whose acknowledgement is lost, some of them swallowed, are settled
// while all flows are told anew again and again: none is lost or doubled.
func TestDoubtDuringTellingAnew(t *testing.T) {
	conn, dsn := clickhousetest.Database(t)
	migrate(t, conn, dsn)
	cut, dial := through(t, dsn)
	r := rand.New(rand.NewPCG(43, 44))
	h := run(t, deliver.Config{FlushInterval: 20 * time.Millisecond}, exclusive(conn, dial))
	at := newYear.Add(48 * time.Hour)
	before := randomRows(t, r, 3000, at)
	h.Append(before)
	waitFor(t, "a first batch", func() bool { return h.Health().SpoolBatches == 0 && count(t, conn, "flows") == 3000 })
	batches := [][]deliver.Row{before}
	told := make(chan struct{})
	go func() {
		defer close(told)
		for n := range 2 {
			tellAnew(t, conn, n)
		}
	}()
	for i := 0; i < 60; i++ {
		select {
		case <-told:
			i = 60
			continue
		default:
		}
		if i%6 == 0 {
			cut.armed.Store(1)
		}
		rows := randomRows(t, r, 800, at.Add(time.Duration(i)*time.Minute))
		batches = append(batches, rows)
		h.Append(rows)
		time.Sleep(30 * time.Millisecond)
	}
	<-told
	waitFor(t, "the spool to drain", func() bool { return h.Health().SpoolBatches == 0 })
	h.stop()
	wantOnce(t, conn, batches...)
	t.Logf("%d batches, %d acknowledgements not withheld", len(batches), cut.armed.Load())
}
