package deliver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/uuid"
)

const (
	firstPause  = 200 * time.Millisecond // after a first failure
	longestWait = time.Second            // between tries
	remindEvery = time.Minute            // between log lines while ClickHouse stays away
	pingAfter   = 30 * time.Second       // a connection idle that long is tried before it gets a batch
	insertLimit = 5 * time.Minute        // for one insert
	pausedRetry = 20 * time.Millisecond  // between tries while maintenance holds inserts back
	maxTries    = 300                    // of a batch that is not flows, on a server that answers
)

// sender owns the connection. It is for one goroutine.
type sender struct {
	*Deliverer

	client   *ch.Client
	used     time.Time // when the connection last worked
	pause    time.Duration
	reminded time.Time
	scratch  flowColumns // of batches being joined
}

// sendUntil sends batches in order. Once sealed is closed it returns when
// nothing is left or ClickHouse is away; in any case when ctx is done.
func (d *Deliverer) sendUntil(ctx context.Context, sealed <-chan struct{}) {
	s := &sender{Deliverer: d}
	defer s.disconnect()
	for ctx.Err() == nil {
		stopping := isClosed(sealed)
		e := d.head()
		if e == nil {
			if stopping {
				return
			}
			select {
			case <-d.work:
			case <-sealed:
			case <-ctx.Done():
			}
			continue
		}
		err := s.connect(ctx)
		if err == nil {
			s.merge()
			e = d.head()
			err = s.send(ctx, e)
		}
		switch {
		case err == nil:
			s.done(e)
		case isPaused(err):
			sleep(ctx, pausedRetry, nil)
		case s.hopeless(e, err):
			s.done(e)
		default:
			s.failed(e, err)
			if stopping {
				return
			}
			s.wait(ctx, sealed)
		}
	}
}

// isPaused reports whether ClickHouse refused a batch because the schema's
// maintenance holds inserts back for a moment, which it does by a constraint.
// Nothing of the batch was stored.
func isPaused(err error) bool { return ch.IsErr(err, proto.ErrViolatedConstraint) }

// hopeless gives up a batch that ClickHouse does not take although it answers,
// so that it does not hold up the others for ever: after many tries, and only
// if it is not flows. Flows wait until a person has mended what is wrong.
func (s *sender) hopeless(e *entry, err error) bool {
	if e.table == flowsTable || e.tries < maxTries || e.file == "" {
		return false
	}
	s.spool.setAside(e.file, err)
	e.file = ""
	return true
}

// head returns the oldest queued batch, nil when there is none.
func (d *Deliverer) head() *entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		return nil
	}
	return d.queue[0]
}

// send brings one batch to ClickHouse, with which it is connected. It may be
// called again after an error.
func (s *sender) send(ctx context.Context, e *entry) error {
	if err := s.removeReplaced(e); err != nil {
		return err
	}
	b := e.batch
	if b == nil {
		var err error
		if b, err = s.spool.load(e.file); err != nil {
			// Whatever is wrong with one file must not hold up those after it.
			s.spool.setAside(e.file, err)
			s.drop(e.table, e.rows, e.sources)
			e.file = ""
			return nil
		}
	}
	e.tries++
	doubtful := e.state != unsent
	if e.state != acked {
		if err := s.advance(e, sent); err != nil {
			return err
		}
		start := time.Now()
		if err := s.insert(ctx, b.table, b.input, b.id); err != nil {
			if isPaused(err) && !doubtful {
				err = errors.Join(err, s.advance(e, unsent))
			}
			return fmt.Errorf("insert into %s: %w", b.table, err)
		}
		if s.deps.Inserted != nil {
			s.deps.Inserted(b.table, b.rows, time.Since(start))
		}
	}
	if !doubtful || b.table != flowsTable {
		return nil
	}
	if err := s.advance(e, acked); err != nil {
		return err
	}
	return s.settle(ctx, b)
}

// advance notes how far a batch has come, in the name of its file too.
func (s *sender) advance(e *entry, to state) error {
	if e.state == to {
		return nil
	}
	if e.file != "" {
		name, err := s.spool.mark(e.file, to)
		if err != nil {
			return err
		}
		e.file = name
	}
	e.state = to
	return nil
}

