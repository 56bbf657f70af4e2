package schema

import (
	"context"
	"fmt"
	"strconv"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// coverage says what a rollup can be computed from. Raw flows and quarter
// hours may have been dropped by whole months, oldest first, while the rollups
// made from them stay.
type coverage struct {
	RawFrom   time.Time // rollups hold exactly what raw has from this quarter hour on; zero = all along
	UsageFrom time.Time // the same for the daily tables and usage_15m
	NoRaw     bool      // there are no raw flows that count
	NoUsage   bool      // there are no quarter hours
	NoDays    bool      // there are no rows of days
}

// rawCut says whether usage_15m and daily_peer hold what raw has no more.
func (c coverage) rawCut() bool { return c.NoRaw || !c.RawFrom.IsZero() }

// usageCut says whether the daily tables hold what usage_15m has no more.
func (c coverage) usageCut() bool { return c.NoUsage || !c.UsageFrom.IsZero() }

// readCoverage finds out what was dropped: the rollup then begins earlier than
// its source. A flow is at most seven days long, but what overlaps a quarter
// hour of a kept month also ends in that month or later.
func readCoverage(ctx context.Context, conn driver.Conn, zone string) (coverage, error) {
	// The flows of the first day mostly tell that nothing was cut; what may have
	// begun before them ends within eight.
	c, err := coverageFrom(ctx, conn, zone, 1)
	if err != nil || !c.rawCut() {
		return c, err
	}
	return coverageFrom(ctx, conn, zone, 8)
}

// coverageFrom is readCoverage that looks for the begin of raw among the flows
// that end in its first days. With fewer than eight it may take raw for cut that
// is not, or for empty, and never the other way round.
func coverageFrom(ctx context.Context, conn driver.Conn, zone string, days int) (coverage, error) {
	var c coverage
	var rawRows, usageRows, dayRows uint64
	var rawMonth, usageMonth, firstDay time.Time
	var firstRaw, firstBucket *int64
	ctx = ch.Context(ctx, ch.WithParameters(ch.Parameters{"days": strconv.Itoa(days)}))
	err := conn.QueryRow(ctx, query("coverage")).
		Scan(&rawRows, &rawMonth, &firstRaw, &usageRows, &firstBucket, &usageMonth, &dayRows, &firstDay)
	if err != nil {
		return c, fmt.Errorf("find out what raw flows there are: %w", err)
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return c, fmt.Errorf("load time zone %s: %w", zone, err)
	}
	c.NoRaw, c.NoUsage, c.NoDays = rawRows == 0 || firstRaw == nil, usageRows == 0, dayRows == 0
	earlier := func(t int64) bool { // the daily tables begin before t
		return dayRows > 0 && firstDay.Format(time.DateOnly) < time.Unix(t, 0).In(loc).Format(time.DateOnly)
	}
	if !c.NoRaw && (!c.NoUsage && *firstBucket < *firstRaw || earlier(*firstRaw)) {
		c.RawFrom = rawMonth
	}
	if !c.NoUsage && earlier(*firstBucket) {
		c.UsageFrom = usageMonth
	}
	return c, nil
}

// day is a local date as days since 1970, as ClickHouse's Date has it.
type day int

// dayOf returns the local day of an instant.
func dayOf(t time.Time, loc *time.Location) day {
	y, m, d := t.In(loc).Date()
	return day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// date returns midnight UTC of the day, which stands for the day in queries.
func (d day) date() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

func (d day) String() string { return d.date().Format(time.DateOnly) }

// after returns the first day that surely holds nothing from before the start
// of coverage: rows kept from there may stand under the days of another zone.
func after(from time.Time, loc *time.Location) day {
	if from.IsZero() {
		return 0
	}
	return dayOf(from, loc) + 1 + keptMargin
}
