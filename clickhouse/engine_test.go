package clickhouse_test

import (
	"testing"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

func TestEngineSurvivesKill(t *testing.T) {
	s := clickhousetest.Engine(t)
	conn, dsn := s.Database(t)
	ctx := t.Context()
	for _, q := range []string{
		"CREATE TABLE n (n UInt64) ENGINE = MergeTree ORDER BY n",
		"INSERT INTO n SELECT number FROM numbers(1000)",
	} {
		if err := conn.Exec(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	s.Kill9(t)
	after, err := clickhouse.Open(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	var got uint64
	if err := after.QueryRow(ctx, "SELECT count() FROM n").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != 1000 {
		t.Errorf("rows after kill: got %d, want 1000", got)
	}
	if s.Restarts() != 1 || s.UncleanStarts() != 1 {
		t.Errorf("restarts, unclean starts: got %d, %d, want 1, 1", s.Restarts(), s.UncleanStarts())
	}
}
