package site

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/flattraffic/flattraffic/billing"
)

// Retention says how long raw flows are kept; the zero value: for ever.
// Rollups, which every total is made from, are kept for ever.
type Retention struct {
	RawMonths int    `json:"raw_months" toml:"raw_months"` // whole months beside the running one, 0 = for ever
	RawSize   string `json:"raw_size" toml:"raw_size"`     // most that raw flows may take on disk, as entered: 20 GB; empty = any
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
// with raw_months and raw_size.
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
	return r, fields.or()
}

// SaveRetention stores how long raw flows are kept. The error is FieldErrors
// with raw_months and raw_size.
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
