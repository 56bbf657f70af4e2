package report

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/flow"
)

// Parse reads a request from the query of a URL or from flags of the same
// names: period, from, to, host, person, protocol, network, line, compare.
// Others are not looked at. The error is a *RequestError. Names of protocols are resolved by
// Run, which knows them.
func Parse(kind Kind, values url.Values) (Request, error) {
	req := Request{Kind: kind}
	for _, read := range []func(url.Values, *Request) error{parsePeriod, parseRange, parseHost, parseNetwork} {
		if err := read(values, &req); err != nil {
			return Request{}, err
		}
	}
	if text := strings.ToLower(strings.TrimSpace(values.Get("protocol"))); text != "" {
		req.Filter.Protocol = ProtocolFilter{Set: true, Text: text}
	}
	req.Filter.Line, req.Filter.Person = values.Get("line"), strings.TrimSpace(values.Get("person"))
	var err error
	if req.Compare, err = parseCompare(values.Get("compare")); err != nil {
		return Request{}, err
	}
	return req, nil
}

func parsePeriod(values url.Values, req *Request) error {
	text := strings.TrimSpace(values.Get("period"))
	if text != "" && (values.Get("from") != "" || values.Get("to") != "") {
		return requestErrorf("period", "it cannot be given together with from and to; leave one of them out")
	}
	switch text {
	case "", "current":
	case "previous":
		req.Period.Previous = true
	default:
		day, err := billing.ParseDate(text)
		if err != nil {
			return requestErrorf("period", "%q is neither a day nor current or previous; name any day of the billing period, for example 2026-11-23", text)
		}
		if err := checkYear("period", day.Year); err != nil {
			return err
		}
		req.Period.Holding = day
	}
	return nil
}

func parseRange(values url.Values, req *Request) error {
	p := &req.Period
	var err error
	if p.From, p.FromDate, err = parseBound("from", values.Get("from")); err != nil {
		return err
	}
	if p.To, p.ToDate, err = parseBound("to", values.Get("to")); err != nil {
		return err
	}
	if values.Get("to") != "" && values.Get("from") == "" {
		return requestErrorf("from", "it is missing; give from together with to, for example from=2026-11-01&to=2026-12-01")
	}
	return nil
}

func parseBound(param, text string) (instant time.Time, day billing.Date, err error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, billing.Date{}, nil
	}
	if day, err = billing.ParseDate(text); err == nil {
		return time.Time{}, day, checkYear(param, day.Year)
	}
	// A + of the zone becomes a space where somebody did not escape it.
	if instant, err = time.Parse(time.RFC3339, strings.ReplaceAll(text, " ", "+")); err == nil {
		return instant, billing.Date{}, checkYear(param, instant.UTC().Year())
	}
	return time.Time{}, billing.Date{}, requestErrorf(param, "%q is neither a day nor an instant; write 2026-11-23 or 2026-11-23T06:00:00+13:00", text)
}

// The years that ClickHouse's times can hold, less one for the zones.
const minYear, maxYear = 1971, 2105

func checkYear(param string, year int) error {
	if year < minYear || year > maxYear {
		return requestErrorf(param, "the year %d is out of range; choose one from %d to %d", year, minYear, maxYear)
	}
	return nil
}

// maxHostName is more than any name of a host has, in bytes.
const maxHostName = 400

func parseHost(values url.Values, req *Request) error {
	text := strings.TrimSpace(values.Get("host"))
	if text == "" {
		return nil
	}
	if strings.EqualFold(text, string(Unmatched)) {
		req.Filter.Host = netip.IPv6Unspecified()
		return nil
	}
	host, err := netip.ParseAddr(text)
	switch {
	case err != nil && len(text) <= maxHostName && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl):
		req.Filter.HostName = text
	case err != nil || host.Zone() != "":
		return requestErrorf("host", "%q is neither an address nor a name; write it like 192.168.1.20, fd00::20 or nas.lan", text)
	default:
		req.Filter.Host = host.Unmap()
	}
	return nil
}

