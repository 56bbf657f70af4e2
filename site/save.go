package site

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/flattraffic/flattraffic/billing"
)

// SavePlan stores a version of the plan of a line, in force from effectiveFrom
// (the zero date: from the beginning) until the next version. It replaces the
// version of the same date and makes the line when it is new. When the user's
// input is wrong the error is FieldErrors with the fields of PlanText.
//
// A new zone of the first line needs the daily tables cut again: see
// ZoneChanged.
func (s *Store) SavePlan(ctx context.Context, lineID string, plan billing.Plan, effectiveFrom billing.Date) error {
	return s.change(ctx, func(stored *Settings) ([]change, error) {
		plan.ID, plan.EffectiveFrom = lineID, fromStored(effectiveFrom)
		if err := checkLine(lineID); err != nil {
			return nil, err
		}
		if err := checkPlan(plan); err != nil {
			return nil, err
		}
		line, _ := stored.Line(lineID)
		return []change{plans(planRow(plan, line, false))}, nil
	})
}

// DeletePlanVersion takes a version of a line's plan away; the version before
// it then goes on. The last version of the first line stays.
func (s *Store) DeletePlanVersion(ctx context.Context, lineID string, effectiveFrom billing.Date) error {
	return s.change(ctx, func(stored *Settings) ([]change, error) {
		line, _ := stored.Line(lineID)
		i := slices.IndexFunc(line.Plans, func(p billing.Plan) bool { return p.EffectiveFrom == effectiveFrom })
		if i < 0 {
			return nil, FieldErrors{"from": "There is no version of this plan from that date; it may have been deleted meanwhile."}
		}
		if len(line.Plans) == 1 && stored.Lines[0].ID == lineID {
			return nil, FieldErrors{"from": "This is the only version of the plan; change it instead of deleting it."}
		}
		rows := []row{planRow(line.Plans[i], Line{}, true)}
		if i > 0 && i == len(line.Plans)-1 { // name and exporters are those of the newest version
			rows = append(rows, planRow(line.Plans[i-1], line, false))
		}
		return []change{plans(rows...)}, nil
	})
}

// SaveNetwork stores one local network beside the others, or changes the one
// of the same range. The error is FieldErrors with range and name.
func (s *Store) SaveNetwork(ctx context.Context, n Network) error {
	return s.change(ctx, func(stored *Settings) ([]change, error) {
		n, err := checkNetwork(n)
		if err != nil {
			return nil, err
		}
		var rows []row
		if len(stored.Networks) == 0 { // the defaults hold until now and are kept
			for _, d := range defaultNetworks() {
				if d.Prefix != n.Prefix {
					rows = append(rows, networkRow(d, false))
				}
			}
		}
		return []change{networks(append(rows, networkRow(n, false))...)}, nil
	})
}

// SaveNetworks makes the list the local networks: those not in it are deleted.
// Fields of its FieldErrors are network[0].range and so on, or networks.
func (s *Store) SaveNetworks(ctx context.Context, list []Network) error {
	return s.change(ctx, func(stored *Settings) ([]change, error) {
		fields := FieldErrors{}
		list := checkNetworks(list, fields)
		if err := fields.or(); err != nil {
			return nil, err
		}
		return []change{networks(networkRows(list, stored.Networks)...)}, nil
	})
}

func checkNetworks(list []Network, fields FieldErrors) []Network {
	var checked []Network
	if len(list) == 0 {
		fields["networks"] = "At least one local network is needed, or no traffic could be told apart; add the range of your own addresses."
	}
	for i, n := range list {
		part := fmt.Sprintf("network[%d]", i)
		n, err := checkNetwork(n)
		fields.within(part, err)
		if err == nil && slices.ContainsFunc(checked, func(o Network) bool { return o.Prefix == n.Prefix }) {
			fields[part+".range"] = fmt.Sprintf("%s is in the list twice; leave one out.", n.Prefix)
		}
		checked = append(checked, n)
	}
	return checked
}

// networkRows writes the list and takes away the stored ones not in it.
func networkRows(list, stored []Network) []row {
	var rows []row
	for _, n := range list {
		rows = append(rows, networkRow(n, false))
	}
	for _, old := range stored {
		if !slices.ContainsFunc(list, func(n Network) bool { return n.Prefix == old.Prefix }) {
			rows = append(rows, networkRow(old, true))
		}
	}
	return rows
}

