package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// flowsTable is where flow records go.
const flowsTable = "flows"

// maxInMemory is how many sealed batches keep their columns in memory. Others
// are read back from the spool.
const maxInMemory = 2

// Config says how rows are delivered.
type Config struct {
	Dir           string        // spool directory
	SpoolLimit    int64         // bytes of batch files kept while ClickHouse is away
	FlushInterval time.Duration // longest time a row waits to be sealed into a batch
	BatchRows     int           // rows that seal a batch earlier, each counted as often as it covers quarter hours; 0 = 131,072
	StopTimeout   time.Duration // how long stopping may take to send what is left; 0 = 10 s
}

// Deps is what a Deliverer works with.
type Deps struct {
	Dial DialFunc
	Log  *slog.Logger
	// Reconcile brings every rollup in line with flows for records that start
	// at or after from and end before to. It is called after a batch in doubt;
	// no other batch is sent meanwhile. May be nil.
	Reconcile func(ctx context.Context, from, to time.Time) error
	// Exclusive runs fn while nobody else changes flows. May be nil.
	Exclusive func(ctx context.Context, fn func(ctx context.Context) error) error
	// Dropped is told of flow rows given up because the spool was full or a
	// spool file could not be read. Exporter :: stands for unknown ones.
	Dropped func(exporter netip.Addr, rows int)
	// Inserted is told of each acknowledged batch. May be nil.
	Inserted func(table string, rows int, took time.Duration)
}

// Deliverer batches rows and brings them to ClickHouse. Its methods are safe
// for concurrent use.
type Deliverer struct {
	cfg  Config
	deps Deps

	full chan struct{} // a batch is large enough to be sealed
	work chan struct{} // the queue has grown

	sealing sync.Mutex // held while batches are encoded and written
	spool   spool
	encoder *encoder
	lastSeq int64
	unlock  func()

	mu       sync.Mutex
	room     sync.Cond // open batches were sealed
	stopped  bool
	open     map[month]*batch
	last     month // month of the newest row
	openRows int   // each as often as it covers quarter hours
	free     []*flowColumns
	queue    []*entry // sealed, oldest first
	bytes    int64    // size of the queue's files
	away     time.Time
	cause    error
}

// entry is a sealed batch on its way.
type entry struct {
	id      uuid.UUID
	table   string
	rows    int
	pieces  int // rows, each as often as it covers quarter hours
	sources map[netip.Addr]int
	file    string // name in the spool directory; empty when it could not be written
	size    int64  // bytes of the file
	durable bool   // the file survives a power cut
	state   state
	tries   int    // on a connection that stood
	batch   *batch // nil: read the file

	month    month
	alone    bool     // not to be joined with others
	replaced []string // files to be removed before this batch is sent
}

// state is how far a batch has come.
type state uint8

const (
	unsent state = iota
	sent         // maybe in ClickHouse: the first try was not acknowledged
	acked        // a later try was acknowledged; whether the rows are there is to be verified
)

// New returns a Deliverer. Open it, then run it.
func New(cfg Config, deps Deps) (*Deliverer, error) {
	if cfg.BatchRows == 0 {
		cfg.BatchRows = 1 << 17 // 20 MB; larger ones are hardly cheaper to insert
	}
	if cfg.StopTimeout == 0 {
		cfg.StopTimeout = 10 * time.Second
	}
	switch {
	case cfg.Dir == "":
		return nil, errors.New("no spool directory is set")
	case cfg.FlushInterval <= 0:
		return nil, fmt.Errorf("flush interval %s: it must be above zero, 1s for example", cfg.FlushInterval)
	case deps.Dial == nil || deps.Log == nil || deps.Dropped == nil:
		return nil, errors.New("deliverer lacks Dial, Log or Dropped")
	}
	if deps.Exclusive == nil {
		deps.Exclusive = func(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) }
	}
	d := &Deliverer{
		cfg: cfg, deps: deps,
		full: make(chan struct{}, 1), work: make(chan struct{}, 1),
		spool: spool{dir: cfg.Dir, log: deps.Log}, encoder: newEncoder(),
		open: map[month]*batch{},
	}
	d.room.L = &d.mu
	return d, nil
}

// Append adds rows, which it copies. It waits while a whole batch is not yet
// taken up to be written, so that memory stays bounded on a slow disk.
func (d *Deliverer) Append(rows []Row) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(rows) > 0 {
		for d.openRows >= d.cfg.BatchRows && !d.stopped {
			wake(d.full)
			d.room.Wait()
		}
		b := d.openFor(rows[0].Record.EndMs)
		n, pieces := d.fitting(rows)
		b.add(rows[:n], pieces)
		d.openRows += pieces
		rows = rows[n:]
	}
	if d.openRows >= d.cfg.BatchRows {
		wake(d.full)
	}
}

