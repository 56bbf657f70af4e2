package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/flattraffic/flattraffic/ingest/ledger"
)

const (
	batchSize   = 64      // datagrams read by one system call
	longest     = 1 << 16 // longer than any UDP payload: nothing is cut off
	controlSize = 64      // bytes of control data: the drop counter
)

// socket is one bound UDP socket.
type socket struct {
	conn  *net.UDPConn
	drops atomic.Uint32 // the kernel's counter as last seen; it wraps
}

func openSocket(ctx context.Context, address string) (*socket, error) {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	return &socket{conn: conn.(*net.UDPConn)}, nil //nolint:forcetypeassert // network udp gives nothing else
}

// newDrops returns by how much the kernel's drop counter went up. Totals come
// from the reader and from the watcher, so one may be older than the last.
func (s *socket) newDrops(total uint32) uint32 {
	for {
		last := s.drops.Load()
		if int32(total-last) <= 0 {
			return 0
		}
		if s.drops.CompareAndSwap(last, total) {
			return total - last
		}
	}
}

// read hands on datagrams until ctx is done.
func (l *Listener) read(ctx context.Context, s *socket) error {
	// On Linux this reads IPv6 sockets just as well, many datagrams a call.
	conn := ipv4.NewPacketConn(s.conn)
	messages := make([]ipv4.Message, batchSize)
	for i := range messages {
		messages[i].Buffers = [][]byte{make([]byte, longest)}
		messages[i].OOB = make([]byte, controlSize)
	}
	for {
		n, err := conn.ReadBatch(messages, 0)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("read from UDP %s: %w", s.conn.LocalAddr(), err)
		}
		if err != nil {
			// The socket stays usable, for example after an ICMP error.
			l.deps.Log.Warn("a read from the flow socket went wrong", "address", s.conn.LocalAddr().String(), "error", err)
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-ctx.Done():
				return nil
			}
		}
		now := time.Now()
		for i := range messages[:n] {
			l.take(s, &messages[i], now)
		}
		l.countDatagrams(messages[:n], now)
	}
}

// take handles one datagram read.
func (l *Listener) take(s *socket, m *ipv4.Message, now time.Time) {
	if m.NN > 0 {
		if total, ok := dropsOf(m.OOB[:m.NN]); ok {
			l.countDrops(s, now, total)
		}
	}
	exporter := source(m)
	if m.N >= longest || truncated(m.Flags) {
		l.deps.Count(exporter, now, ledger.Oversize, 1)
		return
	}
	l.hand(exporter, now, m.Buffers[0][:m.N])
}

// countDatagrams counts runs of one exporter at once: that is most of the work
// of counting.
func (l *Listener) countDatagrams(messages []ipv4.Message, now time.Time) {
	for start := 0; start < len(messages); {
		exporter, end := source(&messages[start]), start+1
		for end < len(messages) && source(&messages[end]) == exporter {
			end++
		}
		l.deps.Count(exporter, now, ledger.Datagrams, uint64(end-start))
		start = end
	}
}

// source is the address a datagram came from, an IPv4 one as such.
func source(m *ipv4.Message) netip.Addr {
	from, ok := m.Addr.(*net.UDPAddr)
	if !ok {
		return ledger.All
	}
	ip, _ := netip.AddrFromSlice(from.IP)
	return ip.Unmap()
}
