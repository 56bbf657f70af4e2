package names

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/flattraffic/flattraffic/site"
)

// parseDnsmasq reads "expiry mac address name client-id" lines, and those of
// DHCPv6, which have an IAID where the MAC is.
func parseDnsmasq(data []byte) []Lease {
	var out []Lease
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		if len(f) < 4 {
			continue
		}
		expires, err := strconv.ParseInt(f[0], 10, 64)
		addr, err2 := netip.ParseAddr(f[2])
		if err != nil || err2 != nil {
			continue
		}
		l := Lease{Address: addr.Unmap(), MAC: hardware(f[1])}
		if expires != 0 {
			l.Expires = time.Unix(expires, 0)
		}
		if f[3] != "*" {
			l.Name = cleanForeign(f[3])
		}
		out = append(out, l)
	}
	return out
}

// parseKea reads the CSV of Kea's memfile backend, of DHCPv4 and DHCPv6. The
// columns are found by the header: newer versions add some.
func parseKea(data []byte) []Lease {
	var out []Lease
	column := map[string]int{}
	for line := range bytes.Lines(data) {
		f := strings.Split(strings.TrimSpace(string(line)), ",") // Kea escapes commas, it does not quote.
		if f[0] == "address" {
			clear(column)
			for i, name := range f {
				column[name] = i
			}
			continue
		}
		field := func(name string) string {
			if i, ok := column[name]; ok && i < len(f) {
				return f[i]
			}
			return ""
		}
		addr, err := netip.ParseAddr(f[0])
		expires, err2 := strconv.ParseInt(field("expire"), 10, 64)
		if err != nil || err2 != nil || field("lease_type") == "2" { // 2: a delegated prefix
			continue
		}
		l := Lease{Address: addr.Unmap(), Expires: time.Unix(expires, 0), Name: cleanForeign(keaUnescape(field("hostname"))), MAC: hardware(field("hwaddr"))}
		if s := field("state"); s != "" && s != "0" || field("valid_lifetime") == "0" {
			l = Lease{Address: l.Address, Expires: time.Unix(0, 0)} // declined, reclaimed, released or deleted
		}
		out = append(out, l)
	}
	return out
}

// keaUnescape undoes Kea's "&#x2c" for a comma.
func keaUnescape(s string) string {
	before, after, found := strings.Cut(s, "&#x")
	if !found || len(after) < 2 {
		return s
	}
	b, err := hex.DecodeString(after[:2])
	if err != nil {
		return before + "&#x" + keaUnescape(after)
	}
	return before + string(b) + keaUnescape(after[2:])
}

// parseDhcpd reads the "lease address { … }" blocks of ISC dhcpd (DHCPv4).
func parseDhcpd(data []byte) []Lease {
	var out []Lease
	var l *Lease
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(nil, maxLeaseFile)
	for s.Scan() {
		line := strings.TrimSpace(s.Text())
		if rest, ok := strings.CutPrefix(line, "lease "); ok {
			l = nil
			if addr, err := netip.ParseAddr(strings.TrimSpace(strings.TrimSuffix(rest, "{"))); err == nil {
				l = &Lease{Address: addr.Unmap()}
			}
			continue
		}
		if l == nil {
			continue
		}
		if line == "}" {
			out = append(out, *l)
			l = nil
			continue
		}
		dhcpdStatement(l, line)
	}
	return out
}

// dhcpdStatement applies one statement of a lease block.
func dhcpdStatement(l *Lease, line string) {
	if i := strings.LastIndex(line, ";"); i >= 0 { // "ends epoch …; # …" has a comment behind.
		line = line[:i]
	}
	key, value, _ := strings.Cut(line, " ")
	switch key {
	case "ends":
		l.Expires = dhcpdTime(value)
	case "hardware":
		l.MAC = hardware(strings.TrimPrefix(value, "ethernet "))
	case "client-hostname":
		if name := cleanForeign(strings.Trim(value, `"`)); name != "" {
			l.Name = name
		}
	case "binding":
		if value != "state active" {
			l.Name, l.MAC, l.Expires = "", 0, time.Unix(0, 0)
		}
	}
}

// hardware reads the MAC of a lease; 0 when there is none, as in DHCPv6 leases
// of dnsmasq and those of other media than Ethernet.
func hardware(text string) uint64 {
	mac, err := site.ParseMAC(text)
	if err != nil {
		return 0
	}
	return mac
}

// dhcpdTime reads "4 2026/11/12 10:00:00" (UTC, the weekday first), "epoch N"
// and "never". What it can't read counts as over.
func dhcpdTime(s string) time.Time {
	if s == "never" {
		return time.Time{}
	}
	first, rest, _ := strings.Cut(s, " ")
	if first == "epoch" {
		if n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64); err == nil {
			return time.Unix(n, 0)
		}
		return time.Unix(0, 0)
	}
	t, err := time.Parse("2006/01/02 15:04:05", rest)
	if err != nil {
		return time.Unix(0, 0)
	}
	return t
}
