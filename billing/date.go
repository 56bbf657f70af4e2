package billing

import (
	"cmp"
	"fmt"
	"time"
)

// Date is a day of the calendar, of no particular time zone. Dates are
// comparable with ==. The zero Date is "no date".
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// dateLayout is the only written form of a Date.
const dateLayout = "2006-01-02"

// ParseDate reads a date written as 2026-11-23.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(dateLayout, s)
	if err != nil {
		return Date{}, fmt.Errorf("%q is not a date: write it as year-month-day, for example 2026-11-23", s)
	}
	return DateOf(t), nil
}

// DateOf returns the day that t shows in t's own location.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// String writes the date as 2026-11-23, the zero Date as "".
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day)
}

// IsZero says whether d is "no date".
func (d Date) IsZero() bool { return d == Date{} }

// AddDays returns the date n days later, or earlier when n is negative.
func (d Date) AddDays(n int) Date {
	return DateOf(time.Date(d.Year, d.Month, d.Day+n, 0, 0, 0, 0, time.UTC))
}

// Compare returns -1 when d is before other, 0 when they are the same day and
// +1 when d is after other.
func (d Date) Compare(other Date) int {
	return cmp.Or(
		cmp.Compare(d.Year, other.Year),
		cmp.Compare(d.Month, other.Month),
		cmp.Compare(d.Day, other.Day),
	)
}

// Before says whether d is an earlier day than other.
func (d Date) Before(other Date) bool { return d.Compare(other) < 0 }

// DaysUntil returns how many days other is after d; negative when it is
// before.
func (d Date) DaysUntil(other Date) int { return other.number() - d.number() }

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday { return d.utc().Weekday() }

// Start returns the first instant of the day in loc: midnight, or, where the
// clocks skip midnight, the first instant after the skip. For a day that a
// place left out altogether (30 December 2011 in Pacific/Apia) it is the start
// of the day after. Where the clocks repeat midnight it is the first of the
// two. A nil loc is UTC.
//
// It walks the stretches of constant offset because time.Date does not say
// which of two possible instants it picks.
func (d Date) Start(loc *time.Location) time.Time {
	if loc == nil {
		loc = time.UTC
	}
	midnight := d.utc()
	// No zone is this far from UTC, so the walk begins on an earlier day.
	t := midnight.Add(-36 * time.Hour).In(loc)
	for {
		_, offset := t.Zone()
		u := midnight.Add(-time.Duration(offset) * time.Second).In(loc)
		if u.Before(t) {
			return t
		}
		_, end := t.ZoneBounds()
		if end.IsZero() || u.Before(end) {
			return u
		}
		t = end
	}
}

// MarshalText writes the date like String.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	parsed, err := ParseDate(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// utc is midnight of the day in UTC.
func (d Date) utc() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

// number counts days from 1 January 1970.
func (d Date) number() int { return int(d.utc().Unix() / (24 * 60 * 60)) }
