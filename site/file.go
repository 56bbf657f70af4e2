package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/flattraffic/flattraffic/billing"
)

// file is the settings as one TOML document.
type file struct {
	Plans     []filePlan     `toml:"plan"`
	Networks  []fileNetwork  `toml:"network"`
	Exporters []fileExporter `toml:"exporter"`
	Devices   []fileDevice   `toml:"device"`
	People    []filePerson   `toml:"person"`
	Bills     []fileBill     `toml:"bill"`
	Display   fileDisplay    `toml:"display"`
	Retention Retention      `toml:"retention"`
	Alerts    *Alerts        `toml:"alerts"` // without their secrets
}

type filePlan struct {
	Line      string   `toml:"line"`
	LineName  string   `toml:"line_name"`
	Exporters []string `toml:"exporters"`
	PlanText
}

type fileNetwork struct {
	Range   string `toml:"range"`
	Name    string `toml:"name"`
	Metered *bool  `toml:"metered"`
}

type fileExporter struct {
	Address         string   `toml:"address"`
	Name            string   `toml:"name"`
	Blocked         bool     `toml:"blocked"`
	SamplingRate    uint32   `toml:"sampling_rate"`
	CountInterfaces []uint32 `toml:"count_interfaces"`
	CountDirection  string   `toml:"count_direction"`
	SumOutBytes     bool     `toml:"sum_out_bytes"`
}

type fileDevice struct {
	ID        string   `toml:"id"`
	Name      string   `toml:"name"`
	Owner     string   `toml:"owner"`
	MACs      []string `toml:"macs"`
	Addresses []string `toml:"addresses"`
	Apart     bool     `toml:"apart"`
}

type filePerson struct {
	ID     string  `toml:"id"`
	Name   string  `toml:"name"`
	Weight *uint16 `toml:"weight"`
}

type fileDisplay struct {
	AllowListOnly bool  `toml:"allow_list_only"`
	ReverseDNS    *bool `toml:"reverse_dns"`
}

// Export writes the settings in force, defaults included, as one TOML file
// for Import.
func (s *Store) Export(ctx context.Context) ([]byte, error) {
	settings, err := s.Load(ctx)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("# Settings of FlatTraffic, written by \"flattraffic config export\".\n" +
		"# \"flattraffic config import\" replaces all of them by what such a file says.\n\n")
	encoder := toml.NewEncoder(&b)
	encoder.Indent = ""
	if err := encoder.Encode(settings.file()); err != nil {
		return nil, fmt.Errorf("write settings as TOML: %w", err)
	}
	return b.Bytes(), nil
}

// Import replaces all settings by those of the file. Nothing is written when
// anything in it is wrong; the error is then FieldErrors with fields such as
// plan[0].renewal, or names the line that is no TOML. The default networks
// stand in when the file has none.
func (s *Store) Import(ctx context.Context, text []byte) error {
	wanted, err := parseFile(text)
	if err != nil {
		return err
	}
	return s.change(ctx, func(stored *Settings) ([]change, error) { return replace(stored, wanted), nil })
}

// parseFile reads and checks a whole file.
func parseFile(text []byte) (*Settings, error) {
	var f file
	meta, err := toml.Decode(string(text), &f)
	if syntax, ok := errors.AsType[toml.ParseError](err); ok {
		return nil, fmt.Errorf("line %d of the settings file is not TOML: %s; correct it and import again", syntax.Position.Line, syntax.Message)
	}
	if err != nil {
		return nil, fmt.Errorf("the settings file cannot be read (%w); correct it and import again", err)
	}
	fields := FieldErrors{}
	for _, key := range meta.Undecoded() {
		fields[key.String()] = "This setting is not known; correct its name or leave it out."
	}
	settings := f.settings(fields)
	return settings, fields.or()
}

