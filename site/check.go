package site

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/flattraffic/flattraffic/billing"
)

// PlanText is a version of a plan as a form or a file gives it. The fields of
// FieldErrors have the names in the tags.
type PlanText struct {
	Name    string `toml:"name"`
	From    string `toml:"from"`    // 2026-11-23, empty = from the beginning
	Zone    string `toml:"zone"`    // Europe/Berlin
	Renewal string `toml:"renewal"` // 12, -2, 2026-01-05/28, month; empty = month
	Cap     string `toml:"cap"`     // 500 GB, empty = none
	Counts  string `toml:"counts"`  // both, received, sent, larger; empty = both
	Base    int    `toml:"base"`    // 1000 or 1024; 0 = the base of the cap's unit, 1000 without a cap
	Free    string `toml:"free"`    // 02:00-06:00; Sat,Sun 00:00-24:00; empty = none
}

// TextOf is the version of a plan as a form shows it.
func TextOf(p billing.Plan) PlanText {
	t := PlanText{
		Name: p.Name, From: p.EffectiveFrom.String(), Zone: p.Zone.String(), Renewal: p.Renewal.String(),
		Cap: p.CapText, Counts: p.Counts.String(), Base: int(p.Base), Free: p.Free.String(),
	}
	if t.Cap == "" && p.Cap > 0 {
		t.Cap = fmt.Sprintf("%d B", p.Cap)
	}
	return t
}

// Plan reads the text; its error is FieldErrors. What it returns beside an
// error holds the fields that could be read.
func (t PlanText) Plan() (billing.Plan, error) {
	fields := FieldErrors{}
	p := billing.Plan{Name: strings.TrimSpace(t.Name), CapText: strings.TrimSpace(t.Cap), Base: billing.Base(t.Base)}
	var err error
	if from := strings.TrimSpace(t.From); from != "" {
		if p.EffectiveFrom, err = billing.ParseDate(from); err != nil {
			fields["from"] = sentence(err)
		}
		p.EffectiveFrom = fromStored(p.EffectiveFrom)
	}
	if p.Zone, err = loadZone(strings.TrimSpace(t.Zone)); err != nil {
		fields["zone"] = fmt.Sprintf("%q is not a time zone that is known here; choose one like Europe/Berlin or UTC.", t.Zone)
	}
	if renewal := strings.TrimSpace(t.Renewal); renewal != "" {
		if p.Renewal, err = billing.ParseRenewal(renewal); err != nil {
			fields["renewal"] = sentence(err)
		}
	}
	base := billing.Decimal
	if p.CapText != "" {
		if p.Cap, base, err = billing.ParseSize(p.CapText); err != nil {
			fields["cap"] = sentence(err)
		}
	}
	if t.Base == 0 {
		p.Base = base
	}
	if counts := strings.TrimSpace(t.Counts); counts != "" {
		if p.Counts, err = billing.ParseCounts(counts); err != nil {
			fields["counts"] = sentence(err)
		}
	}
	if p.Free, err = billing.ParseFreeTimes(t.Free); err != nil {
		fields["free"] = sentence(err)
	}
	if len(fields) == 0 {
		return p, checkPlan(p)
	}
	return p, fields
}

// sentence writes an error for people: a capital first, a full stop last.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// The days that the column effective_from can hold.
var lastDate = billing.Date{Year: 2149, Month: 6, Day: 6}

func checkPlan(p billing.Plan) error {
	fields := FieldErrors{}
	if problem := checkName(p.Name); problem != "" {
		fields["name"] = problem
	} else if p.Name == "" {
		fields["name"] = "The plan needs a name, for example Home."
	}
	if !p.EffectiveFrom.IsZero() && (p.EffectiveFrom.Before(noDate) || lastDate.Before(p.EffectiveFrom)) {
		fields["from"] = fmt.Sprintf("%s is out of range; choose a day from %s to %s.", p.EffectiveFrom, noDate, lastDate)
	}
	if p.Zone == nil {
		fields["zone"] = "The plan needs a time zone, for example Europe/Berlin."
	} else if _, err := loadZone(p.Zone.String()); err != nil {
		fields["zone"] = fmt.Sprintf("%q is not a time zone that is known here; choose one like Europe/Berlin or UTC.", p.Zone)
	}
	if p.Base != billing.Decimal && p.Base != billing.Binary {
		fields["base"] = "Units are either of 1000 (kB, MB, GB) or of 1024 (KiB, MiB, GiB); choose one."
	}
	if len(fields) == 0 {
		if err := (billing.Plans{p}).Validate(); err != nil {
			fields["plan"] = sentence(err)
		}
	}
	return fields.or()
}

