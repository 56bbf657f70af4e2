package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// lease is how long inserts stay paused when the process that paused them is
// killed. It is renewed at a third of its time.
const lease = 30 * time.Second

// drainLimit is how long a pause waits for the inserts that run.
const drainLimit = 2 * time.Minute

// codeViolatedConstraint is ClickHouse's code for a row that a constraint
// refuses.
const codeViolatedConstraint = 469

// IsPaused says whether an insert into flows failed because inserts are paused
// for a moment. Nothing of the batch was stored; it is to be sent again.
func IsPaused(err error) bool {
	var e *ch.Exception
	return errors.As(err, &e) && e.Code == codeViolatedConstraint
}

// Exclusive runs fn while nobody inserts into flows and no maintenance puts
// tables in their place: for whoever puts rows into flows past the views.
func Exclusive(ctx context.Context, conn driver.Conn, fn func(ctx context.Context) error) error {
	return withInsertsPaused(ctx, conn, fn)
}

// withInsertsPaused runs fn while nobody inserts into flows: new inserts are
// refused by the server and those that ran have ended. Whoever inserts tries
// again, as after any error.
//
// The pause is a constraint that every row violates until a time not far away,
// so that it ends by itself when this process is killed.
func withInsertsPaused(ctx context.Context, conn driver.Conn, fn func(ctx context.Context) error) error {
	return withLock(ctx, conn, pausing, true, func(ctx context.Context) (err error) {
		p := &pause{conn: conn}
		defer func() {
			err = errors.Join(err, p.end(context.WithoutCancel(ctx)))
		}()
		if err := p.begin(ctx); err != nil {
			return fmt.Errorf("pause inserts: %w", err)
		}
		work, lost := context.WithCancelCause(ctx)
		defer lost(nil)
		renewing, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := p.renew(renewing); err != nil {
				lost(fmt.Errorf("keep inserts paused: %w", err))
			}
		}()
		err = fn(work)
		stop()
		<-done
		if err != nil && work.Err() != nil && ctx.Err() == nil {
			return context.Cause(work)
		}
		return err
	})
}

// pause is one pause of inserts.
type pause struct {
	conn driver.Conn
	name string // of the constraint in force
}

// begin refuses new inserts and waits for the running ones.
func (p *pause) begin(ctx context.Context) error {
	if err := p.end(ctx); err != nil { // of a process that was killed
		return err
	}
	if err := p.add(ctx); err != nil {
		return err
	}
	running, err := p.running(ctx)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(drainLimit)
	for len(running) > 0 {
		if time.Now().After(deadline) {
			return fmt.Errorf("an insert has been running for %v; end it with KILL QUERY WHERE query_id = '%s'", drainLimit, running[0])
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
		now, err := p.running(ctx)
		if err != nil {
			return err
		}
		running = slices.DeleteFunc(running, func(id string) bool { return !slices.Contains(now, id) })
	}
	return nil
}

// add puts a constraint into force until the lease is over.
func (p *pause) add(ctx context.Context) error {
	until := time.Now().Add(lease).UTC()
	name := fmt.Sprintf("paused_%d", until.UnixMilli())
	err := p.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE flows ADD CONSTRAINT %s CHECK now64(3, 'UTC') >= toDateTime64('%s', 3, 'UTC')", name, until.Format("2006-01-02 15:04:05.000")))
	if err == nil {
		p.name = name
	}
	return err
}

// renew puts off the end of the pause until ctx is done.
func (p *pause) renew(ctx context.Context) error {
	tick := time.NewTicker(lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		old := p.name
		if err := p.add(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err := p.drop(ctx, old); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// end drops every constraint of a pause.
func (p *pause) end(ctx context.Context) error {
	names, err := column[string](ctx, p.conn, query("pause_names"))
	if err != nil {
		return fmt.Errorf("let inserts go on: %w", err)
	}
	for _, name := range names {
		if err := p.drop(ctx, name); err != nil {
			return fmt.Errorf("let inserts go on: %w", err)
		}
	}
	return nil
}

func (p *pause) drop(ctx context.Context, name string) error {
	return p.conn.Exec(ctx, "ALTER TABLE flows DROP CONSTRAINT IF EXISTS "+name)
}

// running lists the inserts into the database that run now.
func (p *pause) running(ctx context.Context) ([]string, error) {
	return column[string](ctx, p.conn, query("running_inserts"))
}

// column returns the one column a query yields.
func column[T any](ctx context.Context, conn driver.Conn, sql string, args ...any) ([]T, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}
