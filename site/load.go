package site

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/flow"
)

// DefaultLine is the id of the first line.
const DefaultLine = "home"

// AllLines is no line: reports understand it as all of them together.
const AllLines = "all"

// noDate is how the zero date is stored: a plan in force from the beginning.
var noDate = billing.Date{Year: 1970, Month: time.January, Day: 1}

// fromStored undoes the stand-in for the zero date.
func fromStored(d billing.Date) billing.Date {
	if d == noDate {
		return billing.Date{}
	}
	return d
}

// Load reads a snapshot of the settings. Where nothing is stored the defaults
// stand: one line with calendar months and no cap, private and link-local
// addresses as local networks, names looked up.
func (s *Store) Load(ctx context.Context) (*Settings, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	version := s.stands(ctx) // of before the reading: a change since then makes another
	settings, err := s.stored(ctx)
	if err != nil {
		return nil, err
	}
	if len(settings.Lines) == 0 {
		settings.Lines = []Line{s.defaultLine()}
	}
	if len(settings.Networks) == 0 {
		settings.Networks = defaultNetworks()
	}
	s.remember(settings, began, version)
	return settings, nil
}

// stored reads what the user has saved, without defaults for lines and
// networks.
func (s *Store) stored(ctx context.Context) (*Settings, error) {
	settings := &Settings{Display: Display{ReverseDNS: true}, Alerts: DefaultAlerts()}
	for _, part := range []struct {
		what, statement string
		scan            func(rows driver.Rows, settings *Settings) error
	}{
		{"plans", loadPlansSQL, scanPlan},
		{"networks", loadNetworksSQL, scanNetwork},
		{"exporters", loadExportersSQL, scanExporter},
		{"display settings", loadDisplaySQL, scanDisplay},
		{"devices", loadDevicesSQL, scanDevice},
		{"people", loadPeopleSQL, scanPerson},
		{"what the ISP says", loadBillsSQL, scanBill},
	} {
		if err := s.each(ctx, part.statement, func(rows driver.Rows) error { return part.scan(rows, settings) }); err != nil {
			return nil, fmt.Errorf("load %s: %w", part.what, err)
		}
	}
	addOwners(settings)
	slices.SortFunc(settings.Networks, func(a, b Network) int { return comparePrefix(a.Prefix, b.Prefix) })
	return settings, nil
}

func (s *Store) each(ctx context.Context, statement string, scan func(driver.Rows) error) error {
	return each(ctx, s.conn, statement, scan)
}

