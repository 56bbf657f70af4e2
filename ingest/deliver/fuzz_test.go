package deliver

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flattraffic/flattraffic/flow"
	decoding "github.com/flattraffic/flattraffic/ingest/decode"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// maxStream bounds the bytes of a sequence of datagrams: some more than all
// the routers' together.
const maxStream = 1 << 14

// FuzzRows takes datagrams, each behind its length, the whole way to a spool
// file and back: decoded, told from the local host's side, batched by month,
// encoded. Every record is in one batch with its bytes and packets.
func FuzzRows(f *testing.F) {
	received := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var all []byte
	for _, r := range decodetest.Routers(received) {
		for _, b := range r.Datagrams {
			one := append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
			f.Add(one)
			all = append(all, one...)
		}
	}
	f.Add(all)
	services, err := flow.NewServices()
	if err != nil {
		f.Fatal(err)
	}
	way := rowsWay{classifier: flow.NewClassifier(flow.DefaultLocal(), services), files: newEncoder(), batches: map[month]*batch{}}
	var records []flow.Record
	f.Fuzz(func(t *testing.T, stream []byte) {
		if len(stream) > maxStream {
			return
		}
		decoder := decoding.New(decoding.Config{Limits: decoding.Limits{WaitingBytes: 4096}})
		records = records[:0]
		for len(stream) > 2 {
			size := min(int(binary.BigEndian.Uint16(stream)), len(stream)-2)
			records = decoder.Decode(records, decodetest.Gateway, received, stream[2:2+size])
			stream = stream[2+size:]
		}
		way.check(t, records)
	})
}

// rowsWay is what records go by to a file. Like a Deliverer it is used again
// and again: its encoder, and the columns of batches that were written.
type rowsWay struct {
	classifier *flow.Classifier
	files      *encoder
	batches    map[month]*batch
	free       []*flowColumns
}

// check batches records and reads the batches back from their files.
func (w *rowsWay) check(t *testing.T, records []flow.Record) {
	t.Helper()
	var want, got carried
	for i := range records {
		r := &records[i]
		b := w.batch(monthOf(r.EndMs))
		b.add([]Row{{Record: r, Ends: w.classifier.Classify(r), Counted: true}}, piecesOf(r))
		want.rows++
		want.octets += r.Bytes
		want.packets += r.Packets
	}
	for m, b := range w.batches {
		line, body, err := w.files.encode(b)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decode(append(line, body...))
		if err != nil {
			t.Fatal(err)
		}
		if back.month() != m || back.fromMs > back.toMs {
			t.Fatalf("a batch of the month %v came back as one of %v, from %d to %d", m, back.month(), back.fromMs, back.toMs)
		}
		got.add(back)
		b.input.Reset()
		w.free = append(w.free, b.flows)
		delete(w.batches, m)
	}
	if got != want {
		t.Fatalf("the batches hold %+v, the datagrams %+v", got, want)
	}
}

// batch returns the open batch of a month.
func (w *rowsWay) batch(m month) *batch {
	b := w.batches[m]
	if b == nil {
		cols := new(flowColumns)
		if n := len(w.free); n > 0 {
			cols, w.free = w.free[n-1], w.free[:n-1]
		}
		b = newFlowBatch(cols)
		w.batches[m] = b
	}
	return b
}

// carried is what rows add up to.
type carried struct{ rows, octets, packets uint64 }

func (s *carried) add(b *batch) {
	s.rows += uint64(b.rows)
	for _, c := range b.input {
		switch numbers, _ := c.Data.(*proto.ColUInt64); c.Name {
		case "bytes":
			for _, n := range *numbers {
				s.octets += n
			}
		case "packets":
			for _, n := range *numbers {
				s.packets += n
			}
		}
	}
}
