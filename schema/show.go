package schema

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Show returns the DDL of every table, view and dictionary of the database, as
// ClickHouse has it now, each ended by a semicolon. Passwords are hidden.
func Show(ctx context.Context, conn driver.Conn) (string, error) {
	rows, err := conn.Query(ctx, query("show"))
	if err != nil {
		return "", fmt.Errorf("read table definitions: %w", err)
	}
	defer rows.Close()
	var text strings.Builder
	for rows.Next() {
		var ddl string
		if err := rows.Scan(&ddl); err != nil {
			return "", fmt.Errorf("read table definitions: %w", err)
		}
		text.WriteString(ddl + ";\n\n")
	}
	if err := rows.Err(); err != nil {
		return "", fmt.Errorf("read table definitions: %w", err)
	}
	return text.String(), nil
}

// Version returns the number of the newest migration the database has.
func Version(ctx context.Context, conn driver.Conn) (uint32, error) {
	list, err := migrations()
	if err != nil {
		return 0, err
	}
	applied, err := appliedMigrations(ctx, conn, list)
	if err != nil {
		return 0, err
	}
	var newest uint32
	for number := range applied {
		newest = max(newest, number)
	}
	return newest, nil
}
