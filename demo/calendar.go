package demo

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/flattraffic/flattraffic/billing"
)

// calendar is what happens to the whole household, day by day. All of it
// follows from the seed and the date.
type calendar struct {
	seed  uint64
	zone  *time.Location
	until billing.Date
}

// gap is a stretch of time without flows.
type gap struct {
	start, end time.Time
	listening  bool // the ingest ran, but the router was silent
}

// Salts keep the draws for different questions apart.
const (
	saltMonth = iota + 2
	saltHoliday
	saltOutage
	saltRestart
	saltAway
	saltGuests
	saltMood
	saltHabit
	saltAddress
	saltLoss
)

// draw returns the random numbers of one question about one thing.
func (c *calendar) draw(salt, thing uint64) *rand.Rand {
	return rand.New(rand.NewPCG(c.seed, thing<<8|salt))
}

func dayNumber(d billing.Date) uint64 {
	return uint64(time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func isWeekend(d billing.Date) bool {
	return d.Weekday() == time.Saturday || d.Weekday() == time.Sunday
}

// empty says whether nobody is at home: some days around the new year, and
// nine in summer.
func (c *calendar) empty(d billing.Date) bool {
	switch d.Month {
	case time.December:
		return d.Day >= 25
	case time.January:
		return d.Day <= 1
	case time.July, time.August:
		first := billing.Date{Year: d.Year, Month: time.July, Day: 14}.AddDays(c.draw(saltHoliday, uint64(d.Year)).IntN(21))
		return !d.Before(first) && d.Before(first.AddDays(9))
	default:
		return false
	}
}

// away says whether one of the people is not at home that day: now and then a
// weekend.
func (c *calendar) away(owner string, d billing.Date) bool {
	if c.empty(d) {
		return true
	}
	if !isWeekend(d) {
		return false
	}
	var who uint64
	for _, letter := range owner {
		who = who*31 + uint64(letter)
	}
	weekend := (dayNumber(d) + 4) / 7
	return c.draw(saltAway, weekend<<24|who&0xffffff).Float64() < .2
}

// visitors is how many guests are there.
func (c *calendar) visitors(d billing.Date) int {
	if c.empty(d) {
		return 0
	}
	rng := c.draw(saltGuests, dayNumber(d))
	switch {
	case c.over(d):
		return 3 + rng.IntN(guestCount-2)
	case isWeekend(d) || d.Weekday() == time.Friday:
		return rng.IntN(5)
	case rng.Float64() < .2:
		return 1 + rng.IntN(2)
	}
	return 0
}

// over says whether the day lies in the one billing period of the year in
// which far more is used than in the others.
func (c *calendar) over(d billing.Date) bool {
	period := d.AddDays(-11) // periods begin on the 12th
	months := []time.Month{time.January, time.May, time.September, time.October}
	return period.Month == months[c.draw(saltMonth, uint64(period.Year)).IntN(len(months))]
}

// appetite is a day's factor on what people use: more in winter, more each
// year, and far more in one month.
func (c *calendar) appetite(d billing.Date) float64 {
	age := float64(d.DaysUntil(c.until)) / 365.25
	day := float64(billing.Date{Year: d.Year, Month: time.January, Day: 1}.DaysUntil(d))
	factor := math.Pow(1.05, -age) * (1 + .07*math.Cos(2*math.Pi*(day-15)/365.25))
	if c.over(d) {
		factor *= 1.4
	}
	return factor
}

// gaps are the stretches without flows between two instants: each quarter the
// line or the power fails for some hours, each half-year the machine that
// listens is restarted.
func (c *calendar) gaps(from, until time.Time) []gap {
	var list []gap
	add := func(salt uint64, months, count int) {
		first := billing.DateOf(from.In(c.zone))
		for y, m := first.Year, 1+(int(first.Month)-1)/months*months; ; m += months {
			start := billing.Date{Year: y, Month: time.Month(1), Day: 1}
			start = billing.DateOf(start.Start(c.zone).AddDate(0, m-1, 0))
			if !start.Start(c.zone).Before(until) {
				return
			}
			rng := c.draw(salt, dayNumber(start))
			for range count {
				at := start.AddDays(rng.IntN(28 * months)).Start(c.zone).Add(time.Duration(8*3600+rng.IntN(12*3600)) * time.Second)
				length := time.Duration(2*3600+rng.IntN(5*3600)) * time.Second
				if salt == saltRestart {
					length = time.Duration(25*60+rng.IntN(50*60)) * time.Second
				}
				if g := (gap{at.UTC(), at.Add(length).UTC(), salt == saltOutage}); g.start.Before(until) && g.end.After(from) {
					list = append(list, g)
				}
			}
		}
	}
	add(saltOutage, 3, 1)
	add(saltRestart, 6, 1)
	return list
}