// settings checks the parts of a file.
func (f file) settings(fields FieldErrors) *Settings {
	s := &Settings{Display: Display{AllowListOnly: f.Display.AllowListOnly, ReverseDNS: f.Display.ReverseDNS == nil || *f.Display.ReverseDNS}}
	s.Alerts = DefaultAlerts()
	if f.Alerts != nil {
		var err error
		s.Alerts, err = checkAlerts(*f.Alerts)
		fields.within("alerts", err)
	}
	var err error
	s.Retention, err = CheckRetention(f.Retention)
	fields.within("retention", err)
	f.plans(s, fields)
	var list []Network
	for i, n := range f.Networks {
		prefix, err := netip.ParsePrefix(n.Range)
		if err != nil {
			fields[fmt.Sprintf("network[%d].range", i)] = fmt.Sprintf("%q is not a range; write it like 192.168.1.0/24 or 2001:db8:1::/56.", n.Range)
			continue
		}
		list = append(list, Network{Prefix: prefix, Name: n.Name, Metered: n.Metered == nil || *n.Metered})
	}
	if len(f.Networks) > 0 && len(list) == len(f.Networks) {
		s.Networks = checkNetworks(list, fields)
	}
	f.exporters(s, fields)
	f.devices(s, fields)
	f.people(s, fields)
	f.bills(s, fields)
	addOwners(s)
	return s
}

func (f file) plans(s *Settings, fields FieldErrors) {
	if len(f.Plans) == 0 {
		fields["plan"] = "The file has no plan; give at least one [[plan]] with name, zone and renewal."
	}
	defer func() { fields.within("plan", checkLines(s.Lines)) }()
	for i, t := range f.Plans {
		part := fmt.Sprintf("plan[%d]", i)
		if t.Line == "" {
			t.Line = DefaultLine
		}
		fields.within(part, checkLine(t.Line))
		plan, err := t.Plan()
		fields.within(part, err)
		plan.ID = t.Line
		exporters, bad := parseAddresses(t.Exporters)
		if bad != "" {
			fields[part+".exporters"] = fmt.Sprintf("%q is not an address; write it like 192.168.1.1.", bad)
		}
		at := slices.IndexFunc(s.Lines, func(l Line) bool { return l.ID == t.Line })
		if at < 0 {
			at = len(s.Lines)
			s.Lines = append(s.Lines, Line{ID: t.Line})
		}
		line := &s.Lines[at]
		if slices.ContainsFunc(line.Plans, func(p billing.Plan) bool { return p.EffectiveFrom == plan.EffectiveFrom }) {
			fields[part+".from"] = "The line has two versions from the same date; give each its own."
		}
		if newest := len(line.Plans); newest == 0 || line.Plans[newest-1].EffectiveFrom.Before(plan.EffectiveFrom) {
			line.Name, line.Exporters = strings.TrimSpace(t.LineName), exporters
		}
		line.Plans = append(line.Plans, plan)
		slices.SortStableFunc(line.Plans, func(a, b billing.Plan) int { return a.EffectiveFrom.Compare(b.EffectiveFrom) })
	}
}

func (f file) exporters(s *Settings, fields FieldErrors) {
	for i, t := range f.Exporters {
		part := fmt.Sprintf("exporter[%d]", i)
		address, _ := netip.ParseAddr(t.Address)
		e, err := checkExporter(Exporter{
			Address: address, Name: t.Name, Blocked: t.Blocked, SamplingRate: t.SamplingRate,
			CountInterfaces: t.CountInterfaces, CountDirection: t.CountDirection, SumOutBytes: t.SumOutBytes,
		})
		fields.within(part, err)
		if slices.ContainsFunc(s.Exporters, func(o Exporter) bool { return o.Address == e.Address }) {
			fields[part+".address"] = fmt.Sprintf("%s is in the file twice; leave one out.", e.Address)
		}
		s.Exporters = append(s.Exporters, e)
	}
}

func (f file) devices(s *Settings, fields FieldErrors) {
	for i, t := range f.Devices {
		part := fmt.Sprintf("device[%d]", i)
		d := Device{ID: t.ID, Name: t.Name, Owner: t.Owner, Apart: t.Apart}
		if d.ID == "" {
			d.ID = newDeviceID()
		}
		var bad string
		if d.Addresses, bad = parseAddresses(t.Addresses); bad != "" {
			fields[part+".addresses"] = fmt.Sprintf("%q is not an address; write it like 192.168.1.20.", bad)
		}
		for _, text := range t.MACs {
			mac, err := ParseMAC(text)
			if err != nil {
				fields[part+".macs"] = sentence(err)
			}
			d.MACs = append(d.MACs, mac)
		}
		if slices.ContainsFunc(s.Devices, func(o Device) bool { return o.ID == d.ID }) {
			fields[part+".id"] = d.ID + " is in the file twice; leave one out."
		}
		d, err := checkDevice(d, s.Devices)
		if fields[part+".macs"] == "" && fields[part+".addresses"] == "" {
			fields.within(part, err)
		}
		s.Devices = append(s.Devices, d)
	}
}

