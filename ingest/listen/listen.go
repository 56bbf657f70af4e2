// Package listen reads datagrams from UDP sockets and hands each to the worker
// its exporter belongs to. What is lost on the way is counted: by the kernel
// when a socket's buffer was full, here when a worker is behind.
package listen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flattraffic/flattraffic/ingest/ledger"
)

// Config says where to listen and how much to hold.
type Config struct {
	Addresses     []string // host:port; an empty host is every address, IPv4 and IPv6
	Workers       int      // number of queues; 0 = 1
	ReceiveBuffer int      // bytes of socket buffer to ask for; 0 = 32 MiB
	QueueBytes    int      // bytes of datagrams that may wait for one worker; 0 = 16 MiB
}

const (
	defaultReceiveBuffer = 32 << 20
	defaultQueueBytes    = 16 << 20
	queueLength          = 8192 // datagrams that may wait for one worker
	datagramOverhead     = 256  // bytes a waiting datagram takes besides its payload, roughly
)

// Deps is what a Listener works with.
type Deps struct {
	Log *slog.Logger
	// Count takes what was read and lost. The exporter :: stands for all.
	Count func(exporter netip.Addr, at time.Time, event ledger.Event, n uint64)
}

// Listener owns the sockets and the queues.
type Listener struct {
	cfg     Config
	deps    Deps
	sockets []*socket
	queues  []*queue
}

// queue holds what waits for one worker.
type queue struct {
	datagrams chan Datagram
	bytes     atomic.Int64
}

// New returns a Listener. Open it, then run it.
func New(cfg Config, deps Deps) (*Listener, error) {
	if cfg.ReceiveBuffer == 0 {
		cfg.ReceiveBuffer = defaultReceiveBuffer
	}
	if cfg.QueueBytes == 0 {
		cfg.QueueBytes = defaultQueueBytes
	}
	cfg.Workers = max(cfg.Workers, 1)
	if len(cfg.Addresses) == 0 {
		return nil, errors.New("no address to listen on for flows; give at least one, --listen-netflow :2055 for example")
	}
	if deps.Log == nil || deps.Count == nil {
		return nil, errors.New("listener lacks Log or Count")
	}
	l := &Listener{cfg: cfg, deps: deps}
	for range cfg.Workers {
		l.queues = append(l.queues, &queue{datagrams: make(chan Datagram, queueLength)})
	}
	return l, nil
}

// Open binds every address. An error is one sentence for the user.
func (l *Listener) Open(ctx context.Context) error {
	warned := false
	for _, address := range l.cfg.Addresses {
		s, err := openSocket(ctx, address)
		if err != nil {
			return errors.Join(explain(address, err), l.Close())
		}
		l.sockets = append(l.sockets, s)
		got, err := s.setReceiveBuffer(l.cfg.ReceiveBuffer)
		switch {
		case err != nil:
			l.deps.Log.Warn("the socket's receive buffer cannot be set; bursts may be lost", "address", address, "error", err)
		case got < l.cfg.ReceiveBuffer && !warned:
			warned = true // the other sockets get no more
			l.deps.Log.Warn("the kernel gives a smaller receive buffer than asked for; bursts of flows may be lost",
				"bytes", got, "asked", l.cfg.ReceiveBuffer, "remedy", "sysctl -w net.core.rmem_max="+strconv.Itoa(l.cfg.ReceiveBuffer))
		}
		if err := s.countDrops(); err != nil {
			l.deps.Log.Warn("the kernel does not tell how many datagrams it drops", "address", address, "error", err)
		}
	}
	return nil
}

// explain turns the error of a bind into a sentence with the remedy.
func explain(address string, err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("another program already listens on UDP %s; stop it, or choose another port with --listen-netflow or --listen-sflow", address)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("no permission to listen on UDP %s; choose a port above 1023, or give the program the capability CAP_NET_BIND_SERVICE", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("this machine has no address %s to listen on; use one of its own, or leave the host away to listen on all", address)
	case errors.As(err, &dns):
		return fmt.Errorf("the host in the listen address %s is not known; use an IP address, or leave the host away to listen on all", address)
	}
	return fmt.Errorf("cannot listen on UDP %s: %w; write the address as host:port or :port", address, err)
}

