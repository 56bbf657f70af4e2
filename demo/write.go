package demo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/schema"
)

// Write makes the history out of sight and shows it at once: when it is
// interrupted nothing is there, or, in the last seconds, a part that Present
// tells and Remove takes away. The database needs its schema. progress, which
// may be nil, gets the part done, 0 to 1.
func Write(ctx context.Context, conn driver.Conn, o Options, progress func(float64)) (Summary, error) {
	o, err := o.complete()
	if err != nil {
		return Summary{}, err
	}
	if progress == nil {
		progress = func(float64) {}
	}
	if err := schema.Check(ctx, conn); err != nil {
		return Summary{}, err
	}
	if err := clearInterrupted(ctx, conn); err != nil {
		return Summary{}, err
	}
	zone, err := dayZone(ctx, conn)
	if err != nil {
		return Summary{}, err
	}
	a, err := newAuthor(o, zone)
	if err != nil {
		return Summary{}, err
	}
	s, err := newStage(ctx, conn)
	defer func() { _ = dropStage(context.WithoutCancel(ctx), conn) }() // the next demo drops what stays
	if err != nil {
		return Summary{}, err
	}
	b := newBuilder(a, s, o, progress)
	if err := b.build(ctx); err != nil {
		return Summary{}, err
	}
	summary, err := b.summary(ctx)
	if err != nil {
		return Summary{}, err
	}
	if err := b.show(ctx); err != nil {
		return Summary{}, errors.Join(err, Remove(context.WithoutCancel(ctx), conn, nil))
	}
	progress(1)
	return summary, nil
}

// clearInterrupted refuses a second demo and removes half of one.
func clearInterrupted(ctx context.Context, conn driver.Conn) error {
	m, err := loadMarker(ctx, conn)
	if err != nil || m == nil {
		return err
	}
	if m.Complete {
		return fmt.Errorf("the database holds a demo already (%s, %g years until %s, seed %d); remove it first: flattraffic demo --remove",
			m.Profile, m.Years, m.Until.Format(time.DateOnly), m.Seed)
	}
	return Remove(ctx, conn, nil)
}

// dayZone is the zone of the daily tables, in which the household lives.
func dayZone(ctx context.Context, conn driver.Conn) (*time.Location, error) {
	name, err := schema.Zone(ctx, conn)
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("load the daily tables' zone: %w", err)
	}
	return zone, nil
}

// workers is how many chunks are worked on at a time.
const workers = 2

// chunkFlows is about how many flows are made or summed up at a time: enough
// to be quick, few enough for an engine with little memory.
const chunkFlows = 1_500_000

// blockBytes is how much of them is sorted and written at once. The engine holds
// several such blocks when its disk is slow, and may use some hundred megabytes.
const blockBytes = 64 << 20

// chunk is some days.
type chunk struct {
	number   int
	days     []billing.Date
	from, to time.Time
}

// builder fills a stage.
type builder struct {
	*author
	*stage
	options  Options
	since    time.Time // begin of the history
	chunks   []chunk
	gaps     []gap
	progress func(float64)
}

func newBuilder(a *author, s *stage, o Options, progress func(float64)) *builder {
	b := &builder{author: a, stage: s, options: o, progress: progress, since: a.from.Start(a.zone).UTC()}
	b.gaps = a.gaps(b.since, o.Until)
	length := max(1, min(31, chunkFlows/o.FlowsPerDay))
	for day := a.from; !a.until.Before(day); {
		c := chunk{number: len(b.chunks), from: day.Start(a.zone).UTC()}
		for range length {
			if a.until.Before(day) {
				break
			}
			c.days = append(c.days, day)
			day = day.AddDays(1)
		}
		c.to = day.Start(a.zone).UTC()
		b.chunks = append(b.chunks, c)
	}
	return b
}

// build fills all staging tables.
func (b *builder) build(ctx context.Context) error {
	err := b.each(ctx, 0, .5, b.chunks, b.expand)
	if err != nil {
		return err
	}
	if err := b.each(ctx, .5, .9, b.chunks, b.sumRaw); err != nil {
		return err
	}
	if err := b.chain(ctx); err != nil {
		return err
	}
	b.progress(.98)
	return b.running(ctx)
}

// each works on chunks and reports progress between two marks.
func (b *builder) each(ctx context.Context, from, to float64, chunks []chunk, fn func(context.Context, chunk) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	var mu sync.Mutex
	var done int
	for _, c := range chunks {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := fn(ctx, c); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			b.progress(from + (to-from)*float64(done)/float64(len(chunks)))
			return nil
		})
	}
	return group.Wait()
}

// expand makes the flows of a chunk.
func (b *builder) expand(ctx context.Context, c chunk) error {
	if err := b.sessions(ctx, c); err != nil {
		return fmt.Errorf("write the demo's sessions: %w", err)
	}
	base, count := b.freePorts()
	starts, ends := times(b.gapsWithin(c.from, c.to), false)
	parameters := ch.Parameters{
		"exporter": Exporter().String(), "chunk": strconv.Itoa(c.number), "until": instant(b.options.Until),
		"port_base": strconv.Itoa(base), "port_count": strconv.Itoa(count),
		"gap_starts": instants(starts), "gap_ends": instants(ends),
	}
	bounded := ch.Context(ctx, ch.WithParameters(parameters), ch.WithSettings(ch.Settings{"min_insert_block_size_bytes": blockBytes}))
	if err := b.conn.Exec(bounded, query("insert_flows")); err != nil {
		return fmt.Errorf("make the demo's flows: %w", err)
	}
	return nil
}