func parseNetwork(values url.Values, req *Request) error {
	text := strings.ToLower(strings.TrimSpace(values.Get("network")))
	switch text {
	case "":
		return nil
	case string(Elsewhere), string(Unmatched):
		req.Filter.Group = Group(text)
		return nil
	}
	prefix, err := netip.ParsePrefix(text)
	if address, e := netip.ParseAddr(text); e == nil && address.Zone() == "" {
		prefix, err = netip.PrefixFrom(address, address.BitLen()), nil
	}
	if err != nil {
		return requestErrorf("network", "%q is not a range; write it like 192.168.1.0/24 or 2001:db8:1::/56, or name elsewhere or unmatched", text)
	}
	if prefix.Addr().Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	req.Filter.Network = prefix.Masked()
	return nil
}

// Query writes the request in the form that Parse reads, shortest form first:
// the current period and filters that are not set leave nothing. The kind is
// the path of a URL and the host of a Host report is in its path, so that
// neither is here.
func (r Request) Query() url.Values {
	values := url.Values{}
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	p := r.Period
	set("period", p.Holding.String())
	if p.Previous {
		set("period", "previous")
	}
	set("from", boundText(p.From, p.FromDate))
	set("to", boundText(p.To, p.ToDate))
	switch f := r.Filter; {
	case r.Kind == Host:
	case f.HostName != "":
		set("host", f.HostName)
	case f.Host.IsValid():
		set("host", f.Host.String())
	}
	set("person", r.Filter.Person)
	set("protocol", r.Filter.Protocol.Text)
	if r.Filter.Network.IsValid() {
		set("network", r.Filter.Network.String())
	}
	set("network", string(r.Filter.Group))
	set("line", r.Filter.Line)
	set("compare", string(r.Compare))
	return values
}

func boundText(instant time.Time, day billing.Date) string {
	if instant.IsZero() {
		return day.String()
	}
	return instant.Format(time.RFC3339)
}

// serviceKey is a row of the protocols report.
type serviceKey struct {
	protocol uint8
	service  uint16
}

// resolve finds what the text of a protocol filter stands for: either all of
// one protocol (f.Any) or a list of services.
func (f *ProtocolFilter) resolve(services *flow.Services) ([]serviceKey, error) {
	if !f.Set {
		return nil, nil
	}
	if f.Text == "" { // made by hand, not by Parse
		return []serviceKey{{f.Protocol, f.Service}}, nil
	}
	var keys []serviceKey
	protocol, port, ported := strings.Cut(f.Text, "/")
	switch {
	case ported:
		number, ok := protocolNumber(services, protocol)
		service, err := strconv.ParseUint(port, 10, 16)
		if port == otherName {
			service, err = 0, nil
		}
		if !ok || err != nil {
			return nil, f.unknown()
		}
		keys = []serviceKey{{number, uint16(service)}}
	case f.Text == otherName:
		for _, number := range withServices(services) {
			keys = append(keys, serviceKey{number, 0})
		}
	default:
		keys = named(services, f.Text)
	}
	if len(keys) == 0 {
		number, ok := protocolNumber(services, f.Text)
		if !ok {
			return nil, f.unknown()
		}
		f.Protocol, f.Service, f.Any = number, 0, true
		return nil, nil
	}
	f.Protocol, f.Service, f.Any = keys[0].protocol, keys[0].service, false
	return keys, nil
}

func (f *ProtocolFilter) unknown() error {
	return requestErrorf("protocol", "%q is not known; give a service (https), a protocol and port (tcp/443) or a protocol (udp)", f.Text)
}

// named lists the services of a name: dns is both tcp/53 and udp/53.
func named(services *flow.Services, name string) []serviceKey {
	var keys []serviceKey
	for _, s := range services.All() {
		if s.Name == name {
			keys = append(keys, serviceKey{s.Protocol, s.Port})
		}
	}
	return keys
}

// withServices lists the protocols whose services the table tells apart.
func withServices(services *flow.Services) []uint8 {
	var numbers []uint8
	seen := map[uint8]bool{}
	for _, s := range services.All() {
		if !seen[s.Protocol] {
			seen[s.Protocol] = true
			numbers = append(numbers, s.Protocol)
		}
	}
	return numbers
}

// protocolNumber reads the name or number of an IP protocol.
func protocolNumber(services *flow.Services, text string) (uint8, bool) {
	if n, err := strconv.ParseUint(text, 10, 8); err == nil {
		return uint8(n), true
	}
	for _, p := range services.Protocols() {
		if p.Name == text {
			return p.Number, true
		}
	}
	return 0, false
}
