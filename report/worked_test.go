package report

import (
	"context"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/flow"
)

// TestWorkedOutOnce works something out again and again: only after the rows
// that it is made of, or what else goes into it, have changed is it made anew.
func TestWorkedOutOnce(t *testing.T) {
	const name = "Europe/Berlin"
	zone := location(t, name)
	now := time.Date(2026, 3, 20, 10, 20, 0, 0, zone)
	conn := database(t, name)
	insert(t, conn, randomRecords(5, now.AddDate(0, -1, 0), now, 50))
	r := newReports(t, conn, settingsOf(plan(t, name, "12", nil)), now)
	req := parse(t, Hosts, "from=2026-03-01&to=2026-03-21")
	made := 0
	out := func(with string) {
		t.Helper()
		q := questionOf(t, r, req)
		w := worked[uint64]{what: "bytes", with: with, queries: q.hostQueries(dims{host: true}), size: func(uint64) int { return 8 }}
		w.make = func(ctx context.Context) (uint64, error) {
			made++
			addresses, err := q.addresses(ctx, dims{host: true})
			var sum uint64
			for i := range addresses {
				sum += addresses[i].Usage()
			}
			return sum, err
		}
		got, err := w.out(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.finish(t.Context(), q.reading, q.dayZone); err != nil {
			t.Fatal(err)
		}
		if want := run(t, r, req).Total; got != want.Usage() {
			t.Errorf("%d bytes, want %d", got, want.Usage())
		}
	}
	execute(t, conn, "OPTIMIZE TABLE daily_host FINAL") // nothing is left to merge meanwhile
	for _, step := range []struct {
		name   string
		change func()
		with   string
		want   int // times in all that it was made
	}{
		{"never before", func() {}, "one", 1},
		{"the same", func() {}, "one", 1},
		{"with something else", func() {}, "two", 2},
		{"with the former again", func() {}, "one", 2},
		{"more rows", func() {
			insert(t, conn, []record{{
				end: now.Add(-time.Hour).Unix(), exporter: router, direction: flow.Received, counted: true,
				host: hosts[0], peer: peers[0], protocol: 6, service: 443, bytes: 4321, packets: 3,
			}})
			execute(t, conn, "OPTIMIZE TABLE daily_host FINAL")
		}, "one", 3},
	} {
		step.change()
		out(step.with)
		if made != step.want {
			t.Errorf("%s: made %d times, want %d", step.name, made, step.want)
		}
	}
}
