package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/billing"
)

func TestCompareIsAsFarIntoThePeriod(t *testing.T) {
	zone := location(t, "Pacific/Auckland")
	plans := billing.Plans{plan(t, "Pacific/Auckland", "12", nil)}
	weeks := billing.Plans{plan(t, "Pacific/Auckland", "2026-01-05/28", nil)}
	now := time.Date(2026, 11, 23, 18, 40, 0, 0, zone)
	days := func(from, to billing.Date) Span {
		return Span{Start: from.Start(zone), End: to.Start(zone), Plan: plans[0]}
	}
	for _, test := range []struct {
		name  string
		span  Span
		plans billing.Plans
		c     Compare
		at    time.Time
		want  string
	}{
		{"running", billingSpan(plans.At(now)), plans, CompareLast, now, "2026-10-12 00:00 – 2026-10-23 18:30"},
		{"running, a year before", billingSpan(plans.At(now)), plans, CompareYear, now, "2025-11-12 00:00 – 2025-11-23 18:30"},
		{"over", billingSpan(plans.Previous(plans.At(now))), plans, CompareLast, now, "2026-09-12 00:00 – 2026-10-12 00:00"},
		{"over the change of clocks", billingSpan(plans.At(now.AddDate(0, -2, 0))), plans, CompareLast, now.AddDate(0, -1, -20), "2026-08-12 00:00 – 2026-09-02 18:30"},
		{"28 days, a year before", billingSpan(weeks.At(now)), weeks, CompareYear, now, "2025-11-10 00:00 – 2025-11-24 18:30"},
		{"week", days(date(2026, 11, 1), date(2026, 11, 8)), plans, CompareLast, now, "2026-10-25 00:00 – 2026-11-01 00:00"},
		{"months", days(date(2026, 1, 1), date(2026, 4, 1)), plans, CompareLast, now, "2025-10-01 00:00 – 2026-01-01 00:00"},
		{"a year of which some is over", days(date(2026, 1, 1), date(2027, 1, 1)), plans, CompareLast, now, "2025-01-01 00:00 – 2025-11-23 18:30"},
		{"a day", days(date(2026, 11, 21), date(2026, 11, 22)), plans, CompareLast, now, "2026-11-14 00:00 – 2026-11-15 00:00"},
		{"today", days(date(2026, 11, 23), date(2026, 11, 24)), plans, CompareLast, now, "2026-11-16 00:00 – 2026-11-16 18:30"},
		{"leap day", days(date(2024, 2, 29), date(2024, 3, 1)), plans, CompareYear, now, "2023-02-28 00:00 – 2023-03-01 00:00"},
		{"first minutes", billingSpan(plans.At(now)), plans, CompareLast, date(2026, 11, 12).Start(zone).Add(time.Minute), "2026-10-12 00:00 – 2026-10-12 00:15"},
		{"longer than the one before", billingSpan(plans.Holding(date(2026, 3, 12))), plans, CompareLast, date(2026, 4, 11).Start(zone).Add(time.Hour), "2026-02-12 00:00 – 2026-03-12 00:00"},
		{"all time", days(date(2000, 1, 1), date(2026, 11, 24)), plans, CompareLast, now, "1973-02-07 00:00 – 1999-12-31 18:30"},
		{"before all dates", days(date(1990, 1, 1), date(2026, 1, 1)), plans, CompareLast, now, "none"},
		{"none", billingSpan(plans.At(now)), plans, CompareNone, now, "none"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := "none"
			if span, ok := test.c.Of(test.span, test.plans, test.at); ok {
				got = span.Start.In(zone).Format("2006-01-02 15:04") + " – " + span.End.In(zone).Format("2006-01-02 15:04")
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// comparedHousehold used 10 GB a day at noon until the end of October and 20
// since; a guest was there in October only, a new phone came in November.
func comparedHousehold(t *testing.T, now time.Time) *Reports {
	t.Helper()
	var records []record
	for day := time.Date(2026, 10, 1, 12, 0, 0, 0, now.Location()); day.Before(now); day = day.AddDate(0, 0, 1) {
		r, other := received(day, 10*gb), received(day, 1*gb)
		other.host = addr("192.168.1.30")
		if day.Month() == time.November {
			r.bytes, other.host = 20*gb, addr("192.168.1.40")
		}
		records = append(records, r, other)
	}
	conn := database(t, now.Location().String())
	insert(t, conn, records)
	return newReports(t, conn, settingsOf(plan(t, now.Location().String(), "1", nil)), now)
}

func TestCompareOnEveryReport(t *testing.T) {
	now := time.Date(2026, 11, 9, 18, 0, 0, 0, location(t, "Pacific/Auckland"))
	r := comparedHousehold(t, now)
	for _, kind := range []Kind{Overview, Days, Hosts, Protocols, Networks} {
		result := run(t, r, parse(t, kind, "compare=last"))
		if result.Before == nil {
			t.Fatalf("%s: not compared", kind)
		}
		if got, want := result.Total.Usage(), uint64(9*21*gb); got != want {
			t.Errorf("%s: usage %d, want %d", kind, got, want)
		}
		// Nine days at noon, though the month before has 31 of them.
		if got, want := result.Before.Total.Usage(), uint64(9*11*gb); got != want {
			t.Errorf("%s: before %d, want %d", kind, got, want)
		}
		if got := sum(result.Before.Rows); got != result.Before.Total {
			t.Errorf("%s: rows of before sum to %+v, want %+v", kind, got, result.Before.Total)
		}
	}
	host := run(t, r, parse(t, Host, "compare=last&host=192.168.1.20"))
	if got, want := host.Before.Total.Usage(), uint64(9*10*gb); got != want {
		t.Errorf("host: before %d, want %d", got, want)
	}
	if got := host.Counterparts().Of(host.Rows[8]).Usage(); got != 10*gb {
		t.Errorf("day 9 is set against %d bytes, want 10 GB", got)
	}
	if history := run(t, r, parse(t, History, "compare=last")); history.Before != nil {
		t.Error("history is compared")
	}
	if year := run(t, r, parse(t, Hosts, "compare=year")).Before; year == nil || year.Total != (Counters{}) {
		t.Errorf("a year before: got %+v, want a time without traffic", year)
	}
}

func TestOverviewSaysWhatStandsOut(t *testing.T) {
	now := time.Date(2026, 11, 9, 18, 0, 0, 0, location(t, "Pacific/Auckland"))
	o := run(t, comparedHousehold(t, now), Request{Kind: Overview}).Overview
	if got := o.Today; got.Host != addr("192.168.1.20") || got.Usage() != 20*gb {
		t.Errorf("biggest today: %s with %d bytes, want 192.168.1.20 with 20 GB", got.Host, got.Usage())
	}
	if got := o.Changed; got.Host != addr("192.168.1.20") || o.ChangedFrom.Usage() != 9*10*gb {
		t.Errorf("biggest change: %s from %d bytes, want 192.168.1.20 from 90 GB", got.Host, o.ChangedFrom.Usage())
	}
}

func TestNewHostsAreMarked(t *testing.T) {
	now := time.Date(2026, 11, 9, 18, 0, 0, 0, location(t, "Pacific/Auckland"))
	r := comparedHousehold(t, now)
	for query, want := range map[string]string{
		"":                "192.168.1.40",
		"protocol=https":  "192.168.1.40",
		"period=previous": "", // nobody was there before October
	} {
		var marked []string
		for _, row := range run(t, r, parse(t, Hosts, query)).Rows {
			if row.New {
				marked = append(marked, row.Host.String())
			}
		}
		if got := strings.Join(marked, " "); got != want {
			t.Errorf("%q: new are %q, want %q", query, got, want)
		}
	}
}

// Where only days are left, whole days are compared, and it is said.
func TestCompareWithDaysOnly(t *testing.T) {
	now := time.Date(2026, 11, 9, 18, 0, 0, 0, location(t, "Pacific/Auckland"))
	r := comparedHousehold(t, now)
	if err := r.conn.Exec(t.Context(), "ALTER TABLE usage_15m DELETE WHERE bucket < toDateTime('2026-11-01 00:00:00', 'Pacific/Auckland') SETTINGS mutations_sync = 1"); err != nil {
		t.Fatal(err)
	}
	before := run(t, r, parse(t, Hosts, "compare=last")).Before
	if got, want := before.Total.Usage(), uint64(8*11*gb); got != want {
		t.Errorf("before %d, want %d: eight whole days", got, want)
	}
	if notes := strings.Join(before.Completeness.Notes, " "); !strings.Contains(notes, "Only daily figures") {
		t.Errorf("notes %q, want that whole days are compared", notes)
	}
	if rows := run(t, r, Request{Kind: History}).Rows; len(rows) != 2 || rows[0].Usage() != 31*11*gb {
		t.Errorf("history has %d periods, want October of the daily tables too", len(rows))
	}
}

func TestComparedFiles(t *testing.T) {
	now := time.Date(2026, 11, 9, 18, 0, 0, 0, location(t, "Pacific/Auckland"))
	result := run(t, comparedHousehold(t, now), parse(t, Hosts, "compare=last"))
	var b bytes.Buffer
	if err := WriteCSV(&b, result); err != nil {
		t.Fatal(err)
	}
	want := `host,name,received,sent,internal,unmatched,packets,flows,before_received,before_sent,before_internal,before_unmatched,before_packets,before_flows,addresses,device,owner
192.168.1.20,'=nas,180000000000,0,0,0,9,9,90000000000,0,0,0,9,9,192.168.1.20,,
192.168.1.40,,9000000000,0,0,0,9,9,0,0,0,0,0,0,192.168.1.40,,
192.168.1.30,,0,0,0,0,0,0,9000000000,0,0,0,9,9,192.168.1.30,,
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("CSV (-want +got):\n%s", diff)
	}
	b.Reset()
	if err := WriteJSON(&b, result); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Compared struct {
			With   string
			Period struct{ Start, End time.Time }
			Rows   []struct{ Received uint64 }
			Total  Counters
		}
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if c := got.Compared; c.With != "last" || len(c.Rows) != 2 || c.Total != result.Before.Total || !c.Period.End.Equal(result.Before.Span.End) {
		t.Errorf("JSON says %+v of the time compared with", c)
	}
	b.Reset()
	if err := WriteTable(&b, result); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "usage before") || !strings.Contains(b.String(), "90.0 GB") {
		t.Errorf("the table does not say what was before:\n%s", b.String())
	}
}
