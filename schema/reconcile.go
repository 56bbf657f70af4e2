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
			found, err := c.compare(ctx, d, min(d+daysAtOnce-1, last))
			if err != nil {
				return err
			}
			if err := c.repair(ctx, found); err != nil {
				return err
			}
			mended = append(mended, found...)
		}
		return nil
	})
	if err != nil {
		return mended, fmt.Errorf("reconcile rollups with raw flows: %w", err)
	}
	return mended, nil
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
		for _, d := range daysOf(differ) {
			if err := c.repairDay(ctx, r, d); err != nil {
				return fmt.Errorf("mend %s of %v: %w", r.table, d, err)
			}
		}
	}
	return nil
}

// repairDay mends one day of one rollup.
func (c *comparer) repairDay(ctx context.Context, r rollup, d day) error {
	twin := repairPrefix + strings.ToLower(rand.Text())
	if err := c.conn.Exec(ctx, "CREATE TABLE "+twin+" AS "+r.table); err != nil {
		return err
	}
	err := c.fillRepair(ctx, r, d, twin)
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

func (c *comparer) fillRepair(ctx context.Context, r rollup, d day, twin string) error {
	source := rawOfDays("flows", d, d)
	expected := c.defs.selectFrom(r, source)
	if r.source != "flows" {
		expected = c.defs.selectFrom(r, "("+c.defs.selectFrom(rollups()[0], source)+")")
	}
	when := fmt.Sprintf("day = '%v'", d)
	if r.time == "bucket" {
		when = fmt.Sprintf("toDate(bucket, '%s') = '%v'", c.zone, d)
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
