package site

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/flattraffic/flattraffic/billing"
)

// Retention says how long raw flows are kept, and the far ends of each day; the
// zero value: for ever. The other rollups, which every total is made from, are
// kept for ever.
type Retention struct {
	RawMonths    int    `json:"raw_months" toml:"raw_months"`         // whole months beside the running one, 0 = for ever
	RawSize      string `json:"raw_size" toml:"raw_size"`             // most that raw flows may take on disk, as entered: 20 GB; empty = any
	FarEndMonths int    `json:"far_end_months" toml:"far_end_months"` // whole months beside the running one, 0 = for ever
}

// RawWords says how long raw flows are kept: for 12 months, up to 20 GB. Months
// are whole ones, beside the running one.
func (r Retention) RawWords() string {
	var parts []string
	if r.RawMonths > 0 {
		parts = append(parts, monthsWords(r.RawMonths))
	}
	if r.RawSize != "" {
		parts = append(parts, "up to "+r.RawSize)
	}
	if len(parts) == 0 {
		return "for ever"
	}
	return strings.Join(parts, ", ")
}

// FarEndWords says how long the far ends of each day are kept.
func (r Retention) FarEndWords() string {
	if r.FarEndMonths == 0 {
		return "for ever"
	}
	return monthsWords(r.FarEndMonths)
}

// Words says all of it in a sentence without its full stop.
func (r Retention) Words() string {
	if r.RawWords() == r.FarEndWords() {
		return "Raw flows and far ends are kept " + r.RawWords()
	}
	return "Raw flows are kept " + r.RawWords() + "; far ends " + r.FarEndWords()
}

func monthsWords(n int) string {
	if n == 1 {
		return "for 1 month"
	}
	return fmt.Sprintf("for %d months", n)
}

// RawBytes is the size in bytes, 0 = any.
func (r Retention) RawBytes() uint64 {
	bytes, _, err := billing.ParseSize(r.RawSize)
	if err != nil {
		return 0
	}
	return bytes
}

// keyRetention is the key of Retention in the table settings.
const keyRetention = "retention"

// leastRawBytes is the smallest size that can be set: less would be a slip of
// the unit.
const leastRawBytes = 10_000_000

// CheckRetention returns a retention as it is stored. The error is FieldErrors
// with raw_months, raw_size and far_end_months.
func CheckRetention(r Retention) (Retention, error) {
	fields := FieldErrors{}
	if r.RawMonths < 0 || r.RawMonths > 1200 {
		fields["raw_months"] = "Give a number of months from 1 to 1200, or 0 to keep raw flows for ever."
	}
	r.RawSize = strings.TrimSpace(r.RawSize)
	if r.RawSize != "" {
		bytes, _, err := billing.ParseSize(r.RawSize)
		switch {
		case err != nil:
			fields["raw_size"] = sentence(err)
		case bytes < leastRawBytes:
			fields["raw_size"] = "Give at least 10 MB; leave it empty for any size."
		}
	}
	switch {
	case r.FarEndMonths < 0 || r.FarEndMonths > 1200:
		fields["far_end_months"] = "Give a number of months from 1 to 1200, or 0 to keep far ends for ever."
	case r.FarEndMonths == 0:
	case r.RawMonths == 0 && r.RawSize == "":
		fields["far_end_months"] = "Raw flows name far ends too, so that far ends go only after them; say how long raw flows are kept."
	case r.FarEndMonths <= r.RawMonths:
		fields["far_end_months"] = fmt.Sprintf("Far ends are kept at least a month longer than raw flows, which reach back into the month before; give %d or more.", r.RawMonths+1)
	}
	return r, fields.or()
}

// SaveRetention stores how long raw flows and far ends are kept. The error is
// FieldErrors as of CheckRetention.
func (s *Store) SaveRetention(ctx context.Context, r Retention) error {
	r, err := CheckRetention(r)
	if err != nil {
		return err
	}
	return s.change(ctx, func(*Settings) ([]change, error) { return []change{retention(r)}, nil })
}

func retention(r Retention) change {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // a number and a string
	}
	return change{"retention", insertSettingsSQL, []row{{keyRetention, string(text), false}}}
}

func scanRetention(value string, settings *Settings) error {
	if err := json.Unmarshal([]byte(value), &settings.Retention); err != nil {
		return fmt.Errorf("read the retention: %w", err)
	}
	return nil
}
