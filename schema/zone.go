package schema

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// ErrNoZone says that a database has no daily tables yet.
var ErrNoZone = errors.New("the database has no daily tables yet; run flattraffic schema apply")

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
		return "", errors.Join(ErrNoZone, rows.Err())
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

// commentZone finds the zone in the comment of a daily table.
var commentZone = regexp.MustCompile(`time zone ([A-Za-z0-9_+\-/]+)`)

// zones returns the zone of each daily table, which its comment says.
func zones(ctx context.Context, conn driver.Conn) (map[string]string, error) {
	list := map[string]string{}
	for _, r := range rollups() {
		if r.time != "day" {
			continue
		}
		comments, err := column[string](ctx, conn, query("table_comment"), r.table)
		if err != nil {
			return nil, fmt.Errorf("read the zone of %s: %w", r.table, err)
		}
		if len(comments) == 0 {
			return nil, fmt.Errorf("table %s is missing; run flattraffic schema apply", r.table)
		}
		m := commentZone.FindStringSubmatch(comments[0])
		if m == nil {
			return nil, fmt.Errorf("the comment of table %s names no time zone; was it changed by hand?", r.table)
		}
		list[r.table] = m[1]
	}
	return list, nil
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
