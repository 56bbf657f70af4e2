package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/flattraffic/flattraffic/flow"
)

const (
	chunkBytes    = 1 << 19                // messages sent at once, less than what brokers take by default
	chunkInterval = 500 * time.Millisecond // longest time a flow waits to be sent
	retryLeast    = 250 * time.Millisecond // first pause between tries
	retryMost     = 10 * time.Second       // longest pause between tries
	quietFor      = time.Minute            // between two log lines of the same
	stopTimeout   = 5 * time.Second        // how long stopping may take to send what is left
)

// Stats are counts since the start.
type Stats struct {
	HandedOver uint64 // flows that the brokers acknowledged
	Dropped    uint64 // flows given up because the buffer was full or the ingest stopped
	Waiting    uint64 // flows in memory
	Bytes      int64  // of these
}

// writer is a Kafka client.
type writer interface {
	// write sends messages and returns those that the brokers have not
	// acknowledged, with the reason.
	write(ctx context.Context, messages [][]byte) (left [][]byte, err error)
	close() error
}

// chunk is messages that are sent together.
type chunk struct {
	messages [][]byte
	size     int64 // bytes of memory
}

// messageBytes is what a message needs in memory beside its text.
const messageBytes = 256

// Producer takes flows and sends them. Offer is safe for concurrent use.
type Producer struct {
	cfg     Config
	log     *slog.Logger
	encoder *encoder
	writer  writer
	work    chan struct{}

	mu      sync.Mutex
	text    []byte  // messages that are not queued yet
	ends    []int   // where each of them ends in text
	queue   []chunk // oldest first; the first may be on its way
	queued  int64   // bytes of the queue
	stats   Stats
	stopped bool
	told    time.Time // when drops were last logged
}

// New returns a Producer. It does no I/O but reading the files of keys and
// certificates that the configuration names.
func New(cfg Config, log *slog.Logger) (*Producer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	w, err := newWriter(cfg)
	if err != nil {
		return nil, err
	}
	return newProducer(cfg, w, log), nil
}

func newProducer(cfg Config, w writer, log *slog.Logger) *Producer {
	if cfg.Buffer == 0 {
		cfg.Buffer = 64 << 20
	}
	return &Producer{cfg: cfg, log: log, encoder: newEncoder(cfg.Format), writer: w, work: make(chan struct{}, 1)}
}

// Offer takes flows, which it copies. It never waits: what there is no room for
// is dropped and counted.
func (p *Producer) Offer(records []flow.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range records {
		if p.stopped || p.bytes() >= p.cfg.Buffer {
			p.drop(uint64(len(records) - i))
			return
		}
		p.text = p.encoder.append(p.text, &records[i])
		p.ends = append(p.ends, len(p.text))
		p.stats.Waiting++
		if len(p.text) >= chunkBytes {
			p.close()
		}
	}
}

// drop counts flows that are given up, and says so now and then. The caller
// holds mu.
func (p *Producer) drop(flows uint64) {
	p.stats.Dropped += flows
	if now := time.Now(); now.Sub(p.told) >= quietFor {
		p.told = now
		p.log.Warn("flows are not handed to Kafka: the buffer is full; ClickHouse gets them all", "dropped_so_far", p.stats.Dropped)
	}
}

// bytes is the memory in use. The caller holds mu.
func (p *Producer) bytes() int64 {
	return p.queued + int64(len(p.text)+len(p.ends)*messageBytes)
}

// close queues what has come in since the last time. The caller holds mu.
func (p *Producer) close() {
	if len(p.ends) == 0 {
		return
	}
	c := chunk{messages: make([][]byte, len(p.ends)), size: int64(len(p.text) + len(p.ends)*messageBytes)}
	from := 0
	for i, end := range p.ends {
		c.messages[i] = p.text[from:end:end]
		from = end
	}
	p.queue = append(p.queue, c)
	p.queued += c.size
	p.text, p.ends = nil, p.ends[:0]
	select {
	case p.work <- struct{}{}:
	default:
	}
}

// Stats returns the counts so far.
func (p *Producer) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Bytes = p.bytes()
	return s
}

// Run sends until ctx is done, and then for a moment what is left. Brokers that
// do not answer are no error: ClickHouse is what counts.
func (p *Producer) Run(ctx context.Context) error {
	p.log.Info("flows are handed to Kafka too", "brokers", p.cfg.Brokers, "topic", p.cfg.Topic, "format", p.cfg.Format)
	tick := time.NewTicker(chunkInterval)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-p.work:
		case <-tick.C:
			p.mu.Lock()
			p.close()
			p.mu.Unlock()
		}
		p.sendAll(ctx)
	}
	p.mu.Lock()
	p.close()
	p.stopped = true
	p.mu.Unlock()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	p.sendAll(last)
	p.leave()
	if err := p.writer.close(); err != nil {
		return fmt.Errorf("close the connection to Kafka: %w", err)
	}
	return nil
}

// leave counts what could not be sent before the end.
func (p *Producer) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stats.Waiting == 0 {
		return
	}
	p.log.Warn("flows are not handed to Kafka: it did not answer before the stop; ClickHouse gets them all", "flows", p.stats.Waiting)
	p.stats.Dropped += p.stats.Waiting
	p.stats.Waiting, p.queue, p.queued = 0, nil, 0
}

// sendAll sends the queue, oldest first, until it is empty or ctx is done.
func (p *Producer) sendAll(ctx context.Context) {
	for ctx.Err() == nil {
		p.mu.Lock()
		if len(p.queue) == 0 {
			p.mu.Unlock()
			return
		}
		next := p.queue[0].messages
		p.mu.Unlock()
		left := p.send(ctx, next)
		p.mu.Lock()
		if p.queue[0].messages = left; len(left) == 0 {
			p.queued -= p.queue[0].size
			p.queue = p.queue[1:]
		}
		p.mu.Unlock()
	}
}

// send sends messages until all are acknowledged or ctx is done, and returns
// those that are left.
func (p *Producer) send(ctx context.Context, messages [][]byte) [][]byte {
	var told time.Time
	for pause := retryLeast; ; pause = min(2*pause, retryMost) {
		left, err := p.writer.write(ctx, messages)
		p.mu.Lock()
		done := uint64(len(messages) - len(left))
		p.stats.HandedOver += done
		p.stats.Waiting -= done
		p.mu.Unlock()
		if messages = left; len(messages) == 0 || ctx.Err() != nil {
			return messages
		}
		if now := time.Now(); now.Sub(told) >= quietFor {
			told = now
			p.log.Warn("Kafka does not take flows; they wait in memory", "error", err, "topic", p.cfg.Topic)
		}
		select {
		case <-ctx.Done():
			return messages
		case <-time.After(pause):
		}
	}
}