// fitting is how many of the rows go into the open batch of the first of them,
// that one at least, and how many quarter hours they cover.
func (d *Deliverer) fitting(rows []Row) (n, pieces int) {
	n, pieces = 1, piecesOf(rows[0].Record)
	for n < len(rows) && d.last.has(rows[n].Record.EndMs) && d.openRows+pieces < d.cfg.BatchRows {
		pieces += piecesOf(rows[n].Record)
		n++
	}
	return n, pieces
}

// openFor returns the open batch of the month a record ends in.
func (d *Deliverer) openFor(endMs int64) *batch {
	if !d.last.has(endMs) {
		d.last = monthOf(endMs)
	}
	b := d.open[d.last]
	if b == nil {
		b = newFlowBatch(d.unused())
		d.open[d.last] = b
	}
	return b
}

// unused returns columns that were recycled, or new ones. The caller holds mu.
func (d *Deliverer) unused() *flowColumns {
	n := len(d.free)
	if n == 0 {
		return new(flowColumns)
	}
	cols := d.free[n-1]
	d.free = d.free[:n-1]
	return cols
}

// columns returns empty columns.
func (d *Deliverer) columns() *flowColumns {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unused()
}

// Insert queues rows for another table. Like flows they are stored exactly
// once; the columns belong to the Deliverer from then on.
func (d *Deliverer) Insert(table string, input proto.Input) error {
	return d.InsertAs(uuid.New(), table, input)
}

// InsertAs is Insert under an id of the caller's: rows that are given with the
// same id again, by another process even, are stored once.
func (d *Deliverer) InsertAs(id uuid.UUID, table string, input proto.Input) error {
	if len(input) == 0 || input[0].Data.Rows() == 0 {
		return nil
	}
	b := &batch{id: id, table: table, input: input, rows: input[0].Data.Rows()}
	if !d.enqueue(b) {
		return fmt.Errorf("queue %d rows for %s: the spool is full", b.rows, table)
	}
	return nil
}

// Open takes the spool directory for this process and queues what an earlier
// one left there. Run gives it back.
func (d *Deliverer) Open() error {
	if err := os.MkdirAll(d.cfg.Dir, 0o750); err != nil {
		return fmt.Errorf("create spool directory: %w", err)
	}
	unlock, err := lockDir(d.cfg.Dir)
	if err != nil {
		return err
	}
	found, err := d.spool.open()
	if err != nil {
		unlock()
		return err
	}
	d.unlock = unlock
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range found {
		d.queue = append(d.queue, &entry{
			id: f.ID, table: f.Table, rows: f.Rows, pieces: f.Pieces, sources: f.Sources,
			file: f.name, size: f.size, durable: true, state: f.state(), month: monthOf(f.ToMs - 1000),
		})
		d.bytes += f.size
	}
	if len(found) > 0 {
		d.deps.Log.Info("flows of an earlier run are in the spool and go first", "batches", len(found), "bytes", d.bytes)
		wake(d.work)
	}
	return nil
}

// Close gives back what Open took when Run is not to follow.
func (d *Deliverer) Close() { d.unlock() }

// InUse says whether a process has opened a spool directory and still runs.
func InUse(dir string) bool { return inUse(dir) }

// Run delivers until ctx is done; then it seals what is open, sends what it can
// within the stop timeout, and leaves the rest in the spool for the next start.
func (d *Deliverer) Run(ctx context.Context) error {
	defer d.unlock()
	// Sending goes on for a while after ctx is done.
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	sealed := make(chan struct{})
	var group errgroup.Group
	group.Go(func() error {
		defer close(sealed)
		d.sealUntil(ctx)
		time.AfterFunc(d.cfg.StopTimeout, stop)
		return nil
	})
	group.Go(func() error {
		d.sendUntil(sending, sealed)
		return nil
	})
	err := group.Wait()
	d.leave()
	return err
}

// leave says what stopping leaves behind.
func (d *Deliverer) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	waiting := 0
	for _, e := range d.queue {
		if e.file == "" {
			d.deps.Log.Error("rows are lost: ClickHouse is away and the spool cannot take them", "table", e.table, "rows", e.rows)
			continue
		}
		waiting++
	}
	if waiting > 0 {
		d.deps.Log.Warn("batches stay in the spool and are sent at the next start", "directory", d.cfg.Dir, "batches", waiting, "bytes", d.bytes)
	}
}

// Health is the state of delivery.
type Health struct {
	AwaySince    time.Time // zero: ClickHouse answers
	Cause        error     // why it is away
	SpoolBytes   int64
	SpoolBatches int
}

// Health returns the state of delivery.
func (d *Deliverer) Health() Health {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Health{AwaySince: d.away, Cause: d.cause, SpoolBytes: d.bytes, SpoolBatches: len(d.queue)}
}

// wake signals without waiting: one pending signal is enough.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
