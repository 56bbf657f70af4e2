package billing

import (
	"testing"
	"time"
	_ "time/tzdata" // The tests must not depend on the machine's zone database.

	"pgregory.net/rapid"
)

// zone loads a time zone for a test.
func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// date reads a date for a test.
func date(t interface{ Fatal(...any) }, s string) Date {
	d, err := ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// zones are those of the accounting rules and others that are hard.
var zones = []string{
	"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata",
	"Pacific/Auckland", "America/Havana", "Asia/Kathmandu", "Pacific/Chatham", "Australia/Lord_Howe",
	"Asia/Beirut", "Africa/Cairo", "America/Santiago", "America/Asuncion", "America/Scoresbysund", "Atlantic/Azores",
	"Pacific/Kiritimati", "Pacific/Pago_Pago", "Africa/Casablanca", "Asia/Gaza",
}

func TestDateStart(t *testing.T) {
	for _, tt := range []struct{ name, zone, date, want string }{
		{"ordinary", "Europe/Berlin", "2026-11-12", "2026-11-12T00:00:00+01:00"},
		{"five hours forty-five", "Asia/Kathmandu", "2026-11-12", "2026-11-12T00:00:00+05:45"},
		{"Chatham, summer", "Pacific/Chatham", "2026-01-12", "2026-01-12T00:00:00+13:45"},
		{"Chatham, winter", "Pacific/Chatham", "2026-07-12", "2026-07-12T00:00:00+12:45"},
		{"Auckland, the day summer ends", "Pacific/Auckland", "2026-04-05", "2026-04-05T00:00:00+13:00"},
		{"Auckland, the day after", "Pacific/Auckland", "2026-04-06", "2026-04-06T00:00:00+12:00"},
		{"Lord Howe, half an hour of summer", "Australia/Lord_Howe", "2026-10-05", "2026-10-05T00:00:00+11:00"},
		{"Havana skips midnight", "America/Havana", "2024-03-10", "2024-03-10T01:00:00-04:00"},
		{"Havana repeats midnight: the first one", "America/Havana", "2024-11-03", "2024-11-03T00:00:00-04:00"},
		{"Beirut skips midnight", "Asia/Beirut", "2024-03-31", "2024-03-31T01:00:00+03:00"},
		{"Beirut goes back at midnight into the day before", "Asia/Beirut", "2024-10-27", "2024-10-27T00:00:00+02:00"},
		{"Apia, before the skipped day", "Pacific/Apia", "2011-12-29", "2011-12-29T00:00:00-10:00"},
		{"Apia, the skipped day", "Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00"},
		{"Apia, after the skipped day", "Pacific/Apia", "2011-12-31", "2011-12-31T00:00:00+14:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := date(t, tt.date).Start(zone(t, tt.zone)).Format(time.RFC3339)
			if got != tt.want {
				t.Errorf("start of %s in %s: got %s, want %s", tt.date, tt.zone, got, tt.want)
			}
		})
	}
}

func TestDateStartWithoutZoneIsUTC(t *testing.T) {
	got, want := date(t, "2026-11-12").Start(nil), time.Date(2026, 11, 12, 0, 0, 0, 0, time.UTC)
	if !got.Equal(want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The start of a day is its first second: it shows the date, and the second
// before shows an earlier one.
func TestDateStartIsTheFirstInstant(t *testing.T) {
	for _, name := range zones {
		loc := zone(t, name)
		for d := date(t, "2023-01-01"); d.Year < 2029; d = d.AddDays(1) {
			start := d.Start(loc)
			if got := DateOf(start); got != d {
				t.Fatalf("%s: the start of %s shows %s", name, d, got)
			}
			if got := DateOf(start.Add(-time.Second)); !got.Before(d) {
				t.Fatalf("%s: the second before the start of %s shows %s", name, d, got)
			}
		}
	}
}

func TestDateText(t *testing.T) {
	for _, s := range []string{"2026-11-23", "0001-01-01", "2024-02-29", "9999-12-31"} {
		var got Date
		if err := got.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		text, err := got.MarshalText()
		if err != nil || string(text) != s {
			t.Errorf("got %q, %v, want %q", text, err, s)
		}
	}
	for _, s := range []string{"", "2026-02-29", "2026-13-01", "2026-1-5", "23.11.2026", "2026-11-23T00:00:00Z", " 2026-11-23"} {
		if d, err := ParseDate(s); err == nil {
			t.Errorf("ParseDate(%q): got %s, want an error", s, d)
		}
	}
	d := Date{2026, 1, 1}
	if err := d.UnmarshalText(nil); err != nil || !d.IsZero() {
		t.Errorf("empty text: got %v, %v, want the zero date", d, err)
	}
}

func TestDateArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Date{rapid.IntRange(1900, 2200).Draw(t, "year"), time.January, 1}.AddDays(rapid.IntRange(0, 365).Draw(t, "day"))
		n := rapid.IntRange(-100_000, 100_000).Draw(t, "n")
		other := d.AddDays(n)
		if got := d.DaysUntil(other); got != n {
			t.Fatalf("%s until %s: got %d, want %d", d, other, got, n)
		}
		if got, want := d.Before(other), n > 0; got != want {
			t.Fatalf("%s before %s: got %t, want %t", d, other, got, want)
		}
		if got, want := other.Weekday(), time.Weekday(modulo(int(d.Weekday())+n, 7)); got != want {
			t.Fatalf("weekday of %s: got %s, want %s", other, got, want)
		}
	})
}
