package site

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/billing"
)

// Bill is what the ISP says was used in a billing period.
type Bill struct {
	Line  string       // id of the line
	First billing.Date // first day of the period
	Bytes uint64
	Text  string // as the user entered it: 512 GB
}

// keyBill begins the keys that bills are kept under in the table settings:
// bill/home/2026-11-12.
const keyBill = "bill/"

func (b Bill) key() string { return keyBill + b.Line + "/" + b.First.String() }

// Bill returns what the ISP says of the period of a line that begins on a day.
func (s *Settings) Bill(line string, first billing.Date) (Bill, bool) {
	i := slices.IndexFunc(s.Bills, func(b Bill) bool { return b.Line == line && b.First == first })
	if i < 0 {
		return Bill{}, false
	}
	return s.Bills[i], true
}

// SaveBill stores what the ISP says of a period; an empty text forgets it. The
// error is FieldErrors with the field says.
func (s *Store) SaveBill(ctx context.Context, line string, first billing.Date, text string) error {
	b, err := parseBill(line, first, text)
	if err != nil {
		return err
	}
	return s.change(ctx, func(stored *Settings) ([]change, error) {
		if _, known := stored.Bill(line, first); b.Text == "" && !known {
			return nil, nil
		}
		return []change{bills(billRow(b, b.Text == ""))}, nil
	})
}

// parseBill reads what the user entered. Nothing is a bill without a text.
func parseBill(line string, first billing.Date, text string) (Bill, error) {
	b := Bill{Line: line, First: first, Text: strings.TrimSpace(text)}
	if b.Text == "" {
		return b, nil
	}
	var err error
	if b.Bytes, _, err = billing.ParseSize(b.Text); err != nil {
		return b, FieldErrors{"says": strings.ToUpper(err.Error()[:1]) + err.Error()[1:] + "."}
	}
	return b, nil
}

func scanBill(rows driver.Rows, settings *Settings) error {
	var key, text string
	if err := rows.Scan(&key, &text); err != nil {
		return err
	}
	line, date, _ := strings.Cut(strings.TrimPrefix(key, keyBill), "/")
	first, err := billing.ParseDate(date)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	b, err := parseBill(line, first, text)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	settings.Bills = append(settings.Bills, b)
	return nil
}

func billRow(b Bill, deleted bool) row { return row{b.key(), b.Text, deleted} }

func bills(rows ...row) change { return change{"what the ISP says", insertSettingsSQL, rows} }

// fileBill is a bill in the file of the settings.
type fileBill struct {
	Line   string       `toml:"line"`
	Period billing.Date `toml:"period"`
	Says   string       `toml:"says"`
}

func (f file) bills(s *Settings, fields FieldErrors) {
	for i, x := range f.Bills {
		part := fmt.Sprintf("bill[%d]", i)
		b, err := parseBill(x.Line, x.Period, x.Says)
		fields.within(part, err)
		if b.Text == "" || b.Line == "" || b.First.IsZero() {
			fields[part] = "A bill has line, period (the first day of it) and says (512 GB)."
		}
		s.Bills = append(s.Bills, b)
	}
}

// replaceBills makes the stored bills those that are wanted.
func replaceBills(stored, wanted *Settings) change {
	var rows []row
	for _, b := range wanted.Bills {
		rows = append(rows, billRow(b, false))
	}
	for _, old := range stored.Bills {
		if _, ok := wanted.Bill(old.Line, old.First); !ok {
			rows = append(rows, billRow(old, true))
		}
	}
	return bills(rows...)
}
