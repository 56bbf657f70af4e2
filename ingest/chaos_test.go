package ingest_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/ingest"
)

// killsARound is how many kills one database sees before everything that was
// sent is compared with what is stored.
const killsARound = 10

// amount is a number that the environment may set: the tests that `make test`
// runs in seconds are the ones that `make chaos` runs for long.
func amount(t *testing.T, variable string, short int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// between is a random time.
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)))
}

// rounds runs kills in rounds, each in a database of its own.
func rounds(t *testing.T, kills int, round func(t *testing.T, kills int)) {
	t.Helper()
	for done := 0; done < kills; done += killsARound {
		n := min(killsARound, kills-done)
		t.Run(fmt.Sprintf("kills %d to %d of %d", done+1, done+n, kills), func(t *testing.T) { round(t, n) })
		if t.Failed() {
			return
		}
	}
}

// ClickHouse is killed at random instants while flows arrive: in the middle of
// inserts, of merges and of repairs. Every record is stored once, to the byte,
// and every rollup equals that.
func TestChaosClickHouse(t *testing.T) {
	kills := amount(t, "FLATTRAFFIC_CHAOS_CLICKHOUSE", 3)
	rate := amount(t, "FLATTRAFFIC_CHAOS_RATE", 20_000)
	engine := clickhousetest.Engine(t)
	r := newRandom()
	var records, total int
	began := time.Now()
	rounds(t, kills, func(t *testing.T, kills int) {
		t.Helper()
		conn, dsn := engine.Database(t)
		migrate(t, conn, dsn)
		registry := prometheus.NewRegistry()
		s := start(t, options{conn: conn, dsn: dsn, registry: registry, config: ingest.Config{FlushInterval: 200 * time.Millisecond}})
		l := newLoad(t)
		stop := l.run(s.Health().Listening[0], rate)
		for n := 0; n < kills; {
			if n%2 == 0 { // while it works normally; else while it repairs what the last kill left
				within(t, 5*time.Minute, "ClickHouse to be back", func() bool { return s.Health().AwaySince.IsZero() })
			}
			time.Sleep(between(r, 50*time.Millisecond, 1500*time.Millisecond))
			if engine.Kill() == nil { // else it is not up again yet
				n++
				total++
			}
		}
		stop()
		drained := time.Now()
		settle(t, s, registry, len(l.shipped))
		s.stop()
		unread(t, l, l.compare(conn), dropped(t, registry))
		records += len(l.shipped) * perDatagram
		t.Logf("%d kills so far in %v; %d records in this round at %.0f a second, drained in %v; %d records exact so far",
			total, time.Since(began).Round(time.Second), len(l.shipped)*perDatagram, l.rate(), time.Since(drained).Round(time.Millisecond), records)
	})
	t.Logf("ClickHouse was killed %d times (started unclean %d times) under %d records; every one is stored once and every rollup equals raw", total, engine.UncleanStarts(), records)
}

// settle waits until an ingest has read all datagrams and delivered them.
func settle(t *testing.T, s *service, registry *prometheus.Registry, datagrams int) {
	t.Helper()
	within(t, 5*time.Minute, "all datagrams to be read", func() bool {
		return metric(t, registry, "flattraffic_datagrams_received_total")+kernelDrops(t, registry) >= float64(datagrams)
	})
	time.Sleep(2 * flushInterval)
	within(t, 15*time.Minute, "the spool to drain", func() bool { return s.Health().SpoolBatches == 0 })
}

// dropped is how many datagrams were not used, for whatever reason.
func dropped(t *testing.T, registry *prometheus.Registry) int {
	t.Helper()
	return int(metric(t, registry, "flattraffic_datagrams_dropped_total"))
}

// kernelDrops is how many datagrams the sockets dropped.
func kernelDrops(t *testing.T, registry *prometheus.Registry) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "flattraffic_datagrams_dropped_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == "kernel_drops" {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// unread fails when datagrams are missing beyond those that the ingest itself
// says it dropped; on a socket that dropped none, that is any.
func unread(t *testing.T, l *load, missing []int, dropped int) {
	t.Helper()
	if len(missing) != dropped {
		t.Errorf("%d of %d datagrams are not stored, %d are counted as dropped", len(missing), len(l.shipped), dropped)
	}
	if dropped > 0 {
		t.Logf("the machine was too busy: %d of %d datagrams were dropped before they were read, and counted", dropped, len(l.shipped))
	}
}

