package billing

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// quarters is the number of quarter hours of a day's clock face.
const quarters = 24 * 4

// FreeTimes are the times of the week that do not count toward a cap, to the
// quarter hour of the local clock. What the clock shows decides: a window from
// 02:00 to 06:00 lasts three hours on the day that skips 02:00 to 03:00, and
// five on the day that has that hour twice. FreeTimes are comparable with ==;
// the zero value frees nothing.
type FreeTimes struct {
	text string
	week [7][quarters / 8]byte // by time.Weekday, a bit a quarter hour
}

// errWholeWeek refuses windows after which no cap could ever be reached.
var errWholeWeek = errors.New("these times cover the whole week, so that nothing would count: leave some of it out")

// maxFreeText bounds what ParseFreeTimes looks at.
const maxFreeText = 500

// ParseFreeTimes reads windows of local time, with semicolons or line breaks
// between them, each for all days or after the days it begins on:
//
//	02:00-06:00                      each day
//	Mon-Fri 01:00-05:30              on working days
//	Sat,Sun 00:00-24:00              the weekend
//	Fri 22:00-06:00                  from Friday evening to Saturday morning
//
// They begin and end on quarter hours. Empty text frees nothing.
func ParseFreeTimes(s string) (FreeTimes, error) {
	var f FreeTimes
	if len(s) > maxFreeText {
		return f, fmt.Errorf("free times are longer than %d characters: join windows that are alike", maxFreeText)
	}
	var texts []string
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == ';' || r == '\n' || r == '\r' }) {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		text, err := f.add(part)
		if err != nil {
			return FreeTimes{}, err
		}
		texts = append(texts, text)
	}
	if f.PerWeek() == 7*24*time.Hour {
		return FreeTimes{}, errWholeWeek
	}
	f.text = strings.Join(texts, "; ")
	return f, nil
}

// add frees one window and returns it the way it is written.
func (f *FreeTimes) add(part string) (text string, err error) {
	days, clock := "", strings.Join(strings.Fields(strings.ReplaceAll(part, "–", "-")), " ")
	if at := strings.IndexAny(clock, "0123456789"); at > 0 {
		days, clock = strings.TrimSpace(clock[:at]), clock[at:]
	}
	on, err := parseWeekdays(days)
	if err != nil {
		return "", fmt.Errorf("free time %q: %w", part, err)
	}
	first, last, ok := strings.Cut(clock, "-")
	if !ok {
		return "", fmt.Errorf("free time %q is not understood: write it like 02:00-06:00 or Sat,Sun 00:00-24:00", part)
	}
	from, err := parseClock(first)
	if err != nil {
		return "", fmt.Errorf("free time %q: %w", part, err)
	}
	to, err := parseClock(last)
	if err != nil {
		return "", fmt.Errorf("free time %q: %w", part, err)
	}
	if from%quarters == to%quarters && to != quarters || from == quarters {
		return "", fmt.Errorf("free time %q has no length: give two different times, or 00:00-24:00 for a whole day", part)
	}
	for _, day := range on {
		for q := from; q != to; q++ {
			if q == quarters { // over midnight
				q, day = 0, (day+1)%7
				if to == 0 {
					break
				}
			}
			f.week[day][q/8] |= 1 << (q % 8)
		}
	}
	return strings.TrimSpace(weekdaysText(on) + " " + clockText(from) + "-" + clockText(to)), nil
}

// weekdays are the written days in the order of the week.
var weekdays = [7]string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

// parseWeekdays reads Mon-Fri, Sat,Sun or nothing for all days. It returns them
// from Monday on.
func parseWeekdays(s string) ([]time.Weekday, error) {
	var on [7]bool
	if s == "" || strings.EqualFold(s, "daily") {
		s = "Mon-Sun"
	}
	for item := range strings.SplitSeq(strings.ReplaceAll(s, " ", ","), ",") {
		if item == "" {
			continue
		}
		a, b, span := strings.Cut(item, "-")
		first, err := parseWeekday(a)
		last := first
		if err == nil && span {
			last, err = parseWeekday(b)
		}
		if err != nil {
			return nil, err
		}
		for d := first; ; d = (d + 1) % 7 {
			on[d] = true
			if d == last {
				break
			}
		}
	}
	var days []time.Weekday
	for i, is := range on {
		if is {
			days = append(days, time.Weekday((i+1)%7))
		}
	}
	return days, nil
}

// parseWeekday reads a day by its first three letters, from Monday = 0.
func parseWeekday(s string) (int, error) {
	if len(s) >= 3 {
		for i, name := range weekdays {
			full := time.Weekday((i + 1) % 7).String()
			if strings.EqualFold(s, name) || strings.EqualFold(s, full) {
				return i, nil
			}
		}
	}
	return 0, fmt.Errorf("%q is not a day of the week: use Mon, Tue, Wed, Thu, Fri, Sat, Sun", s)
}

// weekdaysText writes days the short way, nothing for all of them.
func weekdaysText(days []time.Weekday) string {
	if len(days) == 7 {
		return ""
	}
	var parts []string
	for i := 0; i < len(days); {
		j := i
		for j+1 < len(days) && (days[j]+1)%7 == days[j+1] {
			j++
		}
		switch name := func(d time.Weekday) string { return weekdays[(d+6)%7] }; {
		case j > i+1:
			parts = append(parts, name(days[i])+"-"+name(days[j]))
		case j == i+1:
			parts = append(parts, name(days[i]), name(days[j]))
		default:
			parts = append(parts, name(days[i]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// parseClock reads 02:15 as a quarter hour of the day; 24:00 is its end.
func parseClock(s string) (int, error) {
	s = strings.TrimSpace(s)
	hours, minutes, ok := strings.Cut(s, ":")
	h, err1 := strconv.ParseUint(hours, 10, 8)
	m, err2 := strconv.ParseUint(minutes, 10, 8)
	if !ok || err1 != nil || err2 != nil || len(minutes) != 2 || m > 59 || h > 24 || h == 24 && m > 0 {
		return 0, fmt.Errorf("%q is not a time of day: write it like 02:00", s)
	}
	if m%15 != 0 {
		return 0, fmt.Errorf("%s is not on a quarter hour: usage is kept by quarter hours, so use :00, :15, :30 or :45", s)
	}
	return int(h*4 + m/15), nil
}

func clockText(quarter int) string { return fmt.Sprintf("%02d:%02d", quarter/4, quarter%4*15) }

// String writes the windows in the form that ParseFreeTimes reads.
func (f FreeTimes) String() string { return f.text }

// IsZero says whether nothing is free.
func (f FreeTimes) IsZero() bool { return f == FreeTimes{} }

// Holds says whether the quarter hour that t is in is free, by the clock of t's
// location.
func (f FreeTimes) Holds(t time.Time) bool {
	q := t.Hour()*4 + t.Minute()/15
	return f.holds(t.Weekday(), q)
}

func (f FreeTimes) holds(day time.Weekday, quarter int) bool {
	return f.week[day][quarter/8]&(1<<(quarter%8)) != 0
}

// Week says for each quarter hour of a week, from Monday 00:00 on, whether it
// is free.
func (f FreeTimes) Week() []bool {
	week := make([]bool, 0, 7*quarters)
	for i := range 7 {
		for q := range quarters {
			week = append(week, f.holds(time.Weekday((i+1)%7), q))
		}
	}
	return week
}

// PerWeek is how long it is free in a week without a change of clocks.
func (f FreeTimes) PerWeek() time.Duration {
	free := slices.DeleteFunc(f.Week(), func(is bool) bool { return !is })
	return time.Duration(len(free)) * 15 * time.Minute
}
