package report

import (
	"net/netip"
	"time"

	"github.com/flattraffic/flattraffic/billing"
)

// The JSON of a result. The names are a public contract.
type (
	jsonResult struct {
		Period       jsonPeriod       `json:"period"`
		Host         string           `json:"host,omitempty"`
		Name         *string          `json:"name,omitempty"`
		Addresses    []netip.Addr     `json:"addresses,omitempty"`
		Device       string           `json:"device,omitempty"`
		Owner        string           `json:"owner,omitempty"`
		Rows         []any            `json:"rows"`
		Total        Counters         `json:"total"`
		Completeness jsonCompleteness `json:"completeness"`
		Overview     *jsonOverview    `json:"overview,omitempty"`
		Hosts        []any            `json:"hosts,omitempty"`
		Protocols    []any            `json:"protocols,omitempty"`
		Networks     []any            `json:"networks,omitempty"`
		Peers        []jsonPeer       `json:"peers,omitempty"`
		Names        []jsonName       `json:"names,omitempty"`
		Previous     *Counters        `json:"previous,omitempty"`
		Hours        []jsonHour       `json:"hours,omitempty"`
		Week         *Week            `json:"week,omitempty"` // usage by weekday, Monday first, and hour
		Compared     *jsonCompared    `json:"compared,omitempty"`
		Lines        []jsonLine       `json:"lines,omitempty"`
	}
	// jsonHour is an hour of a day.
	jsonHour struct {
		Start time.Time `json:"start"`
		Counters
		Gap     bool `json:"gap,omitempty"`
		Partial bool `json:"partial,omitempty"`
	}
	// jsonCompared is the same report of the time it is compared with.
	jsonCompared struct {
		With Compare `json:"with"`
		jsonResult
	}
	jsonPeriod struct {
		Start time.Time `json:"start"`
		End   time.Time `json:"end"`
		Plan  string    `json:"plan"`
	}
	// jsonCompleteness has no fraction when nothing was received.
	jsonCompleteness struct {
		Fraction *float64 `json:"fraction"`
		Notes    []string `json:"notes"`
	}
	jsonDay struct {
		Date billing.Date `json:"date"`
		Counters
		Gap     bool `json:"gap,omitempty"`
		Partial bool `json:"partial,omitempty"`
	}
	// jsonHost is a device by the first of its addresses: of IPv4 where it has
	// one, of those the busiest.
	jsonHost struct {
		Host      string       `json:"host"`
		Name      string       `json:"name"`
		Addresses []netip.Addr `json:"addresses"`
		Device    string       `json:"device,omitempty"`
		Owner     string       `json:"owner,omitempty"`
		Counters
	}
	// jsonPerson has what counts toward the cap as used.
	jsonPerson struct {
		Person    string `json:"person"`
		Name      string `json:"name"`
		Used      uint64 `json:"used"`
		FairShare uint64 `json:"fair_share"`
		Weight    uint16 `json:"weight"`
		Hosts     int    `json:"hosts"`
		Counters
	}
	jsonProtocol struct {
		Protocol string `json:"protocol"`
		Service  uint16 `json:"service"`
		Name     string `json:"name"`
		Counters
	}
	jsonNetwork struct {
		Network string `json:"network"`
		Name    string `json:"name"`
		Counters
	}
	// jsonRange is a range of unmatched traffic.
	jsonRange struct {
		Network string `json:"network"`
		Counters
		LastSeen time.Time `json:"last_seen"`
	}
	jsonHistory struct {
		Start time.Time `json:"start"`
		End   time.Time `json:"end"`
		Cap   uint64    `json:"cap"`
		Used  uint64    `json:"used"`
		Free  uint64    `json:"free"`
		Counters
		Partial bool `json:"partial,omitempty"`
	}
	// jsonLine has the counters of the span, and what of the line's cap was used
	// in its own period. The exporters on no line have neither id nor period.
	jsonLine struct {
		Line  string     `json:"line"`
		Name  string     `json:"name"`
		Start *time.Time `json:"start,omitempty"`
		End   *time.Time `json:"end,omitempty"`
		Cap   uint64     `json:"cap"`
		Used  uint64     `json:"used"`
		Free  uint64     `json:"free"`
		Counters
	}
	// jsonOthers is the rest of a list that was cut.
	jsonOthers struct {
		Name string `json:"name"`
		Counters
	}
	jsonPeer struct {
		Peer string `json:"peer"`
		Name string `json:"name"`
		Counters
	}
	jsonName struct {
		Name      string    `json:"name"`
		Source    string    `json:"source"`
		FirstSeen time.Time `json:"first_seen"`
		LastSeen  time.Time `json:"last_seen"`
	}
	jsonOverview struct {
		Used          uint64       `json:"used"`
		Unmetered     uint64       `json:"unmetered"`
		Counted       Traffic      `json:"counted"`
		Free          Traffic      `json:"free"`
		Cap           uint64       `json:"cap"`
		DayNumber     int          `json:"day"`
		DayCount      int          `json:"days"`
		EvenPace      uint64       `json:"even_pace"`
		SafePerDay    uint64       `json:"safe_per_day"`
		LikelyLow     uint64       `json:"likely_low"`
		LikelyHigh    uint64       `json:"likely_high"`
		OverOn        billing.Date `json:"over_on"`
		Driver        *Driver      `json:"driver"`
		PreviousUsed  uint64       `json:"previous_used"`
		HostCount     int          `json:"host_count"`
		ProtocolCount int          `json:"protocol_count"`
	}
)

