// Package schema keeps FlatTraffic's tables and views in ClickHouse: it
// creates and upgrades them, proves the rollups against the raw flows, and
// mends or rebuilds them.
package schema

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/clickhouse"
	"github.com/flattraffic/flattraffic/flow"
)

//go:embed migrations/*.sql queries/*.sql
var files embed.FS

// Options say how to apply the schema.
type Options struct {
	DSN  string // of the connection: dictionaries read their tables with its user and password
	Zone string // IANA time zone of the daily tables when they are first made; empty = UTC
}

// migration is one numbered statement.
type migration struct {
	number   uint32
	name     string // of the file, without number and suffix
	text     string
	checksum string
}

// migrations returns the statements in order.
func migrations() ([]migration, error) {
	entries, err := fs.ReadDir(files, "migrations")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var list []migration
	for i, e := range entries {
		number, name, _ := strings.Cut(strings.TrimSuffix(e.Name(), ".sql"), "_")
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil || int(n) != i+1 {
			return nil, fmt.Errorf("migration %s is not number %d", e.Name(), i+1)
		}
		b, err := files.ReadFile(path.Join("migrations", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", e.Name(), err)
		}
		sum := sha256.Sum256(b)
		list = append(list, migration{uint32(n), name, string(b), hex.EncodeToString(sum[:])})
	}
	return list, nil
}

// query returns the text of an embedded query.
func query(name string) string {
	b, err := files.ReadFile("queries/" + name + ".sql")
	if err != nil {
		panic(err) // a name misspelt in this package
	}
	return string(b)
}

// Apply brings the connection's database to this program's schema. It may be
// interrupted, run twice, and run by two programs at once. It refuses a
// database that a newer program has made.
func Apply(ctx context.Context, conn driver.Conn, opts Options) error {
	list, err := migrations()
	if err != nil {
		return err
	}
	if err := apply(ctx, conn, opts, list[len(list)-1].number); err != nil {
		return err
	}
	if err := finishInterrupted(ctx, conn); err != nil {
		return err
	}
	services, err := flow.NewServices()
	if err != nil {
		return err
	}
	fill, err := placeholders(ctx, conn, opts)
	if err != nil {
		return err
	}
	return fillNames(ctx, conn, services, list, fill, opts)
}

// apply runs the migrations that the database lacks, up to a number.
func apply(ctx context.Context, conn driver.Conn, opts Options, last uint32) error {
	if opts.Zone == "" {
		opts.Zone = "UTC"
	}
	if err := checkZone(opts.Zone); err != nil {
		return err
	}
	list, err := migrations()
	if err != nil {
		return err
	}
	if err := conn.Exec(ctx, query("create_migrations")); err != nil {
		return fmt.Errorf("create table migrations: %w", err)
	}
	applied, err := appliedMigrations(ctx, conn, list)
	if err != nil {
		return err
	}
	fill, err := placeholders(ctx, conn, opts)
	if err != nil {
		return err
	}
	for _, m := range list {
		if applied[m.number] || m.number > last {
			continue
		}
		if err := conn.Exec(ctx, fill.Replace(m.text)); err != nil {
			return fmt.Errorf("apply migration %04d_%s: %w", m.number, m.name, err)
		}
		if err := conn.Exec(ctx, query("record_migration"), m.number, m.name, m.checksum); err != nil {
			return fmt.Errorf("record migration %04d_%s: %w", m.number, m.name, err)
		}
	}
	return nil
}

// Check returns nil when the database has exactly this program's schema, else
// a sentence for the user.
func Check(ctx context.Context, conn driver.Conn) error {
	list, err := migrations()
	if err != nil {
		return err
	}
	var exists uint8
	if err := conn.QueryRow(ctx, "EXISTS TABLE migrations").Scan(&exists); err != nil {
		return fmt.Errorf("look for table migrations: %w", err)
	}
	if exists == 0 {
		return errors.New("the database has no tables yet; run flattraffic schema apply")
	}
	applied, err := appliedMigrations(ctx, conn, list)
	if err != nil {
		return err
	}
	if len(applied) < len(list) {
		return fmt.Errorf("the database lacks %d of %d migrations; run flattraffic schema apply", len(list)-len(applied), len(list))
	}
	return nil
}

// appliedMigrations returns the numbers of the migrations the database has.
func appliedMigrations(ctx context.Context, conn driver.Conn, known []migration) (map[uint32]bool, error) {
	rows, err := conn.Query(ctx, query("applied_migrations"))
	if err != nil {
		return nil, fmt.Errorf("read table migrations: %w", err)
	}
	defer rows.Close()
	applied := map[uint32]bool{}
	for rows.Next() {
		var number uint32
		var name, checksum string
		var at time.Time
		if err := rows.Scan(&number, &name, &checksum, &at); err != nil {
			return nil, fmt.Errorf("read table migrations: %w", err)
		}
		if int(number) > len(known) {
			return nil, fmt.Errorf("the database was made by a newer FlatTraffic (migration %04d_%s of %s); run that version or a later one", number, name, at.Format("2006-01-02"))
		}
		if checksum != known[number-1].checksum {
			return nil, fmt.Errorf("migration %04d_%s of the database is not the one this program has; run the program that made the database, or use another database", number, name)
		}
		applied[number] = true
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read table migrations: %w", err)
	}
	return applied, nil
}

// placeholders returns what fills the {…} of migrations. The daily views keep
// the zone they have.
func placeholders(ctx context.Context, conn driver.Conn, opts Options) (*strings.Replacer, error) {
	zone, err := Zone(ctx, conn)
	if errors.Is(err, ErrNoZone) {
		zone, err = opts.Zone, nil
	}
	if err != nil {
		return nil, err
	}
	user, password := "default", ""
	if opts.DSN != "" {
		parsed, err := clickhouse.ParseDSN(opts.DSN)
		if err != nil {
			return nil, err
		}
		user, password = parsed.Auth.Username, parsed.Auth.Password
	}
	var database string
	if err := conn.QueryRow(ctx, "SELECT currentDatabase()").Scan(&database); err != nil {
		return nil, fmt.Errorf("ask for the database's name: %w", err)
	}
	return strings.NewReplacer("{zone}", zone, "{database}", escape(database), "{user}", escape(user), "{password}", escape(password)), nil
}

// escape writes a string for the inside of an SQL string literal.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s)
}