// insert sends one block and waits for the acknowledgement.
func (s *sender) insert(ctx context.Context, table string, input proto.Input, token uuid.UUID) error {
	return s.do(ctx, ch.Query{
		Body:  input.Into(table),
		Input: input,
		Settings: []ch.Setting{
			{Key: "insert_deduplication_token", Value: token.String()},
			{Key: "insert_deduplicate", Value: "1"},
			{Key: "deduplicate_insert", Value: "enable"}, // by which later servers go instead; earlier ones pass over it
			{Key: "deduplicate_blocks_in_dependent_materialized_views", Value: "1"},
			{Key: "async_insert", Value: "0"},
			{Key: "parallel_view_processing", Value: "1"},
			// The views' rows are summed by their tables' keys already.
			{Key: "optimize_on_insert", Value: "0"},
		},
	})
}

func (s *sender) do(ctx context.Context, q ch.Query) error {
	ctx, cancel := context.WithTimeout(ctx, insertLimit)
	defer cancel()
	if err := s.client.Do(ctx, q); err != nil {
		return err
	}
	s.used = time.Now()
	return nil
}

// connect makes sure that there is a connection that was alive lately, so that
// one the server closed while idle does not put a batch in doubt.
func (s *sender) connect(ctx context.Context) error {
	if s.client != nil && !s.client.IsClosed() {
		if time.Since(s.used) < pingAfter {
			return nil
		}
		if s.client.Ping(ctx) == nil {
			s.used = time.Now()
			return nil
		}
	}
	s.disconnect()
	client, err := s.deps.Dial(ctx)
	if err != nil {
		return err
	}
	s.client, s.used = client, time.Now()
	return nil
}

func (s *sender) disconnect() {
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
}

// done takes a batch off the queue.
func (s *sender) done(e *entry) {
	if e.file != "" {
		if err := s.spool.remove(e.file); err != nil {
			s.deps.Log.Error("a spool file that is done cannot be removed; it will be sent again at the next start and counted once", "error", err)
		}
	}
	s.mu.Lock()
	s.queue[0] = nil
	s.queue = s.queue[1:]
	s.bytes -= e.size
	away, left := s.away, len(s.queue)
	s.away, s.cause = time.Time{}, nil
	s.mu.Unlock()
	if e.batch != nil {
		s.recycle(e.batch)
	}
	s.pause = 0
	if !away.IsZero() {
		s.deps.Log.Info("ClickHouse is back", "away", time.Since(away).Round(time.Millisecond), "batches_waiting", left)
	}
}

// failed notes that ClickHouse is away and makes what is queued durable.
func (s *sender) failed(e *entry, err error) {
	s.disconnect()
	now := time.Now()
	s.mu.Lock()
	first := s.away.IsZero()
	if first {
		s.away = now
	}
	s.cause = err
	since := s.away
	var volatile []*entry
	for _, q := range s.queue {
		if q.file != "" && !q.durable {
			volatile = append(volatile, q)
		}
	}
	s.mu.Unlock()
	for _, q := range volatile {
		if err := s.spool.keep(q.file); err != nil {
			s.deps.Log.Warn("a spool file may not survive a power cut", "error", err)
			continue
		}
		q.durable = true
	}
	if first || now.Sub(s.reminded) >= remindEvery {
		s.reminded = now
		s.deps.Log.Warn("ClickHouse does not take flows; they wait in the spool directory and are sent when it does",
			"table", e.table, "directory", s.cfg.Dir, "away", now.Sub(since).Round(time.Second), "error", err)
	}
}

// wait pauses before the next try: longer each time, never the same for two
// processes. Stopping ends it.
func (s *sender) wait(ctx context.Context, sealed <-chan struct{}) {
	s.pause = min(max(2*s.pause, firstPause), longestWait)
	sleep(ctx, s.pause/2+rand.N(s.pause), sealed) //nolint:gosec // jitter needs no secrecy
}

// sleep waits until the time is over, ctx is done or the channel is closed.
func sleep(ctx context.Context, d time.Duration, end <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-end:
	case <-ctx.Done():
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
