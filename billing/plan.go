package billing

import (
	"errors"
	"fmt"
	"time"
)

// Counts says which direction of the traffic an ISP bills.
type Counts uint8

// The ways to count.
const (
	CountBoth     Counts = iota // received plus sent
	CountReceived               // received only
	CountSent                   // sent only
	CountLarger                 // the larger of the two totals of a period
)

// countNames are the written forms, by value.
var countNames = [...]string{"both", "received", "sent", "larger"}

// String returns the written form: both, received, sent or larger.
func (c Counts) String() string {
	if int(c) < len(countNames) {
		return countNames[c]
	}
	return fmt.Sprintf("Counts(%d)", uint8(c))
}

// ParseCounts reads what String writes.
func ParseCounts(s string) (Counts, error) {
	for i, name := range countNames {
		if s == name {
			return Counts(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not a way to count: use both, received, sent or larger", s)
}

// Plan is one version of what an ISP agreed to: when a period begins, how
// much may be used in it and what counts.
type Plan struct {
	ID            string // of the line; the same in all versions
	Name          string // shown
	EffectiveFrom Date   // first day of this version, in Zone
	Zone          *time.Location
	Renewal       Renewal
	Cap           uint64 // bytes a period; 0 = no cap
	CapText       string // the cap as the user entered it, for showing it again; may be empty
	Counts        Counts
	Base          Base
	Free          FreeTimes // times, by the clock of Zone, that do not count toward the cap
}

// Used returns the bytes that count toward the cap, of the totals of a period.
func (p Plan) Used(received, sent uint64) uint64 {
	switch p.Counts {
	case CountReceived:
		return received
	case CountSent:
		return sent
	case CountLarger:
		return max(received, sent)
	case CountBoth:
	}
	return received + sent
}

// starts is the first instant of this version.
func (p Plan) starts() time.Time { return p.EffectiveFrom.Start(p.Zone) }

// sameCut says whether two versions cut time into the same periods.
func (p Plan) sameCut(other Plan) bool {
	return p.Renewal.sameDays(other.Renewal) && p.Zone.String() == other.Zone.String()
}

// problems lists what is wrong with the version itself.
func (p Plan) problems() []error {
	var errs []error
	if p.Zone == nil {
		errs = append(errs, errors.New("the time zone is missing: name one, for example Europe/Berlin"))
	}
	if int(p.Counts) >= len(countNames) {
		errs = append(errs, fmt.Errorf("%d is not a way to count: use both, received, sent or larger", p.Counts))
	}
	if p.Base != Decimal && p.Base != Binary {
		errs = append(errs, fmt.Errorf("unit base %d is not known: use 1000 or 1024", p.Base))
	}
	if p.CapText != "" {
		switch bytes, _, err := ParseSize(p.CapText); {
		case err != nil:
			errs = append(errs, fmt.Errorf("cap: %w", err))
		case bytes != p.Cap:
			errs = append(errs, fmt.Errorf("cap %q is %d bytes, but %d bytes are stored with it: enter the cap again", p.CapText, bytes, p.Cap))
		}
	}
	return errs
}
