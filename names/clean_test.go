package names

import (
	"errors"
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	tests := []struct {
		in, want string
		err      error
	}{
		{"nas", "nas", nil},
		{"  Zoë's phone ", "Zoë's phone", nil},
		{strings.Repeat("a", 253), strings.Repeat("a", 253), nil},
		{"", "", ErrEmpty},
		{"   ", "", ErrEmpty},
		{strings.Repeat("a", 254), "", ErrTooLong},
		{"a\x00b", "", ErrUnprintable},
		{"a\x1b[31mred", "", ErrUnprintable},
		{"a\nb", "", ErrUnprintable},
		{"a\u202egnp.exe", "", ErrUnprintable},
		{"a\u200bb", "", ErrUnprintable},
		{"a\u00a0b", "", ErrUnprintable},
		{"a\u2028b", "", ErrUnprintable},
		{"\xff\xfe", "", ErrUnprintable},
		{"a\ufffdb", "", ErrUnprintable},
	}
	for _, tt := range tests {
		got, err := Clean(tt.in)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Clean(%.20q) = %q, %v; want %q, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

func TestCleanForeign(t *testing.T) {
	tests := []struct{ in, want string }{
		{"nas.lan.", "nas.lan"},
		{"_http._tcp.local.", "_http._tcp.local"},
		{"xn--bcher-kva.example.", "xn--bcher-kva.example"},
		{"<script>alert(1)</script>", "<script>alert(1)</script>"}, // the page escapes; it is printable
		{".", ""},
		{"192.168.1.1", ""},
		{"192.168.1.1.", ""},
		{"[fe80::1]", ""},
		{"a\u0335\u0336b", ""},
		{"a\tb", ""},
		{"\u202enas", ""},
	}
	for _, tt := range tests {
		if got := cleanForeign(tt.in); got != tt.want {
			t.Errorf("cleanForeign(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
