package schema

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// wakeEvery is how often a server is reminded of parts to be rewritten.
const wakeEvery = 500 * time.Millisecond

// DeleteRows deletes the rows of a table that a condition holds for, in the
// partition of that id or, when it is empty, in all, and waits until they are
// gone. The server rewrites a few parts at a time and looks for the next ones
// the more rarely the longer the table was idle, up to ten minutes, so that it
// is woken until all is done.
func DeleteRows(ctx context.Context, conn driver.Conn, table, partition, where string) error {
	if partition != "" {
		partition = "IN PARTITION ID '" + partition + "' "
	}
	done := make(chan error, 1)
	go func() {
		done <- conn.Exec(ctx, "ALTER TABLE "+table+" DELETE "+partition+"WHERE "+where+" SETTINGS mutations_sync = 2")
	}()
	tick := time.NewTicker(wakeEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			// A user that may not do this waits longer.
			_ = conn.Exec(ctx, "SYSTEM START MERGES "+table)
		}
	}
}
