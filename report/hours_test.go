package report

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// A day has as many hours as its clocks make of it, and they sum to the day.
func TestHoursOfADay(t *testing.T) {
	for _, test := range []struct {
		name, zone string
		day        time.Time
		want       int
	}{
		{"usual", "Pacific/Auckland", time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC), 24},
		{"clocks go forward", "Pacific/Auckland", time.Date(2026, 9, 27, 0, 0, 0, 0, time.UTC), 23},
		{"clocks go back", "Pacific/Auckland", time.Date(2026, 4, 5, 0, 0, 0, 0, time.UTC), 25},
		{"a quarter to", "Asia/Kathmandu", time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC), 24},
		{"half an hour more", "Australia/Lord_Howe", time.Date(2026, 4, 5, 0, 0, 0, 0, time.UTC), 25},
	} {
		t.Run(test.name, func(t *testing.T) {
			zone := location(t, test.zone)
			start := date(test.day.Year(), int(test.day.Month()), test.day.Day()).Start(zone)
			next := date(test.day.Year(), int(test.day.Month()), test.day.Day()+1).Start(zone)
			var records []record
			for at := start.Add(-2 * time.Hour); at.Before(next.Add(2 * time.Hour)); at = at.Add(20 * time.Minute) {
				records = append(records, received(at, 1000))
			}
			conn := database(t, test.zone)
			insert(t, conn, records)
			day := start.Format(time.DateOnly)
			r := newReports(t, conn, settingsOf(plan(t, test.zone, "1", nil)), next.Add(48*time.Hour))
			result := run(t, r, parse(t, Overview, "from="+day+"&to="+next.Format(time.DateOnly)))
			hours := result.Overview.Hours
			if len(hours) != test.want {
				t.Fatalf("got %d hours, want %d", len(hours), test.want)
			}
			if got := sum(hours); got != result.Total {
				t.Errorf("hours sum to %+v, want the day's %+v", got, result.Total)
			}
			for _, h := range hours {
				if h.Gap || h.Usage() == 0 {
					t.Errorf("%s: %d bytes, gap %v, want some and none", h.Start, h.Usage(), h.Gap)
				}
			}
			if got := run(t, r, parse(t, Overview, "period="+day)).Overview.Hours; got != nil {
				t.Errorf("a month has %d hours", len(got))
			}
		})
	}
}

func TestHoursWithoutFlowsAreGaps(t *testing.T) {
	zone := location(t, "Pacific/Auckland")
	start := date(2026, 11, 3).Start(zone)
	conn := database(t, "Pacific/Auckland")
	insert(t, conn, []record{received(start.Add(150*time.Minute), 1000)})
	r := newReports(t, conn, settingsOf(plan(t, "Pacific/Auckland", "1", nil)), start.Add(4*time.Hour+time.Minute))
	hours := run(t, r, parse(t, Overview, "from=2026-11-03&to=2026-11-04")).Overview.Hours
	if len(hours) != 5 || !hours[0].Gap || hours[2].Gap || !hours[4].Partial || hours[3].Partial {
		t.Errorf("got %+v, want five hours up to now, of which the third has flows", hours)
	}
}

func TestWeekOfAHost(t *testing.T) {
	zone := location(t, "Pacific/Auckland")
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, zone)
	evening := time.Date(2026, 11, 6, 20, 30, 0, 0, zone) // a Friday
	other := received(evening, 7)
	other.host = addr("192.168.1.30")
	conn := database(t, "Pacific/Auckland")
	insert(t, conn, []record{received(evening, 500), received(evening.AddDate(0, 0, 7), 300), received(evening.AddDate(0, 0, -2), 20), other})
	r := newReports(t, conn, settingsOf(plan(t, "Pacific/Auckland", "1", nil)), now)
	host := run(t, r, parse(t, Host, "host=192.168.1.20"))
	var want Week
	want[4][20], want[2][20] = 800, 20
	if got := host.Detail.Week; got == nil || *got != want {
		t.Errorf("got %v, want 800 bytes on Fridays and 20 on Wednesdays, at 20", got)
	}
	if got := run(t, r, parse(t, Host, "host=192.168.1.20&from=2020-01-01&to=2026-12-01")).Detail.Week; got != nil {
		t.Error("six years are summed by weekday")
	}
}

