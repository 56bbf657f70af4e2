package cluster

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/schema"
)

// cutting is the lock, on the first shard, of who changes the days' zone on all
// shards.
const cutting = "cluster"

// cuttingPatience is how long the tables over all shards wait for another
// program that makes them. One that changes the zone takes longer, and makes
// them itself at its end.
const cuttingPatience = 10 * time.Second

// hidden are tables that are not to be read over all shards: secrets, and what
// is about one database.
func hidden() []string {
	return []string{"accounts", "sessions", "secrets", "share_links", "alerts", "migrations", "shards"}
}

// everywhere are tables that have the same rows on each shard.
func everywhere() []string { return []string{"protocols", "services"} }

// refresh makes the tables over all shards as those of the shards are now,
// unless another program changes these meanwhile.
func (d *Database) refresh(ctx context.Context) error {
	for deadline := time.Now().Add(cuttingPatience); ; {
		done, err := schema.Alone(ctx, d.Home, cutting, false, func(ctx context.Context) error { return d.overview(ctx, true) })
		if done || err != nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// table is a table of a database, and its columns as they are declared over all
// shards.
type table struct{ name, comment, engine, columns string }

// overview makes the database that reads all shards, on each of them: a join
// that is left to a shard finds the other side there. The comments of the daily
// tables name the zone of their days, by which reports use them: with settled
// and when all shards agree. Otherwise the quarter hours answer.
func (d *Database) overview(ctx context.Context, settled bool) error {
	if settled {
		zones, err := d.zones(ctx)
		if err != nil {
			return err
		}
		settled = len(slices.Compact(zones)) == 1
	}
	list, err := tables(ctx, d.Home, d.database)
	if err != nil {
		return err
	}
	var wanted []wish
	for _, t := range list {
		if !strings.HasSuffix(t.engine, "MergeTree") || strings.HasPrefix(t.name, ".") || slices.Contains(hidden(), t.name) || isTemporary(t.name) {
			continue
		}
		if !settled {
			t.comment = zoneInComment.ReplaceAllString(t.comment, "zone, which is being changed")
		}
		statement := d.over(&t)
		wanted = append(wanted, wish{t, statement})
	}
	return d.each(func(s *Shard) error { return d.grant(ctx, s.Conn, wanted) })
}

// wish is a table that is to be, and the statement that makes it.
type wish struct {
	table

	statement string
}

// grant makes the tables over all shards that a shard lacks or has otherwise.
func (d *Database) grant(ctx context.Context, conn driver.Conn, wanted []wish) error {
	if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+identifier(d.database+allSuffix)); err != nil {
		return fmt.Errorf("create the database that reads all shards: %w", err)
	}
	there, err := tables(ctx, conn, d.database+allSuffix)
	if err != nil {
		return err
	}
	for _, w := range wanted {
		if slices.Contains(there, w.table) {
			continue
		}
		if err := conn.Exec(ctx, w.statement); err != nil {
			return fmt.Errorf("make %s over all shards: %w", w.name, err)
		}
	}
	return nil
}

// over returns the statement that makes a table over all shards, and makes t
// what that is then. A table of all shards has no sharding key: nothing is to be
// inserted into it, and nothing concluded from where a row lies.
func (d *Database) over(t *table) string {
	name := identifier(d.database+allSuffix) + "." + identifier(t.name)
	if slices.Contains(everywhere(), t.name) {
		t.engine = "View"
		return fmt.Sprintf("CREATE OR REPLACE VIEW %s (%s) AS SELECT * FROM %s.%s COMMENT %s", name, t.columns, identifier(d.database), identifier(t.name), literal(t.comment))
	}
	t.engine = "Distributed"
	return fmt.Sprintf("CREATE OR REPLACE TABLE %s (%s) ENGINE = Distributed(%s, %s, %s) COMMENT %s",
		name, t.columns, literal(d.name), literal(d.database), literal(t.name), literal(t.comment))
}

// zoneInComment is where the comment of a daily table names its zone.
var zoneInComment = regexp.MustCompile(`zone [A-Za-z0-9_+\-/]+`)

// isTemporary says whether a table is one that some work makes for itself.
func isTemporary(name string) bool {
	return slices.ContainsFunc([]string{"next_", "copy_", "kept_", "repair_", "flows_repair_", "import_stage", "demo_stage_"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// tables lists the tables of a database.
func tables(ctx context.Context, conn driver.Conn, database string) ([]table, error) {
	rows, err := conn.Query(ch.Context(ctx, ch.WithParameters(ch.Parameters{"database": database})), query("tables"))
	if err != nil {
		return nil, fmt.Errorf("list tables of %s: %w", database, err)
	}
	defer rows.Close()
	var list []table
	for rows.Next() {
		var t table
		if err := rows.Scan(&t.name, &t.comment, &t.engine, &t.columns); err != nil {
			return nil, fmt.Errorf("list tables of %s: %w", database, err)
		}
		list = append(list, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list tables of %s: %w", database, err)
	}
	return list, nil
}

// identifier writes a name for SQL.
func identifier(s string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(s) + "`"
}

// literal writes a string for SQL.
func literal(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
