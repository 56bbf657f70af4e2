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

// Writer puts rows into a table of the form of flows that is the caller's own:
// without spool and retries, as what fails is begun again as a whole. It is for
// one goroutine.
type Writer struct {
	dial   DialFunc
	table  string
	cols   flowColumns
	client *ch.Client
}

// NewWriter returns a Writer for a table. It does no I/O.
func NewWriter(dial DialFunc, table string) *Writer { return &Writer{dial: dial, table: table} }

// Append adds rows, which it copies, and sends them when there are many.
func (w *Writer) Append(ctx context.Context, rows []Row) error {
	w.cols.append(rows)
	if len(w.cols.bytes) < writerRows {
		return nil
	}
	return w.Flush(ctx)
}

// Flush sends what is there.
func (w *Writer) Flush(ctx context.Context) error {
	if len(w.cols.bytes) == 0 {
		return nil
	}
	input := w.cols.input()
	if err := w.insert(ctx, w.table, input); err != nil {
		return err
	}
	input.Reset()
	return nil
}

// Insert puts columns into another table.
func (w *Writer) Insert(ctx context.Context, table string, input proto.Input) error {
	if len(input) == 0 || input[0].Data.Rows() == 0 {
		return nil
	}
	return w.insert(ctx, table, input)
}

func (w *Writer) insert(ctx context.Context, table string, input proto.Input) error {
	if w.client == nil {
		var err error
		if w.client, err = w.dial(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, insertLimit)
	defer cancel()
	err := w.client.Do(ctx, ch.Query{
		Body: input.Into(table), Input: input,
		Settings: []ch.Setting{{Key: "insert_deduplicate", Value: "0"}, {Key: "async_insert", Value: "0"}},
	})
	if err != nil {
		return fmt.Errorf("insert into %s: %w", table, err)
	}
	return nil
}

// Close gives back the connection. Rows that were not flushed are forgotten.
func (w *Writer) Close() error {
	if w.client == nil {
		return nil
	}
	err := w.client.Close()
	w.client = nil
	if errors.Is(err, ch.ErrClosed) {
		return nil
	}
	return err
}
