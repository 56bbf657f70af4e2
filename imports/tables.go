package imports

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// looksLikeTable says whether a text begins with a line of column names.
func looksLikeTable(head []byte) bool {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	return bytes.Contains(line, []byte("src_addr")) && bytes.Contains(line, []byte("bytes"))
}

// readCSV reads a table with commas, semicolons or tabs between its columns.
func readCSV(opts Options) readFunc {
	return func(ctx context.Context, src *source, s *sink) error {
		content, err := src.content()
		if err != nil {
			return err
		}
		t, err := newTable(opts, s)
		if err != nil {
			return err
		}
		r := csv.NewReader(content)
		r.ReuseRecord = true
		line, _, _ := bytes.Cut(src.head, []byte("\n"))
		for _, comma := range []rune{';', '\t'} {
			if strings.Count(string(line), string(comma)) > strings.Count(string(line), string(r.Comma)) {
				r.Comma, r.LazyQuotes = comma, comma == '\t'
			}
		}
		head, err := r.Read()
		if err != nil {
			return fmt.Errorf("line 1: %w", err)
		}
		names := make([]string, len(head))
		for i, n := range head {
			names[i] = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(n, "\ufeff")))
		}
		if err := t.missing(names); err != nil {
			return err
		}
		return readRows(ctx, r, names, t, s)
	}
}

func readRows(ctx context.Context, r *csv.Reader, names []string, t *table, s *sink) error {
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err // names the line
		}
		record, err := t.read(names, func(i int) string {
			if row[i] == "NULL" || row[i] == `\N` {
				return ""
			}
			return row[i]
		})
		if err == nil {
			err = s.record(ctx, record)
		}
		if err != nil {
			line, _ := r.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// maxLine is the longest line of JSON that is read, bytes.
const maxLine = 1 << 20

// readGoflow2 reads goflow2's JSON, one message a line.
func readGoflow2(opts Options) readFunc {
	return func(ctx context.Context, src *source, s *sink) error {
		content, err := src.content()
		if err != nil {
			return err
		}
		t, err := newTable(opts, s)
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(content)
		lines.Buffer(nil, maxLine)
		number := 0
		for lines.Scan() {
			number++
			if len(bytes.TrimSpace(lines.Bytes())) == 0 {
				continue
			}
			if err := readMessage(ctx, lines.Bytes(), t, s); err != nil {
				return fmt.Errorf("line %d: %w", number, err)
			}
		}
		if err := lines.Err(); err != nil {
			return fmt.Errorf("line %d: %w", number+1, err)
		}
		return nil
	}
}

func readMessage(ctx context.Context, line []byte, t *table, s *sink) error {
	var message map[string]json.RawMessage
	if err := json.Unmarshal(line, &message); err != nil {
		return fmt.Errorf("it is no JSON object: %w", err)
	}
	var names, texts []string
	for name, raw := range message {
		text := string(raw)
		if text == "null" {
			continue
		}
		if strings.HasPrefix(text, `"`) {
			if err := json.Unmarshal(raw, &text); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		if name == "flow_direction" { // goflow2 writes element 61's number
			text = map[string]string{"0": "", "1": "egress"}[text]
		}
		if (name == "src_mac" || name == "dst_mac") && text == "00:00:00:00:00:00" {
			text = ""
		}
		names, texts = append(names, name), append(texts, text)
	}
	record, err := t.read(names, func(i int) string { return texts[i] })
	if err != nil {
		return err
	}
	if record.Bytes == 0 && record.Packets == 0 {
		s.skip("records without counters", 1)
		return nil
	}
	return s.record(ctx, record)
}
