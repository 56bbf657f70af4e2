package schema

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Prefixes of the tables of a recut: copies of what there was when it began,
// what is to take its place, and what of it no source can tell any more.
const (
	copyPrefix = "copy_"
	nextPrefix = "next_"
	keptPrefix = "kept_" // rows of a rollup from before its source begins
)

// swapTable is there while a recut puts its tables in place. When it is still
// there later, the process was killed in the middle and the recut is to be
// done again.
const swapTable = nextPrefix + "swap"

// recut makes rollups anew beside the old ones, from a copy of their source,
// while views keep them up to date with what is inserted meanwhile; then it
// exchanges old and new. Inserts are paused twice, for the time it takes to
// link files: once so that copy and views begin at the same batch, once for
// the exchange.
type recut struct {
	Zone    string `json:"zone"`               // of the daily tables afterwards
	FromRaw bool   `json:"from_raw,omitempty"` // make usage_15m anew too
	Rules   *Rules `json:"rules,omitempty"`    // tell raw flows anew by these

	// What the sources covered when it began. A recut that was cut off while
	// it put its tables in place goes by it again: half of them are new then.
	Cover *coverage `json:"cover,omitempty"`

	conn driver.Conn
	defs definitions       // for the new zone
	old  map[string]string // zone of each daily table so far
	loc  *time.Location
	redo bool // it was cut off while it put its tables in place
	tell Progress
}

// Rebuild makes every rollup anew from the raw flows while ingest goes on.
// What is older than the raw flows is kept.
func Rebuild(ctx context.Context, conn driver.Conn, progress Progress) error {
	zone, err := Zone(ctx, conn)
	if err != nil {
		return err
	}
	r := &recut{Zone: zone, FromRaw: true, conn: conn, tell: progress}
	return r.run(ctx)
}

// SetZone makes the daily tables anew with the days of another zone while
// ingest goes on. Days whose quarter hours (for daily_peer, raw flows) have
// been dropped keep the zone they had; nothing is counted twice or lost.
func SetZone(ctx context.Context, conn driver.Conn, zone string, progress Progress) error {
	if err := checkZone(zone); err != nil {
		return err
	}
	now, err := Zone(ctx, conn)
	if err != nil || now == zone {
		return err
	}
	r := &recut{Zone: zone, conn: conn, tell: progress}
	return r.run(ctx)
}

func (r *recut) run(ctx context.Context) error {
	err := withLock(ctx, r.conn, maintenance, true, func(ctx context.Context) error {
		if err := redoInterrupted(ctx, r.conn); err != nil {
			return err
		}
		if !r.FromRaw {
			// Somebody else may have done it while the lock was waited for.
			if now, err := Zone(ctx, r.conn); err != nil || now == r.Zone {
				return err
			}
		}
		return r.locked(ctx)
	})
	if err != nil {
		return fmt.Errorf("rebuild rollups: %w", err)
	}
	return nil
}

// locked does the recut; the caller holds the maintenance lock.
func (r *recut) locked(ctx context.Context) error {
	var err error
	if r.loc, err = time.LoadLocation(r.Zone); err != nil {
		return fmt.Errorf("load time zone %s: %w", r.Zone, err)
	}
	if r.defs, err = newDefinitions(r.Zone); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := r.once(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, errRawMoved) || try == maxTellings {
			return err
		}
	}
	if err := dropLeftovers(ctx, r.conn, false); err != nil {
		return err
	}
	return r.prove(ctx)
}

// once makes the new tables and puts them in place.
func (r *recut) once(ctx context.Context) error {
	if err := withInsertsPaused(ctx, r.conn, r.begin); err != nil {
		return err
	}
	if err := r.fill(ctx); err != nil {
		return err
	}
	return withInsertsPaused(ctx, r.conn, r.swap)
}

