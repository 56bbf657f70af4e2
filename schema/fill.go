package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flattraffic/flattraffic/flow"
)

// fill puts into the new tables what the copies say: first what only the old
// rollups know, then everything their sources have, some days at a time. Views
// carry new quarter hours on to the new daily tables.
func (r *recut) fill(ctx context.Context) error {
	for _, t := range r.targets() {
		if err := r.keepOlder(ctx, t); err != nil {
			return fmt.Errorf("keep older rows of %s: %w", t.table, err)
		}
	}
	raw, err := r.runs(ctx, timeOf{"`end`", copyPrefix + "flows"})
	if err != nil {
		return fmt.Errorf("list days of raw flows: %w", err)
	}
	var usage []dayRun
	if !r.FromRaw {
		if usage, err = r.runs(ctx, timeOf{"bucket", copyPrefix + "usage_15m"}); err != nil {
			return fmt.Errorf("list days of quarter hours: %w", err)
		}
	}
	done, total := 0, 0
	for _, d := range append(slices.Clone(raw), usage...) {
		total += 2 * d.days // and as much to prove it
	}
	for _, d := range raw {
		r.tell.report(done, total)
		if err := r.fillRawDays(ctx, d); err != nil {
			return fmt.Errorf("fill in raw flows of %v to %v: %w", d.first, d.last, err)
		}
		done += d.days
	}
	for _, d := range usage {
		r.tell.report(done, total)
		if err := r.fillUsageDays(ctx, d); err != nil {
			return fmt.Errorf("fill in quarter hours of %v to %v: %w", d.first, d.last, err)
		}
		done += d.days
	}
	return nil
}

// A run is filled in at once: as many days as bring runRows rows, which bounds
// memory, and at most daysAtOnce, which bounds the months an insert touches.
const runRows = 2_000_000

// dayRun is some days in a row that have rows, UTC.
type dayRun struct {
	first, last day // both included
	days        int // that have rows
}

// within is the condition for the run's rows of a column.
func (d dayRun) within(column string) string {
	return fmt.Sprintf("toDate(%s) BETWEEN '%v' AND '%v'", column, d.first, d.last)
}

// runs lists the days of a table that have rows, in runs.
func (r *recut) runs(ctx context.Context, of timeOf) ([]dayRun, error) {
	rows, err := r.conn.Query(ctx, render("days_of", of))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []dayRun
	var held uint64
	for rows.Next() {
		var at time.Time
		var n uint64
		if err := rows.Scan(&at, &n); err != nil {
			return nil, err
		}
		d := day(at.Unix() / 86400)
		if len(list) == 0 || held+n > runRows || d-list[len(list)-1].first >= daysAtOnce {
			list, held = append(list, dayRun{first: d}), 0
		}
		run := &list[len(list)-1]
		run.last, run.days, held = d, run.days+1, held+n
	}
	return list, rows.Err()
}

// step reports the second half of the work.
func (r *recut) step(done, total int) { r.tell.report(total+done, 2*total) }

type timeOf struct{ Time, Table string }

// fillRawDays fills in the raw flows that end on some days, UTC.
func (r *recut) fillRawDays(ctx context.Context, d dayRun) error {
	source := fmt.Sprintf("(SELECT * FROM %sflows WHERE %s)", copyPrefix, d.within("`end`"))
	if r.Rules != nil {
		return r.fillRaw(ctx, source) // views do the rest
	}
	for _, t := range r.targets() {
		if t.source != "flows" {
			continue
		}
		if err := r.fillFrom(ctx, t, source); err != nil {
			return err
		}
	}
	return nil
}

// fillUsageDays fills in the quarter hours of some days, UTC.
func (r *recut) fillUsageDays(ctx context.Context, d dayRun) error {
	source := fmt.Sprintf("(SELECT * FROM %susage_15m WHERE %s)", copyPrefix, d.within("bucket"))
	for _, t := range r.targets() {
		if t.source != "usage_15m" {
			continue
		}
		if err := r.fillFrom(ctx, t, source); err != nil {
			return err
		}
	}
	return nil
}

func (r *recut) fillFrom(ctx context.Context, t rollup, source string) error {
	return r.fillWith(ctx, t, r.defs.selectFrom(t, source))
}

// fillWith puts the rows of a statement into a new rollup.
func (r *recut) fillWith(ctx context.Context, t rollup, statement string) error {
	return r.conn.Exec(ctx, render("fill", struct {
		Into, Select string
		Columns      []string
	}{nextPrefix + t.table, statement, t.columns()}))
}

