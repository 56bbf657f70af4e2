package billing

import (
	"fmt"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// Base is what a kilo means: 1000 or 1024. It decides figures and labels
// together, so that they always match.
type Base uint16

// The unit bases.
const (
	Decimal Base = 1000 // kB, MB, GB, TB
	Binary  Base = 1024 // KiB, MiB, GiB, TiB
)

var (
	decimalUnits = [...]string{"B", "kB", "MB", "GB", "TB"}
	binaryUnits  = [...]string{"B", "KiB", "MiB", "GiB", "TiB"}
)

// factor is the number a unit is of the unit below. Anything but Binary counts
// as Decimal.
func (b Base) factor() uint64 {
	if b == Binary {
		return uint64(Binary)
	}
	return uint64(Decimal)
}

// units are the labels, from bytes up.
func (b Base) units() *[5]string {
	if b == Binary {
		return &binaryUnits
	}
	return &decimalUnits
}

// Format writes a number of bytes for people, with three significant figures
// and its unit: "312 GB", "9.54 GiB". Below one kilobyte it is exact; four
// figures appear from 1000 to 1023 of a binary unit, and above 999 TB whole
// terabytes are grouped.
func (b Base) Format(bytes uint64) string { return b.format(bytes, false) }

// FormatRound is Format without the zeros at the end of a fraction: "5 GB" and
// "2.5 GB" for the ticks of a chart.
func (b Base) FormatRound(bytes uint64) string { return b.format(bytes, true) }

func (b Base) format(bytes uint64, trim bool) string {
	units, factor := b.units(), b.factor()
	if bytes < factor {
		return strconv.FormatUint(bytes, 10) + " " + units[0]
	}
	unit := uint64(1)
	for _, label := range units[1:] {
		unit *= factor
		for _, decimals := range []int{2, 1} {
			if n := scale(bytes, decimals, unit); n < 1000 {
				return point(n, decimals, trim) + " " + label
			}
		}
		if n := scale(bytes, 0, unit); n < factor {
			return strconv.FormatUint(n, 10) + " " + label
		}
	}
	return group(scale(bytes, 0, unit)) + " " + units[len(units)-1]
}

// scale returns bytes × 10^decimals / unit, rounded to nearest, half up.
// The unit must be at least 1000.
func scale(bytes uint64, decimals int, unit uint64) uint64 {
	power := uint64(1)
	for range decimals {
		power *= 10
	}
	hi, lo := bits.Mul64(bytes, power)
	n, rest := bits.Div64(hi, lo, unit)
	if rest >= unit-rest {
		n++
	}
	return n
}

// point writes n with its last digits as a fraction.
func point(n uint64, decimals int, trim bool) string {
	s := strconv.FormatUint(n, 10)
	for len(s) <= decimals {
		s = "0" + s
	}
	s = s[:len(s)-decimals] + "." + s[len(s)-decimals:]
	if trim {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// group writes a number with a comma between thousands.
func group(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// FormatExact writes a number of bytes to the byte: "312,123,456,789 bytes".
func FormatExact(bytes uint64) string {
	if bytes == 1 {
		return "1 byte"
	}
	return group(bytes) + " bytes"
}

// maxSizeText bounds what ParseSize looks at; no number of bytes needs more.
const maxSizeText = 40

// ParseSize reads a size with its unit, such as "500 GB" or "1.5 TiB", and
// says which base the unit has. Fractions of a byte are rounded to the nearest
// byte. Units may be written in any case; plain bytes ("B") count as Decimal.
func ParseSize(s string) (bytes uint64, base Base, err error) {
	text := strings.TrimSpace(s)
	if len(text) > maxSizeText {
		return 0, 0, fmt.Errorf("%.20q… is too long for a size: write it like 500 GB or 1.5 TiB", text)
	}
	if strings.Contains(text, ",") {
		return 0, 0, fmt.Errorf("size %q has a comma: write a fraction with a point (1.5 TB) and thousands without a mark (1500 GB)", s)
	}
	end := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(text)
	}
	number, label := text[:end], strings.TrimSpace(text[end:])
	value, ok := new(big.Rat).SetString(number)
	switch {
	case !ok:
		return 0, 0, fmt.Errorf("%q is not a size: write it like 500 GB or 1.5 TiB", s)
	case label == "":
		return 0, 0, fmt.Errorf("size %q has no unit: write %s GB or %s GiB, whichever is meant", s, number, number)
	}
	unit, base, ok := parseUnit(label)
	if !ok {
		return 0, 0, fmt.Errorf("%q is not a unit of size: use kB, MB, GB, TB or KiB, MiB, GiB, TiB", label)
	}
	value.Mul(value, new(big.Rat).SetInt(new(big.Int).SetUint64(unit)))
	whole := roundHalfUp(value)
	if !whole.IsUint64() {
		return 0, 0, fmt.Errorf("size %q is too large: the most is 18446744 TB", s)
	}
	return whole.Uint64(), base, nil
}

// parseUnit returns the bytes of a unit and its base.
func parseUnit(label string) (unit uint64, base Base, ok bool) {
	for _, base := range []Base{Decimal, Binary} {
		unit := uint64(1)
		for _, known := range base.units() {
			if strings.EqualFold(label, known) {
				return unit, base, true
			}
			unit *= base.factor()
		}
	}
	return 0, 0, false
}

// roundHalfUp rounds a value that is not negative to the nearest integer.
func roundHalfUp(v *big.Rat) *big.Int {
	num := new(big.Int).Lsh(v.Num(), 1)
	num.Add(num, v.Denom())
	return num.Div(num, new(big.Int).Lsh(v.Denom(), 1))
}
