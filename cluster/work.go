package cluster

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/flattraffic/flattraffic/schema"
)

// part is the progress of one shard of several, as that of the whole.
func (d *Database) part(s *Shard, progress schema.Progress) schema.Progress {
	if progress == nil || len(d.Shards) == 1 {
		return progress
	}
	const fine = 1000
	return func(done, total int) {
		progress((s.Number-1)*fine+done*fine/max(total, 1), len(d.Shards)*fine)
	}
}

// zones returns the zone of the days of each shard, in order.
func (d *Database) zones(ctx context.Context) ([]string, error) {
	var list []string
	err := d.each(func(s *Shard) error {
		zone, err := schema.Zone(ctx, s.Conn)
		list = append(list, zone)
		return err
	})
	return list, err
}

// Zone returns the IANA time zone whose days the daily tables have; empty when
// the shards do not agree, as after a change of it that was cut off.
func (d *Database) Zone(ctx context.Context) (string, error) {
	zones, err := d.zones(ctx)
	if err != nil || len(slices.Compact(zones)) > 1 {
		return "", err
	}
	return zones[0], nil
}

// SetZone is schema.SetZone on every shard. Meanwhile the quarter hours answer
// all reports.
func (d *Database) SetZone(ctx context.Context, zone string, progress schema.Progress) error {
	if d.name == "" {
		return schema.SetZone(ctx, d.Home, zone, progress)
	}
	_, err := schema.Alone(ctx, d.Home, cutting, true, func(ctx context.Context) error {
		if err := d.overview(ctx, false); err != nil {
			return err
		}
		err := d.each(func(s *Shard) error { return schema.SetZone(ctx, s.Conn, zone, d.part(s, progress)) })
		if err != nil {
			return err
		}
		return d.overview(ctx, true)
	})
	return err
}

// Rebuild is schema.Rebuild on every shard.
func (d *Database) Rebuild(ctx context.Context, progress schema.Progress) error {
	return d.each(func(s *Shard) error { return schema.Rebuild(ctx, s.Conn, d.part(s, progress)) })
}

// Retell is schema.Retell on every shard. A flow that gets another host by it
// stays on its shard.
func (d *Database) Retell(ctx context.Context, rules schema.Rules, progress schema.Progress) error {
	return d.each(func(s *Shard) error { return schema.Retell(ctx, s.Conn, rules, d.part(s, progress)) })
}

// Strays counts the raw flows that the rules would tell otherwise than they
// are told.
func (d *Database) Strays(ctx context.Context, rules schema.Rules) (uint64, error) {
	var sum uint64
	err := d.each(func(s *Shard) error {
		n, err := schema.Strays(ctx, s.Conn, rules)
		sum += n
		return err
	})
	return sum, err
}

// HistoryFrom returns since when there are raw flows on any shard; zero when
// there are none. With older, the rollups know more.
func (d *Database) HistoryFrom(ctx context.Context) (from time.Time, older bool, err error) {
	err = d.each(func(s *Shard) error {
		f, o, err := schema.HistoryFrom(ctx, s.Conn)
		if !f.IsZero() && (from.IsZero() || f.Before(from)) {
			from = f
		}
		older = older || o
		return err
	})
	return from, older, err
}

// Sizes returns what each table takes on all shards, the largest first.
func (d *Database) Sizes(ctx context.Context) ([]schema.TableSize, error) {
	var all []schema.TableSize
	err := d.each(func(s *Shard) error {
		list, err := schema.Sizes(ctx, s.Conn)
		for _, t := range list {
			i := slices.IndexFunc(all, func(a schema.TableSize) bool { return a.Table == t.Table })
			if i < 0 {
				all = append(all, t)
				continue
			}
			all[i].Rows += t.Rows
			all[i].Bytes += t.Bytes
		}
		return err
	})
	slices.SortStableFunc(all, func(a, b schema.TableSize) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Table, b.Table))
	})
	return all, err
}

// addMonths adds months of one shard to those of others, month by month.
func addMonths(all, list []schema.Month) []schema.Month {
	for _, m := range list {
		i := slices.IndexFunc(all, func(a schema.Month) bool { return a.Month.Equal(m.Month) && a.FarEnds == m.FarEnds })
		if i < 0 {
			all = append(all, m)
			continue
		}
		all[i].Rows += m.Rows
		all[i].Bytes += m.Bytes
		all[i].Kept = cmp.Or(all[i].Kept, m.Kept)
		if m.At.After(all[i].At) {
			all[i].At = m.At
		}
	}
	slices.SortFunc(all, func(a, b schema.Month) int { return a.Month.Compare(b.Month) })
	return all
}

// RawMonths returns the months of raw flows there are on any shard, oldest
// first.
func (d *Database) RawMonths(ctx context.Context) ([]schema.Month, error) {
	var all []schema.Month
	err := d.each(func(s *Shard) error {
		list, err := schema.RawMonths(ctx, s.Conn)
		all = addMonths(all, list)
		return err
	})
	return all, err
}

// RawDrops returns the months whose raw flows were dropped, newest first.
func (d *Database) RawDrops(ctx context.Context) ([]schema.Month, error) {
	var all []schema.Month
	err := d.each(func(s *Shard) error {
		list, err := schema.RawDrops(ctx, s.Conn)
		all = addMonths(all, list)
		return err
	})
	slices.Reverse(all)
	return all, err
}

// Due returns the months of raw flows and those of far ends that a retention
// lets go, of all shards together.
func (d *Database) Due(ctx context.Context, r schema.Retention, now time.Time) (raw, far []schema.Month, err error) {
	if raw, err = d.RawMonths(ctx); err != nil {
		return nil, nil, err
	}
	err = d.each(func(s *Shard) error {
		list, err := schema.FarEndMonths(ctx, s.Conn)
		far = addMonths(far, list)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	raw, far = r.Due(raw, far, now)
	return raw, far, nil
}

// Retain drops what a retention lets go. A size is that of all shards together.
// What one shard cannot prove it keeps, and the others drop what is theirs. It
// returns the months that were due.
func (d *Database) Retain(ctx context.Context, r schema.Retention, now time.Time, progress schema.Progress) ([]schema.Month, error) {
	if d.name == "" {
		return schema.Retain(ctx, d.Home, r, now, progress)
	}
	due, far, err := d.Due(ctx, r, now)
	if err != nil || len(due)+len(far) == 0 {
		return nil, err
	}
	before := schema.Retention{FarEnds: r.FarEnds}
	if len(due) > 0 {
		before.Before = due[len(due)-1].Month.AddDate(0, 1, 0)
	}
	var all []schema.Month
	// The first shard first: it knows whether an import is to be undone before.
	err = d.each(func(s *Shard) error {
		list, err := schema.Retain(ctx, s.Conn, before, now, d.part(s, progress))
		all = addMonths(all, list)
		return err
	})
	return all, err
}