// keepOlder carries over what a rollup holds of the time before its source
// begins. Where the zone changes those days keep their old zone.
func (r *recut) keepOlder(ctx context.Context, t rollup) error {
	from, cut, none := r.Cover.RawFrom, r.Cover.rawCut(), r.Cover.NoRaw
	if t.source == "usage_15m" {
		from, cut, none = r.Cover.UsageFrom, r.Cover.usageCut(), r.Cover.NoUsage
		cut = cut && (!r.FromRaw || r.Cover.rawCut())
	}
	if !cut {
		return nil
	}
	if !r.redo {
		if err := r.findOlder(ctx, t, from, none); err != nil {
			return err
		}
	}
	kept := keptPrefix + t.table
	months, err := r.months(ctx, t, kept, "1")
	if err != nil {
		return err
	}
	for _, month := range months {
		source := fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(t.columns(), ", "), kept, month)
		if err := r.fillWith(ctx, t, source); err != nil {
			return err
		}
	}
	return nil
}

// months lists the conditions for the rows of each month that a table of a
// rollup's rows has.
func (r *recut) months(ctx context.Context, t rollup, table, when string) ([]string, error) {
	months, err := column[string](ctx, r.conn, render("months_of", struct{ Time, Table, When string }{t.time, table, when}))
	for i, m := range months {
		months[i] = fmt.Sprintf("toYYYYMM(%s) = %s AND %s", t.time, m, when)
	}
	return months, err
}

// findOlder puts what only a rollup knows into a table of its own: its rows up
// to where its source begins, less what the source says of them, which is
// filled in later. Once tables are put in place it can be found no more: rollup
// and source may be of different tellings then.
func (r *recut) findOlder(ctx context.Context, t rollup, from time.Time, none bool) error {
	if err := r.conn.Exec(ctx, "CREATE TABLE "+keptPrefix+t.table+" AS "+t.table); err != nil {
		return fmt.Errorf("create %s%s: %w", keptPrefix, t.table, err)
	}
	defs, when := r.defs, "1"
	if t.time == "day" {
		var err error
		if defs, err = newDefinitions(r.old[t.table]); err != nil {
			return err
		}
	}
	if !none {
		when = fmt.Sprintf("%s < toDateTime('%s', 'UTC')", t.time, from.UTC().Format(time.DateTime))
		if t.time == "day" {
			loc, err := time.LoadLocation(r.old[t.table])
			if err != nil {
				return fmt.Errorf("load time zone %s: %w", r.old[t.table], err)
			}
			// Days kept from an earlier zone may reach past the source's first day by
			// the distance of two zones; days that the source says in full leave nothing.
			when = fmt.Sprintf("day <= '%v'", dayOf(from, loc)+keptMargin)
		}
	}
	months, err := r.months(ctx, t, copyPrefix+t.table, when)
	if err != nil {
		return err
	}
	for _, month := range months {
		if err := r.keepMonth(ctx, t, defs, from, month); err != nil {
			return err
		}
	}
	return nil
}

// keptMargin is how many days past the first day of a source are looked at for
// older rows; keptReach covers those days in any zone.
const (
	keptMargin = 2
	keptReach  = 5 * 24 * time.Hour
)

// keepMonth carries over one month of a rollup's older rows.
func (r *recut) keepMonth(ctx context.Context, t rollup, defs definitions, from time.Time, when string) error {
	if from.IsZero() {
		from = time.Unix(0, 0) // the source is empty
	}
	// Only what ends soon after the source begins can reach back.
	clock, reach := "`end`", flow.MaxSpan+keptReach
	if t.source == "usage_15m" {
		clock, reach = "bucket", keptReach
	}
	source := fmt.Sprintf("(SELECT * FROM %s%s WHERE %s < toDateTime('%s', 'UTC'))", copyPrefix, t.source, clock, from.Add(reach).UTC().Format(time.DateTime))
	return r.conn.Exec(ctx, render("repair", struct {
		Twin, Table, Time, Expected, When string
		Columns, Keys, Counters           []string
	}{
		keptPrefix + t.table, "(" + defs.selectFrom(t, source) + ")", t.time, "SELECT * FROM " + copyPrefix + t.table, when,
		t.columns(), t.keys, t.counters,
	}))
}
