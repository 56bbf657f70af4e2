package site

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
)

// MergeDevice stores a device that another one becomes part of: what is stored
// of the other is taken away with it. The error is FieldErrors as of
// SaveDevice.
func (s *Store) MergeDevice(ctx context.Context, d, other Device) error {
	return s.change(ctx, func(stored *Settings) ([]change, error) {
		for _, m := range other.MACs {
			if !slices.Contains(d.MACs, m) {
				d.MACs = append(slices.Clip(d.MACs), m)
			}
		}
		for _, a := range other.Addresses {
			if !slices.Contains(d.Addresses, a) {
				d.Addresses = append(slices.Clip(d.Addresses), a)
			}
		}
		if d.Name == "" {
			d.Name = other.Name
		}
		if d.Owner == "" {
			d.Owner = other.Owner
		}
		var rows []row
		rest := slices.Clone(stored.Devices)
		if i := slices.IndexFunc(rest, func(o Device) bool { return o.ID == other.ID && other.ID != "" }); i >= 0 {
			rows = append(rows, deviceRow(rest[i], true))
			rest = slices.Delete(rest, i, i+1)
		}
		d, err := identified(d, rest)
		if err != nil {
			return nil, err
		}
		return []change{devices(append(rows, deviceRow(d, false))...)}, nil
	})
}

// SplitDevice makes a device of its own of an address that is found to belong
// to another by its MAC, or was given to one by hand.
func (s *Store) SplitDevice(ctx context.Context, address netip.Addr) error {
	address = address.Unmap()
	return s.change(ctx, func(stored *Settings) ([]change, error) {
		var rows []row
		rest := slices.Clone(stored.Devices)
		for i, d := range rest {
			if !slices.Contains(d.Addresses, address) {
				continue
			}
			d.Addresses = slices.DeleteFunc(slices.Clone(d.Addresses), func(a netip.Addr) bool { return a == address })
			if len(d.Addresses)+len(d.MACs) == 0 {
				return nil, FieldErrors{"addresses": fmt.Sprintf("%s is all there is of this device; there is nothing to split.", address)}
			}
			rest[i] = d
			rows = append(rows, deviceRow(d, false))
		}
		own := Device{ID: address.String(), Addresses: []netip.Addr{address}}
		if slices.ContainsFunc(rest, func(d Device) bool { return d.ID == own.ID }) {
			own.ID = ""
		}
		own, err := identified(own, rest)
		if err != nil {
			return nil, err
		}
		return []change{devices(append(rows, deviceRow(own, false))...)}, nil
	})
}

// identified checks a device and gives one that has none an id.
func identified(d Device, others []Device) (Device, error) {
	if d.ID == "" {
		d.ID = newDeviceID()
	}
	d.Addresses = slices.Clone(d.Addresses)
	return checkDevice(d, others)
}
