package demo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/schema"
)

// codeNoSuchPart is ClickHouse's code for a part that is not there any more,
// because it was merged with another.
const codeNoSuchPart = 232

// Remove takes away everything the demo has written and nothing else, also
// while flows come in. It may be run again when it was interrupted. progress,
// which may be nil, gets the part done, 0 to 1.
func Remove(ctx context.Context, conn driver.Conn, progress func(float64)) error {
	if progress == nil {
		progress = func(float64) {}
	}
	m, err := loadMarker(ctx, conn)
	if err != nil {
		return err
	}
	if err := dropStage(ctx, conn); err != nil {
		return err
	}
	tables, err := column[string](ctx, conn, query("exporter_tables"))
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	for i, table := range tables {
		if err := removeRows(ctx, conn, table); err != nil {
			return fmt.Errorf("remove the demo from %s: %w", table, err)
		}
		progress(float64(i+1) / float64(len(tables)+1))
	}
	if m == nil {
		return nil
	}
	if err := removeSettings(ctx, conn, m); err != nil {
		return fmt.Errorf("remove the demo's settings: %w", err)
	}
	progress(1)
	return nil
}

// removeRows removes the demo's rows from a table that has the column
// exporter. Parts that hold nothing else are dropped; what shares a part with
// other rows is deleted there. A part never changes, so that no row that comes
// in meanwhile is in danger.
func removeRows(ctx context.Context, conn driver.Conn, table string) error {
	parts, shared, err := partsOf(ctx, conn, table)
	if err != nil {
		return err
	}
	for _, part := range parts {
		err := conn.Exec(ctx, fmt.Sprintf("ALTER TABLE %s DROP PART '%s'", identifier(table), part))
		var e *ch.Exception
		if errors.As(err, &e) && e.Code == codeNoSuchPart {
			shared = true // it was merged just now
			continue
		}
		if err != nil {
			return err
		}
	}
	if !shared {
		return nil
	}
	return remove(ctx, conn, table, "exporter = toIPv6('"+Exporter().String()+"')")
}

// partsOf lists the parts that hold rows of the demo only, and says whether
// others hold some too.
func partsOf(ctx context.Context, conn driver.Conn, table string) (parts []string, shared bool, err error) {
	rows, err := conn.Query(with(ctx, ch.Parameters{"exporter": Exporter().String()}), strings.Replace(query("parts"), "{{table}}", identifier(table), 1))
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var part string
		var mixed bool
		if err := rows.Scan(&part, &mixed); err != nil {
			return nil, false, err
		}
		if mixed {
			shared = true
		} else {
			parts = append(parts, part)
		}
	}
	return parts, shared, rows.Err()
}

// remove deletes rows for good, and waits until they are gone.
func remove(ctx context.Context, conn driver.Conn, table, where string) error {
	return schema.DeleteRows(ctx, conn, identifier(table), "", where)
}

// removeSettings removes what furnish wrote. A version that the user has made
// since stays. The marker goes last.
func removeSettings(ctx context.Context, conn driver.Conn, m *marker) error {
	written := "changed_at = fromUnixTimestamp64Milli(" + strconv.FormatInt(m.SettingsAt.UnixMilli(), 10) + ")"
	networks, err := ownNetworks(ctx, conn, m)
	if err != nil {
		return err
	}
	names, err := leaseCondition(m)
	if err != nil {
		return err
	}
	for _, d := range []struct{ table, where string }{
		{"host_names", names},
		{"addresses", fmt.Sprintf("mac BETWEEN %d AND %d", macOf(0), macOf(0xff))},
		{"devices", "startsWith(device, '" + devicePrefix + "')"},
		{"people", "startsWith(person, '" + devicePrefix + "')"},
		{"networks", written + networks},
		{"plans", written},
		{"settings", "key = 'demo'"},
	} {
		if err := remove(ctx, conn, d.table, d.where); err != nil {
			return err
		}
	}
	return nil
}

// ownNetworks narrows the networks to remove: the defaults that were stored
// with the demo's ranges stay when the user has set others since, for these
// alone would not be all that was local.
func ownNetworks(ctx context.Context, conn driver.Conn, m *marker) (string, error) {
	var others uint64
	if err := conn.QueryRow(ctx, query("count_other_networks"), m.SettingsAt.UnixMilli()).Scan(&others); err != nil {
		return "", err
	}
	if others == 0 {
		return "", nil
	}
	a, err := newAuthor(m.options(), time.UTC)
	if err != nil {
		return "", err
	}
	var list []string
	for _, n := range a.networks {
		list = append(list, "'"+n.prefix.String()+"'")
	}
	return " AND network IN (" + strings.Join(list, ", ") + ")", nil
}

// leaseCondition finds the names that furnish wrote.
func leaseCondition(m *marker) (string, error) {
	a, err := newAuthor(m.options(), time.UTC)
	if err != nil {
		return "", err
	}
	var list []string
	for _, d := range a.devices {
		list = append(list, fmt.Sprintf("(toIPv6('%s'), '%s')", d.address, d.name))
	}
	return "source = 'dhcp' AND (address, name) IN (" + strings.Join(list, ", ") + ")", nil
}