// prove compares what was made with raw, and mends what a batch may have left
// that was inserted just before the recut and sent again during it.
func (r *recut) prove(ctx context.Context) error {
	report, err := Verify(ctx, r.conn, VerifyOptions{}, r.step)
	if err != nil {
		return err
	}
	for _, d := range daysOf(report.Differences) {
		noon := d.date().Add(12 * time.Hour)
		if _, err := Reconcile(ctx, r.conn, noon.AddDate(0, 0, -1), noon.AddDate(0, 0, 1)); err != nil {
			return err
		}
	}
	return nil
}

// targets are the rollups that are made anew.
func (r *recut) targets() []rollup {
	return slices.DeleteFunc(rollups(), func(t rollup) bool { return t.table == "usage_15m" && !r.FromRaw })
}

// source is the table whose inserts a new rollup's view follows.
func (r *recut) source(t rollup) string {
	switch {
	case t.source == "flows" && r.Rules != nil:
		return nextPrefix + "flows"
	case t.source == "usage_15m" && r.FromRaw:
		return nextPrefix + "usage_15m"
	}
	return t.source
}

// begin copies the sources and makes the new tables with their views.
func (r *recut) begin(ctx context.Context) error {
	if err := dropLeftovers(ctx, r.conn, true); err != nil {
		return err
	}
	var err error
	if r.old, err = zones(ctx, r.conn); err != nil {
		return err
	}
	if !r.redo {
		cover, err := readCoverage(ctx, r.conn, r.Zone)
		if err != nil {
			return err
		}
		r.Cover = &cover
	}
	for _, table := range r.needed() {
		if err := r.conn.Exec(ctx, "CREATE TABLE "+copyPrefix+table+" AS "+table); err != nil {
			return fmt.Errorf("copy %s: %w", table, err)
		}
		if err := attachPartitions(ctx, r.conn, copyPrefix+table, table); err != nil {
			return err
		}
	}
	if r.Rules != nil {
		if err := r.beginRaw(ctx); err != nil {
			return err
		}
	}
	for _, t := range r.targets() {
		ddl := strings.Replace(r.defs[t.table], "IF NOT EXISTS "+t.table+" ", nextPrefix+t.table+" ", 1)
		if err := r.conn.Exec(ctx, ddl); err != nil {
			return fmt.Errorf("create %s%s: %w", nextPrefix, t.table, err)
		}
		alter := strings.Replace(r.defs[t.table+"_merge_what_is_over"], "ALTER TABLE "+t.table+" ", "ALTER TABLE "+nextPrefix+t.table+" ", 1)
		if err := r.conn.Exec(ctx, alter); err != nil {
			return fmt.Errorf("set up %s%s: %w", nextPrefix, t.table, err)
		}
		if err := r.conn.Exec(ctx, r.defs.createView(t, nextPrefix+t.view, r.source(t), nextPrefix+t.table)); err != nil {
			return fmt.Errorf("create %s%s: %w", nextPrefix, t.view, err)
		}
	}
	return nil
}

// needed lists the tables that are copied as links to their files. Rollups are
// needed for the time before their source begins.
func (r *recut) needed() []string {
	tables := []string{"flows"}
	for _, t := range rollups() {
		switch {
		case t.table == "usage_15m" && !r.FromRaw,
			t.source == "flows" && r.Cover.rawCut(),
			t.source == "usage_15m" && r.Cover.usageCut() && (!r.FromRaw || r.Cover.rawCut()):
			tables = append(tables, t.table)
		}
	}
	return tables
}

