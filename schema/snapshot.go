package schema

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Copy is a table that holds the rows of another, or is to hold them.
type Copy struct {
	Table string // of the schema
	Name  string // of the table that stands for it
}

var createTable = regexp.MustCompile(`(?m)^CREATE TABLE IF NOT EXISTS (\w+)`)

// dataTables lists the tables that the first migrations make, in order.
func dataTables(version uint32) ([]string, error) {
	list, err := migrations()
	if err != nil {
		return nil, err
	}
	var tables []string
	for _, m := range list {
		if made := createTable.FindStringSubmatch(m.text); made != nil && m.number <= version {
			tables = append(tables, made[1])
		}
	}
	return tables, nil
}

// Fingerprint identifies the schema after the first migrations, up to and with
// number version.
func Fingerprint(version uint32) (string, error) {
	list, err := migrations()
	if err != nil {
		return "", err
	}
	if int(version) > len(list) || version == 0 {
		return "", fmt.Errorf("this program knows %d migrations, not %d", len(list), version)
	}
	sum := sha256.New()
	for _, m := range list[:version] {
		sum.Write([]byte(m.checksum))
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Snapshot runs fn with copies of all tables as they were at one instant: raw
// flows and every rollup hold the same batches. The copies are links to files.
// Inserts are paused only while they are made; the schema does not change
// until fn has returned.
func Snapshot(ctx context.Context, conn driver.Conn, fn func(ctx context.Context, copies []Copy) error) error {
	version, err := Version(ctx, conn)
	if err != nil {
		return err
	}
	tables, err := dataTables(version)
	if err != nil {
		return err
	}
	var copies []Copy
	for _, t := range tables {
		copies = append(copies, Copy{t, copyPrefix + t})
	}
	return withLock(ctx, conn, maintenance, true, func(ctx context.Context) (err error) {
		if err := redoInterrupted(ctx, conn); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, dropLeftovers(context.WithoutCancel(ctx), conn, false)) }()
		err = withInsertsPaused(ctx, conn, func(ctx context.Context) error {
			if err := dropLeftovers(ctx, conn, true); err != nil {
				return err
			}
			for _, c := range copies {
				if err := createLike(ctx, conn, c.Name, c.Table); err != nil {
					return err
				}
				if err := attachPartitions(ctx, conn, c.Name, c.Table); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("take a snapshot of the tables: %w", err)
		}
		return fn(ctx, copies)
	})
}

func createLike(ctx context.Context, conn driver.Conn, name, table string) error {
	if err := conn.Exec(ctx, "CREATE TABLE "+name+" AS "+table); err != nil {
		return fmt.Errorf("create a table like %s: %w", table, err)
	}
	return nil
}

// Load puts rows into a database that has no flows yet: it makes the tables of
// an earlier or this version of the schema, lets fill write into an empty
// table beside each, puts those in place when fill has succeeded, and brings
// the whole to this program's version. Views are not woken: fill writes the
// rollups too.
func Load(ctx context.Context, conn driver.Conn, opts Options, version uint32, fill func(ctx context.Context, copies []Copy) error) error {
	if err := checkEmpty(ctx, conn, version); err != nil {
		return err
	}
	if err := apply(ctx, conn, opts, version); err != nil {
		return err
	}
	tables, err := dataTables(version)
	if err != nil {
		return err
	}
	err = withLock(ctx, conn, maintenance, true, func(ctx context.Context) (err error) {
		if err := dropLeftovers(ctx, conn, true); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, dropLeftovers(context.WithoutCancel(ctx), conn, false)) }()
		var copies []Copy
		for _, t := range tables {
			c := Copy{t, nextPrefix + t}
			if err := createLike(ctx, conn, c.Name, t); err != nil {
				return err
			}
			copies = append(copies, c)
		}
		if err := fill(ctx, copies); err != nil {
			return err
		}
		return withInsertsPaused(ctx, conn, func(ctx context.Context) error {
			if err := checkEmpty(ctx, conn, version); err != nil {
				return err
			}
			return putInPlace(ctx, conn, copies)
		})
	})
	if err != nil {
		return err
	}
	return Apply(ctx, conn, opts)
}

func putInPlace(ctx context.Context, conn driver.Conn, copies []Copy) error {
	for _, c := range copies {
		if err := conn.Exec(ctx, "TRUNCATE TABLE "+c.Table+" SYNC"); err != nil {
			return fmt.Errorf("empty table %s: %w", c.Table, err)
		}
		if err := attachPartitions(ctx, conn, c.Table, c.Name); err != nil {
			return err
		}
	}
	return nil
}

// checkEmpty refuses a database that has flows, or tables of another version.
func checkEmpty(ctx context.Context, conn driver.Conn, version uint32) error {
	var exists uint8
	if err := conn.QueryRow(ctx, "EXISTS TABLE flows").Scan(&exists); err != nil {
		return fmt.Errorf("look for table flows: %w", err)
	}
	if exists == 0 {
		return nil
	}
	var rows uint64
	if err := conn.QueryRow(ctx, "SELECT count() FROM flows").Scan(&rows); err != nil {
		return fmt.Errorf("count flows: %w", err)
	}
	if rows > 0 {
		return fmt.Errorf("the database has %d flows already; name an empty one, by another --data or another database in --clickhouse", rows)
	}
	now, err := Version(ctx, conn)
	if err != nil {
		return err
	}
	if now > version {
		return fmt.Errorf("the database has tables of version %d already, newer than %d; name an empty one, by another --data or another database in --clickhouse", now, version)
	}
	return nil
}
