package site

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckRetention(t *testing.T) {
	for _, test := range []struct {
		name      string
		retention Retention
		wrong     []string // fields
		words     string
	}{
		{"for ever", Retention{}, nil, "Raw flows and far ends are kept for ever"},
		{"by age", Retention{RawMonths: 1}, nil, "Raw flows are kept for 1 month; far ends for ever"},
		{"by age and size", Retention{RawMonths: 12, RawSize: " 20 GB "}, nil, "Raw flows are kept for 12 months, up to 20 GB; far ends for ever"},
		{"far ends too", Retention{RawMonths: 12, FarEndMonths: 13}, nil, "Raw flows are kept for 12 months; far ends for 13 months"},
		{"far ends, raw flows by size", Retention{RawSize: "1 GB", FarEndMonths: 1}, nil, "Raw flows are kept up to 1 GB; far ends for 1 month"},
		{"far ends before raw flows", Retention{RawMonths: 12, FarEndMonths: 12}, []string{"far_end_months"}, ""},
		{"far ends without raw flows", Retention{FarEndMonths: 12}, []string{"far_end_months"}, ""},
		{"negative", Retention{RawMonths: -1, FarEndMonths: -1}, []string{"far_end_months", "raw_months"}, ""},
		{"no size", Retention{RawSize: "some"}, []string{"raw_size"}, ""},
		{"a slip of the unit", Retention{RawSize: "20 kB"}, []string{"raw_size"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := CheckRetention(test.retention)
			var fields FieldErrors
			if err != nil && !errors.As(err, &fields) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.wrong, slices.Sorted(maps.Keys(fields))); diff != "" {
				t.Errorf("fields with errors (-want +got):\n%s", diff)
			}
			if err == nil && got.Words() != test.words {
				t.Errorf("words: got %q, want %q", got.Words(), test.words)
			}
		})
	}
}