func TestWhereOnlyDaysAreLeft(t *testing.T) {
	now := time.Date(2026, 11, 9, 18, 0, 0, 0, location(t, "Pacific/Auckland"))
	r := comparedHousehold(t, now)
	if got := run(t, r, Request{Kind: History}).FineFrom; !got.IsZero() {
		t.Errorf("before %s only days are said to be left, want never", got)
	}
	if err := r.conn.Exec(t.Context(), "ALTER TABLE usage_15m DELETE WHERE bucket < toDateTime('2026-11-01 00:00:00', 'Pacific/Auckland') SETTINGS mutations_sync = 1"); err != nil {
		t.Fatal(err)
	}
	if got, want := run(t, r, Request{Kind: History}).FineFrom.Format(time.DateOnly), "2026-11-01"; got != want {
		t.Errorf("only days are left before %s, want %s", got, want)
	}
	if got := run(t, r, parse(t, Overview, "from=2026-10-05&to=2026-10-06")).Overview; got.Hours != nil || got.Used != 11*gb {
		t.Errorf("got %d hours and %d bytes of a day of which no quarter hours are left", len(got.Hours), got.Used)
	}
	if got := run(t, r, parse(t, Host, "host=192.168.1.20&period=previous")).Detail.Week; got != nil {
		t.Error("hours by weekday of days only")
	}
}

// Far ends by protocol are made from raw flows, others from rows of days. What
// retention has dropped of them is said in a row of its own, so that the rows
// still sum to the total.
func TestFarEndsThatWereDropped(t *testing.T) {
	zone := location(t, "Pacific/Auckland")
	now := time.Date(2026, 11, 9, 18, 0, 0, 0, zone)
	conn := database(t, "Pacific/Auckland")
	insert(t, conn, []record{received(now.AddDate(0, -2, 0), 500), received(now.AddDate(0, 0, -1), 300)})
	r := newReports(t, conn, settingsOf(plan(t, "Pacific/Auckland", "1", nil)), now)
	const question = "host=192.168.1.20&from=2026-08-01&to=2026-12-01"
	if got := run(t, r, parse(t, Host, question+"&protocol=https")).Detail.Peers; len(got) != 1 || got[0].Received != 800 {
		t.Fatalf("before: got %+v, want one far end of 800 bytes", got)
	}
	drop := func(table, notes string) func() error {
		return func() error {
			return errors.Join(conn.Exec(t.Context(), "ALTER TABLE "+table+" DROP PARTITION ID '202609'"),
				conn.Exec(t.Context(), "INSERT INTO "+notes+" (month, rows, bytes) VALUES ('2026-09-01', 1, 100)"))
		}
	}
	if err := drop("flows", "raw_drops")(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, query string
		want        []uint64 // received bytes of each row; the last is what is not known any more
		forgotten   bool
		before      func() error // nil = nothing
	}{
		{"by protocol, of the dropped month too", question + "&protocol=https", []uint64{300, 500}, true, nil},
		{"of the dropped month only", "host=192.168.1.20&from=2026-09-01&to=2026-10-01&protocol=https", []uint64{500}, true, nil},
		{"after the dropped month", "host=192.168.1.20&from=2026-11-01&to=2026-12-01&protocol=https", []uint64{300}, false, nil},
		{"by days, which are kept", question, []uint64{800}, false, nil},
		{"by days, which are dropped too", question, []uint64{300, 500}, true, drop("daily_peer", "far_end_drops")},
		{"by days, of the dropped month only", "host=192.168.1.20&from=2026-09-01&to=2026-10-01", []uint64{500}, true, nil},
		{"by days, after the dropped month", "host=192.168.1.20&from=2026-10-01&to=2026-12-01", []uint64{300}, false, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.before != nil {
				if err := test.before(); err != nil {
					t.Fatal(err)
				}
			}
			result := run(t, r, parse(t, Host, test.query))
			var got []uint64
			for _, p := range result.Detail.Peers {
				got = append(got, p.Received)
			}
			if !slices.Equal(got, test.want) {
				t.Fatalf("far ends received %v bytes, want %v", got, test.want)
			}
			last := result.Detail.Peers[len(got)-1]
			if said := !last.Address.IsValid() && last.Name != ""; said != test.forgotten {
				t.Errorf("the last row is %+v; says that raw flows were dropped: %v, want %v", last, said, test.forgotten)
			}
			if sumPeers(result.Detail.Peers) != result.Total {
				t.Errorf("far ends sum to %+v, want the total %+v", sumPeers(result.Detail.Peers), result.Total)
			}
		})
	}
}
