package server

import (
	"context"
	"embed"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// statement returns an embedded statement. The names are constants of this
// package, and a test reads them all.
func statement(name string) string {
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic("server: no statement " + name)
	}
	return strings.TrimSpace(string(text))
}

// queryTimeout bounds each statement of this package; they all read or write
// small tables.
const queryTimeout = 10 * time.Second

// with returns a context that carries the values of a statement, as
// server-side parameters, and ends in time.
func with(ctx context.Context, values clickhouse.Parameters) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	return clickhouse.Context(ctx, clickhouse.WithParameters(values)), cancel
}