// DeleteNetwork takes a local network away. The last one stays.
func (s *Store) DeleteNetwork(ctx context.Context, prefix netip.Prefix) error {
	return s.change(ctx, func(stored *Settings) ([]change, error) {
		now := stored.Networks
		if len(now) == 0 {
			now = defaultNetworks()
		}
		left := slices.DeleteFunc(slices.Clone(now), func(n Network) bool { return n.Prefix == prefix })
		switch len(left) {
		case len(now):
			return nil, FieldErrors{"range": fmt.Sprintf("There is no local network %s; it may have been deleted meanwhile.", prefix)}
		case 0:
			return nil, FieldErrors{"range": "This is the last local network; add another one before deleting it."}
		}
		return []change{networks(networkRows(left, stored.Networks)...)}, nil
	})
}

// SaveExporter stores what is set for an exporter. The error is FieldErrors
// with address, name, count_direction and count_interfaces.
func (s *Store) SaveExporter(ctx context.Context, e Exporter) error {
	return s.change(ctx, func(*Settings) ([]change, error) {
		e, err := checkExporter(e)
		if err != nil {
			return nil, err
		}
		return []change{exporters(exporterRow(e, false))}, nil
	})
}

// DeleteExporter forgets what is set for an exporter.
func (s *Store) DeleteExporter(ctx context.Context, address netip.Addr) error {
	return s.change(ctx, func(stored *Settings) ([]change, error) {
		i := slices.IndexFunc(stored.Exporters, func(e Exporter) bool { return e.Address == address.Unmap() })
		if i < 0 {
			return nil, nil
		}
		return []change{exporters(exporterRow(stored.Exporters[i], true))}, nil
	})
}

// SaveDisplay stores the site-wide settings.
func (s *Store) SaveDisplay(ctx context.Context, d Display) error {
	return s.change(ctx, func(*Settings) ([]change, error) { return []change{display(d)}, nil })
}

// SaveDevice stores what is said about a device; one without an id gets one.
// The error is FieldErrors with name, owner, addresses and macs.
func (s *Store) SaveDevice(ctx context.Context, d Device) error {
	return s.change(ctx, func(stored *Settings) ([]change, error) {
		d, err := identified(d, stored.Devices)
		if err != nil {
			return nil, err
		}
		return []change{devices(deviceRow(d, false))}, nil
	})
}

// DeleteDevice forgets what is said about a device.
func (s *Store) DeleteDevice(ctx context.Context, id string) error {
	return s.change(ctx, func(stored *Settings) ([]change, error) {
		i := slices.IndexFunc(stored.Devices, func(d Device) bool { return d.ID == id })
		if i < 0 {
			return nil, nil
		}
		return []change{devices(deviceRow(stored.Devices[i], true))}, nil
	})
}

// change reads what is stored, lets decide check the input and say what to
// write, and writes it.
func (s *Store) change(ctx context.Context, decide func(stored *Settings) ([]change, error)) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stored, err := s.stored(ctx)
	if err != nil {
		return err
	}
	changes, err := decide(stored)
	if err != nil {
		return err
	}
	return s.write(ctx, changes...)
}

func plans(rows ...row) change     { return change{"plans", insertPlansSQL, rows} }
func networks(rows ...row) change  { return change{"networks", insertNetworksSQL, rows} }
func exporters(rows ...row) change { return change{"exporters", insertExportersSQL, rows} }
func devices(rows ...row) change   { return change{"devices", insertDevicesSQL, rows} }

func display(d Display) change {
	return change{"display settings", insertSettingsSQL, []row{
		{keyAllowListOnly, strconv.FormatBool(d.AllowListOnly), false},
		{keyReverseDNS, strconv.FormatBool(d.ReverseDNS), false},
	}}
}

func planRow(p billing.Plan, line Line, deleted bool) row {
	from := p.EffectiveFrom
	if from.IsZero() {
		from = noDate
	}
	return row{
		p.ID, from.String(), strings.TrimSpace(p.Name), p.Zone.String(), p.Renewal.String(), p.Cap, p.CapText,
		p.Counts.String(), uint16(p.Base), addresses(line.Exporters), p.Free.String(), line.Name, deleted,
	}
}

func networkRow(n Network, deleted bool) row {
	return row{n.Prefix.String(), n.Name, n.Metered, deleted}
}

func exporterRow(e Exporter, deleted bool) row {
	return row{e.Address, e.Name, e.Blocked, e.SamplingRate, e.CountInterfaces, e.CountDirection, e.SumOutBytes, deleted}
}

func deviceRow(d Device, deleted bool) row {
	return row{d.ID, d.Name, d.Owner, append([]uint64{}, d.MACs...), addresses(d.Addresses), d.Apart, deleted}
}

// addresses is never nil, as the driver wants it for an array.
func addresses(list []netip.Addr) []netip.Addr { return append([]netip.Addr{}, list...) }
