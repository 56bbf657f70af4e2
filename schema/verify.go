package schema

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Progress is told how much of a long task is done; total is in no unit that
// matters. It may be nil.
type Progress func(done, total int)

func (p Progress) report(done, total int) {
	if p != nil {
		p(done, total)
	}
}

// VerifyOptions narrow Verify to the local days that overlap [From, To). Zero
// means from the first or to the last day there is.
type VerifyOptions struct {
	From, To time.Time
}

// Report is what Verify found.
type Report struct {
	Zone        string       // of the days
	First, Last string       // days compared, both included; empty when there was nothing to compare
	Days        int          // how many
	NotCovered  string       // last day not compared because its raw flows have been dropped; empty = none
	Differences []Difference // by day; empty = every rollup equals raw, to the byte
}

// DifferingDays lists the days with differences, each once.
func (r Report) DifferingDays() []string {
	var days []string
	for _, d := range r.Differences {
		if len(days) == 0 || days[len(days)-1] != d.Day {
			days = append(days, d.Day)
		}
	}
	return days
}

// daysAtOnce is how many days one pass over raw covers. Each pass also reads
// the week after, whose flows may reach back.
const daysAtOnce = 31

// Verify compares the raw flows with every rollup, by day and exporter: bytes,
// packets and flows of each direction, and the keys they are booked on. Days
// whose raw flows have been dropped are left out. Days that differ are
// compared once more while inserts are paused, so that a batch just being
// inserted is no difference.
func Verify(ctx context.Context, conn driver.Conn, opts VerifyOptions, progress Progress) (Report, error) {
	zone, err := Zone(ctx, conn)
	if err != nil {
		return Report{}, err
	}
	report := Report{Zone: zone}
	first, last, err := verifiable(ctx, conn, opts, &report)
	if err != nil || last < first {
		return report, err
	}
	c, err := newComparer(conn, zone)
	if err != nil {
		return report, err
	}
	report.First, report.Last, report.Days = first.String(), last.String(), int(last-first)+1
	var suspect []day
	for d := first; d <= last; d += daysAtOnce {
		progress.report(int(d-first), report.Days)
		found, err := c.compare(ctx, d, min(d+daysAtOnce-1, last))
		if err != nil {
			return report, err
		}
		suspect = append(suspect, daysOf(found)...)
	}
	if len(suspect) > 0 {
		err = withInsertsPaused(ctx, conn, func(ctx context.Context) error {
			report.Differences, err = c.compareDays(ctx, suspect)
			return err
		})
	}
	progress.report(report.Days, report.Days)
	return report, err
}

// compareDays compares single days, in runs.
func (c *comparer) compareDays(ctx context.Context, days []day) ([]Difference, error) {
	var list []Difference
	for len(days) > 0 {
		n := 1
		for n < len(days) && n < daysAtOnce && days[n] == days[n-1]+1 {
			n++
		}
		found, err := c.compare(ctx, days[0], days[n-1])
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
		days = days[n:]
	}
	return list, nil
}

func daysOf(list []Difference) []day {
	var days []day
	for _, d := range list {
		t, err := time.Parse(time.DateOnly, d.Day)
		if err != nil {
			panic(err) // written by this package
		}
		days = append(days, day(t.Unix()/86400))
	}
	return slices.Compact(days)
}

// verifiable returns the first and the last day to compare.
func verifiable(ctx context.Context, conn driver.Conn, opts VerifyOptions, report *Report) (first, last day, err error) {
	loc, err := time.LoadLocation(report.Zone)
	if err != nil {
		return 0, 0, fmt.Errorf("load time zone %s: %w", report.Zone, err)
	}
	cover, err := readCoverage(ctx, conn, report.Zone)
	if err != nil {
		return 0, 0, err
	}
	first, last, err = extent(ctx, conn, report.Zone)
	if err != nil {
		return 0, 0, err
	}
	if cover.NoRaw && last >= first {
		report.NotCovered = last.String()
		return 1, 0, nil
	}
	if covered := after(cover.RawFrom, loc); first < covered {
		first = covered
		report.NotCovered = (covered - 1).String()
	}
	if !opts.From.IsZero() {
		first = max(first, dayOf(opts.From, loc))
	}
	if !opts.To.IsZero() {
		last = min(last, dayOf(opts.To.Add(-1), loc))
	}
	return first, last, nil
}

// extent returns the first and the last day that raw or any rollup has rows
// of; last is before first when there are none.
func extent(ctx context.Context, conn driver.Conn, zone string) (first, last day, err error) {
	first, last = 1, 0
	for _, r := range append(rollups(), rollup{table: "(SELECT `end` - toIntervalSecond(intDiv(duration_ms, 1000) + 1) AS bucket FROM flows WHERE counted UNION ALL SELECT `end` FROM flows WHERE counted)", time: "bucket"}) {
		var n uint64
		var from, to time.Time
		err := conn.QueryRow(ctx, render("extent", struct {
			Bucket      bool
			Zone, Table string
		}{r.time == "bucket", zone, r.table})).Scan(&n, &from, &to)
		if err != nil {
			return 0, 0, fmt.Errorf("find first and last day: %w", err)
		}
		if n == 0 {
			continue
		}
		f, t := day(from.Unix()/86400), day(to.Unix()/86400)
		if last < first {
			first, last = f, t
			continue
		}
		first, last = min(first, f), max(last, t)
	}
	return first, last, nil
}
