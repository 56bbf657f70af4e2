package schema

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

var errNoZone = errors.New("the database has no daily tables yet; run flattraffic schema apply")

// zonePattern finds the zone in the definition of a daily view.
var zonePattern = regexp.MustCompile(`toDate\(bucket, '([^']+)'\)`)

// zoneName is what a zone's name may look like: it is written into views.
var zoneName = regexp.MustCompile(`^[A-Za-z0-9_+\-/]+$`)

// Zone returns the IANA time zone whose days the daily tables have. The views
// themselves say so.
func Zone(ctx context.Context, conn driver.Conn) (string, error) {
	rows, err := conn.Query(ctx, query("zone"))
	if err != nil {
		return "", fmt.Errorf("read the daily tables' zone: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		return "", errors.Join(errNoZone, rows.Err())
	}
	var text string
	if err := rows.Scan(&text); err != nil {
		return "", fmt.Errorf("read the daily tables' zone: %w", err)
	}
	m := zonePattern.FindStringSubmatch(text)
	if m == nil {
		return "", errors.New("view daily_total_mv names no zone; run flattraffic schema rebuild")
	}
	return m[1], rows.Err()
}

func checkZone(zone string) error {
	if !zoneName.MatchString(zone) || zone == "Local" {
		return fmt.Errorf("%q is not a time zone; write one like Europe/Berlin or Pacific/Auckland", zone)
	}
	if _, err := time.LoadLocation(zone); err != nil {
		return fmt.Errorf("%q is not a time zone (%w); write one like Europe/Berlin or Pacific/Auckland", zone, err)
	}
	return nil
}
