package deliver

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/uuid"

	"github.com/flattraffic/flattraffic/schema"
)

//go:embed sql/missing.sql
var missingSQL string

// settle ends the doubt about a batch whose repeat was acknowledged: first
// flows holds its rows for certain, then every rollup agrees with flows. It
// may be called again after an error.
func (s *sender) settle(ctx context.Context, b *batch) error {
	repaired, err := s.restore(ctx, b)
	if err != nil {
		return fmt.Errorf("verify batch %s: %w", b.id, err)
	}
	if repaired {
		s.deps.Log.Warn("ClickHouse had lost a batch when it was killed; its rows were put back", "rows", b.rows, "from", b.from(), "to", b.to())
	}
	if s.deps.Reconcile == nil {
		return nil
	}
	if err := s.deps.Reconcile(ctx, b.from(), b.to()); err != nil {
		return fmt.Errorf("bring the rollups in line with flows after an interrupted insert: %w", err)
	}
	return nil
}

// restore puts a batch's rows into flows if they are not there, past the views
// and past deduplication. It reports whether it had to.
func (s *sender) restore(ctx context.Context, b *batch) (bool, error) {
	// The name is the batch's, so that what a crash leaves is used up by the
	// next try.
	table := "flows_repair_" + strings.ReplaceAll(b.id.String(), "-", "")
	for _, q := range []string{
		"DROP TABLE IF EXISTS " + table + " SYNC",
		"CREATE TABLE " + table + " AS flows COMMENT 'Rows of an interrupted insert, compared with flows; removed at once'",
	} {
		if err := s.do(ctx, ch.Query{Body: q}); err != nil {
			return false, err
		}
	}
	if err := s.insert(ctx, table, b.input, uuid.New()); err != nil {
		return false, err
	}
	var missing uint64
	// Maintenance that tells flows anew must see the rows or be done before.
	err := s.deps.Exclusive(ctx, func(ctx context.Context) (err error) {
		if missing, err = s.missing(ctx, table); err != nil || missing == 0 {
			return err
		}
		return s.attach(ctx, table)
	})
	if err != nil {
		return false, err
	}
	return missing > 0, s.do(ctx, ch.Query{Body: "DROP TABLE IF EXISTS " + table + " SYNC"})
}

// missing counts the rows of a table that flows lacks. How a row is told may
// have changed since.
func (s *sender) missing(ctx context.Context, table string) (uint64, error) {
	var missing proto.ColUInt64
	err := s.do(ctx, ch.Query{
		Body:   strings.NewReplacer("{table}", table, "{identity}", schema.FlowIdentity).Replace(missingSQL),
		Result: proto.Results{{Name: "missing", Data: &missing}},
	})
	if err != nil {
		return 0, fmt.Errorf("compare with flows: %w", err)
	}
	if missing.Rows() != 1 {
		return 0, fmt.Errorf("compare with flows: %d rows in the answer", missing.Rows())
	}
	return missing[0], nil
}

// attach copies every partition of a table to flows.
func (s *sender) attach(ctx context.Context, table string) error {
	var partitions proto.ColStr
	err := s.do(ctx, ch.Query{
		Body:   "SELECT DISTINCT CAST(_partition_id, 'String') AS partition FROM " + table,
		Result: proto.Results{{Name: "partition", Data: &partitions}},
	})
	if err != nil {
		return fmt.Errorf("list partitions: %w", err)
	}
	for i := range partitions.Rows() {
		q := "ALTER TABLE flows ATTACH PARTITION ID '" + partitions.Row(i) + "' FROM " + table
		if err := s.do(ctx, ch.Query{Body: q}); err != nil {
			return fmt.Errorf("put rows back: %w", err)
		}
	}
	return nil
}
