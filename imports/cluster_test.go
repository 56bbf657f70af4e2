package imports_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/cluster"
	"github.com/flattraffic/flattraffic/imports"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

// An import into a cluster is spread over its shards, counts there as on one
// server, and is undone on all of them, also when it was cut off.
func TestImportOnCluster(t *testing.T) {
	servers := clickhousetest.Cluster(t, 2)
	db, err := cluster.Open(t.Context(), cluster.Config{DSN: servers[0].NewDSN(), Name: clickhousetest.ClusterName})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Apply(t.Context(), zone); err != nil {
		t.Fatal(err)
	}
	im, err := imports.New(imports.Deps{
		Database: db, Settings: site.NewStore(db.Home, time.UTC).Load, Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	several, one := &lab{im, db.All}, newLab(t)
	verified := func() {
		t.Helper()
		for _, s := range db.Shards {
			(&lab{im, s.Conn}).verified(t)
		}
	}
	same := func(when string) {
		t.Helper()
		verified()
		if diff := cmp.Diff(one.content(t), several.content(t)); diff != "" {
			t.Errorf("%s (-one server +cluster):\n%s", when, diff)
		}
	}
	before := several.content(t)
	var text strings.Builder
	text.WriteString(table)
	for n := range 10 {
		fmt.Fprintf(&text, "2026-10-03 10:00:00,2026-10-03 10:50:00,192.168.1.1,203.0.113.5,192.168.1.%d,443,50000,tcp,%d,7\n", 30+n, 1000+n)
	}
	file := write(t, "table.csv", text.String())
	want, got := one.bring(t, file, imports.Options{}), several.bring(t, file, imports.Options{})
	if diff := cmp.Diff(want.Lines(), got.Lines()); diff != "" {
		t.Errorf("summary (-one server +cluster):\n%s", diff)
	}
	same("after the import")
	for _, s := range db.Shards {
		var n uint64
		if err := s.Conn.QueryRow(t.Context(), "SELECT count() FROM flows").Scan(&n); err != nil || n == 0 {
			t.Errorf("%s has %d flows (%v)", db.Label(s), n, err)
		}
	}
	if again := several.bring(t, file, imports.Options{}); !again.Before {
		t.Error("the same file was imported twice")
	}
	if _, err := several.Undo(t.Context(), got.Number, nil); err != nil {
		t.Fatal(err)
	}
	verified()
	if diff := cmp.Diff(before, several.content(t)); diff != "" {
		t.Errorf("after the undo (-before +after):\n%s", diff)
	}

	// Cut off when only the second shard has its rows.
	cut := several.bring(t, file, imports.Options{})
	run(t, db.Home, "INSERT INTO imports SELECT * REPLACE ('loading' AS state, changed_at + INTERVAL 1 SECOND AS changed_at) FROM imports FINAL WHERE import = 2")
	if err := schema.RemoveImport(t.Context(), db.Home, cut.Number, cut.First, cut.Last, nil); err != nil {
		t.Fatal(err)
	}
	if err := several.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	verified()
	if diff := cmp.Diff(before, several.content(t)); diff != "" {
		t.Errorf("after an interrupted import was undone (-before +after):\n%s", diff)
	}
}
