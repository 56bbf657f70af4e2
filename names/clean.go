package names

import (
	"errors"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLength is the longest name shown or kept, in bytes: that of a DNS name.
const MaxLength = 253

// Reasons why a name is refused. Each is a sentence for people.
var (
	ErrEmpty       = errors.New("a name needs at least one character")
	ErrTooLong     = errors.New("a name has at most 253 bytes")
	ErrUnprintable = errors.New("a name must not hold control or invisible characters")
)

// Clean returns a name without outer blanks, or why it can't be shown.
// Control characters, invisible ones and those that turn the direction of text
// are refused, not removed: a name that needs cutting is not a name.
func Clean(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", ErrEmpty
	case len(name) > MaxLength:
		return "", ErrTooLong
	case !utf8.ValidString(name):
		return "", ErrUnprintable
	}
	for _, r := range name {
		// IsPrint is false for all of Cc, Cf (bidi marks), Zl, Zp and for
		// every blank but the plain space.
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return "", ErrUnprintable
		}
	}
	return name, nil
}

// cleanForeign cleans a name that somebody else made: the owner of a reverse
// zone, or any client that asks for a lease. Besides what Clean refuses it
// refuses names that read as an address, which would pass for another host,
// and combining marks, which can be piled over the lines around them. It
// returns the empty string for a refused name.
func cleanForeign(name string) string {
	name = strings.TrimSuffix(strings.TrimSpace(name), ".")
	clean, err := Clean(name)
	if err != nil || strings.ContainsFunc(clean, unicode.IsMark) {
		return ""
	}
	if _, err := netip.ParseAddr(strings.Trim(clean, "[]")); err == nil {
		return ""
	}
	return clean
}
