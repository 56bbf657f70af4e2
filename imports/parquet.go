//go:build !noparquet

package imports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// readParquet reads a Parquet file without nested columns.
func readParquet(opts Options) readFunc {
	return func(ctx context.Context, src *source, s *sink) error {
		if src.packed {
			return errors.New("files of Parquet are compressed inside; unpack this one first (gunzip)")
		}
		file, err := parquet.OpenFile(src.file, src.size)
		if err != nil {
			return fmt.Errorf("the Parquet file is damaged: %w", err)
		}
		t, err := newTable(opts, s)
		if err != nil {
			return err
		}
		columns := file.Schema().Fields()
		var names []string
		for _, c := range columns {
			if !c.Leaf() {
				return fmt.Errorf("column %s is nested; write it as plain columns", c.Name())
			}
			names = append(names, strings.ToLower(c.Name()))
		}
		if err := t.missing(names); err != nil {
			return err
		}
		reader := parquet.NewReader(file)
		defer reader.Close()
		rows := make([]parquet.Row, 1024)
		for row := int64(0); ; {
			n, err := reader.ReadRows(rows)
			for i := range n {
				row++
				record, err := t.read(names, func(c int) string { return parquetText(columns[c], rows[i][c]) })
				if err == nil {
					err = s.record(ctx, record)
				}
				if err != nil {
					return fmt.Errorf("row %d: %w", row, err)
				}
			}
			if src.progress != nil {
				src.progress(float64(row) / float64(max(file.NumRows(), 1)))
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("row %d: %w", row+1, err)
			}
		}
	}
}

// parquetText is a value as it would be written in a table: addresses of 4 or
// 16 bytes in words, times as numbers.
func parquetText(column parquet.Field, v parquet.Value) string {
	if v.IsNull() {
		return ""
	}
	switch v.Kind() {
	case parquet.ByteArray, parquet.FixedLenByteArray:
		b := v.ByteArray()
		if a, ok := netip.AddrFromSlice(b); ok && strings.HasSuffix(column.Name(), "addr") || ok && strings.Contains(column.Name(), "exporter") {
			if _, err := netip.ParseAddr(string(b)); err != nil {
				return a.Unmap().String()
			}
		}
		return string(b)
	case parquet.Int64:
		if logical := column.Type().LogicalType(); logical != nil {
			if stamp, ok := logical.Value.(*format.TimestampType); ok {
				return time.Unix(0, v.Int64()*int64(stamp.Unit.Value.Duration())).UTC().Format(time.RFC3339Nano)
			}
		}
		return strconv.FormatUint(v.Uint64(), 10)
	case parquet.Int32:
		if strings.HasSuffix(column.Name(), "addr") { // ClickHouse's IPv4
			n := v.Uint32()
			return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}).String()
		}
		return strconv.FormatUint(uint64(v.Uint32()), 10)
	case parquet.Double:
		return strconv.FormatFloat(v.Double(), 'f', -1, 64)
	default:
		return v.String()
	}
}
