package report

import (
	"math"

	"github.com/flattraffic/flattraffic/billing"
)

// What a forecast is made from.
const (
	profileDays = 56  // days looked back: eight of each weekday
	minDays     = 3   // days of the period before a forecast is shown
	minLearned  = 3   // complete days with traffic to learn from
	spread      = 1.3 // standard deviations either way: about four of five outcomes
)

// forecast estimates a running period from the mean of each weekday in the
// last eight weeks. The spread comes from how far single days were from those
// means, and grows with the days that are left.
type forecast struct {
	plan  billing.Plan
	usage map[billing.Date]Counters // metered, by day
	today billing.Date
	part  float64        // of today that is over
	days  []billing.Date // of the period, all of them

	sent      bool // with CountLarger: sent is the larger direction
	mean      [7]float64
	deviation float64 // of a day from the mean of its weekday, bytes
	learned   int     // days
}

// used is what a day counts toward the cap. With CountLarger it is the
// direction that is larger over the days of the period.
func (f *forecast) used(c Counters) float64 {
	if f.plan.Counts == billing.CountLarger {
		if f.sent {
			return float64(c.Sent)
		}
		return float64(c.Received)
	}
	return float64(f.plan.Used(c.Received, c.Sent))
}

// crossed is the day on which the cap was reached, zero when it was not.
func (f *forecast) crossed() billing.Date {
	var total Counters
	for _, d := range f.days {
		total.add(f.usage[d])
		if f.plan.Cap > 0 && f.plan.Used(total.Received, total.Sent) >= f.plan.Cap {
			return d
		}
	}
	return billing.Date{}
}

// learn reads the profile of the weekdays from complete days, beginning with
// the first that has traffic; a day without any is no measure of the others.
// It reports whether there was enough to learn from.
func (f *forecast) learn() bool {
	var period Counters
	for _, d := range f.days {
		period.add(f.usage[d])
	}
	f.sent = period.Sent > period.Received
	byWeekday := [7][]float64{}
	var all float64
	for n := 1; n <= profileDays; n++ {
		d := f.today.AddDays(-n)
		c, ok := f.usage[d]
		if !ok {
			continue
		}
		byWeekday[d.Weekday()] = append(byWeekday[d.Weekday()], f.used(c))
		all += f.used(c)
		f.learned++
	}
	if f.learned < minLearned {
		return false
	}
	all /= float64(f.learned)
	var squares float64
	for weekday, days := range byWeekday {
		f.mean[weekday] = all
		if len(days) >= 2 { // one Sunday says little about Sundays
			f.mean[weekday] = mean(days)
		}
		for _, day := range days {
			squares += (day - f.mean[weekday]) * (day - f.mean[weekday])
		}
	}
	f.deviation = math.Sqrt(squares / float64(f.learned-1))
	return true
}

func mean(values []float64) float64 {
	var total float64
	for _, v := range values {
		total += v
	}
	return total / float64(len(values))
}

// expected is what a day is likely to add from now on.
func (f *forecast) expected(d billing.Date) float64 {
	m := f.mean[d.Weekday()]
	switch d.Compare(f.today) {
	case -1:
		return 0
	case 0:
		return m * (1 - f.part)
	}
	return m
}

// likely is the range in which the period is likely to end.
func (f *forecast) likely(used uint64) (low, high uint64) {
	var more, left float64
	for _, d := range f.days {
		more += f.expected(d)
		switch d.Compare(f.today) {
		case 0:
			left += 1 - f.part
		case 1:
			left++
		}
	}
	// The days that are left vary by themselves, and the mean they are taken
	// from is itself known from some days only.
	margin := spread * f.deviation * math.Sqrt(left+left*left/float64(f.learned))
	return used + uint64(max(more-margin, 0)), used + uint64(more+margin)
}

// overOn is the day on which the cap is likely to be reached, zero when that
// is not in the period.
func (f *forecast) overOn(used uint64) billing.Date {
	if f.plan.Cap == 0 {
		return billing.Date{}
	}
	total := float64(used)
	for _, d := range f.days {
		if d.Before(f.today) {
			continue
		}
		total += f.expected(d)
		if total >= float64(f.plan.Cap) {
			return d
		}
	}
	return billing.Date{}
}