// The ingest is killed at random instants while flows arrive, each time as a
// process of its own. Nothing is stored twice, every rollup equals raw, and
// what is lost is what had been read for less than the flush interval.
func TestChaosIngest(t *testing.T) {
	kills := amount(t, "FLATTRAFFIC_CHAOS_INGEST", 2)
	rate := amount(t, "FLATTRAFFIC_CHAOS_RATE", 20_000)
	r := newRandom()
	var total, records, lost int
	var oldest []time.Duration
	began := time.Now()
	rounds(t, kills, func(t *testing.T, kills int) {
		t.Helper()
		conn, dsn := database(t)
		dir := t.TempDir()
		l := newLoad(t)
		var killed []time.Time
		var from []int // number of the first datagram of each life
		for range kills {
			c := startChild(t, dsn, dir)
			from = append(from, len(l.shipped))
			stop := l.run(c.address, rate)
			time.Sleep(between(r, 100*time.Millisecond, 2500*time.Millisecond))
			_, drops := c.socket()
			killed = append(killed, c.kill())
			stop()
			total++
			if drops > 0 {
				t.Errorf("the socket dropped %d datagrams: what was lost by the kill cannot be told", drops)
			}
		}
		last := startChild(t, dsn, dir)
		within(t, 5*time.Minute, "the spool to drain", func() bool { return spooled(t, dir) == 0 })
		last.stop()
		for _, number := range l.compare(conn) {
			life, found := slices.BinarySearch(from, number)
			if !found {
				life--
			}
			if age := killed[life].Sub(l.shipped[number].at); age > 0 { // else nobody was there to take it
				lost++
				oldest = append(oldest, age)
			}
		}
		records += len(l.shipped) * perDatagram
		t.Logf("%d kills so far in %v; %d records in this round at %.0f a second; %d datagrams lost so far, the oldest %v before its kill",
			total, time.Since(began).Round(time.Second), len(l.shipped)*perDatagram, l.rate(), lost, slices.Max(append(oldest, 0)).Round(time.Millisecond))
	})
	// Reading, encoding and writing take time of their own on a busy machine.
	const allowance = 2 * time.Second
	if worst := slices.Max(append(oldest, 0)); worst > flushInterval+allowance {
		t.Errorf("a datagram was lost that was sent %v before the kill, want at most the flush interval of %v", worst, flushInterval)
	}
	t.Logf("the ingest was killed %d times under %d records: %d records lost, nothing doubled, every rollup equals raw", total, records, lost*perDatagram)
}

// spooled counts the batches in the spool of an ingest.
func spooled(t *testing.T, dir string) (n int) {
	t.Helper()
	for _, ending := range []string{".batch", ".sent", ".acked"} {
		files, err := filepath.Glob(filepath.Join(dir, "ingest", "spool", "*"+ending))
		if err != nil {
			t.Fatal(err)
		}
		n += len(files)
	}
	return n
}

// ClickHouse is away for long and comes back while flows go on: everything is
// exact, and the backlog is gone in less time than it took to arrive.
func TestOutage(t *testing.T) {
	away := time.Duration(amount(t, "FLATTRAFFIC_OUTAGE_SECONDS", 3)) * time.Second
	rate := amount(t, "FLATTRAFFIC_OUTAGE_RATE", 5000)
	engine := clickhousetest.Engine(t)
	conn, dsn := engine.Database(t)
	migrate(t, conn, dsn)
	registry := prometheus.NewRegistry()
	s := start(t, options{conn: conn, dsn: dsn, registry: registry, config: ingest.Config{FlushInterval: flushInterval}})
	l := newLoad(t)
	stop := l.run(s.Health().Listening[0], rate)
	time.Sleep(time.Second)
	back := engine.Away(t)
	progress := max(away/10, time.Second)
	for end := time.Now().Add(away); time.Now().Before(end); {
		time.Sleep(min(progress, time.Until(end)))
		h := s.Health()
		t.Logf("ClickHouse is away; %d batches of %d MB wait, memory %d MB", h.SpoolBatches, h.SpoolBytes>>20, residentBytes(t, os.Getpid())>>20)
	}
	waiting := s.Health()
	back()
	began := time.Now()
	// While flows go on there is always a batch or two on its way.
	within(t, away+time.Minute, "the backlog to drain", func() bool { return s.Health().AwaySince.IsZero() && s.Health().SpoolBatches <= 2 })
	took := time.Since(began)
	stop()
	settle(t, s, registry, len(l.shipped))
	s.stop()
	unread(t, l, l.compare(conn), dropped(t, registry))
	if away >= time.Minute && took >= away {
		t.Errorf("the backlog of %v took %v to drain", away, took)
	}
	t.Logf("ClickHouse was away for %v at %.0f records a second; %d batches of %d MB waited and drained in %v while flows went on; all %d records exact",
		away, l.rate(), waiting.SpoolBatches, waiting.SpoolBytes>>20, took.Round(time.Millisecond), len(l.shipped)*perDatagram)
}
