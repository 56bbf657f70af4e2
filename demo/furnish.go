package demo

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/site"
)

// devicePrefix begins the ids of the demo's devices and people.
const devicePrefix = "demo-"

// furnish writes what gives the history meaning: names, devices, networks, the
// router, and a plan where none is stored. Nothing that the user has set is
// replaced.
func (b *builder) furnish(ctx context.Context, m *marker) error {
	for _, part := range []struct {
		what  string
		write func(context.Context, *marker) error
	}{
		{"names", b.writeNames},
		{"addresses", b.writeAddresses},
		{"devices", b.writeDevices},
		{"people", b.writePeople},
		{"networks", b.writeNetworks},
		{"exporter", b.writeExporter},
		{"plan", b.writePlan},
	} {
		if err := part.write(ctx, m); err != nil {
			return fmt.Errorf("write the demo's %s: %w", part.what, err)
		}
	}
	return nil
}

// insert sends rows to a table.
func insert(ctx context.Context, conn driver.Conn, statement string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	batch, err := conn.PrepareBatch(ctx, statement)
	if err != nil {
		return err
	}
	defer batch.Close()
	for _, row := range rows {
		if err := batch.Append(row...); err != nil {
			return err
		}
	}
	return batch.Send()
}

// leases are the names that the router's leases would give.
func (s *scene) leases(calendar *calendar, from, until time.Time) [][]any {
	var rows [][]any
	for _, d := range s.devices {
		first := from
		if d.role == console && !s.bought.IsZero() {
			first = s.bought.Start(calendar.zone).UTC()
		}
		rows = append(rows, []any{d.address, "dhcp", d.name, first, until})
	}
	return rows
}

func (b *builder) writeNames(ctx context.Context, m *marker) error {
	return insert(ctx, b.conn, query("insert_host_names"), b.leases(&b.calendar, m.From, m.Until))
}

// writeAddresses says which device had which address, which is how privacy
// addresses get their device's name. The provider knows no MACs.
func (b *builder) writeAddresses(ctx context.Context, _ *marker) error {
	if b.options.Profile == ISP {
		return nil
	}
	return b.conn.Exec(with(ctx, map[string]string{"exporter": Exporter().String()}), query("insert_addresses"))
}

func (b *builder) writeDevices(ctx context.Context, m *marker) error {
	var rows [][]any
	for _, d := range b.devices {
		if d.own != "" {
			rows = append(rows, []any{devicePrefix + d.name, d.own, personID(d.owner), []uint64{d.mac}, []netip.Addr{}, m.SettingsAt})
		}
	}
	return insert(ctx, b.conn, query("insert_devices"), rows)
}

func (b *builder) writePeople(ctx context.Context, m *marker) error {
	var rows [][]any
	for _, name := range b.owners() {
		rows = append(rows, []any{personID(name), name, m.SettingsAt})
	}
	return insert(ctx, b.conn, query("insert_people"), rows)
}

// writeNetworks adds the demo's ranges. Where none are stored the defaults are
// stored with them, or they would no longer be local.
func (b *builder) writeNetworks(ctx context.Context, m *marker) error {
	stored, err := column[string](ctx, b.conn, query("stored_networks"))
	if err != nil {
		return err
	}
	wanted := slices.Clone(b.networks)
	if len(stored) == 0 {
		settings, err := site.NewStore(b.conn, b.zone).Load(ctx)
		if err != nil {
			return err
		}
		for _, n := range settings.Networks {
			wanted = append(wanted, network{n.Prefix, n.Name})
		}
	}
	var rows [][]any
	for _, n := range wanted {
		if !slices.Contains(stored, n.prefix.String()) {
			rows = append(rows, []any{n.prefix.String(), n.name, m.SettingsAt})
		}
	}
	return insert(ctx, b.conn, query("insert_networks"), rows)
}

func (b *builder) writeExporter(ctx context.Context, m *marker) error {
	err := insert(ctx, b.conn, query("insert_exporters"), [][]any{{Exporter(), "Demo router", m.SettingsAt}})
	if err != nil {
		return err
	}
	state := []any{Exporter(), m.From, m.Until, "ipfix", uint32(2), m.Until, int64(12), uint32(1), []uint32{1, 2, 3}, uint32(1800), m.SettingsAt}
	return insert(ctx, b.conn, query("insert_exporter_state"), [][]any{state})
}

// writePlan stores a plan where the user has none.
func (b *builder) writePlan(ctx context.Context, m *marker) error {
	var stored uint64
	if err := b.conn.QueryRow(ctx, query("count_plans")).Scan(&stored); err != nil || stored > 0 {
		return err
	}
	from := billing.Date{Year: 1970, Month: time.January, Day: 1}
	return insert(ctx, b.conn, query("insert_plans"), [][]any{{
		site.DefaultLine, from.Start(time.UTC), b.plan.name, b.zone.String(), b.plan.renewal, b.plan.bytes, b.plan.cap, "both", uint16(billing.Decimal), m.SettingsAt,
	}})
}
