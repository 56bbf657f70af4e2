package schema

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/flow"
)

// Retention says how long raw flows are kept. Rollups stay for ever: every
// total is made from them.
type Retention struct {
	Months int    // whole months kept beside the running one; 0 = for ever
	Bytes  uint64 // on disk at most, oldest months give way; 0 = any size

	// Before lets all months go that begin earlier, whatever else is said: what
	// was decided of several databases together. Zero = none.
	Before time.Time
}

// RawMonth is a month of raw flows, a partition of the table.
type RawMonth struct {
	Month time.Time // its first instant, UTC
	Rows  uint64
	Bytes uint64 // on disk
	// Kept says why it was not dropped although it was due; empty = it was, or it
	// was not due.
	Kept string
	At   time.Time // when it was dropped; zero = it is there
}

// TableSize is what a table takes on disk.
type TableSize struct {
	Table, Comment string
	Rows, Bytes    uint64
}

// Sizes returns what each table takes, the largest first.
func Sizes(ctx context.Context, conn driver.Conn) ([]TableSize, error) {
	rows, err := conn.Query(ctx, query("table_sizes"))
	if err != nil {
		return nil, fmt.Errorf("read sizes of tables: %w", err)
	}
	defer rows.Close()
	var list []TableSize
	for rows.Next() {
		var t TableSize
		if err := rows.Scan(&t.Table, &t.Comment, &t.Rows, &t.Bytes); err != nil {
			return nil, fmt.Errorf("read sizes of tables: %w", err)
		}
		list = append(list, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read sizes of tables: %w", err)
	}
	return list, nil
}

// RawMonths returns the months of raw flows there are, oldest first.
func RawMonths(ctx context.Context, conn driver.Conn) ([]RawMonth, error) {
	rows, err := conn.Query(ctx, query("raw_months"))
	if err != nil {
		return nil, fmt.Errorf("list months of raw flows: %w", err)
	}
	defer rows.Close()
	var list []RawMonth
	for rows.Next() {
		var m RawMonth
		var id string
		if err := rows.Scan(&id, &m.Rows, &m.Bytes); err != nil {
			return nil, fmt.Errorf("list months of raw flows: %w", err)
		}
		if m.Month, err = time.Parse("200601", id); err != nil {
			return nil, fmt.Errorf("the table flows has a partition %q that is no month; was it changed by hand?", id)
		}
		list = append(list, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list months of raw flows: %w", err)
	}
	return list, nil
}

// RawDrops returns the months whose raw flows were dropped, newest first.
func RawDrops(ctx context.Context, conn driver.Conn) ([]RawMonth, error) {
	rows, err := conn.Query(ctx, query("raw_drops"))
	if err != nil {
		return nil, fmt.Errorf("read table raw_drops: %w", err)
	}
	defer rows.Close()
	var list []RawMonth
	for rows.Next() {
		var m RawMonth
		if err := rows.Scan(&m.Month, &m.Rows, &m.Bytes, &m.At); err != nil {
			return nil, fmt.Errorf("read table raw_drops: %w", err)
		}
		list = append(list, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read table raw_drops: %w", err)
	}
	return list, nil
}

// settled is how long after its end a month can still get flows: what arrives
// is at most so old, and clocks may differ by a day.
const settled = flow.MaxAge + 24*time.Hour

// Due picks from the months of raw flows, oldest first, those that a retention
// lets go at a time. It never picks one that flows may still arrive for, and
// always the oldest before the newer.
func (r Retention) Due(months []RawMonth, now time.Time) []RawMonth {
	var total uint64
	for _, m := range months {
		total += m.Bytes
	}
	now = now.UTC()
	oldest := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC).AddDate(0, -r.Months, 0)
	for i, m := range months {
		old := r.Months > 0 && m.Month.Before(oldest) || m.Month.Before(r.Before)
		large := r.Bytes > 0 && total > r.Bytes
		if !old && !large || now.Before(m.Month.AddDate(0, 1, 0).Add(settled)) {
			return months[:i]
		}
		total -= m.Bytes
	}
	return months
}

// Retain drops the raw flows that a retention lets go, a month at a time,
// oldest first. Before a month goes every rollup of its days is compared with
// it, to the byte; where one differs the month is kept, with all that are newer.
// Totals do not change. It returns the months that were due.
func Retain(ctx context.Context, conn driver.Conn, r Retention, now time.Time, progress Progress) ([]RawMonth, error) {
	months, err := RawMonths(ctx, conn)
	if err != nil {
		return nil, err
	}
	if len(r.Due(months, now)) == 0 {
		return nil, nil
	}
	var due []RawMonth
	err = WithImportLock(ctx, conn, func(ctx context.Context) error {
		if months, err = RawMonths(ctx, conn); err != nil {
			return err
		}
		due = r.Due(months, now)
		return dropMonths(ctx, conn, due, now, progress)
	})
	if err != nil {
		return due, fmt.Errorf("drop old raw flows: %w", err)
	}
	return due, nil
}

func dropMonths(ctx context.Context, conn driver.Conn, due []RawMonth, now time.Time, progress Progress) error {
	if err := redoInterrupted(ctx, conn); err != nil {
		return err
	}
	var pending uint64
	if err := conn.QueryRow(ctx, query("pending_imports")).Scan(&pending); err != nil {
		return fmt.Errorf("look for interrupted imports: %w", err)
	}
	if pending > 0 {
		return errors.New("an import was interrupted and is to be undone first; flattraffic import --list does that")
	}
	for i := range due {
		m := &due[i]
		progress.report(i, len(due))
		kept, err := provenMonth(ctx, conn, m.Month)
		if err != nil {
			return err
		}
		if kept != "" {
			m.Kept = kept
			for j := i + 1; j < len(due); j++ {
				due[j].Kept = "an older month is kept"
			}
			return nil
		}
		// Noted first: killed between the two, it is dropped and noted once more.
		if err := conn.Exec(ctx, "INSERT INTO raw_drops (month, rows, bytes, dropped_at) VALUES (?, ?, ?, ?)", m.Month, m.Rows, m.Bytes, now.UTC()); err != nil {
			return fmt.Errorf("note that %s is dropped: %w", m.Month.Format("2006-01"), err)
		}
		if err := conn.Exec(ctx, "ALTER TABLE flows DROP PARTITION ID '"+m.Month.Format("200601")+"'"); err != nil {
			return fmt.Errorf("drop raw flows of %s: %w", m.Month.Format("2006-01"), err)
		}
		m.At = now
	}
	progress.report(1, 1)
	return nil
}

// provenMonth says why the raw flows of a month must be kept; empty when every
// rollup of its days agrees with them, and of the days after it, which cannot
// be compared any more when it is gone.
func provenMonth(ctx context.Context, conn driver.Conn, month time.Time) (string, error) {
	report, err := Verify(ctx, conn, VerifyOptions{From: month, To: month.AddDate(0, 1, 0).Add(keptReach)}, nil)
	if err != nil {
		return "", err
	}
	if len(report.Differences) == 0 {
		return "", nil
	}
	return fmt.Sprintf("its rollups differ from it on %d days (first: %s); flattraffic schema rebuild mends them", len(report.DifferingDays()), report.Differences[0]), nil
}
