package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/flow"
)

// Retention says how long raw flows are kept, and the far ends of each day.
// All other rollups stay for ever: every total is made from them.
type Retention struct {
	Months  int    // whole months of raw flows kept beside the running one; 0 = for ever
	Bytes   uint64 // of raw flows on disk at most, oldest months give way; 0 = any size
	FarEnds int    // whole months of far ends kept beside the running one; 0 = for ever

	// Before lets all raw flows go that begin earlier, whatever else is said: what
	// was decided of several databases together. Zero = none.
	Before time.Time
}

// Month is a month of raw flows or of far ends, a partition of the table.
type Month struct {
	Month   time.Time // its first instant, UTC
	FarEnds bool      // of the table daily_peer; else of flows
	Rows    uint64
	Bytes   uint64 // on disk
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
func RawMonths(ctx context.Context, conn driver.Conn) ([]Month, error) {
	return monthsOf(ctx, conn, "flows")
}

// FarEndMonths returns the months of far ends there are, oldest first.
func FarEndMonths(ctx context.Context, conn driver.Conn) ([]Month, error) {
	return monthsOf(ctx, conn, farEnds)
}

// farEnds is the table of the far ends of each day.
const farEnds = "daily_peer"

func monthsOf(ctx context.Context, conn driver.Conn, table string) ([]Month, error) {
	rows, err := conn.Query(ch.Context(ctx, ch.WithParameters(ch.Parameters{"table": table})), query("months"))
	if err != nil {
		return nil, fmt.Errorf("list months of %s: %w", table, err)
	}
	defer rows.Close()
	var list []Month
	for rows.Next() {
		m := Month{FarEnds: table == farEnds}
		var id string
		if err := rows.Scan(&id, &m.Rows, &m.Bytes); err != nil {
			return nil, fmt.Errorf("list months of %s: %w", table, err)
		}
		if m.Month, err = time.Parse("200601", id); err != nil {
			return nil, fmt.Errorf("the table %s has a partition %q that is no month; was it changed by hand?", table, id)
		}
		list = append(list, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list months of %s: %w", table, err)
	}
	return list, nil
}

// RawDrops returns the months whose raw flows were dropped, newest first.
func RawDrops(ctx context.Context, conn driver.Conn) ([]Month, error) {
	rows, err := conn.Query(ctx, query("raw_drops"))
	if err != nil {
		return nil, fmt.Errorf("read table raw_drops: %w", err)
	}
	defer rows.Close()
	var list []Month
	for rows.Next() {
		var m Month
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

// Due picks from the months of raw flows and from those of far ends, oldest
// first, those that a retention lets go at a time: always the oldest before the
// newer.
func (r Retention) Due(raw, far []Month, now time.Time) (dueRaw, dueFar []Month) {
	now = now.UTC()
	running := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	dueRaw = r.dueRaw(raw, running.AddDate(0, -r.Months, 0), now)
	if r.FarEnds == 0 {
		return dueRaw, nil
	}
	return dueRaw, dueFarEnds(far, raw[len(dueRaw):], running.AddDate(0, -r.FarEnds, 0))
}

// dueRaw never picks a month that flows may still arrive for.
func (r Retention) dueRaw(months []Month, oldest, now time.Time) []Month {
	var total uint64
	for _, m := range months {
		total += m.Bytes
	}
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

// dueFarEnds picks months before the oldest to be kept. raw are the months of
// raw flows that stay: they may reach back into the month before theirs, whose
// far ends then stay too, to be compared with them and told anew.
func dueFarEnds(months, raw []Month, oldest time.Time) []Month {
	for i, m := range months {
		if !m.Month.Before(oldest) || len(raw) > 0 && raw[0].Month.Before(m.Month.AddDate(0, 2, 0)) {
			return months[:i]
		}
	}
	return months
}

// settled is how long after its end a month can still get flows: what arrives
// is at most so old, and clocks may differ by a day.
const settled = flow.MaxAge + 24*time.Hour

// Retain drops the raw flows that a retention lets go, a month at a time,
// oldest first. Before a month goes every rollup of its days is compared with
// it, to the byte; where one differs the month is kept, with all that are newer.
// Then it drops the far ends that are due. Totals do not change. It returns the
// months that were due.
func Retain(ctx context.Context, conn driver.Conn, r Retention, now time.Time, progress Progress) ([]Month, error) {
	raw, far, err := dueNow(ctx, conn, r, now)
	if err != nil || len(raw)+len(far) == 0 {
		return nil, err
	}
	err = WithImportLock(ctx, conn, func(ctx context.Context) error {
		if raw, _, err = dueNow(ctx, conn, r, now); err != nil {
			return err
		}
		if err := dropMonths(ctx, conn, raw, now, progress); err != nil {
			return err
		}
		if _, far, err = dueNow(ctx, conn, r, now); err != nil { // by the raw flows that are left
			return err
		}
		return dropFarEnds(ctx, conn, far, now)
	})
	if err != nil {
		err = fmt.Errorf("drop what is due: %w", err)
	}
	return slices.Concat(raw, far), err
}

// dueNow is Due of the months there are.
func dueNow(ctx context.Context, conn driver.Conn, r Retention, now time.Time) (raw, far []Month, err error) {
	if raw, err = RawMonths(ctx, conn); err != nil {
		return nil, nil, err
	}
	if far, err = FarEndMonths(ctx, conn); err != nil {
		return nil, nil, err
	}
	raw, far = r.Due(raw, far, now)
	return raw, far, nil
}

// dropFarEnds drops months of far ends.
func dropFarEnds(ctx context.Context, conn driver.Conn, due []Month, now time.Time) error {
	for i := range due {
		m := &due[i]
		// Noted first, as with raw flows.
		if err := conn.Exec(ctx, "INSERT INTO far_end_drops (month, rows, bytes, dropped_at) VALUES (?, ?, ?, ?)", m.Month, m.Rows, m.Bytes, now.UTC()); err != nil {
			return fmt.Errorf("note that the far ends of %s are dropped: %w", m.Month.Format("2006-01"), err)
		}
		if err := conn.Exec(ctx, "ALTER TABLE "+farEnds+" DROP PARTITION ID '"+m.Month.Format("200601")+"'"); err != nil {
			return fmt.Errorf("drop far ends of %s: %w", m.Month.Format("2006-01"), err)
		}
		m.At = now
	}
	return nil
}

func dropMonths(ctx context.Context, conn driver.Conn, due []Month, now time.Time, progress Progress) error {
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
