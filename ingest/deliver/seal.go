package deliver

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// sealUntil seals open batches within every flush interval and when they are
// large, until ctx is done, and then a last time. A tenth of the interval is
// left for writing the batch: what is killed then has lost no more than one.
func (d *Deliverer) sealUntil(ctx context.Context) {
	ticker := time.NewTicker(d.cfg.FlushInterval - d.cfg.FlushInterval/10)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			d.mu.Lock()
			d.stopped = true
			d.mu.Unlock()
			d.seal()
			return
		case <-ticker.C:
		case <-d.full:
		}
		d.seal()
	}
}

// seal closes the open batches and queues them.
func (d *Deliverer) seal() {
	d.mu.Lock()
	batches := make([]*batch, 0, len(d.open))
	for m, b := range d.open {
		batches = append(batches, b)
		delete(d.open, m)
	}
	d.openRows = 0
	d.room.Broadcast()
	d.mu.Unlock()
	for _, b := range batches {
		d.enqueue(b)
	}
}

// enqueue writes a batch to the spool and puts it at the end of the queue. It
// reports false when the batch had to be dropped.
func (d *Deliverer) enqueue(b *batch) bool {
	d.sealing.Lock()
	defer d.sealing.Unlock()
	line, body, err := d.encoder.encode(b)
	if err != nil {
		// The columns are the program's own: this cannot be the data's fault.
		d.deps.Log.Error("a batch cannot be encoded; its rows are lost", "table", b.table, "rows", b.rows, "error", err)
		d.drop(b.table, b.rows, b.sources)
		return false
	}
	size := int64(len(line) + len(body))
	e := &entry{id: b.id, table: b.table, rows: b.rows, pieces: b.pieces, sources: b.sources, month: b.month()}
	d.mu.Lock()
	away := !d.away.IsZero()
	fits := d.bytes+size <= d.cfg.SpoolLimit
	keep := d.inMemory() < maxInMemory
	d.mu.Unlock()
	if fits {
		if e.file, err = d.spool.write(d.order(b), line, body, away); err != nil {
			d.deps.Log.Error("the spool cannot be written; free space or check the rights of the directory", "directory", d.cfg.Dir, "error", err)
		} else {
			e.size, e.durable = size, away
		}
	}
	if e.file == "" && (away || !keep) {
		d.drop(b.table, b.rows, b.sources)
		d.recycle(b)
		return false
	}
	if keep {
		e.batch = b
	} else {
		d.recycle(b)
	}
	d.mu.Lock()
	d.queue = append(d.queue, e)
	d.bytes += e.size
	d.mu.Unlock()
	wake(d.work)
	return true
}

// order is the name of a batch's file: names sort in the order of sealing.
func (d *Deliverer) order(b *batch) string {
	d.lastSeq = max(d.lastSeq+1, time.Now().UnixNano())
	return fmt.Sprintf("%019d-%s", d.lastSeq, b.id)
}

// orderOf is the part of a file's name that it sorts by.
func orderOf(name string) string { return name[:min(len(name), 19)] }

// inMemory counts the queued batches that hold their columns. The caller holds
// mu.
func (d *Deliverer) inMemory() int {
	n := 0
	for _, e := range d.queue {
		if e.batch != nil {
			n++
		}
	}
	return n
}

// recycle keeps the columns of one batch for the next.
func (d *Deliverer) recycle(b *batch) {
	if b.flows == nil {
		return
	}
	b.input.Reset()
	d.mu.Lock()
	if len(d.free) == 0 {
		d.free = append(d.free, b.flows)
	}
	d.mu.Unlock()
}

// drop counts rows that are given up.
func (d *Deliverer) drop(table string, rows int, sources map[netip.Addr]int) {
	if table != flowsTable {
		return
	}
	for exporter, n := range sources {
		d.deps.Dropped(exporter, n)
		rows -= n
	}
	if rows > 0 {
		d.deps.Dropped(netip.IPv6Unspecified(), rows)
	}
}
