package demo

import (
	"context"
	"embed"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed sql/*.sql
var files embed.FS

// query returns the text of an embedded query.
func query(name string) string {
	text, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // a name misspelt in this package
	}
	return strings.TrimSpace(string(text))
}

// with returns a context that carries parameters of a query.
func with(ctx context.Context, parameters ch.Parameters) context.Context {
	return ch.Context(ctx, ch.WithParameters(parameters))
}

// column returns the one column a query yields.
func column[T any](ctx context.Context, conn driver.Conn, sql string, args ...any) ([]T, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// instant writes an instant as a parameter.
func instant(t time.Time) string { return t.UTC().Format(time.DateTime) }

// instants writes a list of instants as a parameter.
func instants(list []time.Time) string {
	texts := make([]string, len(list))
	for i, t := range list {
		texts[i] = "'" + instant(t) + "'"
	}
	return "[" + strings.Join(texts, ",") + "]"
}

// identifier writes a name for SQL.
func identifier(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}
