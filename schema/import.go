package schema

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// stagePrefix begins the names of the tables that hold an import's rows while
// its file is read.
const stagePrefix = "import_stage"

// ErrImportRuns says that another process imports into the database now.
var ErrImportRuns = errors.New("another import is running; wait for its end")

// lockPatience is how long a free lock may take to be let go: the server ends
// the query that held it some time after its client is gone.
const lockPatience = 10 * time.Second

// WithImportLock runs fn while no other process imports or removes an import,
// drops old raw flows or cuts rollups anew.
func WithImportLock(ctx context.Context, conn driver.Conn, fn func(ctx context.Context) error) error {
	for deadline := time.Now().Add(lockPatience); ; {
		began := false
		err := withLock(ctx, conn, "importing", false, func(ctx context.Context) error {
			began = true
			return withLock(ctx, conn, maintenance, true, fn)
		})
		switch {
		case began || !errors.Is(err, errBusy):
			return err
		case time.Now().After(deadline):
			return ErrImportRuns
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// NewStage makes an empty table of the form of flows that no view reads, and
// returns its name. Stages that a killed import left are dropped. The caller
// holds the import lock.
func NewStage(ctx context.Context, conn driver.Conn) (string, error) {
	if err := DropStages(ctx, conn); err != nil {
		return "", err
	}
	const name = stagePrefix
	// While inserts are paused, the new table would be born paused too.
	err := withLock(ctx, conn, pausing, true, func(ctx context.Context) error {
		return conn.Exec(ctx, render("create_stage", name))
	})
	if err != nil {
		return "", fmt.Errorf("create table %s: %w", name, err)
	}
	return name, nil
}

// DropStages drops the tables of NewStage.
func DropStages(ctx context.Context, conn driver.Conn) error {
	names, err := column[string](ctx, conn, query("leftover_stages"))
	if err != nil {
		return fmt.Errorf("list tables of imports: %w", err)
	}
	for _, name := range names {
		if err := conn.Exec(ctx, "DROP TABLE IF EXISTS "+name+" SYNC"); err != nil {
			return fmt.Errorf("drop table %s: %w", name, err)
		}
	}
	return nil
}

// AddStage adds the rows of a stage to flows under the number of an import.
// Views bring them into every rollup. Cut off, it leaves what RemoveImport
// takes away. The caller holds the import lock.
func AddStage(ctx context.Context, conn driver.Conn, stage string, number uint32, progress Progress) error {
	columns, err := column[string](ctx, conn, query("stage_columns"), stage)
	if err != nil {
		return fmt.Errorf("list columns of %s: %w", stage, err)
	}
	months, err := column[string](ctx, conn, render("stage_months", stage))
	if err != nil {
		return fmt.Errorf("list months of %s: %w", stage, err)
	}
	for i, month := range months {
		progress.report(i, len(months))
		// Nobody pauses inserts meanwhile: this one could not be sent again.
		err := withLock(ctx, conn, pausing, true, func(ctx context.Context) error {
			return conn.Exec(ctx, render("add_stage", struct {
				Columns      []string
				Stage, Month string
				Import       uint32
			}{columns, stage, month, number}))
		})
		if err != nil {
			return fmt.Errorf("add flows of %s: %w", month, err)
		}
	}
	progress.report(len(months), len(months))
	return nil
}

// RawFrom returns the instant from which on raw flows are kept whole, zero
// when none have been dropped. Rollups of an earlier time cannot be computed
// any more, so that nothing can be added to or taken from them for certain.
func RawFrom(ctx context.Context, conn driver.Conn) (time.Time, error) {
	zone, err := Zone(ctx, conn)
	if err != nil {
		return time.Time{}, err
	}
	cover, err := readCoverage(ctx, conn, zone)
	if err != nil {
		return time.Time{}, err
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("load time zone %s: %w", zone, err)
	}
	if cover.NoRaw {
		first, last, err := extent(ctx, conn, zone)
		if err != nil || last < first {
			return time.Time{}, err
		}
		return (last + 1 + keptMargin).start(loc), nil
	}
	if !cover.RawFrom.IsZero() {
		return after(cover.RawFrom, loc).start(loc), nil
	}
	return time.Time{}, nil
}

// start returns the first instant of a local day.
func (d day) start(loc *time.Location) time.Time {
	y, m, n := d.date().Date()
	return time.Date(y, m, n, 0, 0, 0, 0, loc)
}

// RemoveImport takes an import's rows out of flows, the ledger and every
// rollup, to the byte. from and to are the first and the last instant of its
// flows; the caller has made sure (RawFrom) that raw flows were whole since
// then. It may be run again after it was cut off. The caller holds the import
// lock.
func RemoveImport(ctx context.Context, conn driver.Conn, number uint32, from, to time.Time, progress Progress) error {
	// The server may still be at work on an insert whose client was killed.
	if err := withInsertsPaused(ctx, conn, func(context.Context) error { return nil }); err != nil {
		return err
	}
	for _, table := range []string{"flows", "ledger"} {
		if err := DeleteRows(ctx, conn, table, "", fmt.Sprintf("import = %d", number)); err != nil {
			return fmt.Errorf("remove rows of import %d from %s: %w", number, table, err)
		}
	}
	zone, err := Zone(ctx, conn)
	if err != nil {
		return err
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return fmt.Errorf("load time zone %s: %w", zone, err)
	}
	c, err := newComparer(conn, zone)
	if err != nil {
		return err
	}
	first, last := dayOf(from, loc), dayOf(to, loc)
	for d := first; d <= last; d += daysAtOnce {
		progress.report(int(d-first), int(last-first)+1)
		end := min(d+daysAtOnce-1, last)
		suspect, err := c.compare(ctx, d, end)
		if err != nil {
			return err
		}
		if len(suspect) == 0 {
			continue
		}
		err = withInsertsPaused(ctx, conn, func(ctx context.Context) error {
			_, err := c.mend(ctx, d, end)
			return err
		})
		if err != nil {
			return fmt.Errorf("bring the rollups in line with flows: %w", err)
		}
	}
	progress.report(1, 1)
	return c.dropZeros(ctx, first, last)
}

// dropZeros merges the months of the given days, in which rows that add up to
// nothing go away: reports look at the first day there is.
func (c *comparer) dropZeros(ctx context.Context, first, last day) error {
	for _, r := range rollups() {
		ids, err := column[string](ctx, c.conn, query("partitions"), r.table)
		if err != nil {
			return fmt.Errorf("list partitions of %s: %w", r.table, err)
		}
		low, high := first.date().AddDate(0, 0, -1).Format("200601"), last.date().AddDate(0, 0, 1).Format("200601")
		if len(ids) > 0 && len(ids[0]) == len("2006") { // by year
			low, high = low[:4], high[:4]
		}
		for _, id := range ids {
			if strings.Compare(id, low) < 0 || strings.Compare(id, high) > 0 {
				continue
			}
			if err := c.conn.Exec(ctx, fmt.Sprintf("OPTIMIZE TABLE %s PARTITION ID '%s' FINAL", r.table, id)); err != nil {
				return fmt.Errorf("merge %s of %s: %w", r.table, id, err)
			}
		}
	}
	return nil
}
