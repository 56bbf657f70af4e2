package billing

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// version makes one version of a plan for a test.
func version(t interface{ Fatal(...any) }, from, zoneName, rule string, limit uint64) Plan {
	p := Plan{ID: "home", Name: "Home", Zone: zone(t, zoneName), Renewal: renewal(t, rule), Cap: limit, Base: Decimal}
	if from != "" {
		p.EffectiveFrom = date(t, from)
	}
	return p
}

// words writes periods for comparison: the span in the plan's zone and the cap.
func words(periods ...Period) []string {
	var out []string
	for _, p := range periods {
		out = append(out, fmt.Sprintf("%s to %s, %d", p.Start.Format(time.RFC3339), p.End.Format(time.RFC3339), p.Plan.Cap))
	}
	return out
}

func TestPeriods(t *testing.T) {
	const gb = 1e9
	for _, tt := range []struct {
		name     string
		plans    Plans
		from, to string
		want     []string
	}{
		{
			"the 31st clamps from the original anchor",
			Plans{version(t, "", "Europe/Berlin", "31", gb)},
			"2023-01-31", "2023-04-30",
			[]string{
				"2023-01-31T00:00:00+01:00 to 2023-02-28T00:00:00+01:00, 1000000000",
				"2023-02-28T00:00:00+01:00 to 2023-03-31T00:00:00+02:00, 1000000000",
				"2023-03-31T00:00:00+02:00 to 2023-04-30T00:00:00+02:00, 1000000000",
			},
		},
		{
			"a renewal day without midnight",
			Plans{version(t, "", "America/Havana", "10", gb)},
			"2024-02-10", "2024-04-10",
			[]string{
				"2024-02-10T00:00:00-05:00 to 2024-03-10T01:00:00-04:00, 1000000000",
				"2024-03-10T01:00:00-04:00 to 2024-04-10T00:00:00-04:00, 1000000000",
			},
		},
		{
			"a renewal day with two midnights",
			Plans{version(t, "", "America/Havana", "3", gb)},
			"2024-10-03", "2024-12-03",
			[]string{
				"2024-10-03T00:00:00-04:00 to 2024-11-03T00:00:00-04:00, 1000000000",
				"2024-11-03T00:00:00-04:00 to 2024-12-03T00:00:00-05:00, 1000000000",
			},
		},
		{
			"a renewal day that was left out",
			Plans{version(t, "", "Pacific/Apia", "30", gb)},
			"2011-11-30", "2012-01-30",
			[]string{
				"2011-11-30T00:00:00-10:00 to 2011-12-31T00:00:00+14:00, 1000000000",
				"2011-12-31T00:00:00+14:00 to 2012-01-30T00:00:00+14:00, 1000000000",
			},
		},
		{
			"a new cap in the middle holds for the whole period",
			Plans{version(t, "", "UTC", "12", gb), version(t, "2026-11-20", "UTC", "12", 2*gb)},
			"2026-10-12", "2027-01-12",
			[]string{
				"2026-10-12T00:00:00Z to 2026-11-12T00:00:00Z, 1000000000",
				"2026-11-12T00:00:00Z to 2026-12-12T00:00:00Z, 2000000000",
				"2026-12-12T00:00:00Z to 2027-01-12T00:00:00Z, 2000000000",
			},
		},
		{
			"of two new caps in one period the later holds",
			Plans{version(t, "", "UTC", "12", gb), version(t, "2026-11-20", "UTC", "12", 2*gb), version(t, "2026-11-25", "UTC", "12", 3*gb)},
			"2026-10-12", "2026-12-12",
			[]string{
				"2026-10-12T00:00:00Z to 2026-11-12T00:00:00Z, 1000000000",
				"2026-11-12T00:00:00Z to 2026-12-12T00:00:00Z, 3000000000",
			},
		},
		{
			"a new cap from the renewal day leaves the period before alone",
			Plans{version(t, "", "UTC", "12", gb), version(t, "2026-12-12", "UTC", "12", 2*gb)},
			"2026-11-12", "2027-01-12",
			[]string{
				"2026-11-12T00:00:00Z to 2026-12-12T00:00:00Z, 1000000000",
				"2026-12-12T00:00:00Z to 2027-01-12T00:00:00Z, 2000000000",
			},
		},
		{
			"another way to write the same rule does not cut",
			Plans{version(t, "", "UTC", "1", gb), version(t, "2026-11-20", "UTC", "month", 2*gb)},
			"2026-11-01", "2027-01-01",
			[]string{
				"2026-11-01T00:00:00Z to 2026-12-01T00:00:00Z, 2000000000",
				"2026-12-01T00:00:00Z to 2027-01-01T00:00:00Z, 2000000000",
			},
		},
		{
			"a new renewal day cuts the running period",
			Plans{version(t, "", "UTC", "12", gb), version(t, "2026-11-20", "UTC", "1", 2*gb)},
			"2026-10-12", "2027-01-01",
			[]string{
				"2026-10-12T00:00:00Z to 2026-11-12T00:00:00Z, 1000000000",
				"2026-11-12T00:00:00Z to 2026-11-20T00:00:00Z, 1000000000",
				"2026-11-20T00:00:00Z to 2026-12-01T00:00:00Z, 2000000000",
				"2026-12-01T00:00:00Z to 2027-01-01T00:00:00Z, 2000000000",
			},
		},
		{
			"a new renewal day from itself makes no short period after",
			Plans{version(t, "", "UTC", "12", gb), version(t, "2026-12-01", "UTC", "1", gb)},
			"2026-11-12", "2027-01-01",
			[]string{
				"2026-11-12T00:00:00Z to 2026-12-01T00:00:00Z, 1000000000",
				"2026-12-01T00:00:00Z to 2027-01-01T00:00:00Z, 1000000000",
			},
		},
		{
			"a move eastward cuts at the new place's midnight",
			Plans{version(t, "", "Europe/London", "12", gb), version(t, "2026-11-20", "Pacific/Auckland", "12", gb)},
			"2026-11-12", "2026-12-12",
			[]string{
				"2026-11-12T00:00:00Z to 2026-11-19T11:00:00Z, 1000000000",
				"2026-11-20T00:00:00+13:00 to 2026-12-12T00:00:00+13:00, 1000000000",
			},
		},
		{
			"every 28 days, across the end of summer time",
			Plans{version(t, "", "Australia/Lord_Howe", "2026-03-10/28", gb)},
			"2026-03-10", "2026-05-05",
			[]string{
				"2026-03-10T00:00:00+11:00 to 2026-04-07T00:00:00+10:30, 1000000000",
				"2026-04-07T00:00:00+10:30 to 2026-05-05T00:00:00+10:30, 1000000000",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.plans.Validate(); err != nil {
				t.Fatal(err)
			}
			first, last := tt.plans[0], tt.plans[len(tt.plans)-1]
			got := words(tt.plans.Between(date(t, tt.from).Start(first.Zone), date(t, tt.to).Start(last.Zone))...)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("periods (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDaysOfAPeriod(t *testing.T) {
	for _, tt := range []struct {
		name, holding string
		plans         Plans
		first, last   string
		want          int
	}{
		{"thirty days", "2026-11-23", Plans{version(t, "", "Europe/Berlin", "12", 0)}, "2026-11-12", "2026-12-11", 30},
		{"leap February", "2024-02-29", Plans{version(t, "", "Europe/Berlin", "month", 0)}, "2024-02-01", "2024-02-29", 29},
		{"with a day left out", "2011-12-31", Plans{version(t, "", "Pacific/Apia", "month", 0)}, "2011-12-01", "2011-12-31", 30},
		{
			"cut by a move westward, the last day in part", "2026-11-15",
			Plans{version(t, "", "Pacific/Auckland", "12", 0), version(t, "2026-11-20", "Europe/London", "12", 0)},
			"2026-11-12", "2026-11-20", 9,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.plans.Holding(date(t, tt.holding))
			days := p.Days()
			if p.Length() != tt.want || days[0].String() != tt.first || days[len(days)-1].String() != tt.last {
				t.Errorf("got %d days %s to %s, want %d days %s to %s", p.Length(), days[0], days[len(days)-1], tt.want, tt.first, tt.last)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	good := version(t, "", "UTC", "12", 500e9)
	good.CapText = "500 GB"
	for _, tt := range []struct {
		name  string
		plans Plans
		want  []string // parts of the report; none = valid
	}{
		{"valid", Plans{good, version(t, "2026-11-20", "UTC", "1", 0)}, nil},
		{"none", Plans{}, []string{"there is no plan"}},
		{"all problems at once", Plans{{Counts: 9, Base: 7, CapText: "lots"}}, []string{"time zone is missing", "9 is not a way to count", "unit base 7", `cap: "lots"`}},
		{"cap and its text differ", Plans{{Zone: time.UTC, Base: Decimal, Cap: 5, CapText: "6 B"}}, []string{`cap "6 B" is 6 bytes`}},
		{"same day twice", Plans{good, version(t, "2026-11-20", "UTC", "1", 0), version(t, "2026-11-20", "UTC", "2", 0)}, []string{"does not begin after"}},
		{"second without a date", Plans{good, version(t, "", "UTC", "1", 0)}, []string{"does not begin after"}},
		{
			"later date but earlier instant",
			Plans{good, version(t, "2026-11-10", "Pacific/Pago_Pago", "1", 0), version(t, "2026-11-11", "Pacific/Kiritimati", "1", 0)},
			[]string{"does not begin after"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.plans.Validate()
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want it to say %q", err, part)
				}
			}
		})
	}
}

// drawPlans makes one to four versions that are valid together.
func drawPlans(t *rapid.T) Plans {
	var plans Plans
	for i := range rapid.IntRange(1, 4).Draw(t, "versions") {
		p := version(t, "", rapid.SampledFrom(zones).Draw(t, "zone"), rapid.SampledFrom(rules).Draw(t, "rule"), uint64(i+1))
		if i > 0 {
			// Versions a few days apart fall into one period, others do not.
			gap := rapid.OneOf(rapid.IntRange(3, 20), rapid.IntRange(21, 500)).Draw(t, "gap")
			p.EffectiveFrom = date(t, "2024-01-10").AddDays(gap)
			if i > 1 {
				p.EffectiveFrom = plans[i-1].EffectiveFrom.AddDays(gap)
			}
		}
		if rapid.Bool().Draw(t, "same cut") && i > 0 {
			p.Zone, p.Renewal = plans[i-1].Zone, plans[i-1].Renewal
		}
		plans = append(plans, p)
	}
	if err := plans.Validate(); err != nil {
		t.Fatal(err)
	}
	return plans
}

func TestPeriodsTileTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plans := drawPlans(t)
		at := time.Unix(rapid.Int64Range(1_672_531_200, 1_861_920_000).Draw(t, "at"), 0)
		p := plans.At(at)
		if !p.Contains(at) || p.Contains(p.End) || !p.Contains(p.Start) {
			t.Fatalf("%s to %s does not hold %s half-open", p.Start, p.End, at)
		}
		next, previous := plans.Next(p), plans.Previous(p)
		if !next.Start.Equal(p.End) || !previous.End.Equal(p.Start) {
			t.Fatalf("gap or overlap: %q", words(previous, p, next))
		}
		if next.First != p.Next || previous.Next != p.First {
			t.Fatalf("days do not meet: %s–%s, %s–%s, %s–%s", previous.First, previous.Next, p.First, p.Next, next.First, next.Next)
		}
		for name, same := range map[string]Period{
			"At(Start)": plans.At(p.Start), "At(last second)": plans.At(p.End.Add(-time.Second)), "Holding(First)": plans.Holding(p.First),
			"Next(Previous)": plans.Next(previous), "Previous(Next)": plans.Previous(next),
		} {
			if diff := cmp.Diff(words(p), words(same)); diff != "" {
				t.Fatalf("%s is another period (-want +got):\n%s", name, diff)
			}
		}
		if between := plans.Between(previous.Start, next.End); !slices.Equal(words(between...), words(previous, p, next)) {
			t.Fatalf("Between: got %q, want %q", words(between...), words(previous, p, next))
		}
	})
}

// The days of a period fill it: the first begins it, each begins where the one
// before ends, and the last ends it, except where a change of zone cuts it.
func TestDaysFillTheirPeriod(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plans := drawPlans(t)
		p := plans.At(time.Unix(rapid.Int64Range(1_672_531_200, 1_861_920_000).Draw(t, "at"), 0))
		days := p.Days()
		if len(days) == 0 || days[0] != p.First || !days[0].Start(p.Plan.Zone).Equal(p.Start) {
			t.Fatalf("the period from %s begins with %v", p.First, days)
		}
		for i, d := range days {
			if !p.Contains(d.Start(p.Plan.Zone)) {
				t.Fatalf("%q does not hold its day %s", words(p), d)
			}
			if i > 0 && d != days[i-1].AddDays(1) {
				t.Fatalf("%s comes after %s", d, days[i-1])
			}
		}
		end := days[len(days)-1].AddDays(1).Start(p.Plan.Zone)
		cut := plans.Next(p).Plan.Zone != p.Plan.Zone
		if end.Before(p.End) || !cut && !end.Equal(p.End) {
			t.Fatalf("the days end at %s, the period at %s", end, p.End)
		}
	})
}

func TestBetweenNothing(t *testing.T) {
	plans, now := Plans{version(t, "", "UTC", "12", 0)}, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	if got := plans.Between(now, now); got != nil {
		t.Errorf("got %q, want none", words(got...))
	}
}

func TestUsed(t *testing.T) {
	for _, tt := range []struct {
		counts         string
		received, sent uint64
		want           uint64
	}{
		{"both", 7, 5, 12}, {"received", 7, 5, 7}, {"sent", 7, 5, 5}, {"larger", 7, 5, 7}, {"larger", 5, 7, 7},
	} {
		counts, err := ParseCounts(tt.counts)
		if err != nil || counts.String() != tt.counts {
			t.Fatalf("ParseCounts(%q): got %s, %v", tt.counts, counts, err)
		}
		if got := (Plan{Counts: counts}).Used(tt.received, tt.sent); got != tt.want {
			t.Errorf("%s of %d and %d: got %d, want %d", tt.counts, tt.received, tt.sent, got, tt.want)
		}
	}
	if _, err := ParseCounts("neither"); err == nil {
		t.Error("ParseCounts: got no error for an unknown way to count")
	}
}
