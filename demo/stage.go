package demo

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// stagePrefix begins the names of the tables in which the demo is made before
// anybody sees it.
const stagePrefix = "demo_stage_"

// view is a materialized view that keeps a rollup, by its own definition, so
// that the demo's rollups are made the way those of real flows are.
type view struct {
	name, source, target string
	query                string // reads from source
	from                 *regexp.Regexp
}

const (
	rawTable    = "flows"
	ledgerTable = "ledger"
)

var (
	viewTarget = regexp.MustCompile("^CREATE MATERIALIZED VIEW [^ ]+ TO (?:`[^`]+`|\\w+)\\.(`[^`]+`|\\w+)")
	viewSource = regexp.MustCompile("\\bFROM ((?:(?:`[^`]+`|\\w+)\\.)?(`[^`]+`|\\w+))")
)

// loadViews returns the views of the rollups, each after the one whose target
// it reads.
func loadViews(ctx context.Context, conn driver.Conn) ([]view, error) {
	rows, err := conn.Query(ctx, query("views"))
	if err != nil {
		return nil, fmt.Errorf("read the views of the rollups: %w", err)
	}
	defer rows.Close()
	var list []view
	for rows.Next() {
		var v view
		var create string
		if err := rows.Scan(&v.name, &create, &v.query); err != nil {
			return nil, fmt.Errorf("read the views of the rollups: %w", err)
		}
		target, source := viewTarget.FindStringSubmatch(create), viewSource.FindStringSubmatch(v.query)
		if target == nil || source == nil {
			return nil, fmt.Errorf("view %s has not the form of a rollup; run flattraffic schema apply", v.name)
		}
		v.target, v.source = strings.Trim(target[1], "`"), strings.Trim(source[2], "`")
		v.from = regexp.MustCompile(`\bFROM ` + regexp.QuoteMeta(source[1]))
		list = append(list, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the views of the rollups: %w", err)
	}
	return inOrder(list)
}

// inOrder sorts views so that each source is complete before it is read.
func inOrder(list []view) ([]view, error) {
	ready := []string{rawTable}
	var ordered []view
	for len(list) > 0 {
		i := slices.IndexFunc(list, func(v view) bool {
			return slices.Contains(ready, v.source) && !slices.ContainsFunc(list, func(o view) bool { return o.target == v.source })
		})
		if i < 0 {
			return nil, fmt.Errorf("view %s reads from %s, which no view fills; run flattraffic schema apply", list[0].name, list[0].source)
		}
		ordered, ready = append(ordered, list[i]), append(ready, list[i].target)
		list = slices.Delete(list, i, i+1)
	}
	return ordered, nil
}

// over returns the view's query over a part of the staged source.
func (v view) over(where string) string {
	source := fmt.Sprintf("FROM (SELECT * FROM %s WHERE %s)", identifier(stagePrefix+v.source), where)
	return v.from.ReplaceAllLiteralString(v.query, source)
}

// stage holds the names of the tables that are filled out of sight, then
// attached to the real ones as whole parts.
type stage struct {
	conn   driver.Conn
	tables []string
	views  []view
}

// newStage makes empty tables like the real ones, and drops what an
// interrupted demo left.
func newStage(ctx context.Context, conn driver.Conn) (*stage, error) {
	s := &stage{conn: conn, tables: []string{rawTable, ledgerTable}}
	var err error
	if s.views, err = loadViews(ctx, conn); err != nil {
		return nil, err
	}
	for _, v := range s.views {
		if !slices.Contains(s.tables, v.target) {
			s.tables = append(s.tables, v.target)
		}
	}
	if err := dropStage(ctx, conn); err != nil {
		return nil, err
	}
	for _, table := range s.tables {
		if err := conn.Exec(ctx, fmt.Sprintf("CREATE TABLE %s AS %s", identifier(stagePrefix+table), identifier(table))); err != nil {
			return nil, fmt.Errorf("make a table like %s: %w", table, err)
		}
	}
	if err := conn.Exec(ctx, query("create_sessions")); err != nil {
		return nil, fmt.Errorf("make a table for sessions: %w", err)
	}
	return s, nil
}

// attach puts all staged parts into the real tables. They share the files, so
// that it takes no time to speak of, and no view sees them.
func (s *stage) attach(ctx context.Context) error {
	for _, table := range s.tables {
		partitions, err := column[string](ctx, s.conn, query("partitions"), stagePrefix+table)
		if err != nil {
			return fmt.Errorf("list partitions of %s: %w", table, err)
		}
		for _, id := range partitions {
			err := s.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION ID '%s' FROM %s", identifier(table), id, identifier(stagePrefix+table)))
			if err != nil {
				return fmt.Errorf("attach partition %s to %s: %w", id, table, err)
			}
		}
	}
	return nil
}

// dropStage drops all staging tables.
func dropStage(ctx context.Context, conn driver.Conn) error {
	tables, err := column[string](ctx, conn, query("stage_tables"))
	if err != nil {
		return fmt.Errorf("look for an interrupted demo: %w", err)
	}
	for _, table := range tables {
		if err := conn.Exec(ctx, "DROP TABLE IF EXISTS "+identifier(table)+" SYNC"); err != nil {
			return fmt.Errorf("drop table %s: %w", table, err)
		}
	}
	return nil
}
