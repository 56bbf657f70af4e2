package billing

import (
	"strings"
	"testing"
	"time"
)

func TestParseFreeTimes(t *testing.T) {
	for _, test := range []struct {
		text, want string
		hours      float64 // free in a week
	}{
		{"", "", 0},
		{" ; ", "", 0},
		{"02:00-06:00", "02:00-06:00", 28},
		{"2:00 – 6:00", "02:00-06:00", 28},
		{"daily 02:00-06:00", "02:00-06:00", 28},
		{"mon-fri 01:00-05:30", "Mon-Fri 01:00-05:30", 22.5},
		{"Saturday, Sunday 00:00-24:00", "Sat,Sun 00:00-24:00", 48},
		{"Fri-Mon 00:00-01:00", "Mon,Fri-Sun 00:00-01:00", 4},
		{"Sun 22:00-06:00", "Sun 22:00-06:00", 8},
		{"22:00-00:00", "22:00-00:00", 14},
		{"02:00-06:00\nSat 04:00-08:00", "02:00-06:00; Sat 04:00-08:00", 30},
	} {
		got, err := ParseFreeTimes(test.text)
		if err != nil || got.String() != test.want || got.PerWeek().Hours() != test.hours {
			t.Errorf("%q: got %q, %g hours a week, %v; want %q, %g", test.text, got, got.PerWeek().Hours(), err, test.want, test.hours)
		}
		again, err := ParseFreeTimes(got.String())
		if err != nil || again != got {
			t.Errorf("%q is read back as %q, %v", got, again, err)
		}
	}
}

func TestFreeTimesRefused(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"02:00", "not understood"},
		{"night", "not understood"},
		{"02:10-06:00", "quarter hour"},
		{"02:00-06:59", "quarter hour"},
		{"02:00-25:00", "time of day"},
		{"02:00-24:15", "time of day"},
		{"2-6", "time of day"},
		{"02:00-02:00", "no length"},
		{"24:00-02:00", "no length"},
		{"00:00-00:00", "no length"},
		{"Foo 02:00-06:00", "day of the week"},
		{"Mon- 02:00-06:00", "day of the week"},
		{"00:00-24:00", "whole week"},
		{strings.Repeat("02:00-06:00;", 50), "characters"},
	} {
		if got, err := ParseFreeTimes(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %q, %v; want an error with %q", test.text, got, err, test.want)
		}
	}
}

// TestFreeTimesFollowTheClock counts the free quarter hours of days on which
// clocks change, and of windows over midnight.
func TestFreeTimesFollowTheClock(t *testing.T) {
	for _, test := range []struct {
		name, zone, free string
		day              Date
		want             int // quarter hours
	}{
		{"plain day", "Europe/Berlin", "02:00-06:00", Date{2026, 3, 28}, 16},
		{"spring", "Europe/Berlin", "02:00-06:00", Date{2026, 3, 29}, 12},
		{"autumn", "Europe/Berlin", "02:00-06:00", Date{2026, 10, 25}, 20},
		{"midnight skipped", "America/Havana", "00:00-04:00", Date{2026, 3, 8}, 12},
		{"midnight twice", "America/Havana", "00:00-04:00", Date{2026, 11, 1}, 20},
		{"half an hour", "Australia/Lord_Howe", "01:00-03:00", Date{2026, 4, 5}, 10},
		{"half an hour less", "Australia/Lord_Howe", "01:00-03:00", Date{2026, 10, 4}, 6},
		{"quarter zone", "Asia/Kathmandu", "23:45-00:15", Date{2026, 5, 1}, 2},
		{"evening of Sunday", "UTC", "Sun 22:00-06:00", Date{2026, 11, 22}, 8},
		{"morning of Monday", "UTC", "Sun 22:00-06:00", Date{2026, 11, 23}, 24},
		{"not on Tuesday", "UTC", "Sun 22:00-06:00", Date{2026, 11, 24}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			zone, err := time.LoadLocation(test.zone)
			if err != nil {
				t.Fatal(err)
			}
			free, err := ParseFreeTimes(test.free)
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			end := test.day.AddDays(1).Start(zone)
			for at := test.day.Start(zone); at.Before(end); at = at.Add(15 * time.Minute) {
				if free.Holds(at) {
					got++
				}
			}
			if got != test.want {
				t.Errorf("got %d quarter hours, want %d", got, test.want)
			}
		})
	}
}

func TestWeekOfFreeTimes(t *testing.T) {
	free, err := ParseFreeTimes("Mon 00:00-00:15; Sun 23:45-24:00")
	if err != nil {
		t.Fatal(err)
	}
	for i, is := range free.Week() {
		if want := i == 0 || i == 7*96-1; is != want {
			t.Errorf("quarter hour %d of the week: got %t, want %t", i, is, want)
		}
	}
}
