package names

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// maxLeaseFile bounds what is read of a lease file, in bytes.
const maxLeaseFile = 32 << 20

// Lease is an address that a DHCP server gave out.
type Lease struct {
	Address netip.Addr
	Name    string    // as the client said, cleaned; may be empty
	MAC     uint64    // 0 = not said
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
		r := remembered{name: l.Name, mac: l.MAC, until: now.Add(rememberFor), noted: old.noted}
		if l.Name != old.name || l.MAC != old.mac || now.Sub(old.noted) >= confirmEvery {
			n.noteLease(l, now)
			r.noted = now
		}
		n.leases[l.Address] = r
	}
}

// noteLease puts what a lease says on the lists of what to store. The caller
// holds mu.
func (n *Names) noteLease(l Lease, now time.Time) {
	if l.Name != "" {
		n.note(l.Address, DHCP, l.Name, now)
	}
	if l.MAC != 0 && len(n.paired) < cacheLimit {
		n.paired[pair{l.Address, l.MAC}] = now
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