// sessions sends the sessions of a chunk.
func (b *builder) sessions(ctx context.Context, c chunk) error {
	batch, err := b.conn.PrepareBatch(ctx, query("insert_sessions"))
	if err != nil {
		return err
	}
	defer batch.Close()
	for _, day := range c.days {
		err := b.day(day, func(s *session) error {
			return batch.Append(uint32(c.number), s.key, s.start, s.seconds, int8(s.kind), s.host, s.host6, s.share6, s.mac,
				s.peer, s.peerMAC, s.peers, s.pool, s.lan, s.vlan, s.protocol, s.port, s.service, s.conversations,
				s.down, s.up, s.tail, s.downSize, s.upSize, s.duration)
		})
		if err != nil {
			return err
		}
	}
	return batch.Send()
}

// sumRaw makes the rollups that read flows, and the ledger, of a chunk.
func (b *builder) sumRaw(ctx context.Context, c chunk) error {
	where := fmt.Sprintf("`end` >= toDateTime(%d, 'UTC') AND `end` < toDateTime(%d, 'UTC')", c.from.Unix(), c.to.Unix())
	for _, v := range b.views {
		if v.source != rawTable {
			continue
		}
		if err := b.conn.Exec(ctx, fmt.Sprintf("INSERT INTO %s %s", identifier(stagePrefix+v.target), v.over(where))); err != nil {
			return fmt.Errorf("fill %s: %w", v.target, err)
		}
	}
	parameters := ch.Parameters{"exporter": Exporter().String(), "seed": strconv.FormatUint(b.seed, 10), "from": instant(c.from), "to": instant(c.to)}
	if err := b.conn.Exec(with(ctx, parameters), query("ledger")); err != nil {
		return fmt.Errorf("fill ledger: %w", err)
	}
	return nil
}

// chain makes the rollups that read other rollups, partition by partition.
func (b *builder) chain(ctx context.Context) error {
	for _, v := range b.views {
		if v.source == rawTable {
			continue
		}
		partitions, err := column[string](ctx, b.conn, query("partitions"), stagePrefix+v.source)
		if err != nil {
			return fmt.Errorf("list partitions of %s: %w", v.source, err)
		}
		for _, id := range partitions {
			if err := b.conn.Exec(ctx, fmt.Sprintf("INSERT INTO %s %s", identifier(stagePrefix+v.target), v.over("_partition_id = '"+id+"'"))); err != nil {
				return fmt.Errorf("fill %s: %w", v.target, err)
			}
		}
	}
	return nil
}

// running writes when the ingest ran.
func (b *builder) running(ctx context.Context) error {
	starts, ends := times(b.gaps, true)
	parameters := ch.Parameters{
		"exporter": Exporter().String(), "from": instant(b.since), "until": instant(b.options.Until),
		"gap_starts": instants(starts), "gap_ends": instants(ends),
	}
	if err := b.conn.Exec(with(ctx, parameters), query("running")); err != nil {
		return fmt.Errorf("fill ledger: %w", err)
	}
	return nil
}

// gapsWithin returns the gaps that flows ending in a span may touch.
func (b *builder) gapsWithin(from, to time.Time) []gap {
	var list []gap
	for _, g := range b.gaps {
		if g.start.Before(to) && g.end.Add(time.Hour).After(from) {
			list = append(list, g)
		}
	}
	return list
}

// times splits gaps into their starts and ends; with down only those in which
// the ingest did not run.
func times(gaps []gap, down bool) (starts, ends []time.Time) {
	for _, g := range gaps {
		if down && g.listening {
			continue
		}
		starts, ends = append(starts, g.start), append(ends, g.end)
	}
	return starts, ends
}

// freePorts returns the first and the number of the highest ports that name no
// service.
func (a *author) freePorts() (base, count int) {
	for _, s := range a.services.All() {
		base = max(base, int(s.Port)+1)
	}
	return base, 1<<16 - base
}

// summary counts what is staged.
func (b *builder) summary(ctx context.Context) (Summary, error) {
	s := Summary{From: b.since, Until: b.options.Until}
	if err := b.conn.QueryRow(ctx, query("summary")).Scan(&s.Flows, &s.Bytes, &s.Hosts); err != nil {
		return s, fmt.Errorf("sum up the demo: %w", err)
	}
	return s, nil
}

// show makes the staged history visible, marked before and complete after.
func (b *builder) show(ctx context.Context) error {
	m := &marker{
		Profile: b.options.Profile, Years: b.options.Years, Seed: b.options.Seed, From: b.since, Until: b.options.Until,
		FlowsPerDay: b.options.FlowsPerDay, SettingsAt: time.Now().UTC().Truncate(time.Millisecond),
	}
	if err := m.save(ctx, b.conn); err != nil {
		return err
	}
	if err := b.attach(ctx); err != nil {
		return err
	}
	if err := b.furnish(ctx, m); err != nil {
		return err
	}
	m.Complete = true
	return m.save(ctx, b.conn)
}
