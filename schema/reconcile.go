package schema

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// repairPrefix begins the names of the tables that hold repairs.
const repairPrefix = "repair_"

// Reconcile makes every rollup equal to the raw flows for the local days that
// overlap [from, to), and returns the differences it mended. It is for the
// time after a batch whose insert was cut off: raw may have it while a rollup
// lacks it, or the other way round. Inserts are paused meanwhile.
//
// A repair is the rows that are missing or, as counters wrap at 2^64, too
// many, written to a table beside the rollup and then moved into it a
// partition at a time, which wakes no views. Killed half-way, it is run again.
func Reconcile(ctx context.Context, conn driver.Conn, from, to time.Time) ([]Difference, error) {
	zone, err := Zone(ctx, conn)
	if err != nil {
		return nil, err
	}
	c, err := newComparer(conn, zone)
	if err != nil {
		return nil, err
	}
	var mended []Difference
	err = withInsertsPaused(ctx, conn, func(ctx context.Context) error {
		first, last, err := verifiable(ctx, conn, VerifyOptions{From: from, To: to}, &Report{Zone: zone})
		if err != nil {
			return err
		}
		for d := first; d <= last; d += daysAtOnce {
			found, err := c.mend(ctx, d, min(d+daysAtOnce-1, last))
			mended = append(mended, found...)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return mended, fmt.Errorf("reconcile rollups with raw flows: %w", err)
	}
	return mended, nil
}

// mend makes the rollups of the given days, both included, equal to raw and
// returns how they differed. Inserts are paused meanwhile.
func (c *comparer) mend(ctx context.Context, first, last day) ([]Difference, error) {
	found, err := c.compare(ctx, first, last)
	if err != nil {
		return nil, err
	}
	return found, c.repair(ctx, found)
}

// repair mends the rollups and days that differ.
func (c *comparer) repair(ctx context.Context, found []Difference) error {
	for _, r := range rollups() {
		var differ []Difference
		for _, d := range found {
			if d.Table == r.table {
				differ = append(differ, d)
			}
		}
		for days := daysOf(differ); len(days) > 0; {
			n := 1
			for n < len(days) && n < repairRun && days[n] == days[n-1]+1 {
				n++
			}
			if err := c.repairDays(ctx, r, days[0], days[n-1]); err != nil {
				return fmt.Errorf("mend %s of %v: %w", r.table, days[0], err)
			}
			days = days[n:]
		}
	}
	return nil
}

// repairRun is how many days in a row are mended at once, which bounds memory.
const repairRun = 7

// repairDays mends some days of one rollup, both included.
func (c *comparer) repairDays(ctx context.Context, r rollup, first, last day) error {
	twin := repairPrefix + strings.ToLower(rand.Text())
	if err := c.conn.Exec(ctx, "CREATE TABLE "+twin+" AS "+r.table); err != nil {
		return err
	}
	err := c.fillRepair(ctx, r, first, last, twin)
	if err == nil {
		// One part a partition is moved at once or not at all.
		err = c.conn.Exec(ctx, "OPTIMIZE TABLE "+twin+" FINAL")
	}
	if err == nil {
		err = attachPartitions(ctx, c.conn, r.table, twin)
	}
	if dropErr := c.conn.Exec(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS "+twin+" SYNC"); err == nil {
		err = dropErr
	}
	return err
}

func (c *comparer) fillRepair(ctx context.Context, r rollup, first, last day, twin string) error {
	source := rawOfDays("flows", first, last)
	expected := c.defs.selectFrom(r, source)
	if r.source != "flows" {
		expected = c.defs.selectFrom(r, "("+c.defs.selectFrom(rollups()[0], source)+")")
	}
	when := fmt.Sprintf("day BETWEEN '%v' AND '%v'", first, last)
	if r.time == "bucket" {
		when = fmt.Sprintf("toDate(bucket, '%s') BETWEEN '%v' AND '%v'", c.zone, first, last)
	}
	return c.conn.Exec(ctx, render("repair", struct {
		Twin, Table, Time, Expected, When string
		Columns, Keys, Counters           []string
	}{twin, r.table, r.time, expected, when, r.columns(), r.keys, r.counters}))
}

// attachPartitions copies all rows of one table into another of the same form,
// as links to its files. It wakes no views.
func attachPartitions(ctx context.Context, conn driver.Conn, to, from string) error {
	ids, err := column[string](ctx, conn, query("partitions"), from)
	if err != nil {
		return fmt.Errorf("list partitions of %s: %w", from, err)
	}
	for _, id := range ids {
		if err := conn.Exec(ctx, fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION ID '%s' FROM %s", to, id, from)); err != nil {
			return fmt.Errorf("attach partition %s of %s to %s: %w", id, from, to, err)
		}
	}
	return nil
}