func (f file) people(s *Settings, fields FieldErrors) {
	for i, t := range f.People {
		part := fmt.Sprintf("person[%d]", i)
		p := Person{ID: t.ID, Name: t.Name, Weight: 1}
		if t.Weight != nil {
			p.Weight = *t.Weight
		}
		p, err := checkPerson(p, s.People)
		fields.within(part, err)
		if p.ID == "" {
			p.ID = newPersonID(p.Name, s.People)
		}
		if _, twice := s.Person(p.ID); twice || reservedPerson(p.ID) {
			fields[part+".id"] = fmt.Sprintf("The id %s is in the file twice or has a meaning of its own; choose another.", p.ID)
		}
		s.People = append(s.People, p)
	}
}

func parseAddresses(texts []string) (list []netip.Addr, bad string) {
	for _, text := range texts {
		a, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			return nil, text
		}
		list = append(list, a.WithZone("").Unmap())
	}
	return list, ""
}

// replace lists the rows that make the wanted settings of the stored ones.
func replace(stored, wanted *Settings) []change {
	var p, e, d, who []row
	for _, line := range wanted.Lines {
		for _, plan := range line.Plans {
			p = append(p, planRow(plan, line, false))
		}
	}
	for _, line := range stored.Lines {
		now, _ := wanted.Line(line.ID)
		for _, old := range line.Plans {
			if !slices.ContainsFunc(now.Plans, func(n billing.Plan) bool { return n.EffectiveFrom == old.EffectiveFrom }) {
				p = append(p, planRow(old, Line{}, true))
			}
		}
	}
	for _, x := range wanted.Exporters {
		e = append(e, exporterRow(x, false))
	}
	for _, old := range stored.Exporters {
		if !slices.ContainsFunc(wanted.Exporters, func(n Exporter) bool { return n.Address == old.Address }) {
			e = append(e, exporterRow(old, true))
		}
	}
	for _, x := range wanted.Devices {
		d = append(d, deviceRow(x, false))
	}
	for _, old := range stored.Devices {
		if !slices.ContainsFunc(wanted.Devices, func(n Device) bool { return n.ID == old.ID }) {
			d = append(d, deviceRow(old, true))
		}
	}
	for _, x := range wanted.People {
		who = append(who, personRow(x, false))
	}
	for _, old := range stored.People {
		if _, ok := wanted.Person(old.ID); !ok {
			who = append(who, personRow(old, true))
		}
	}
	return []change{plans(p...), networks(networkRows(wanted.Networks, stored.Networks)...), exporters(e...), devices(d...), people(who...), replaceBills(stored, wanted), display(wanted.Display), retention(wanted.Retention), alerts(wanted.Alerts)}
}

// file writes a snapshot in the form of the file.
func (s *Settings) file() file {
	f := file{Display: fileDisplay{AllowListOnly: s.Display.AllowListOnly, ReverseDNS: &s.Display.ReverseDNS}}
	f.Alerts, f.Retention = &s.Alerts, s.Retention
	for _, line := range s.Lines {
		for _, p := range line.Plans {
			f.Plans = append(f.Plans, filePlan{Line: line.ID, LineName: line.Name, Exporters: texts(line.Exporters), PlanText: TextOf(p)})
		}
	}
	for _, n := range s.Networks {
		f.Networks = append(f.Networks, fileNetwork{n.Prefix.String(), n.Name, &n.Metered})
	}
	for _, e := range s.Exporters {
		f.Exporters = append(f.Exporters, fileExporter{
			e.Address.String(), e.Name, e.Blocked, e.SamplingRate, e.CountInterfaces, e.CountDirection, e.SumOutBytes,
		})
	}
	for _, d := range s.Devices {
		t := fileDevice{ID: d.ID, Name: d.Name, Owner: d.Owner, Addresses: texts(d.Addresses), Apart: d.Apart}
		for _, mac := range d.MACs {
			t.MACs = append(t.MACs, FormatMAC(mac))
		}
		f.Devices = append(f.Devices, t)
	}
	for _, p := range s.People {
		f.People = append(f.People, filePerson{p.ID, p.Name, &p.Weight})
	}
	for _, b := range s.Bills {
		f.Bills = append(f.Bills, fileBill{b.Line, b.First, b.Text})
	}
	return f
}

func texts(list []netip.Addr) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return out
}
