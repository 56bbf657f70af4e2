package cluster

import (
	"context"
	"time"

	"github.com/flattraffic/flattraffic/schema"
)

// WithImportLock is schema.WithImportLock on all shards at once.
func (d *Database) WithImportLock(ctx context.Context, fn func(ctx context.Context) error) error {
	for _, s := range d.backwards() { // so that the first is locked first, as everybody does
		inner := fn
		fn = func(ctx context.Context) error { return schema.WithImportLock(ctx, s.Conn, inner) }
	}
	return fn(ctx)
}

// NewStage makes an empty table of the form of flows on every shard, of one
// name, and returns it. The caller holds the import lock.
func (d *Database) NewStage(ctx context.Context) (name string, err error) {
	err = d.each(func(s *Shard) (err error) {
		name, err = schema.NewStage(ctx, s.Conn)
		return err
	})
	return name, err
}

// DropStages drops the tables of NewStage.
func (d *Database) DropStages(ctx context.Context) error {
	return d.each(func(s *Shard) error { return schema.DropStages(ctx, s.Conn) })
}

// AddStage adds the rows of a stage to flows, each on the shard it is staged
// on. Cut off, it leaves what RemoveImport takes away. The caller holds the
// import lock.
func (d *Database) AddStage(ctx context.Context, stage string, number uint32, progress schema.Progress) error {
	return d.each(func(s *Shard) error { return schema.AddStage(ctx, s.Conn, stage, number, d.part(s, progress)) })
}

// RemoveImport is schema.RemoveImport on every shard.
func (d *Database) RemoveImport(ctx context.Context, number uint32, from, to time.Time, progress schema.Progress) error {
	return d.each(func(s *Shard) error {
		return schema.RemoveImport(ctx, s.Conn, number, from, to, d.part(s, progress))
	})
}

// RawFrom returns the instant from which on all shards keep raw flows whole,
// zero when none have been dropped.
func (d *Database) RawFrom(ctx context.Context) (from time.Time, err error) {
	err = d.each(func(s *Shard) error {
		t, err := schema.RawFrom(ctx, s.Conn)
		if t.After(from) {
			from = t
		}
		return err
	})
	return from, err
}
