package deliver

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
)

// writerRows is how many rows a Writer sends at once.
const writerRows = 100_000

// Writer puts rows into a table of the form of flows that is the caller's own,
// each on the shard of its host: without spool and retries, as what fails is
// begun again as a whole. It is for one goroutine.
type Writer struct {
	table  string
	shards []*tableWriter
	parts  [][]Row // rows of the call, by shard
}

// tableWriter is the connection to one shard.
type tableWriter struct {
	dial   DialFunc
	cols   flowColumns
	client *ch.Client
}

// NewWriter returns a Writer for a table on at least one shard. It does no I/O.
func NewWriter(shards []DialFunc, table string) *Writer {
	w := &Writer{table: table, parts: make([][]Row, len(shards))}
	for _, dial := range shards {
		w.shards = append(w.shards, &tableWriter{dial: dial})
	}
	return w
}

// Append adds rows, which it copies, and sends them when there are many.
func (w *Writer) Append(ctx context.Context, rows []Row) error {
	if len(w.shards) == 1 {
		return w.append(ctx, w.shards[0], rows)
	}
	split(w.parts, rows)
	for n, part := range w.parts {
		if err := w.append(ctx, w.shards[n], part); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) append(ctx context.Context, s *tableWriter, rows []Row) error {
	s.cols.append(rows)
	if len(s.cols.bytes) < writerRows {
		return nil
	}
	return s.flush(ctx, w.table)
}

// Flush sends what is there.
func (w *Writer) Flush(ctx context.Context) error {
	for _, s := range w.shards {
		if err := s.flush(ctx, w.table); err != nil {
			return err
		}
	}
	return nil
}

func (s *tableWriter) flush(ctx context.Context, table string) error {
	if len(s.cols.bytes) == 0 {
		return nil
	}
	input := s.cols.input()
	if err := s.insert(ctx, table, input); err != nil {
		return err
	}
	input.Reset()
	return nil
}

// Insert puts columns into another table, on the first shard.
func (w *Writer) Insert(ctx context.Context, table string, input proto.Input) error {
	if len(input) == 0 || input[0].Data.Rows() == 0 {
		return nil
	}
	return w.shards[0].insert(ctx, table, input)
}

func (s *tableWriter) insert(ctx context.Context, table string, input proto.Input) error {
	if s.client == nil {
		var err error
		if s.client, err = s.dial(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, insertLimit)
	defer cancel()
	err := s.client.Do(ctx, ch.Query{
		Body: input.Into(table), Input: input,
		Settings: []ch.Setting{
			// A file may say the same twice. Later servers go by the second.
			{Key: "insert_deduplicate", Value: "0"},
			{Key: "deduplicate_insert", Value: "disable"},
			{Key: "async_insert", Value: "0"},
		},
	})
	if err != nil {
		return fmt.Errorf("insert into %s: %w", table, err)
	}
	return nil
}

// Close gives back the connections. Rows that were not flushed are forgotten.
func (w *Writer) Close() error {
	var errs []error
	for _, s := range w.shards {
		if s.client == nil {
			continue
		}
		if err := s.client.Close(); !errors.Is(err, ch.ErrClosed) {
			errs = append(errs, err)
		}
		s.client = nil
	}
	return errors.Join(errs...)
}
