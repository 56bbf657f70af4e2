package schema_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/schema"
)

// Rows are deleted of many parts, though the server that rewrites them has had
// nothing to do before.
func TestDeleteRows(t *testing.T) {
	conn, _ := applied(t, "Europe/Berlin")
	exec(t, conn, "SYSTEM STOP MERGES ledger")
	var want uint64
	for n := range 60 {
		bucket := time.Date(1990+n/3, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		exec(t, conn, fmt.Sprintf("INSERT INTO ledger (bucket, exporter, event, count) VALUES (toDateTime(%d, 'UTC'), '::1', 'records', %d), (toDateTime(%d, 'UTC'), '::2', 'records', %d)",
			bucket, n+1, bucket, n+1))
		want += uint64(n + 1)
	}
	if err := schema.DeleteRows(t.Context(), conn, "ledger", "", "exporter = toIPv6('::1')"); err != nil {
		t.Fatal(err)
	}
	var left, gone uint64
	if err := conn.QueryRow(t.Context(), "SELECT sumIf(count, exporter = toIPv6('::2')), sumIf(count, exporter = toIPv6('::1')) FROM ledger").Scan(&left, &gone); err != nil {
		t.Fatal(err)
	}
	if left != want || gone != 0 {
		t.Errorf("counts of %d are left and of %d to be deleted, want %d and 0", left, gone, want)
	}
	if err := schema.DeleteRows(t.Context(), conn, "ledger", "", "no_such_column = 1"); err == nil {
		t.Error("no error of a condition that cannot be")
	}
}
