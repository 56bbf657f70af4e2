package deliver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/uuid"
)

// A spool file is one line of JSON, the header, and one block in ClickHouse's
// Native format within ClickHouse's LZ4 frames, one a column. The block names
// its columns and their types, so that a file can be read by another version of
// the program.

// fileFormat is the version of the layout.
const fileFormat = 1

// maxHeader bounds the header line, in bytes: maxSources entries take about
// 16 kB, maxMerged names 28 kB.
const maxHeader = 64 << 10

// header describes a spool file.
type header struct {
	Format   int                `json:"flattraffic_batch"`
	ID       uuid.UUID          `json:"id"`
	Table    string             `json:"table"`
	Rows     int                `json:"rows"`
	Pieces   int                `json:"pieces,omitempty"` // rows, each as often as it covers quarter hours; flows only
	FromMs   int64              `json:"from_ms"`
	ToMs     int64              `json:"to_ms"`
	Sources  map[netip.Addr]int `json:"sources,omitempty"`
	Replaces []string           `json:"replaces,omitempty"` // files whose rows this one holds
	Size     int                `json:"size"`               // bytes after the header line
	Checksum uint32             `json:"crc32c"`             // of those bytes
}

// errCorrupt is the cause of every error about a file's content.
var errCorrupt = errors.New("not a whole batch file")

// castagnoli is the polynomial of the checksum.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encoder turns batches into files. It keeps its buffers and is for one
// goroutine.
type encoder struct {
	column   proto.Buffer // of one column: a whole block would take as much memory again as the batch
	compress *compress.Writer
	body     bytes.Buffer
}

func newEncoder() *encoder {
	return &encoder{compress: compress.NewWriter(0, compress.LZ4)}
}

// encode returns the two parts of a batch's file. The bytes are valid until
// the next call.
func (e *encoder) encode(b *batch) (line, body []byte, err error) {
	e.body.Reset()
	e.column.Reset()
	e.column.PutInt(len(b.input))
	e.column.PutInt(b.rows)
	for _, c := range b.input {
		if err := e.add(c, b.rows); err != nil {
			return nil, nil, err
		}
	}
	if err := e.frame(); err != nil { // a block without columns
		return nil, nil, err
	}
	body = e.body.Bytes()
	line, err = json.Marshal(header{
		Format: fileFormat, ID: b.id, Table: b.table, Rows: b.rows, Pieces: b.pieces, FromMs: b.fromMs, ToMs: b.toMs, Sources: b.sources, Replaces: b.replaces,
		Size: len(body), Checksum: crc32.Checksum(body, castagnoli),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("encode header: %w", err)
	}
	return append(line, '\n'), body, nil
}

// add encodes a column into a frame of its own.
func (e *encoder) add(c proto.InputColumn, rows int) error {
	if n := c.Data.Rows(); n != rows {
		return fmt.Errorf("encode batch: column %s has %d rows of %d", c.Name, n, rows)
	}
	c.EncodeStart(&e.column, proto.Version)
	if p, ok := c.Data.(proto.Preparable); ok {
		if err := p.Prepare(); err != nil {
			return fmt.Errorf("encode column %s: %w", c.Name, err)
		}
	}
	if s, ok := c.Data.(proto.StateEncoder); ok {
		s.EncodeState(&e.column)
	}
	c.Data.EncodeColumn(&e.column)
	return e.frame()
}

// frame compresses what was encoded since the last one.
func (e *encoder) frame() error {
	if len(e.column.Buf) == 0 {
		return nil
	}
	if err := e.compress.Compress(e.column.Buf); err != nil {
		return fmt.Errorf("compress batch: %w", err)
	}
	e.body.Write(e.compress.Data)
	e.column.Reset()
	return nil
}

// splitHeader reads the header of a file and returns what follows it.
func splitHeader(file []byte) (header, []byte, error) {
	var h header
	end := bytes.IndexByte(file[:min(len(file), maxHeader)], '\n')
	if end < 0 {
		return h, nil, fmt.Errorf("%w: no header", errCorrupt)
	}
	if err := json.Unmarshal(file[:end], &h); err != nil {
		return h, nil, fmt.Errorf("%w: header: %w", errCorrupt, err)
	}
	if h.Format != fileFormat || h.Table == "" || h.Rows <= 0 || h.ID == uuid.Nil {
		return h, nil, fmt.Errorf("%w: header says format %d, table %q, %d rows", errCorrupt, h.Format, h.Table, h.Rows)
	}
	return h, file[end+1:], nil
}

// verify reads the header of a whole file and checks what follows it.
func verify(file []byte) (header, []byte, error) {
	h, body, err := splitHeader(file)
	if err != nil {
		return h, nil, err
	}
	if len(body) != h.Size || crc32.Checksum(body, castagnoli) != h.Checksum {
		return h, nil, fmt.Errorf("%w: %d bytes of %d, or a wrong checksum", errCorrupt, len(body), h.Size)
	}
	return h, body, nil
}

// readBlock reads the rows of a file into columns.
func readBlock(body []byte, rows int, columns proto.Result) error {
	var block proto.Block
	in := proto.NewReader(compress.NewReader(bytes.NewReader(body)))
	if err := block.DecodeRawBlock(in, proto.Version, columns); err != nil {
		return fmt.Errorf("%w: %w", errCorrupt, err)
	}
	if block.Rows != rows {
		return fmt.Errorf("%w: %d rows of %d", errCorrupt, block.Rows, rows)
	}
	return nil
}

// decode reads a whole file back into a batch.
func decode(file []byte) (*batch, error) {
	h, body, err := verify(file)
	if err != nil {
		return nil, err
	}
	var columns proto.Results
	if err := readBlock(body, h.Rows, columns.Auto()); err != nil {
		return nil, err
	}
	b := &batch{id: h.ID, table: h.Table, rows: h.Rows, pieces: h.Pieces, fromMs: h.FromMs, toMs: h.ToMs, sources: h.Sources}
	for _, c := range columns {
		column, ok := c.Data.(proto.ColInput)
		if !ok {
			return nil, fmt.Errorf("%w: column %s cannot be sent", errCorrupt, c.Name)
		}
		b.input = append(b.input, proto.InputColumn{Name: c.Name, Data: column})
	}
	return b, nil
}
