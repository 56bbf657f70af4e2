package billing

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Renewal is the rule that says on which days a new billing period begins.
// The zero Renewal is the calendar month. Renewals are comparable with ==, but
// two different rules may still cut time at the same days ("1" and "month").
type Renewal struct {
	day    int  // 1 to 31: day of the month; -1 to -31: counted from its end; 0: none of these
	anchor Date // with every: a day on which a period begins
	every  int  // days from one period to the next; 0: monthly
}

// maxEvery bounds "every N days": a longer billing period than a year is more
// likely a typing error.
const maxEvery = 366

// ParseRenewal reads a renewal rule:
//
//	12             on the 12th of each month; 29 to 31 fall on the last day of shorter months
//	-2             on the second day from the end of each month (-1 is the last day)
//	2026-01-05/28  every 28 days, one of the periods beginning on 5 January 2026
//	month          calendar months
func ParseRenewal(s string) (Renewal, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	if text == "month" {
		return Renewal{}, nil
	}
	if date, n, ok := strings.Cut(text, "/"); ok {
		return parseEvery(s, date, n)
	}
	day, err := strconv.Atoi(text)
	if err != nil {
		return Renewal{}, fmt.Errorf("renewal %q is not understood: give a day of the month (12), days counted from its end (-2), every so many days from a date (2026-01-05/28), or month", s)
	}
	if day == 0 || day < -31 || day > 31 {
		return Renewal{}, fmt.Errorf("renewal day %q is outside the month: use 1 to 31, or -1 to -31 counted from the end", s)
	}
	return Renewal{day: day}, nil
}

func parseEvery(s, date, n string) (Renewal, error) {
	anchor, err := ParseDate(strings.TrimSpace(date))
	if err != nil {
		return Renewal{}, fmt.Errorf("renewal %q: %w", s, err)
	}
	every, err := strconv.Atoi(strings.TrimSpace(n))
	if err != nil || every < 1 || every > maxEvery {
		return Renewal{}, fmt.Errorf("renewal %q: the number of days after the slash must be 1 to %d", s, maxEvery)
	}
	return Renewal{anchor: anchor, every: every}, nil
}

// String writes the rule in the form that ParseRenewal reads.
func (r Renewal) String() string {
	switch {
	case r.every != 0:
		return fmt.Sprintf("%s/%d", r.anchor, r.every)
	case r.day != 0:
		return strconv.Itoa(r.day)
	}
	return "month"
}

// sameDays says whether two rules begin their periods on the same days.
func (r Renewal) sameDays(other Renewal) bool { return r.canonical() == other.canonical() }

// canonical gives rules that begin periods on the same days the same value.
func (r Renewal) canonical() Renewal {
	if r.every != 0 {
		// The first beginning on or after an arbitrary fixed day.
		zero := Date{2000, time.January, 1}
		return Renewal{anchor: zero.AddDays(modulo(zero.DaysUntil(r.anchor), r.every)), every: r.every}
	}
	switch r.day {
	case 0, -31:
		return Renewal{day: 1}
	case -1:
		return Renewal{day: 31}
	}
	return r
}

// first returns the first day of the period that holds d.
func (r Renewal) first(d Date) Date {
	if r.every != 0 {
		return d.AddDays(-modulo(r.anchor.DaysUntil(d), r.every))
	}
	if begin := r.inMonth(d.Year, d.Month); !d.Before(begin) {
		return begin
	}
	return r.inMonth(d.Year, d.Month-1)
}

// next returns the first day of the period after the one that begins on
// first. It starts from the rule again, not from first: 31 January, 28
// February, 31 March.
func (r Renewal) next(first Date) Date {
	if r.every != 0 {
		return first.AddDays(r.every)
	}
	return r.inMonth(first.Year, first.Month+1)
}

// inMonth returns the day on which a period begins in a month; months outside
// 1 to 12 count into the neighbouring years.
func (r Renewal) inMonth(year int, month time.Month) Date {
	last := DateOf(time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC))
	day := r.canonical().day
	if day < 0 {
		day = max(last.Day+1+day, 1)
	}
	return Date{last.Year, last.Month, min(day, last.Day)}
}

// modulo is the remainder that is never negative.
func modulo(a, n int) int { return (a%n + n) % n }
