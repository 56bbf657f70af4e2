package deliver

import (
	"errors"
	"fmt"
	"os"

	"github.com/ClickHouse/ch-go/proto"
)

// maxMerged is how many batches become one at most. Their names must fit the
// header.
const maxMerged = 400

// merge makes one batch of those at the head of the queue that were never sent,
// so that a backlog of small ones drains in few inserts. The new file names the
// files it replaces: should the process die before they are removed, the next
// one removes them.
func (s *sender) merge() {
	members := s.mergeable()
	if len(members) < 2 {
		return
	}
	e, err := s.mergedEntry(members)
	if err != nil {
		s.deps.Log.Warn("waiting batches are not joined; they are sent one by one", "error", err)
		members[0].alone = true
		return
	}
	s.mu.Lock()
	for _, m := range members {
		s.bytes -= m.size
	}
	s.bytes += e.size
	s.queue = s.queue[len(members)-1:]
	s.queue[0] = e
	s.mu.Unlock()
	for _, m := range members {
		if m.batch != nil {
			s.recycle(m.batch)
		}
	}
}

// mergedEntry writes the file of the batch that stands for others. It sorts
// where the first of them did.
func (s *sender) mergedEntry(members []*entry) (*entry, error) {
	b, durable, err := s.join(members)
	if err != nil {
		return nil, err
	}
	s.sealing.Lock()
	defer s.sealing.Unlock()
	line, body, err := s.encoder.encode(b)
	if err != nil {
		return nil, err
	}
	file, err := s.spool.write(orderOf(members[0].file)+"-"+b.id.String(), line, body, durable)
	if err != nil {
		return nil, err
	}
	return &entry{
		id: b.id, table: b.table, rows: b.rows, pieces: b.pieces, sources: b.sources, month: members[0].month,
		file: file, size: int64(len(line) + len(body)), durable: durable, batch: b, alone: true, replaced: b.replaces,
	}, nil
}

// mergeable lists the batches at the head of the queue that may become one:
// flows of one month that were never sent and lie on disk, no more than a large
// batch has.
func (s *sender) mergeable() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	pieces := 0
	for i, e := range s.queue {
		pieces += e.pieces
		if i == maxMerged || pieces > s.cfg.BatchRows || e.alone ||
			e.table != flowsTable || e.state != unsent || e.file == "" || e.month != s.queue[0].month {
			return append([]*entry(nil), s.queue[:i]...)
		}
	}
	return append([]*entry(nil), s.queue...)
}

// join reads batches from their files into one.
func (s *sender) join(members []*entry) (b *batch, durable bool, err error) {
	b = newFlowBatch(s.columns())
	for _, m := range members {
		content, err := os.ReadFile(s.spool.path(m.file))
		if err != nil {
			return nil, false, fmt.Errorf("read spool file: %w", err)
		}
		if err := b.take(content, &s.scratch); err != nil {
			return nil, false, fmt.Errorf("%s: %w", m.file, err)
		}
		b.replaces = append(b.replaces, m.file)
		durable = durable || m.durable
	}
	return b, durable, nil
}

// take adds the rows of a file of flows, read by way of scratch columns.
func (b *batch) take(content []byte, scratch *flowColumns) error {
	h, body, err := verify(content)
	if err != nil {
		return err
	}
	from := scratch.input()
	columns := make(proto.Results, len(from))
	for i, c := range from {
		column, ok := c.Data.(proto.ColResult)
		if !ok {
			return fmt.Errorf("column %s cannot be read", c.Name)
		}
		columns[i] = proto.ResultColumn{Name: c.Name, Data: column}
	}
	if err := readBlock(body, h.Rows, columns); err != nil {
		return err
	}
	b.flows.appendAll(scratch)
	b.rows += h.Rows
	b.pieces += h.Pieces
	b.fromMs, b.toMs = min(b.fromMs, h.FromMs), max(b.toMs, h.ToMs)
	for exporter, n := range h.Sources {
		b.addSource(exporter, n)
	}
	return nil
}

// removeReplaced removes the files that a merged batch stands for. The batch
// must not be sent, and its own file removed, before they are gone.
func (s *sender) removeReplaced(e *entry) error {
	for len(e.replaced) > 0 {
		if err := os.Remove(s.spool.path(e.replaced[0])); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove spool file: %w", err)
		}
		e.replaced = e.replaced[1:]
	}
	return nil
}
