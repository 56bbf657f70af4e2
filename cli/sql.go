package cli

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jedib0t/go-pretty/v6/table"
	cli "github.com/urfave/cli/v2"
)

func (p *program) sqlCommand() *cli.Command {
	return &cli.Command{
		Name:      "sql",
		Usage:     "run SQL on the configured ClickHouse; reads the query from standard input when none is given",
		ArgsUsage: "[QUERY]",
		Flags: append(flags(only("clickhouse", "cluster", "cluster-hosts", "data", "engine-memory", "log-level", "log-format")),
			&cli.StringFlag{Name: "format", Value: "table", Usage: "`FORMAT` of the answer: table, csv or json (an array of objects)"},
			&cli.BoolFlag{Name: "write", Usage: "allow statements that change data"}),
		Action: p.sql,
	}
}

func (p *program) sql(c *cli.Context) (err error) {
	write, ok := tableWriters[c.String("format")]
	if !ok {
		return usageError{fmt.Errorf("--format %s is unknown; write table, csv or json", c.String("format"))}
	}
	if c.NArg() > 1 {
		return usageError{errors.New("sql takes one query; put it in quotes")}
	}
	query := c.Args().First()
	if query == "" {
		text, err := p.readInput("")
		if err != nil {
			return fmt.Errorf("read the query from standard input: %w", err)
		}
		query = string(text)
	}
	if query = strings.TrimRight(strings.TrimSpace(query), "; \n\t"); query == "" {
		return usageError{errors.New("sql needs a query")}
	}
	e, err := loadConfig(c)
	if err != nil {
		return err
	}
	db, err := p.openDatabase(c.Context, e.config, p.logger(e.config))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.stop()) }()
	if c.Bool("write") && db.Clustered() {
		return usageError{errors.New("sql --write does not work on a cluster; run it on each shard, without --cluster and with the shard's DSN in --clickhouse")}
	}
	ctx := c.Context
	if !c.Bool("write") {
		ctx = ch.Context(ctx, ch.WithSettings(ch.Settings{"readonly": 2}))
	}
	if c.Bool("write") && !answers(query) {
		if err := db.Home.Exec(ctx, query); err != nil {
			return sqlError(err, true)
		}
		return nil
	}
	rows, err := db.All.Query(ctx, query)
	if err != nil {
		return sqlError(err, c.Bool("write"))
	}
	defer rows.Close()
	if err := write(p.stdout, rows); err != nil {
		return sqlError(err, c.Bool("write"))
	}
	return nil
}

// answers tells a query, which has rows to show, from a statement, by its first
// word; the driver wants to know.
func answers(query string) bool {
	word, _, _ := strings.Cut(strings.TrimLeft(query, "( \t\r\n"), " ")
	return slices.Contains([]string{"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK"}, strings.ToUpper(strings.TrimSpace(word)))
}

// codeReadonly is what ClickHouse answers to a change in a read-only session.
const codeReadonly = 164

// codeShardAway is what it answers when it cannot connect to a shard.
const codeShardAway = 279

func sqlError(err error, write bool) error {
	var e *ch.Exception
	if errors.As(err, &e) && e.Code == codeReadonly && !write {
		return errors.New("this statement changes data; add --write if you mean it")
	}
	if errors.As(err, &e) && e.Code == codeShardAway {
		return errors.New("a shard of the cluster does not answer; flattraffic doctor says which")
	}
	if errors.As(err, &e) {
		return fmt.Errorf("ClickHouse says (code %d): %s", e.Code, e.Message)
	}
	return err
}

var tableWriters = map[string]func(io.Writer, driver.Rows) error{
	"table": writeTable,
	"csv":   writeCSV,
	"json":  writeJSON,
}

// eachRow calls do with the values of each row: plain Go values as JSON prints
// them, nil for NULL.
func eachRow(rows driver.Rows, do func([]any) error) error {
	types := rows.ColumnTypes()
	targets := make([]any, len(types))
	for rows.Next() {
		for i, t := range types {
			targets[i] = reflect.New(t.ScanType()).Interface()
		}
		if err := rows.Scan(targets...); err != nil {
			return fmt.Errorf("read row: %w", err)
		}
		values := make([]any, len(targets))
		for i, target := range targets {
			values[i] = plain(reflect.ValueOf(target).Elem(), types[i].DatabaseTypeName())
		}
		if err := do(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// plain turns a scanned value into what people read: addresses and times as
// text, v4 addresses without their IPv6 mapping.
func plain(v reflect.Value, databaseType string) any {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case net.IP:
		return x.String()
	case time.Time:
		if strings.HasPrefix(databaseType, "Date(") || databaseType == "Date" || databaseType == "Date32" {
			return x.Format(time.DateOnly)
		}
		return x.Format("2006-01-02T15:04:05.999999999Z07:00")
	case fmt.Stringer:
		return x.String()
	}
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8 {
		out := make([]any, v.Len())
		for i := range out {
			out[i] = plain(v.Index(i), "")
		}
		return out
	}
	return v.Interface()
}

func cell(v any) string {
	switch x := v.(type) {
	case nil:
		return "NULL"
	case string:
		return x
	case []any:
		text, err := json.Marshal(x)
		if err != nil {
			return fmt.Sprint(x)
		}
		return string(text)
	}
	return fmt.Sprint(v)
}

func cells(values []any) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = cell(v)
	}
	return out
}

func writeTable(w io.Writer, rows driver.Rows) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = 0
	header := table.Row{}
	for _, name := range rows.Columns() {
		header = append(header, name)
	}
	t.AppendHeader(header)
	err := eachRow(rows, func(values []any) error {
		row := table.Row{}
		for _, v := range values {
			if _, isList := v.([]any); isList || v == nil {
				row = append(row, cell(v))
			} else {
				row = append(row, v)
			}
		}
		t.AppendRow(row)
		return nil
	})
	if err != nil || len(header) == 0 {
		return err
	}
	_, err = fmt.Fprintln(w, t.Render())
	return err
}

func writeCSV(w io.Writer, rows driver.Rows) error {
	out := csv.NewWriter(w)
	if len(rows.Columns()) == 0 {
		return eachRow(rows, func([]any) error { return nil })
	}
	if err := out.Write(rows.Columns()); err != nil {
		return err
	}
	if err := eachRow(rows, func(values []any) error { return out.Write(cells(values)) }); err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// writeJSON streams an array of objects whose keys keep the columns' order.
func writeJSON(w io.Writer, rows driver.Rows) error {
	names, sep := rows.Columns(), "["
	err := eachRow(rows, func(values []any) error {
		var line strings.Builder
		line.WriteString(sep + "\n  {")
		for i, v := range values {
			key, err := json.Marshal(names[i])
			if err != nil {
				return err
			}
			value, err := json.Marshal(v)
			if err != nil {
				return err
			}
			if i > 0 {
				line.WriteString(", ")
			}
			line.Write(key)
			line.WriteString(": ")
			line.Write(value)
		}
		line.WriteString("}")
		sep = ","
		_, err := io.WriteString(w, line.String())
		return err
	})
	if err != nil {
		return err
	}
	if sep == "[" {
		_, err = io.WriteString(w, "[]\n")
	} else {
		_, err = io.WriteString(w, "\n]\n")
	}
	return err
}
