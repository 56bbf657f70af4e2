// Package backup writes the whole database into one file, as of one instant,
// and reads it back into an empty one.
//
// A backup is a tar compressed with zstd. It begins with manifest.json, then
// has the rows of each table in files TABLE/NNNNNN.native, in ClickHouse's
// Native format, which ClickHouse reads without FlatTraffic too, and ends with
// totals.json, without which it is not whole.
package backup

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/klauspost/compress/zstd"

	"github.com/flattraffic/flattraffic/schema"
)

// format is the version of the file's form.
const format = 1

// Names of the two files in the tar that are not rows.
const (
	manifestName = "manifest.json"
	totalsName   = "totals.json"
)

// Manifest says what a backup is of.
type Manifest struct {
	Format      int       `json:"format"`
	Program     string    `json:"program"` // version of FlatTraffic that wrote it
	MadeAt      time.Time `json:"made_at"`
	Schema      uint32    `json:"schema"`      // number of the last migration
	Fingerprint string    `json:"fingerprint"` // of the migrations so far
	Zone        string    `json:"zone"`        // IANA zone of the daily tables
	Rows        uint64    `json:"rows"`        // of all tables
}

// Totals prove that a backup is whole.
type Totals struct {
	Rows    map[string]uint64 `json:"rows"`    // by table
	Bytes   uint64            `json:"bytes"`   // of all raw flows
	Packets uint64            `json:"packets"` // of all raw flows
}

// Dial opens a connection of its own to the database, for bulk data.
type Dial func(ctx context.Context) (*ch.Client, error)

// Progress is told how many rows of all are done. It may be nil.
type Progress func(done, total int)

func (p Progress) report(done, total uint64) {
	if p != nil {
		p(int(done), int(total)) //nolint:gosec // both are numbers of rows
	}
}

// leftOut lists tables whose rows a backup does not hold: whoever was logged
// in logs in again.
func leftOut() []string { return []string{"sessions"} }

// Write writes a backup while the ingest goes on; inserts wait for the moment
// that it takes to link the tables' files.
func Write(ctx context.Context, conn driver.Conn, dial Dial, program string, to io.Writer, progress Progress) (Totals, error) {
	manifest, err := newManifest(ctx, conn, program)
	if err != nil {
		return Totals{}, err
	}
	packed, err := zstd.NewWriter(to)
	if err != nil {
		return Totals{}, fmt.Errorf("start compression: %w", err)
	}
	w := &writer{tar: tar.NewWriter(packed), made: manifest.MadeAt, totals: Totals{Rows: map[string]uint64{}}, progress: progress}
	err = schema.Snapshot(ctx, conn, func(ctx context.Context, copies []schema.Copy) error {
		return w.write(ctx, conn, dial, manifest, copies)
	})
	return w.totals, errors.Join(err, w.tar.Close(), packed.Close())
}

func newManifest(ctx context.Context, conn driver.Conn, program string) (Manifest, error) {
	m := Manifest{Format: format, Program: program, MadeAt: time.Now().UTC().Truncate(time.Second)}
	var err error
	if m.Schema, err = schema.Version(ctx, conn); err != nil {
		return m, err
	}
	if m.Fingerprint, err = schema.Fingerprint(m.Schema); err != nil {
		return m, err
	}
	m.Zone, err = schema.Zone(ctx, conn)
	return m, err
}

// writer fills the tar.
type writer struct {
	tar      *tar.Writer
	made     time.Time
	totals   Totals
	progress Progress
	done     uint64 // rows
	total    uint64
}

func (w *writer) write(ctx context.Context, conn driver.Conn, dial Dial, m Manifest, copies []schema.Copy) error {
	copies = slices.DeleteFunc(slices.Clone(copies), func(c schema.Copy) bool { return slices.Contains(leftOut(), c.Table) })
	for _, c := range copies {
		n, err := rows(ctx, conn, c.Name)
		if err != nil {
			return err
		}
		w.totals.Rows[c.Table] = n
		w.total += n
	}
	if err := sums(ctx, conn, copies, &w.totals); err != nil {
		return err
	}
	m.Rows = w.total
	if err := w.json(manifestName, m); err != nil {
		return err
	}
	for _, c := range copies {
		if err := w.table(ctx, conn, dial, c); err != nil {
			return fmt.Errorf("back up table %s: %w", c.Table, err)
		}
	}
	return w.json(totalsName, w.totals)
}

