package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/schema"
)

// place is what a database says it is.
type place struct {
	cluster       string
	shard, shards uint32 // 0 = it has never been a shard
}

// Apply brings every shard to this program's schema and lets it take part, and
// makes the tables that read all shards. zone is that of the daily tables when
// they are first made. One shard that does not answer does not hold up the
// others. An error is a sentence for the user.
func (d *Database) Apply(ctx context.Context, zone string) error {
	if d.name == "" {
		return d.applySingle(ctx, zone)
	}
	var errs []error
	for _, s := range d.backwards() { // the first last, as it says how many there are
		if err := d.admit(ctx, s, zone); err != nil {
			errs = append(errs, d.at(s, err))
			continue
		}
		s.admitted.Store(true)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return d.at(d.Shards[0], d.refresh(ctx))
}

// applySingle is Apply on one server, which must not be a shard.
func (d *Database) applySingle(ctx context.Context, zone string) error {
	if err := schema.Apply(ctx, d.Home, schema.Options{DSN: d.Shards[0].DSN, Zone: zone}); err != nil {
		return err
	}
	is, err := placeOf(ctx, d.Home)
	if err != nil || is.shard == 0 {
		return err
	}
	return fmt.Errorf("this database is shard %d of cluster %s; give --cluster %s", is.shard, is.cluster, is.cluster)
}

// admit checks that a server holds the shard it is taken for, or makes it one,
// and migrates it.
func (d *Database) admit(ctx context.Context, s *Shard, zone string) error {
	// It checks the server and creates the database.
	conn, err := clickhouse.Open(ctx, s.DSN)
	if err != nil {
		return err
	}
	defer conn.Close()
	is, err := placeOf(ctx, conn)
	if err != nil {
		return err
	}
	wanted := place{d.name, uint32(s.Number), uint32(len(d.Shards))} //nolint:gosec // there are not so many servers
	switch {
	case is.shard == 0:
		if zone, err = d.checkNew(ctx, conn, s, zone); err != nil {
			return err
		}
	case is.cluster != wanted.cluster:
		return fmt.Errorf("this database is shard %d of cluster %s, not of %s; name that cluster, or another database in --clickhouse", is.shard, is.cluster, wanted.cluster)
	case is.shard != wanted.shard:
		return fmt.Errorf("this database is shard %d; put the shards of cluster %s back in their order, as flows that wait in spools are meant for one of them", is.shard, d.name)
	case s.Number == 1 && is.shards > wanted.shards:
		return fmt.Errorf("cluster %s had %d shards, now its definition has %d; the flows of the others would be missing in every total: put them back", d.name, is.shards, wanted.shards)
	}
	if err := schema.Apply(ctx, conn, schema.Options{DSN: s.DSN, Zone: zone}); err != nil {
		return err
	}
	if is == wanted || is.shard != 0 && s.Number > 1 {
		return nil
	}
	if s.Number == 1 && !d.othersAdmitted() {
		return nil // it is written down when all others are there
	}
	if err := conn.Exec(ctx, query("join"), wanted.cluster, wanted.shard, wanted.shards); err != nil {
		return fmt.Errorf("make it shard %d of cluster %s: %w", s.Number, d.name, err)
	}
	return nil
}

// checkNew says whether a database that has never been a shard may become one,
// and returns the zone of its days: that of the first shard.
func (d *Database) checkNew(ctx context.Context, conn driver.Conn, s *Shard, zone string) (string, error) {
	if s.Number == 1 {
		return zone, nil // what there is stays: a single server becomes the first of several
	}
	home, err := clickhouse.Open(ctx, d.Shards[0].DSN)
	if err != nil {
		return "", fmt.Errorf("a new shard is made by what the first one has: %w", err)
	}
	defer home.Close()
	is, err := placeOf(ctx, home)
	if err != nil {
		return "", err
	}
	if int(is.shards) >= s.Number {
		return "", fmt.Errorf("it was shard %d of cluster %s and is empty now; restore its backup, or, to go on without what it held, run on the first shard: TRUNCATE TABLE %s.shards", s.Number, d.name, d.database)
	}
	if n, err := countFlows(ctx, conn); err != nil || n > 0 {
		return "", errors.Join(err, fmt.Errorf("it has %d flows of its own and cannot become a shard; only the first may have any", n))
	}
	now, err := schema.Zone(ctx, home)
	if errors.Is(err, schema.ErrNoZone) {
		return zone, nil
	}
	return now, err
}

func (d *Database) othersAdmitted() bool {
	for _, s := range d.Shards[1:] {
		if !s.admitted.Load() {
			return false
		}
	}
	return true
}

// placeOf reads which shard a database is.
func placeOf(ctx context.Context, conn driver.Conn) (place, error) {
	var p place
	there, err := exists(ctx, conn, "shards")
	if err != nil || !there {
		return p, err
	}
	err = conn.QueryRow(ctx, query("place")).Scan(&p.cluster, &p.shard, &p.shards)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return p, fmt.Errorf("read which shard the database is: %w", err)
	}
	return p, nil
}

func countFlows(ctx context.Context, conn driver.Conn) (n uint64, err error) {
	there, err := exists(ctx, conn, "flows")
	if err != nil || !there {
		return 0, err
	}
	if err := conn.QueryRow(ctx, "SELECT count() FROM flows").Scan(&n); err != nil {
		return 0, fmt.Errorf("count flows: %w", err)
	}
	return n, nil
}

func exists(ctx context.Context, conn driver.Conn, table string) (bool, error) {
	var there uint8
	if err := conn.QueryRow(ctx, "EXISTS TABLE "+table).Scan(&there); err != nil {
		return false, fmt.Errorf("look for table %s: %w", table, err)
	}
	return there == 1, nil
}

// Check returns nil when every shard answers and has this program's schema,
// else a sentence for the user.
func (d *Database) Check(ctx context.Context) error {
	return d.each(func(s *Shard) error {
		return schema.Check(ctx, s.Conn)
	})
}