// swap puts the new tables in place.
func (r *recut) swap(ctx context.Context) error {
	if r.Rules != nil {
		if err := r.checkRaw(ctx); err != nil {
			return err
		}
	}
	intent, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write down the recut: %w", err)
	}
	if err := r.conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+swapTable+" (x UInt8) ENGINE = Memory COMMENT '"+escape(string(intent))+"'"); err != nil {
		return fmt.Errorf("write down the recut: %w", err)
	}
	if err := dropViews(ctx, r.conn); err != nil {
		return err
	}
	if r.Rules != nil {
		if err := r.swapRaw(ctx); err != nil {
			return err
		}
	}
	for _, t := range r.targets() {
		if err := r.conn.Exec(ctx, "ALTER TABLE "+t.view+" MODIFY QUERY "+r.defs.selectFrom(t, t.source)); err != nil {
			return fmt.Errorf("alter view %s: %w", t.view, err)
		}
		if err := r.conn.Exec(ctx, "EXCHANGE TABLES "+nextPrefix+t.table+" AND "+t.table); err != nil {
			return fmt.Errorf("put new %s in place: %w", t.table, err)
		}
	}
	return r.conn.Exec(ctx, "DROP TABLE "+swapTable+" SYNC")
}

// finishInterrupted does a recut again that was killed while it put its tables
// in place, and drops what any killed task has left behind. It does nothing
// when another process works on the schema now.
func finishInterrupted(ctx context.Context, conn driver.Conn) error {
	left, err := column[string](ctx, conn, query("leftovers"))
	if err != nil {
		return fmt.Errorf("look for unfinished work: %w", err)
	}
	if len(left) == 0 {
		return nil
	}
	err = withLock(ctx, conn, maintenance, false, func(ctx context.Context) error {
		if err := redoInterrupted(ctx, conn); err != nil {
			return err
		}
		return withInsertsPaused(ctx, conn, func(ctx context.Context) error { return dropLeftovers(ctx, conn, true) })
	})
	if err != nil && !errors.Is(err, errBusy) {
		return fmt.Errorf("finish interrupted work: %w", err)
	}
	return nil
}

// redoInterrupted does the recut again whose swap was cut off; the caller
// holds the maintenance lock.
func redoInterrupted(ctx context.Context, conn driver.Conn) error {
	intents, err := column[string](ctx, conn, query("swap_intent"))
	if err != nil {
		return fmt.Errorf("look for unfinished work: %w", err)
	}
	for _, intent := range intents {
		r := &recut{conn: conn}
		if err := json.Unmarshal([]byte(intent), r); err != nil {
			return fmt.Errorf("read what the unfinished work was: %w", err)
		}
		r.redo = r.Cover != nil
		if err := r.locked(ctx); err != nil {
			return err
		}
	}
	return nil
}

// dropViews drops the views of a recut; the tables they feed outlive them.
func dropViews(ctx context.Context, conn driver.Conn) error {
	views, err := column[string](ctx, conn, query("leftover_views"))
	if err != nil {
		return fmt.Errorf("list views of a recut: %w", err)
	}
	for _, v := range views {
		if err := conn.Exec(ctx, "DROP VIEW IF EXISTS "+v+" SYNC"); err != nil {
			return fmt.Errorf("drop view %s: %w", v, err)
		}
	}
	return nil
}

// dropLeftovers drops what recuts and repairs make for themselves, but not the
// note of a swap, which ends with the swap, nor what was kept for it. Repairs go on without the
// maintenance lock, so that theirs are dropped only while inserts are paused.
func dropLeftovers(ctx context.Context, conn driver.Conn, repairs bool) error {
	if err := dropViews(ctx, conn); err != nil {
		return err
	}
	tables, err := column[string](ctx, conn, query("leftovers"))
	if err != nil {
		return fmt.Errorf("list tables of a recut: %w", err)
	}
	unfinished := slices.Contains(tables, swapTable)
	for _, t := range tables {
		switch {
		case t == swapTable, strings.HasPrefix(t, keptPrefix) && unfinished, strings.HasPrefix(t, repairPrefix) && !repairs:
			continue
		}
		if err := conn.Exec(ctx, "DROP TABLE IF EXISTS "+t+" SYNC"); err != nil {
			return fmt.Errorf("drop table %s: %w", t, err)
		}
	}
	return nil
}
