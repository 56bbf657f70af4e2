package billing

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// renewal reads a renewal rule for a test.
func renewal(t interface{ Fatal(...any) }, s string) Renewal {
	r, err := ParseRenewal(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParseRenewal(t *testing.T) {
	for in, want := range map[string]string{
		"12": "12", " 31 ": "31", "1": "1", "-2": "-2", "-31": "-31", "month": "month", "Month": "month",
		"2026-01-05/28": "2026-01-05/28", "2026-01-05 / 7": "2026-01-05/7", "2026-01-05/366": "2026-01-05/366",
	} {
		r, err := ParseRenewal(in)
		if err != nil || r.String() != want {
			t.Errorf("ParseRenewal(%q): got %q, %v, want %q", in, r, err, want)
		}
	}
	for _, in := range []string{"", "0", "32", "-32", "twelve", "12.5", "/28", "2026-01-05/", "2026-01-05/0", "2026-01-05/-7", "2026-01-05/367", "2026-02-30/28", "12/28"} {
		if r, err := ParseRenewal(in); err == nil {
			t.Errorf("ParseRenewal(%q): got %q, want an error", in, r)
		}
	}
}

// The days on which periods begin, month by month: each from the original
// anchor, so that a short month does not move the ones after it.
func TestRenewalDays(t *testing.T) {
	for _, tt := range []struct {
		rule string
		want []string
	}{
		{"28", []string{"2024-01-28", "2024-02-28", "2024-03-28", "2024-04-28", "2024-05-28"}},
		{"29", []string{"2024-01-29", "2024-02-29", "2024-03-29", "2024-04-29", "2024-05-29"}},
		{"30", []string{"2024-01-30", "2024-02-29", "2024-03-30", "2024-04-30", "2024-05-30"}},
		{"31", []string{"2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"}},
		{"-1", []string{"2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"}},
		{"-2", []string{"2024-01-30", "2024-02-28", "2024-03-30", "2024-04-29", "2024-05-30"}},
		{"-30", []string{"2024-01-02", "2024-02-01", "2024-03-02", "2024-04-01", "2024-05-02"}},
		{"month", []string{"2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01"}},
		{"2024-01-05/28", []string{"2024-01-05", "2024-02-02", "2024-03-01", "2024-03-29", "2024-04-26"}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			r := renewal(t, tt.rule)
			var got []string
			for d := date(t, tt.want[0]); len(got) < len(tt.want); d = r.next(d) {
				got = append(got, d.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("days (-want +got):\n%s", diff)
			}
		})
	}
}

// rules are the anchors of the accounting rules and the other forms.
var rules = []string{
	"1", "12", "28", "29", "30", "31", "-1", "-2", "-15", "-31", "month",
	"2026-01-05/28", "2030-06-01/30", "2019-12-31/7", "2024-02-29/365", "2026-01-01/1",
}

// begins says in another way than the program's whether a period begins on d.
func begins(t *testing.T, rule string, d Date) bool {
	t.Helper()
	last := d.AddDays(1).Day == 1
	fromEnd := d.DaysUntil(Date{d.AddDays(31 - d.Day + 1).Year, d.AddDays(31 - d.Day + 1).Month, 1})
	if d.AddDays(31-d.Day+1).Month == d.Month {
		t.Fatalf("%s plus the rest of 31 days is still in its month", d)
	}
	var day, year, month, n int
	switch {
	case rule == "month":
		return d.Day == 1
	case len(rule) > 3:
		if _, err := fmt.Sscanf(rule, "%d-%d-%d/%d", &year, &month, &day, &n); err != nil {
			t.Fatal(err)
		}
		return (d.number()-Date{year, time.Month(month), day}.number())%n == 0
	}
	if _, err := fmt.Sscanf(rule, "%d", &day); err != nil {
		t.Fatal(err)
	}
	if day > 0 {
		return d.Day == day || last && d.Day < day
	}
	return fromEnd == -day || d.Day == 1 && fromEnd < -day
}

// Over six years each rule's periods begin on exactly the days they should,
// and on the renewal day at 00:00:00 the new period runs, one second before
// still the old.
func TestEachRuleOverSixYears(t *testing.T) {
	for _, rule := range rules {
		for _, name := range []string{"UTC", "Pacific/Auckland", "America/Havana", "Asia/Kathmandu", "Pacific/Chatham", "Australia/Lord_Howe"} {
			loc := zone(t, name)
			plans := Plans{{Zone: loc, Renewal: renewal(t, rule), Base: Decimal}}
			from, to := date(t, "2023-01-01"), date(t, "2029-01-01")
			var want, got []Date
			for d := from; d.Before(to); d = d.AddDays(1) {
				if begins(t, rule, d) {
					want = append(want, d)
				}
			}
			for _, p := range plans.Between(from.Start(loc), to.Start(loc)) {
				if !p.First.Before(from) {
					got = append(got, p.First)
				}
				if at := plans.At(p.Start); at.First != p.First {
					t.Fatalf("%s in %s: at %s the period from %s runs, want from %s", rule, name, p.Start, at.First, p.First)
				}
				if before := plans.At(p.Start.Add(-time.Second)); before.Next != p.First {
					t.Fatalf("%s in %s: one second before %s the period up to %s runs", rule, name, p.Start, before.Next)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s in %s: renewal days (-want +got):\n%s", rule, name, diff)
			}
		}
	}
}
