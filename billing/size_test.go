package billing

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		bytes           uint64
		decimal, binary string
	}{
		{0, "0 B", "0 B"},
		{1, "1 B", "1 B"},
		{999, "999 B", "999 B"},
		{1000, "1.00 kB", "1000 B"},
		{1023, "1.02 kB", "1023 B"},
		{1024, "1.02 kB", "1.00 KiB"},
		{9_994, "9.99 kB", "9.76 KiB"},
		{9_995, "10.0 kB", "9.76 KiB"},
		{99_949, "99.9 kB", "97.6 KiB"},
		{99_950, "100 kB", "97.6 KiB"},
		{999_499, "999 kB", "976 KiB"},
		{999_500, "1.00 MB", "976 KiB"},
		{1_048_063, "1.05 MB", "1023 KiB"},
		{1_048_064, "1.05 MB", "1.00 MiB"},
		{312_123_456_789, "312 GB", "291 GiB"},
		{500_000_000_000, "500 GB", "466 GiB"},
		{999_499_999_999_999, "999 TB", "909 TiB"},
		{1_000_000_000_000_000, "1,000 TB", "909 TiB"},
		{math.MaxUint64, "18,446,744 TB", "16,777,216 TiB"},
	} {
		if got := Decimal.Format(tt.bytes); got != tt.decimal {
			t.Errorf("Decimal.Format(%d): got %q, want %q", tt.bytes, got, tt.decimal)
		}
		if got := Binary.Format(tt.bytes); got != tt.binary {
			t.Errorf("Binary.Format(%d): got %q, want %q", tt.bytes, got, tt.binary)
		}
	}
}

func TestFormatRound(t *testing.T) {
	for bytes, want := range map[uint64]string{0: "0 B", 5e9: "5 GB", 2.5e9: "2.5 GB", 1.25e9: "1.25 GB", 10e9: "10 GB", 200e9: "200 GB", 1e12: "1 TB"} {
		if got := Decimal.FormatRound(bytes); got != want {
			t.Errorf("FormatRound(%d): got %q, want %q", bytes, got, want)
		}
	}
}

func TestFormatExact(t *testing.T) {
	for bytes, want := range map[uint64]string{
		0: "0 bytes", 1: "1 byte", 999: "999 bytes", 1000: "1,000 bytes", 312_123_456_789: "312,123,456,789 bytes",
		math.MaxUint64: "18,446,744,073,709,551,615 bytes",
	} {
		if got := FormatExact(bytes); got != want {
			t.Errorf("FormatExact(%d): got %q, want %q", bytes, got, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for _, tt := range []struct {
		in    string
		bytes uint64
		base  Base
	}{
		{"500 GB", 500_000_000_000, Decimal},
		{"1.5 TiB", 1_649_267_441_664, Binary},
		{"500gb", 500_000_000_000, Decimal},
		{" 20  MiB ", 20 << 20, Binary},
		{"0 GB", 0, Decimal},
		{"7 B", 7, Decimal},
		{"1.0005 kB", 1001, Decimal},
		{"0.0004 kB", 0, Decimal},
		{".5 TB", 500_000_000_000, Decimal},
		{"18446744.073709551615 TB", math.MaxUint64, Decimal},
	} {
		bytes, base, err := ParseSize(tt.in)
		if err != nil || bytes != tt.bytes || base != tt.base {
			t.Errorf("ParseSize(%q): got %d, %d, %v, want %d, %d", tt.in, bytes, base, err, tt.bytes, tt.base)
		}
	}
	for in, want := range map[string]string{
		"":                        "not a size",
		"GB":                      "not a size",
		"lots":                    "not a size",
		"-5 GB":                   "not a size",
		"1.2.3 GB":                "not a size",
		"500":                     "has no unit",
		"500 G":                   "not a unit",
		"5 apples":                "not a unit",
		"1e9 GB":                  "not a unit",
		"1/2 GB":                  "not a unit",
		"1,500 GB":                "has a comma",
		"18446744073709551616 B":  "too large",
		"99999999999999999999 TB": "too large",
		strings.Repeat("9", 1e6):  "too long",
	} {
		_, _, err := ParseSize(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSize(%.30q): got %v, want an error that says %q", in, err, want)
		}
	}
}

// What Format writes, ParseSize reads, in the same base and within half of
// the last figure shown.
func TestFormatAndParseSizeAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.Uint64Range(0, 999e12).Draw(t, "bytes")
		base := rapid.SampledFrom([]Base{Decimal, Binary}).Draw(t, "base")
		text := base.Format(bytes)
		got, gotBase, err := ParseSize(text)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(text, " B") {
			if got != bytes {
				t.Fatalf("%s: got %d, want %d exactly", text, got, bytes)
			}
			return
		}
		if gotBase != base {
			t.Fatalf("%s: got base %d, want %d", text, gotBase, base)
		}
		if off := math.Abs(float64(got) - float64(bytes)); off > float64(bytes)*0.00501 {
			t.Fatalf("%s for %d bytes is off by %.0f", text, bytes, off)
		}
	})
}
