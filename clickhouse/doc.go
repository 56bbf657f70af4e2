// Package clickhouse connects to ClickHouse: to any server named by a DSN, or
// to an embedded engine that it runs as a child process on loopback.
package clickhouse