// table writes all rows of a table, block by block.
func (w *writer) table(ctx context.Context, conn driver.Conn, dial Dial, c schema.Copy) error {
	columns, err := columnList(ctx, conn, c.Name)
	if err != nil {
		return err
	}
	client, err := dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	var blocks int
	var written uint64
	var results proto.Results
	err = client.Do(ctx, ch.Query{
		Body:   "SELECT " + columns + " FROM " + c.Name,
		Result: results.Auto(),
		Settings: []ch.Setting{
			{Key: "max_threads", Value: "1"},        // one block after the other
			{Key: "max_execution_time", Value: "0"}, // years of flows take their time
		},
		OnResult: func(_ context.Context, block proto.Block) error {
			if block.Rows == 0 {
				return nil
			}
			text, err := encode(block, results)
			if err != nil {
				return err
			}
			blocks++
			written += uint64(block.Rows) //nolint:gosec // a count
			w.done += uint64(block.Rows)  //nolint:gosec // a count
			w.progress.report(w.done, w.total)
			return w.file(fmt.Sprintf("%s/%06d.native", c.Table, blocks), text)
		},
	})
	if err == nil && written != w.totals.Rows[c.Table] {
		err = fmt.Errorf("%d rows were read of %d", written, w.totals.Rows[c.Table])
	}
	return err
}

// encode writes a block in the Native format.
func encode(block proto.Block, results proto.Results) ([]byte, error) {
	input := make([]proto.InputColumn, len(results))
	for i, r := range results {
		data, ok := r.Data.(proto.ColInput)
		if !ok {
			return nil, fmt.Errorf("column %s is of a type that cannot be written", r.Name)
		}
		input[i] = proto.InputColumn{Name: r.Name, Data: data}
	}
	var b proto.Buffer
	if err := (proto.Block{Rows: block.Rows, Columns: len(input)}).EncodeRawBlock(&b, 0, input); err != nil {
		return nil, fmt.Errorf("encode rows: %w", err)
	}
	return b.Buf, nil
}

func (w *writer) json(name string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return w.file(name, append(text, '\n'))
}

func (w *writer) file(name string, content []byte) error {
	header := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), ModTime: w.made, Format: tar.FormatPAX}
	if err := w.tar.WriteHeader(header); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if _, err := w.tar.Write(content); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// columnList names the stored columns of a table as they are to be read: a
// simple aggregate as the value it is.
func columnList(ctx context.Context, conn driver.Conn, table string) (string, error) {
	rows, err := conn.Query(ctx, columnsSQL, table)
	if err != nil {
		return "", fmt.Errorf("list columns: %w", err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var name, kind string
		if err := rows.Scan(&name, &kind); err != nil {
			return "", fmt.Errorf("list columns: %w", err)
		}
		column := "`" + name + "`"
		if inner, ok := strings.CutPrefix(kind, "SimpleAggregateFunction("); ok {
			_, inner, _ = strings.Cut(strings.TrimSuffix(inner, ")"), ", ")
			column = fmt.Sprintf("CAST(%s, '%s') AS %s", column, strings.ReplaceAll(inner, "'", `\'`), column)
		}
		list = append(list, column)
	}
	return strings.Join(list, ", "), rows.Err()
}

func rows(ctx context.Context, conn driver.Conn, table string) (n uint64, err error) {
	if err := conn.QueryRow(ctx, "SELECT count() FROM "+table).Scan(&n); err != nil {
		return 0, fmt.Errorf("count rows of %s: %w", table, err)
	}
	return n, nil
}

// sums adds up the raw flows among the copies.
func sums(ctx context.Context, conn driver.Conn, copies []schema.Copy, t *Totals) error {
	for _, c := range copies {
		if c.Table != "flows" {
			continue
		}
		if err := conn.QueryRow(ctx, "SELECT sum(bytes), sum(packets) FROM "+c.Name).Scan(&t.Bytes, &t.Packets); err != nil {
			return fmt.Errorf("add up flows: %w", err)
		}
	}
	return nil
}
