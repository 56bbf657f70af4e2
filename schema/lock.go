package schema

import (
	"context"
	"errors"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// codeSameQueryID is ClickHouse's code for a query id that already runs.
const codeSameQueryID = 216

// longest is how long a lock may be held, and a statement under it may take:
// history of years takes hours on a small machine.
const longest = 14 * 24 * time.Hour

// errBusy says that another process holds a lock.
var errBusy = errors.New("another process works on the schema")

// Alone runs fn while no other process holds the lock of this name on the
// database. Without wait it returns at once when one does, done false.
func Alone(ctx context.Context, conn driver.Conn, name string, wait bool, fn func(ctx context.Context) error) (done bool, err error) {
	err = withLock(ctx, conn, name, wait, fn)
	if errors.Is(err, errBusy) {
		return false, nil
	}
	return true, err
}

// Locks of a database. Maintenance is held by whatever changes tables, for as
// long as it takes; pausing while inserts are paused, which is short.
const (
	maintenance = "maintenance"
	pausing     = "pausing"
)

// withLock runs fn while no other process holds the same lock on the database.
// The lock is a query that sleeps: the server allows one query of an id at a
// time, and ends it when its client is gone, so that a killed process leaves
// no lock behind. With wait false a held lock is errBusy.
func withLock(ctx context.Context, conn driver.Conn, name string, wait bool, fn func(ctx context.Context) error) error {
	// Without a deadline the driver gives every statement, this lock too, five
	// minutes to be answered.
	ctx, end := context.WithTimeout(ctx, longest)
	defer end()
	var database string
	if err := conn.QueryRow(ctx, "SELECT currentDatabase()").Scan(&database); err != nil {
		return fmt.Errorf("ask for the database's name: %w", err)
	}
	held, release := context.WithCancel(ch.Context(ctx, ch.WithQueryID("flattraffic "+name+" "+database)))
	defer release()
	rows, err := takeLock(held, conn, wait)
	if err != nil {
		return err
	}
	work, lost := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for rows.Next() {
			continue // the query returns no rows; it ends when the lock is lost
		}
		lost(errors.Join(errors.New("the lock on the database was lost"), rows.Err(), rows.Close()))
	}()
	err = fn(work)
	if err != nil && work.Err() != nil && ctx.Err() == nil {
		err = context.Cause(work)
	}
	release()
	<-ended
	return err
}

// takeLock starts the sleeping query. It is there when its header is.
func takeLock(ctx context.Context, conn driver.Conn, wait bool) (driver.Rows, error) {
	for {
		rows, err := conn.Query(ctx, query("take_lock"))
		if err == nil {
			return rows, nil
		}
		var e *ch.Exception
		if !errors.As(err, &e) || e.Code != codeSameQueryID {
			return nil, fmt.Errorf("lock the database: %w", err)
		}
		if !wait {
			return nil, errBusy
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