func each(ctx context.Context, conn driver.Conn, statement string, scan func(driver.Rows) error) error {
	rows, err := conn.Query(ctx, statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// defaultLine is the line of a site whose user has said nothing yet.
func (s *Store) defaultLine() Line {
	return Line{ID: DefaultLine, Plans: billing.Plans{{ID: DefaultLine, Name: "Home", Zone: s.zone, Base: billing.Decimal}}}
}

func defaultNetworks() []Network {
	names := map[string]string{
		"10.0.0.0/8": "Private 10", "172.16.0.0/12": "Private 172", "192.168.0.0/16": "Private 192.168",
		"169.254.0.0/16": "Link-local", "fc00::/7": "Private IPv6", "fe80::/10": "Link-local IPv6",
	}
	var networks []Network
	for _, prefix := range flow.DefaultLocal() {
		networks = append(networks, Network{Prefix: prefix, Name: names[prefix.String()], Metered: true})
	}
	slices.SortFunc(networks, func(a, b Network) int { return comparePrefix(a.Prefix, b.Prefix) })
	return networks
}

// comparePrefix orders by address and puts a range before those inside it.
func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

func scanPlan(rows driver.Rows, settings *Settings) error {
	var (
		p                                   billing.Plan
		from, zone, renewal, counts, capTxt string
		free, name                          string
		base                                uint16
		exporters                           []net.IP
		err                                 error
	)
	if err := rows.Scan(&p.ID, &from, &p.Name, &zone, &renewal, &p.Cap, &capTxt, &counts, &base, &exporters, &free, &name); err != nil {
		return err
	}
	p.CapText, p.Base = capTxt, billing.Base(base)
	if p.EffectiveFrom, err = billing.ParseDate(from); err != nil {
		return fmt.Errorf("plan %s: %w", p.ID, err)
	}
	p.EffectiveFrom = fromStored(p.EffectiveFrom)
	if p.Zone, err = loadZone(zone); err != nil {
		return fmt.Errorf("plan %s from %s: time zone %q: %w", p.ID, from, zone, err)
	}
	if p.Renewal, err = billing.ParseRenewal(renewal); err != nil {
		return fmt.Errorf("plan %s from %s: %w", p.ID, from, err)
	}
	if p.Counts, err = billing.ParseCounts(counts); err != nil {
		return fmt.Errorf("plan %s from %s: %w", p.ID, from, err)
	}
	if p.Free, err = billing.ParseFreeTimes(free); err != nil {
		return fmt.Errorf("plan %s from %s: %w", p.ID, from, err)
	}
	n := len(settings.Lines)
	if n == 0 || settings.Lines[n-1].ID != p.ID {
		settings.Lines = append(settings.Lines, Line{ID: p.ID})
		n++
	}
	line := &settings.Lines[n-1]
	line.Plans = append(line.Plans, p)
	line.Name, line.Exporters = name, unmap(exporters) // rows come in order of date: the newest version's stay
	return nil
}

func scanNetwork(rows driver.Rows, settings *Settings) error {
	var text string
	var n Network
	err := rows.Scan(&text, &n.Name, &n.Metered)
	if err != nil {
		return err
	}
	if n.Prefix, err = netip.ParsePrefix(text); err != nil {
		return err
	}
	settings.Networks = append(settings.Networks, n)
	return nil
}

func scanExporter(rows driver.Rows, settings *Settings) error {
	var e Exporter
	if err := rows.Scan(&e.Address, &e.Name, &e.Blocked, &e.SamplingRate, &e.CountInterfaces, &e.CountDirection, &e.SumOutBytes); err != nil {
		return err
	}
	e.Address = e.Address.Unmap()
	if len(e.CountInterfaces) == 0 {
		e.CountInterfaces = nil
	}
	settings.Exporters = append(settings.Exporters, e)
	return nil
}

// The keys of the table settings that Display is kept under.
const (
	keyAllowListOnly = "allow_list_only"
	keyReverseDNS    = "reverse_dns"
	keyDemo          = "demo" // what package demo says of itself while its rows are there
)

func scanDisplay(rows driver.Rows, settings *Settings) error {
	var key, value string
	if err := rows.Scan(&key, &value); err != nil {
		return err
	}
	switch key {
	case keyAlerts:
		return scanAlerts(value, settings)
	case keyRetention:
		return scanRetention(value, settings)
	case keyAllowListOnly:
		settings.Display.AllowListOnly = value == "true"
	case keyReverseDNS:
		settings.Display.ReverseDNS = value == "true"
	case keyDemo:
		settings.Demo = true
	}
	return nil
}

// LoadDevices reads what the user has said about machines, and nothing else.
func LoadDevices(ctx context.Context, conn driver.Conn) ([]Device, error) {
	var settings Settings
	if err := each(ctx, conn, loadDevicesSQL, func(rows driver.Rows) error { return scanDevice(rows, &settings) }); err != nil {
		return nil, fmt.Errorf("load devices: %w", err)
	}
	return settings.Devices, nil
}

func scanDevice(rows driver.Rows, settings *Settings) error {
	var d Device
	var addresses []net.IP
	if err := rows.Scan(&d.ID, &d.Name, &d.Owner, &d.MACs, &addresses, &d.Apart); err != nil {
		return err
	}
	if len(d.MACs) == 0 {
		d.MACs = nil
	}
	d.Addresses = unmap(addresses)
	settings.Devices = append(settings.Devices, d)
	return nil
}

// unmap turns an array of addresses, which the driver gives in the old type,
// into the one used here.
func unmap(ips []net.IP) []netip.Addr {
	var out []netip.Addr
	for _, ip := range ips {
		if a, ok := netip.AddrFromSlice(ip); ok {
			out = append(out, a.Unmap())
		}
	}
	return out
}