// Addrs are the addresses bound.
func (l *Listener) Addrs() []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(l.sockets))
	for i, s := range l.sockets {
		addrs[i] = s.conn.LocalAddr().(*net.UDPAddr).AddrPort() //nolint:forcetypeassert // a UDP socket has no other
	}
	return addrs
}

// Close gives the sockets back without a run.
func (l *Listener) Close() error {
	var errs []error
	for _, s := range l.sockets {
		errs = append(errs, s.conn.Close())
	}
	l.sockets = nil
	return errors.Join(errs...)
}

// Run reads until ctx is done. Then it closes the sockets and the queues, so
// that workers end when they have taken what waits.
func (l *Listener) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() {
		for _, s := range l.sockets {
			if total, ok := s.dropped(); ok {
				l.countDrops(s, time.Now(), total)
			}
			s.conn.Close() // this is how reading is ended
		}
	})
	defer stop()
	for _, s := range l.sockets {
		group.Go(func() error { return l.read(ctx, s) })
	}
	group.Go(func() error { l.watchDrops(ctx); return nil })
	err := group.Wait()
	for _, q := range l.queues {
		close(q.datagrams)
	}
	return err
}

// watchDrops reports what the kernel dropped. A reader learns of drops only
// with the next datagram, which may be long in coming.
func (l *Listener) watchDrops(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for _, s := range l.sockets {
				if total, ok := s.dropped(); ok {
					l.countDrops(s, now, total)
				}
			}
		}
	}
}

func (l *Listener) countDrops(s *socket, at time.Time, total uint32) {
	if n := s.newDrops(total); n > 0 {
		l.deps.Count(ledger.All, at, ledger.KernelDrops, uint64(n))
	}
}

// Queue returns the datagrams of one worker, 0 ≤ worker < Workers. Datagrams of
// an exporter come to one worker only, in order. Release each.
func (l *Listener) Queue(worker int) <-chan Datagram { return l.queues[worker].datagrams }

// Owner is the worker that gets the datagrams of an exporter. It stays the same
// over restarts with the same number of workers.
func (l *Listener) Owner(exporter netip.Addr) int {
	const offset, prime = 2166136261, 16777619 // FNV-1a
	h := uint32(offset)
	for _, b := range exporter.As16() {
		h = (h ^ uint32(b)) * prime
	}
	return int(h % uint32(len(l.queues)))
}

// bufferPool keeps the buffers datagrams wait in. Nearly all fit an Ethernet
// frame; longer ones get a buffer of their own.
var bufferPool = sync.Pool{New: func() any { return new([2048]byte) }}

// Datagram is one datagram read.
type Datagram struct {
	Exporter netip.Addr // source address, unmapped, without zone
	Received time.Time
	Payload  []byte

	pooled *[2048]byte
	queue  *queue
}

// Release gives the datagram's memory back; Payload must not be used after.
func (d *Datagram) Release() {
	d.queue.bytes.Add(-int64(len(d.Payload) + datagramOverhead))
	if d.pooled != nil {
		bufferPool.Put(d.pooled)
	}
	d.Payload, d.pooled = nil, nil
}

// hand copies a payload into the queue of its exporter's worker, or counts it
// as dropped.
func (l *Listener) hand(exporter netip.Addr, received time.Time, payload []byte) {
	q := l.queues[l.Owner(exporter)]
	weight := int64(len(payload) + datagramOverhead)
	if q.bytes.Add(weight) > int64(l.cfg.QueueBytes) {
		q.bytes.Add(-weight)
		l.deps.Count(exporter, received, ledger.QueueDrops, 1)
		return
	}
	d := Datagram{Exporter: exporter, Received: received, queue: q}
	if len(payload) <= 2048 {
		d.pooled = bufferPool.Get().(*[2048]byte) //nolint:forcetypeassert // the pool holds nothing else
		d.Payload = d.pooled[:copy(d.pooled[:], payload)]
	} else {
		d.Payload = append([]byte(nil), payload...)
	}
	select {
	case q.datagrams <- d:
	default:
		d.Release()
		l.deps.Count(exporter, received, ledger.QueueDrops, 1)
	}
}
