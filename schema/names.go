package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/flow"
)

// nameTable is a table that holds what the program knows, with the dictionary
// over it.
type nameTable struct {
	table, dictionary string
	rows              [][]any
}

func nameTables(services *flow.Services) []nameTable {
	protocols := nameTable{table: "protocols", dictionary: "protocol_names"}
	for _, p := range services.Protocols() {
		protocols.rows = append(protocols.rows, []any{p.Number, p.Name, p.Title})
	}
	ports := nameTable{table: "services", dictionary: "service_names"}
	for _, s := range services.All() {
		ports.rows = append(ports.rows, []any{s.Protocol, s.Port, s.Name, s.Title, s.Category})
	}
	return []nameTable{protocols, ports}
}

// fillNames brings the tables of names to what this program knows, and makes
// the dictionaries anew when they cannot be loaded, as after a change of the
// password they read with.
func fillNames(ctx context.Context, conn driver.Conn, services *flow.Services, list []migration, fill *strings.Replacer, opts Options) error {
	for _, t := range nameTables(services) {
		changed, err := updateTable(ctx, conn, t)
		if err != nil {
			return fmt.Errorf("fill table %s: %w", t.table, err)
		}
		if opts.DSN == "" {
			continue
		}
		if loadDictionary(ctx, conn, t.dictionary, changed) == nil {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		i := slices.IndexFunc(list, func(m migration) bool { return m.name == t.dictionary })
		if err := conn.Exec(ctx, fill.Replace(list[i].text)); err != nil {
			return fmt.Errorf("create dictionary %s: %w", t.dictionary, err)
		}
		if err := loadDictionary(ctx, conn, t.dictionary, true); err != nil {
			return fmt.Errorf("load dictionary %s, which ClickHouse reads from itself by the name localhost (is it in /etc/hosts there?): %w", t.dictionary, err)
		}
	}
	return nil
}

// updateTable replaces a table's rows when they differ.
func updateTable(ctx context.Context, conn driver.Conn, t nameTable) (changed bool, err error) {
	want := make([]string, len(t.rows))
	for i, row := range t.rows {
		want[i] = strings.TrimSuffix(fmt.Sprintln(row...), "\n")
	}
	got, err := tableRows(ctx, conn, t.table)
	if err != nil {
		return false, err
	}
	slices.Sort(want)
	slices.Sort(got)
	if slices.Equal(got, want) {
		return false, nil
	}
	return true, withLock(ctx, conn, maintenance, true, func(ctx context.Context) error { return fillTable(ctx, conn, t) })
}

// fillTable replaces a table's rows at once; the caller holds the maintenance
// lock.
func fillTable(ctx context.Context, conn driver.Conn, t nameTable) error {
	next := nextPrefix + t.table
	if err := conn.Exec(ctx, "DROP TABLE IF EXISTS "+next+" SYNC"); err != nil {
		return err
	}
	if err := conn.Exec(ctx, "CREATE TABLE "+next+" AS "+t.table); err != nil {
		return err
	}
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+next)
	if err != nil {
		return err
	}
	defer batch.Close()
	for _, row := range t.rows {
		if err := batch.Append(row...); err != nil {
			return err
		}
	}
	if err := batch.Send(); err != nil {
		return err
	}
	if err := conn.Exec(ctx, "EXCHANGE TABLES "+next+" AND "+t.table); err != nil {
		return err
	}
	return conn.Exec(ctx, "DROP TABLE "+next+" SYNC")
}

// tableRows returns a table's rows, one string each.
func tableRows(ctx context.Context, conn driver.Conn, table string) ([]string, error) {
	rows, err := conn.Query(ctx, "SELECT arrayStringConcat(arrayMap(x -> toString(x), [* APPLY toString]), ' ') FROM "+table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// loadDictionary returns why a dictionary cannot be read; with reload it is
// read anew.
func loadDictionary(ctx context.Context, conn driver.Conn, name string, reload bool) error {
	if reload {
		// Without the right to reload it is read when its lifetime is over.
		if err := conn.Exec(ctx, "SYSTEM RELOAD DICTIONARY "+name); err != nil && ctx.Err() != nil {
			return err
		}
	}
	var n uint64
	return conn.QueryRow(ctx, "SELECT count() FROM dictionary("+name+")").Scan(&n)
}
