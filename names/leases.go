package names

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxLeaseFile bounds what is read of a lease file, in bytes.
const maxLeaseFile = 32 << 20

// Lease is an address that a DHCP server gave out.
type Lease struct {
	Address netip.Addr
	Name    string    // as the client said, cleaned; may be empty
	Expires time.Time // zero = never
}

// active reports whether the lease runs at a time.
func (l Lease) active(at time.Time) bool { return l.Expires.IsZero() || at.Before(l.Expires) }

// ParseLeases reads a lease file of dnsmasq, Kea (memfile CSV) or ISC dhcpd
// and returns the newest lease of each address. The format is recognised by
// its first line. Lines that make no sense are passed over: a server writes the
// file while we read it.
func ParseLeases(r io.Reader) ([]Lease, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxLeaseFile))
	if err != nil {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	var leases []Lease
	switch first := firstLine(data); {
	case strings.HasPrefix(first, "address,"):
		leases = parseKea(data)
	case strings.HasPrefix(first, "lease ") || strings.HasPrefix(first, "authoring-byte-order") || strings.HasPrefix(first, "server-duid"):
		leases = parseDhcpd(data)
	default:
		leases = parseDnsmasq(data)
	}
	return newest(leases), nil
}

// firstLine returns the first line that is neither empty nor a comment.
func firstLine(data []byte) string {
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return string(line)
		}
	}
	return ""
}

// newest keeps the last lease of each address: all three formats append.
// Addresses given back (the zero Lease but for the address, expired at the
// epoch) stay in the result as expired ones.
func newest(leases []Lease) []Lease {
	last := map[netip.Addr]int{}
	for i, l := range leases {
		last[l.Address] = i
	}
	var out []Lease
	for i, l := range leases {
		if last[l.Address] == i {
			out = append(out, l)
		}
	}
	return out
}

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
		l := Lease{Address: addr.Unmap()}
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
		l := Lease{Address: addr.Unmap(), Expires: time.Unix(expires, 0), Name: cleanForeign(keaUnescape(field("hostname")))}
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
	case "client-hostname":
		if name := cleanForeign(strings.Trim(value, `"`)); name != "" {
			l.Name = name
		}
	case "binding":
		if value != "state active" {
			l.Name, l.Expires = "", time.Unix(0, 0)
		}
	}
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

// leaseRound returns the round that reads the lease files when they have
// changed, and from time to time to confirm what they say.
func (n *Names) leaseRound() func(context.Context) error {
	type state struct {
		stamp string
		read  time.Time
	}
	states := map[string]state{}
	return func(context.Context) error {
		var errs []error
		for _, path := range n.cfg.LeaseFiles {
			now := n.now()
			stamp, err := leaseStamp(path)
			if err != nil {
				errs = append(errs, fmt.Errorf("look at lease file: %w", err))
				continue
			}
			if s := states[path]; s.stamp == stamp && now.Sub(s.read) < confirmEvery {
				continue
			}
			leases, err := readLeases(path)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			n.lease(leases)
			states[path] = state{stamp, now}
		}
		return errors.Join(errs...)
	}
}

// lease books what a lease file says now.
func (n *Names) lease(leases []Lease) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	for _, l := range leases {
		if !l.active(now) {
			continue // The name known so far stays: nobody else has the address.
		}
		old := n.leases[l.Address]
		r := remembered{name: l.Name, until: now.Add(rememberFor), noted: old.noted}
		if l.Name != "" && (l.Name != old.name || now.Sub(old.noted) >= confirmEvery) {
			n.note(l.Address, DHCP, l.Name, now)
			r.noted = now
		}
		n.leases[l.Address] = r
	}
}

// leaseParts are the files that make up the leases of a path, oldest first.
// Kea moves leases to a second file while it cleans the first up.
func leaseParts(path string) []string {
	if _, err := os.Stat(path + ".completed"); err == nil {
		return []string{path + ".completed", path}
	}
	return []string{path + ".2", path + ".1", path}
}

// leaseStamp changes when one of the files of a path does.
func leaseStamp(path string) (string, error) {
	var stamp strings.Builder
	for _, p := range leaseParts(path) {
		info, err := os.Stat(p)
		if errors.Is(err, fs.ErrNotExist) && p != path {
			continue
		}
		if err != nil {
			return "", err
		}
		fmt.Fprintln(&stamp, p, info.ModTime().UnixNano(), info.Size())
	}
	return stamp.String(), nil
}

// readLeases reads all files of a path.
func readLeases(path string) ([]Lease, error) {
	var all []Lease
	for _, p := range leaseParts(path) {
		f, err := os.Open(p)
		if errors.Is(err, fs.ErrNotExist) && p != path {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open lease file: %w", err)
		}
		leases, err := ParseLeases(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("read lease file %s: %w", p, err)
		}
		all = slices.Concat(all, leases)
	}
	return newest(all), nil
}
