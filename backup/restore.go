package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/klauspost/compress/zstd"

	"github.com/flattraffic/flattraffic/schema"
)

// Restore reads a backup of this or an earlier schema into a database without
// flows and brings it to this program's schema. Nothing is changed in the
// tables until the whole backup has been read and its totals are right. The
// days stay those of the zone they had.
func Restore(ctx context.Context, conn driver.Conn, dial Dial, dsn string, from io.Reader, progress Progress) (Manifest, Totals, error) {
	packed, err := zstd.NewReader(from)
	if err != nil {
		return Manifest{}, Totals{}, fmt.Errorf("start decompression: %w", err)
	}
	defer packed.Close()
	r := &reader{packed: packed, tar: tar.NewReader(packed), rows: map[string]uint64{}, progress: progress}
	manifest, err := r.manifest()
	if err != nil {
		return manifest, Totals{}, err
	}
	err = schema.Load(ctx, conn, schema.Options{DSN: dsn, Zone: manifest.Zone}, manifest.Schema, func(ctx context.Context, copies []schema.Copy) error {
		return r.fill(ctx, conn, dial, copies)
	})
	return manifest, r.totals, err
}

// reader reads the tar.
type reader struct {
	packed   io.Reader // what tar reads; its end holds a checksum of all
	tar      *tar.Reader
	rows     map[string]uint64 // read so far, by table
	totals   Totals            // as the backup says
	done     uint64            // rows
	total    uint64
	progress Progress
}

// errNotWhole says that a file ends too early or is not a backup.
var errNotWhole = errors.New("the backup is not whole; was it cut off, or is it another kind of file?")

func (r *reader) next() (string, []byte, error) {
	header, err := r.tar.Next()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, zstd.ErrMagicMismatch) || errors.Is(err, tar.ErrHeader) {
		return "", nil, errNotWhole
	}
	if err != nil {
		return "", nil, fmt.Errorf("read the backup: %w", err)
	}
	text, err := io.ReadAll(r.tar)
	if err != nil {
		return "", nil, errors.Join(errNotWhole, err)
	}
	return header.Name, text, nil
}

func (r *reader) manifest() (m Manifest, err error) {
	name, text, err := r.next()
	if err != nil {
		return m, err
	}
	if name != manifestName {
		return m, errNotWhole
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("read %s: %w", manifestName, err)
	}
	newer := fmt.Errorf("the backup was written by a newer FlatTraffic (%s); restore it with that version or a later one", m.Program)
	if m.Format != format {
		return m, newer
	}
	print, err := schema.Fingerprint(m.Schema)
	if err != nil {
		return m, newer
	}
	if print != m.Fingerprint {
		return m, fmt.Errorf("the backup's tables are not those of any version this program knows; restore it with the FlatTraffic that wrote it (%s)", m.Program)
	}
	r.total = m.Rows
	return m, nil
}

// fill writes the rows of the whole backup and compares the totals.
func (r *reader) fill(ctx context.Context, conn driver.Conn, dial Dial, copies []schema.Copy) error {
	names := map[string]string{}
	for _, c := range copies {
		names[c.Table] = c.Name
	}
	client, err := dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		name, text, err := r.next()
		if err != nil {
			return err
		}
		if name == totalsName {
			if err := json.Unmarshal(text, &r.totals); err != nil {
				return fmt.Errorf("read %s: %w", totalsName, err)
			}
			if _, err := io.Copy(io.Discard, r.packed); err != nil {
				return fmt.Errorf("the backup is damaged: %w", err)
			}
			return r.check(ctx, conn, copies)
		}
		table := path.Dir(name)
		target, ok := names[table]
		if !ok || !strings.HasSuffix(name, ".native") {
			return fmt.Errorf("the backup holds %s, which belongs to no table", name)
		}
		n, err := insert(ctx, client, target, text)
		if err != nil {
			return fmt.Errorf("restore table %s: %w", table, err)
		}
		r.rows[table] += n
		r.done += n
		r.progress.report(r.done, r.total)
	}
}

// insert sends one block.
func insert(ctx context.Context, client *ch.Client, table string, text []byte) (uint64, error) {
	var results proto.Results
	var block proto.Block
	if err := block.DecodeRawBlock(proto.NewReader(bytes.NewReader(text)), 0, results.Auto()); err != nil {
		return 0, fmt.Errorf("decode rows: %w", err)
	}
	var input proto.Input
	var columns []string
	for _, c := range results {
		data, ok := c.Data.(proto.ColInput)
		if !ok {
			return 0, fmt.Errorf("column %s is of a type that cannot be written", c.Name)
		}
		input = append(input, proto.InputColumn{Name: c.Name, Data: asItIs(data)})
		columns = append(columns, "`"+c.Name+"`")
	}
	err := client.Do(ctx, ch.Query{
		Body:  fmt.Sprintf("INSERT INTO %s (%s) VALUES", table, strings.Join(columns, ", ")),
		Input: input,
		Settings: []ch.Setting{
			// Two blocks may well be equal. Later servers go by the second, and
			// earlier ones pass over it.
			{Key: "insert_deduplicate", Value: "0"},
			{Key: "deduplicate_insert", Value: "disable"},
			{Key: "async_insert", Value: "0"},
			{Key: "max_partitions_per_insert_block", Value: "0"},
		},
	})
	return uint64(block.Rows), err //nolint:gosec // a count
}

// asItIs keeps the client from fitting a column to the table's type, which it
// cannot for a simple aggregate; the server does it. Columns that are encoded
// in two steps need to be seen as what they are.
func asItIs(data proto.ColInput) proto.ColInput {
	switch data.(type) {
	case proto.Preparable, proto.StateEncoder:
		return data
	}
	return struct{ proto.ColInput }{data}
}

// check compares what was read, and what the tables hold now, with the totals.
func (r *reader) check(ctx context.Context, conn driver.Conn, copies []schema.Copy) error {
	for table, want := range r.totals.Rows {
		if r.rows[table] != want {
			return fmt.Errorf("the backup has %d rows of table %s where %d should be; it is damaged", r.rows[table], table, want)
		}
	}
	got := Totals{Rows: r.totals.Rows}
	if err := sums(ctx, conn, copies, &got); err != nil {
		return err
	}
	if got.Bytes != r.totals.Bytes || got.Packets != r.totals.Packets {
		return fmt.Errorf("the restored flows add up to %d bytes where the backup says %d; it is damaged", got.Bytes, r.totals.Bytes)
	}
	return nil
}
