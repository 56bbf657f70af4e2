package report

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/site"
)

// owners is a site whose first host has IPv6 addresses too, and two people.
func owners(t *testing.T, zone string) *site.Settings {
	t.Helper()
	settings := settingsOf(plan(t, zone, "12", nil))
	settings.People = []site.Person{{ID: "anna", Name: "Anna", Weight: 1}, {ID: "ben", Name: "Ben", Weight: 2}, {ID: "cleo", Name: "Cleo"}}
	settings.Devices = []site.Device{
		{ID: "laptop", Owner: "anna", MACs: []uint64{0x3c22fb000001}, Addresses: []netip.Addr{hosts[5], hosts[0], hosts[4]}},
		{ID: "phone", Name: "Ben's phone", Owner: "ben", Addresses: []netip.Addr{hosts[2]}},
		{ID: "shared", Name: "Heater", Addresses: []netip.Addr{hosts[8]}},
		{ID: "gone", Name: "Never seen", Owner: "cleo", MACs: []uint64{0x3c22fb000002}},
	}
	return settings
}

var laptop = []netip.Addr{hosts[0], hosts[4], hosts[5]}

// TestDevicesConserve holds the rows of devices to the raw flows, to the byte:
// in a billing period and where quarter hours answer.
func TestDevicesConserve(t *testing.T) {
	const name = "Asia/Kathmandu"
	zone := location(t, name)
	now := time.Date(2026, 3, 20, 10, 20, 0, 0, zone)
	records := randomRecords(7, time.Date(2026, 3, 12, 0, 0, 0, 0, zone), now, 400)
	pieces := piecesOf(records)
	conn := database(t, name)
	insert(t, conn, records)
	r := newReports(t, conn, owners(t, name), now)
	isLaptop := func(p piece) bool { return slices.Contains(laptop, p.host) }
	for _, span := range []string{"period=2026-03-12", "from=2026-03-14T06:15:00%2B05:45&to=2026-03-18T00:00:00%2B05:45"} {
		all := run(t, r, parse(t, Hosts, span))
		start, end := all.Span.Start, all.Span.End
		if want := sumPieces(pieces, start, end, nil); sum(all.Rows) != want || all.Total != want {
			t.Errorf("%s: devices sum to %+v of a total of %+v, raw is %+v", span, sum(all.Rows), all.Total, want)
		}
		if got, want := len(all.Rows), len(hosts)-2; got != want {
			t.Errorf("%s: %d rows, want %d: three addresses are one device", span, got, want)
		}
		want := sumPieces(pieces, start, end, isLaptop)
		for _, row := range all.Rows {
			switch row.Host {
			case hosts[4], hosts[5]:
				t.Errorf("%s: the address %s has a row of its own", span, row.Host)
			case hosts[0]:
				if row.Counters != want || row.Device != "laptop" || row.Owner != "anna" || row.Name != "=nas" || len(row.Addresses) != 3 {
					t.Errorf("%s: the laptop is %+v, want %+v of three addresses", span, row, want)
				}
				var days uint64
				for _, d := range row.Days {
					days += d
				}
				if days != want.Usage() {
					t.Errorf("%s: the laptop's days sum to %d, want %d", span, days, want.Usage())
				}
			}
		}
		// Any of its addresses, its name, its id and its MAC are the device.
		for _, host := range []string{"192.168.1.20", "2001:db8:1::20", "2001:db8:1:0:a:b:c:d", "=NAS", "laptop", "3C-22-FB-00-00-01"} {
			for _, kind := range []Kind{Days, Hosts, Protocols, Networks} {
				req := parse(t, kind, span)
				req.Filter.Host, req.Filter.HostName = parseHostText(t, host)
				if got := run(t, r, req).Total; got != want {
					t.Errorf("%s, %s of host %s: %+v, want %+v", span, kind, host, got, want)
				}
			}
			req := parse(t, Host, span)
			req.Filter.Host, req.Filter.HostName = parseHostText(t, host)
			page := run(t, r, req)
			if page.Total != want || sum(page.Detail.Addresses) != want || sum(page.Detail.Protocols) != want || page.Detail.Name != "=nas" || page.Detail.Device.ID != "laptop" {
				t.Errorf("%s: the page of host %s has %+v of %+v, want %+v", span, host, page.Total, page.Detail.Device, want)
			}
		}
		// A single address is a range of one.
		one := sumPieces(pieces, start, end, func(p piece) bool { return p.host == hosts[4] })
		if got := run(t, r, parse(t, Hosts, span+"&network=2001:db8:1::20")).Total; got != one {
			t.Errorf("%s: the one address has %+v, want %+v", span, got, one)
		}
		for person, match := range map[string]func(piece) bool{
			"anna": isLaptop, "ben": func(p piece) bool { return p.host == hosts[2] }, "cleo": func(piece) bool { return false },
			Nobody:      func(p piece) bool { return !isLaptop(p) && p.host != hosts[2] && !p.host.IsUnspecified() },
			"unmatched": func(p piece) bool { return p.host.IsUnspecified() },
		} {
			for _, kind := range []Kind{Days, Hosts, Protocols, Networks} {
				if got, want := run(t, r, parse(t, kind, span+"&person="+person)).Total, sumPieces(pieces, start, end, match); got != want {
					t.Errorf("%s, %s of %s: %+v, want %+v", span, kind, person, got, want)
				}
			}
		}
	}
	for query, param := range map[string]string{"host=nobody-has-this-name": "host", "person=' OR 1=1": "person"} {
		_, err := r.Run(t.Context(), parse(t, Hosts, query))
		if bad, ok := errors.AsType[*RequestError](err); !ok || bad.Param != param {
			t.Errorf("%s: got %v, want an error of %s", query, err, param)
		}
	}
}

func parseHostText(t *testing.T, text string) (netip.Addr, string) {
	t.Helper()
	if a, err := netip.ParseAddr(text); err == nil {
		return a, ""
	}
	return netip.Addr{}, text
}