// checkLine says what is wrong with the id of a line.
func checkLine(id string) error {
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			id = ""
			break
		}
	}
	if id == "" || id == AllLines || len(id) > 40 {
		return FieldErrors{"line": "The id of a line is 1 to 40 small letters, digits, - and _, for example home, and not all."}
	}
	return nil
}

// checkNetwork returns the network as it is stored.
func checkNetwork(n Network) (Network, error) {
	fields := FieldErrors{}
	n.Name = strings.TrimSpace(n.Name)
	if problem := checkName(n.Name); problem != "" {
		fields["name"] = problem
	}
	switch p, ok := canonicalPrefix(n.Prefix); {
	case !ok:
		fields["range"] = "The range is missing or not understood; write it like 192.168.1.0/24 or 2001:db8:1::/56."
	case p.Bits() == 0:
		fields["range"] = "This range holds every address, so nothing would be remote; give the range of your own addresses only."
	case p.Addr().IsMulticast():
		fields["range"] = "Multicast addresses belong to no host; give the range of your own addresses."
	default:
		n.Prefix = p
	}
	return n, fields.or()
}

// canonicalPrefix masks a prefix and writes a mapped IPv4 range as IPv4.
func canonicalPrefix(p netip.Prefix) (netip.Prefix, bool) {
	if !p.IsValid() {
		return p, false
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return p, false
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}

// maxInterfaces bounds the interfaces of one exporter's setting.
const maxInterfaces = 256

// checkExporter returns the exporter as it is stored.
func checkExporter(e Exporter) (Exporter, error) {
	fields := FieldErrors{}
	e.Name = strings.TrimSpace(e.Name)
	if problem := checkName(e.Name); problem != "" {
		fields["name"] = problem
	}
	e.Address = e.Address.WithZone("").Unmap()
	if !e.Address.IsValid() || e.Address.IsUnspecified() || e.Address.IsMulticast() {
		fields["address"] = "The exporter needs the address its datagrams come from, for example 192.168.1.1."
	}
	switch e.CountDirection {
	case "":
		e.CountDirection = "any"
	case "any", "ingress", "egress", "none":
	default:
		fields["count_direction"] = fmt.Sprintf("%q is not a direction; choose any, ingress, egress or none.", e.CountDirection)
	}
	if len(e.CountInterfaces) > maxInterfaces {
		fields["count_interfaces"] = fmt.Sprintf("These are more than %d interfaces; leave the field empty to count all.", maxInterfaces)
	}
	return e, fields.or()
}

// checkDevice returns the device as it is stored.
func checkDevice(d Device, others []Device) (Device, error) {
	fields := FieldErrors{}
	d.Name, d.Owner = strings.TrimSpace(d.Name), strings.TrimSpace(d.Owner)
	for field, name := range map[string]string{"name": d.Name, "owner": d.Owner} {
		if problem := checkName(name); problem != "" {
			fields[field] = problem
		}
	}
	if len(d.MACs) == 0 && len(d.Addresses) == 0 {
		fields["addresses"] = "The device needs an address or a MAC address, so that its traffic can be told."
	}
	for i, a := range d.Addresses {
		d.Addresses[i] = a.WithZone("").Unmap()
		if !a.IsValid() || a.IsUnspecified() {
			fields["addresses"] = "One of the addresses is not understood; write it like 192.168.1.20."
		}
	}
	for _, m := range d.MACs {
		if m == 0 || m >= 1<<48 {
			fields["macs"] = "One of the MAC addresses is not understood; write it like 3c:22:fb:01:02:03."
		}
	}
	for _, other := range others {
		if other.ID == d.ID {
			continue
		}
		if what, shared := d.shares(other); shared {
			fields["addresses"] = fmt.Sprintf("%s belongs to %s already; take it away there first.", what, other.label())
		}
	}
	return d, fields.or()
}
