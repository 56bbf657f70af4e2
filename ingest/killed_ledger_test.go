package ingest_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A killed ingest loses no more of its counts than of its flows: what had been
// read for a flush interval is in the ledger as it is in the tables, once.
func TestKilledIngestKeepsItsLedger(t *testing.T) {
	conn, dsn := database(t)
	dir := t.TempDir()
	var want uint64
	sequence := uint32(0)
	for range 3 {
		c := startChild(t, dsn, dir)
		r := newRouter(t, c.address, "127.0.0.1")
		r.sequence = sequence
		for range 20 {
			r.export(20)
			time.Sleep(time.Millisecond)
		}
		want, sequence = want+r.sent.Records, r.sequence
		time.Sleep(2*flushInterval + 500*time.Millisecond)
		c.kill()
	}
	last := start(t, options{conn: conn, dsn: dsn, dir: dir})
	waitFor(t, "the spool to drain", func() bool { return last.Health().SpoolBatches == 0 })
	last.stop()
	got := map[string]uint64{
		"flows":   number(t, conn, "(SELECT count() FROM flows)"),
		"records": number(t, conn, "(SELECT sum(count) FROM ledger WHERE event = 'records')"),
		"lost":    number(t, conn, "(SELECT sum(count) FROM ledger WHERE event = 'lost_records')"),
	}
	if diff := cmp.Diff(map[string]uint64{"flows": want, "records": want, "lost": 0}, got); diff != "" {
		t.Errorf("after three kills (-want +got):\n%s", diff)
	}
}
