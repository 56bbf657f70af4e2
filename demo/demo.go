// Package demo writes a plausible household's years of flow history into the
// database, for screenshots, tests and benchmarks, and takes it out again
// without touching anything else.
//
// What happens on each day is decided here, as sessions of habits of devices;
// the database expands the sessions into flows, and the rollups are made by
// the queries of the views that make them of real flows. The same options give
// the same flows.
package demo

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Exporter is the address that all rows of the demo carry, from the range for
// documentation: no router has it.
func Exporter() netip.Addr { return netip.MustParseAddr("2001:db8:f1a7::1") }

// Profile is whose traffic is made up.
type Profile string

// The profiles.
const (
	Home Profile = "home" // a shared flat of four, some 15 devices
	ISP  Profile = "isp"  // 5,000 subscribers
)

// Options say what to write.
type Options struct {
	Years       float64   // length of the history
	Seed        uint64    // other seeds make other histories of the same kind
	Profile     Profile   // empty = Home
	Until       time.Time // end of the history; zero = now
	FlowsPerDay int       // mean; 0 = 20,000 at home and 2,000,000 for the ISP. The bytes do not depend on it
}

// Summary says what was written.
type Summary struct {
	From, Until time.Time
	Flows       uint64 // records
	Bytes       uint64 // received and sent
	Hosts       uint64 // addresses of hosts
}

// String says it in words.
func (s Summary) String() string {
	return fmt.Sprintf("%d flows and %.1f GB of %d hosts from %s to %s", s.Flows, float64(s.Bytes)/1e9, s.Hosts,
		s.From.Format("2006-01-02"), s.Until.Format("2006-01-02 15:04"))
}

// limits of Options.
const (
	maxYears       = 20
	maxFlowsPerDay = 200_000_000
)

// complete checks the options and fills in what was left open.
func (o Options) complete() (Options, error) {
	switch o.Profile {
	case "":
		o.Profile = Home
	case Home, ISP:
	default:
		return o, fmt.Errorf("there is no demo profile %q; choose %s or %s", o.Profile, Home, ISP)
	}
	if !(o.Years*365 >= 1 && o.Years <= maxYears) {
		return o, fmt.Errorf("the demo's history is from one day to %d years long; choose a number of years such as 2 or 0.5", maxYears)
	}
	if o.Until.IsZero() {
		o.Until = time.Now()
	}
	o.Until = o.Until.UTC().Truncate(time.Second)
	if o.Until.Year() < 2000 || o.Until.Year() > 2100 {
		return o, fmt.Errorf("the demo can't end in the year %d; choose one from 2000 to 2100", o.Until.Year())
	}
	if o.FlowsPerDay == 0 {
		o.FlowsPerDay = 20_000
		if o.Profile == ISP {
			o.FlowsPerDay = 2_000_000
		}
	}
	if o.FlowsPerDay < 100 || o.FlowsPerDay > maxFlowsPerDay {
		return o, fmt.Errorf("the demo makes from 100 to %d flows a day; choose a number between", maxFlowsPerDay)
	}
	return o, nil
}

// Present says whether the database holds rows of the demo, all or a part.
func Present(ctx context.Context, conn driver.Conn) (bool, error) {
	m, err := loadMarker(ctx, conn)
	return m != nil, err
}
