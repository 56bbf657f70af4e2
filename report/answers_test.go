package report

import (
	"context"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

// counting counts the statements of reports.
type counting struct {
	driver.Conn

	sent atomic.Int64
}

func (c *counting) Query(ctx context.Context, statement string, args ...any) (driver.Rows, error) {
	c.sent.Add(1)
	return c.Conn.Query(ctx, statement, args...)
}

// questionOf makes a request definite, as a report that begins now.
func questionOf(t *testing.T, r *Reports, req Request) *question {
	t.Helper()
	read, err := r.begin(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	q, err := r.definite(t.Context(), req, read)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// askedAgain are reports of every kind, over a month and over years.
func askedAgain(t *testing.T) []Request {
	t.Helper()
	const years = "from=2023-06-01&to=2026-03-21"
	var list []Request
	for _, one := range []struct {
		kind  Kind
		query string
	}{
		{Overview, years},
		{Hosts, "from=2025-12-20T06:00:00Z&to=2026-03-20T08:15:00Z"},
		{Days, years + "&protocol=dns"},
		{Protocols, years},
		{History, ""},
		{Ranges, years},
		{Host, years + "&host=192.168.1.20"},
	} {
		list = append(list, parse(t, one.kind, one.query))
	}
	return list
}

// TestAnswersKnown changes the tables in every way there is, and compares the
// reports of a program that knows answers from before with those of one that
// has just been started.
func TestAnswersKnown(t *testing.T) {
	const name = "Asia/Kathmandu"
	zone := location(t, name)
	now := time.Date(2026, 3, 20, 10, 20, 0, 0, zone)
	conn := database(t, name)
	old := randomRecords(3, time.Date(2023, 5, 20, 0, 0, 0, 0, zone), time.Date(2023, 9, 1, 0, 0, 0, 0, zone), 200)
	insert(t, conn, slices.Concat(old, randomRecords(4, time.Date(2025, 11, 20, 0, 0, 0, 0, zone), now, 600)))
	insertLedger(t, conn, quiet(now.AddDate(0, 0, -20), now)...)
	settings := settingsOf(plan(t, name, "12", nil))
	counted := &counting{Conn: conn}
	r := newReports(t, counted, settings, now)
	late := record{
		end: time.Date(2023, 7, 4, 12, 0, 0, 0, zone).Unix(), durationMs: 3_000_000, exporter: router, direction: flow.Received, counted: true,
		host: hosts[0], peer: peers[0], protocol: 17, service: 53, bytes: 123_456_789, packets: 1000,
	}
	present := late
	present.end = now.Add(-time.Minute).Unix()
	for _, step := range []struct {
		name   string
		change func()
		uneven bool // tables do not agree any more, and are asked until they do
	}{
		{"late flows of another year", func() { insert(t, conn, []record{late}) }, false},
		{"flows of now", func() { insert(t, conn, []record{present}) }, false},
		{"the ledger", func() { insertLedger(t, conn, ledgerRow{now.Add(-time.Hour), router, eventLostRecords, 7}) }, false},
		{"merges", func() { execute(t, conn, "OPTIMIZE TABLE daily_total FINAL") }, false},
		{"a mutation", func() {
			execute(t, conn, "ALTER TABLE daily_host DELETE WHERE day = '2026-03-01' SETTINGS mutations_sync = 2")
		}, true},
		{"days of another zone", func() { check(t, schema.SetZone(t.Context(), conn, "America/Havana", nil)) }, false},
		{"days of the plan's zone", func() { check(t, schema.SetZone(t.Context(), conn, name, nil)) }, false},
		{"the settings", func() { settings.Networks = slices.Delete(localNetworks(), 1, 2) }, false},
		{"the name of a network", func() {
			settings.Networks = slices.Clone(settings.Networks)
			settings.Networks[0].Name += " again"
		}, false},
		{"a device", func() { settings.Devices = []site.Device{{ID: "two", Addresses: slices.Clone(hosts[:2])}} }, false},
		{"whose it is", func() {
			settings.Devices = []site.Device{{ID: "two", Owner: "ann", Addresses: slices.Clone(hosts[:2])}}
		}, false},
		{"what is told anew", func() {
			check(t, schema.Retell(t.Context(), conn, schema.Rules{Networks: []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")}, Patience: time.Millisecond}, nil))
		}, false},
		{"months that are dropped", func() {
			execute(t, conn, "ALTER TABLE usage_15m DROP PARTITION 202307")
			execute(t, conn, "ALTER TABLE daily_total DROP PARTITION 2023")
		}, true},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.change()
			for _, req := range askedAgain(t) {
				want := run(t, newReports(t, conn, settings, now), req)
				var sent int64
				for try := 0; try < 2 || try < 8 && sent != 2 && !step.uneven; try++ { // the engine may merge parts meanwhile
					before := counted.sent.Load()
					got := run(t, r, req)
					sent = counted.sent.Load() - before
					if diff := cmp.Diff(want, got, same, cmp.AllowUnexported(billing.Renewal{}, billing.FreeTimes{}), locations); diff != "" {
						t.Fatalf("%s %v: -a program just started +this one\n%s", req.Kind, req.Query(), diff)
					}
				}
				if sent != 2 && !step.uneven {
					t.Errorf("%s %v: %d statements for what is known, want the 2 that look whether it is", req.Kind, req.Query(), sent)
				}
			}
		})
	}
}

// locations compares time zones by name.
var locations = cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func execute(t *testing.T, conn driver.Conn, statement string) {
	t.Helper()
	if err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// TestAnswersUnderIngest asks again and again while flows arrive: what was
// acknowledged before a report is in it.
func TestAnswersUnderIngest(t *testing.T) {
	const name = "Europe/Berlin"
	zone := location(t, name)
	now := time.Date(2026, 1, 3, 10, 20, 0, 0, zone)
	conn := database(t, name)
	r := newReports(t, conn, settingsOf(plan(t, name, "12", nil)), now)
	var acknowledged atomic.Uint64
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := range 60 {
			at := now.Add(-time.Minute)
			if i%5 == 0 {
				at = now.AddDate(-1, 0, 0)
			}
			insert(t, conn, []record{{
				end: at.Unix(), exporter: router, direction: flow.Received, counted: true,
				host: hosts[i%len(hosts)], peer: peers[0], protocol: 6, service: 443, bytes: 1000 + uint64(i), packets: 1,
			}})
			acknowledged.Add(1000 + uint64(i))
		}
	})
	var done atomic.Bool
	go func() { writing.Wait(); done.Store(true) }()
	for last := false; !last; {
		last = done.Load()
		for _, kind := range []Kind{Days, Hosts, Overview} {
			least := acknowledged.Load()
			got := run(t, r, parse(t, kind, "from=2024-01-01&to=2026-01-04")).Total.Received
			if got < least || last && got != least {
				t.Fatalf("%s: %d bytes, and %d had been acknowledged", kind, got, least)
			}
		}
	}
}

// TestAnswersBounded fills the memory of answers.
func TestAnswersBounded(t *testing.T) {
	a := newAnswers()
	names := make([]fingerprint, 40)
	for i := range names {
		names[i][0] = byte(i)
		a.keep(names[i], &sheet{}, answersLimit/16)
		a.get(names[0]) // it is used all the time
	}
	a.keep(fingerprint{1: 1}, &sheet{}, answersLimit)
	if a.size > answersLimit || len(a.byName) != 16 || a.latest.Len() != 16 {
		t.Errorf("%d bytes in %d answers, want at most %d in 16", a.size, len(a.byName), answersLimit)
	}
	for i, want := range map[int]bool{0: true, 1: false, 24: false, 26: true, 39: true} {
		if got := a.get(names[i]) != nil; got != want {
			t.Errorf("answer %d is kept: %v, want %v", i, got, want)
		}
	}
}

// TestReach checks which parts a statement may read.
func TestReach(t *testing.T) {
	in := reach{date(2025, 11, 30), date(2026, 2, 1)}
	for _, one := range []struct {
		first, last billing.Date
		want        bool
	}{
		{date(2025, 1, 1), date(2025, 11, 29), false},
		{date(2025, 1, 1), date(2025, 11, 30), true},
		{date(2025, 12, 24), date(2025, 12, 24), true},
		{date(2026, 2, 1), date(2026, 2, 28), true},
		{date(2026, 2, 2), date(2026, 2, 28), false},
		{date(2020, 1, 1), date(2027, 1, 1), true},
		{epoch, epoch, true}, // of a table whose parts do not tell their days
	} {
		p := part{first: uint16(number(one.first)), last: uint16(number(one.last))}
		if got := in.has(p); got != one.want {
			t.Errorf("%v to %v: %v, want %v", one.first, one.last, got, one.want)
		}
		if !(reach{}).has(p) {
			t.Errorf("%v to %v: not in the reach of all", one.first, one.last)
		}
	}
}

// TestPartsTellDays checks that the parts of each table that is partitioned by
// days tell which days they hold.
func TestPartsTellDays(t *testing.T) {
	conn := database(t, "Europe/Berlin")
	at := time.Date(2026, 3, 20, 23, 50, 0, 0, time.UTC) // the day after, in Berlin
	insert(t, conn, []record{{
		end: at.Unix(), durationMs: 1000, exporter: router, direction: flow.Received, counted: true,
		host: hosts[0], peer: peers[0], protocol: 6, service: 443, bytes: 1000, packets: 1,
	}})
	insertLedger(t, conn, ledgerRow{at, router, eventLostRecords, 7})
	r := newReports(t, conn, settingsOf(plan(t, "Europe/Berlin", "12", nil)), at)
	utc, local := uint16(number(date(2026, 3, 20))), uint16(number(date(2026, 3, 21)))
	want := map[string]uint16{
		"flows": utc, "usage_15m": utc, "ledger": utc,
		"daily_total": local, "daily_host": local, "daily_protocol": local, "daily_host_protocol": local, "daily_peer": local,
	}
	parts, err := r.parts(t.Context(), slices.Collect(maps.Keys(want)))
	check(t, err)
	for table, day := range want {
		if got := parts[table]; len(got) != 1 || got[0].first != day || got[0].last != day {
			t.Errorf("%s: %v, want one part of day %d", table, got, day)
		}
	}
}

// TestClosedMonthsStayKnown checks that flows of now, and what the ledger says of
// now, change the names of answers of this month only.
func TestClosedMonthsStayKnown(t *testing.T) {
	const name = "Europe/Berlin"
	zone := location(t, name)
	now := time.Date(2026, 11, 20, 10, 20, 0, 0, zone)
	conn := database(t, name)
	execute(t, conn, "SYSTEM STOP MERGES daily_host")
	execute(t, conn, "SYSTEM STOP MERGES ledger")
	insert(t, conn, randomRecords(6, now.AddDate(0, -6, 0), now.AddDate(0, 0, -1), 100))
	insertLedger(t, conn, quiet(now.AddDate(0, -6, 0), now)...)
	r := newReports(t, conn, settingsOf(plan(t, name, "12", nil)), now)
	names := func() map[string][]fingerprint {
		q := questionOf(t, r, parse(t, Host, "from=2026-05-20&to=2026-11-21&host=192.168.1.20"))
		w := q.window()
		at, _ := q.closed("ledger", w)
		queries := map[string][]query{
			"daily_host": q.hostQueries(dims{host: true}),
			"ledger":     {q.ledger(newWindow(w.start, at)).query("ledger", ledgerSQL, nil), q.ledger(newWindow(at, w.end)).query("ledger", ledgerSQL, nil)},
		}
		names := map[string][]fingerprint{}
		for table, list := range queries {
			for _, u := range list {
				one, known := u.name(q.reading.held)
				if !known || u.table != table {
					t.Fatalf("%s: the answer of %s is not known by its parts", table, u.table)
				}
				names[table] = append(names[table], one)
			}
		}
		return names
	}
	before := names()
	insert(t, conn, []record{{
		end: now.Add(-time.Minute).Unix(), exporter: router, direction: flow.Received, counted: true,
		host: hosts[0], peer: peers[0], protocol: 6, service: 443, bytes: 1000, packets: 1,
	}})
	insertLedger(t, conn, ledgerRow{now.Add(-time.Minute), router, eventLostRecords, 7})
	for table, after := range names() {
		if b := before[table]; len(b) != 2 || len(after) != 2 || b[0] != after[0] || b[1] == after[1] {
			t.Errorf("%s: flows of now changed %v to %v, want the second only", table, b, after)
		}
	}
}

// TestArrange compares the moving of rows with the obvious way.
func TestArrange(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 30 {
		order := random.Perm(n)
		list, want := make([]int, n), make([]int, n)
		for i, at := range order {
			list[i] = 100 + i
			want[i] = 100 + at
		}
		arrange(list, order)
		if !slices.Equal(list, want) {
			t.Errorf("%d: got %v, want %v", n, list, want)
		}
	}
}