func document(r *Result) jsonResult {
	d := jsonResult{
		Period:       jsonPeriod{r.Span.Start, r.Span.End, r.Span.Plan.Name},
		Rows:         jsonRows(r.Request.Kind, r.Rows),
		Total:        r.Total,
		Completeness: jsonCompleteness{Notes: append([]string{}, r.Completeness.Notes...)},
	}
	if r.Completeness.Known {
		d.Completeness.Fraction = &r.Completeness.Fraction
	}
	if o := r.Overview; o != nil {
		d.Overview = &jsonOverview{
			o.Used, o.Unmetered, o.Counted, o.Free, r.Span.Plan.Cap, o.DayNumber, o.DayCount, o.EvenPace, o.SafePerDay,
			o.LikelyLow, o.LikelyHigh, o.OverOn, o.Driver, o.PreviousUsed, o.HostCount, o.ProtocolCount,
		}
		d.Hosts = jsonRows(Hosts, o.Hosts)
		d.Protocols = jsonRows(Protocols, o.Protocols)
		d.Networks = jsonRows(Networks, o.Networks)
		for _, row := range o.Hours {
			d.Hours = append(d.Hours, jsonHour{row.Start, row.Counters, row.Gap, row.Partial})
		}
		d.Lines = jsonLines(o.Lines)
	}
	if h := r.Detail; h != nil {
		d.detail(r.Request.Filter.Host, h)
	}
	if r.Before != nil {
		before := document(r.Before)
		before.Overview, before.Name, before.Previous = nil, nil, nil
		d.Compared = &jsonCompared{r.Request.Compare, before}
	}
	return d
}

func (d *jsonResult) detail(host netip.Addr, h *HostResult) {
	d.Host, d.Name = host.String(), &h.Name
	d.Device, d.Owner = h.Device.ID, h.Device.Owner
	for _, a := range h.Addresses {
		d.Addresses = append(d.Addresses, a.Host)
	}
	d.Protocols = jsonRows(Protocols, h.Protocols)
	d.Previous, d.Week = &h.Previous, h.Week
	for _, p := range h.Peers {
		peer := ""
		if p.Address.IsValid() {
			peer = p.Address.String()
		}
		d.Peers = append(d.Peers, jsonPeer{peer, p.Name, p.Counters})
	}
	for _, n := range h.Names {
		d.Names = append(d.Names, jsonName(n))
	}
}

func jsonLines(rows []Row) []jsonLine {
	var list []jsonLine
	for _, row := range rows {
		one := jsonLine{Line: row.Line, Name: row.Name, Cap: row.Cap, Used: row.Used, Free: row.Free, Counters: row.Counters}
		if row.Line != "" {
			one.Start, one.End = &row.Start, &row.End
		}
		list = append(list, one)
	}
	return list
}

func jsonRows(kind Kind, rows []Row) []any {
	list := make([]any, 0, len(rows))
	for _, row := range rows {
		list = append(list, jsonRow(kind, row))
	}
	return list
}

func jsonRow(kind Kind, row Row) any {
	switch kind {
	case Hosts:
		if row.Host.IsValid() {
			return jsonHost{row.Host.String(), row.Name, append([]netip.Addr{}, row.Addresses...), row.Device, row.Owner, row.Counters}
		}
		return jsonOthers{row.Name, row.Counters}
	case Protocols:
		if row.Protocol != "" {
			return jsonProtocol{row.Protocol, row.Service, row.Name, row.Counters}
		}
		return jsonOthers{row.Name, row.Counters}
	case Networks:
		if row.Network != "" {
			return jsonNetwork{row.Network, row.Name, row.Counters}
		}
		return jsonOthers{row.Name, row.Counters}
	case Ranges:
		return jsonRange{row.Network, row.Counters, row.LastSeen}
	case People:
		return jsonPerson{row.Person, row.Name, row.Used, row.Fair, row.Weight, row.Hosts, row.Counters}
	case History:
		return jsonHistory{row.Start, row.End, row.Cap, row.Used, row.Free, row.Counters, row.Partial}
	case Overview, Days, Host:
	}
	return jsonDay{row.Date, row.Counters, row.Gap, row.Partial}
}
