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
	classifier := flow.NewClassifier(flow.DefaultLocal(), services)
	f.Fuzz(func(t *testing.T, stream []byte) {
		if len(stream) > 1<<17 {
			return
		}
		decoder := decoding.New(decoding.Config{Limits: decoding.Limits{WaitingBytes: 4096}})
		var records []flow.Record
		for len(stream) > 2 {
			size := min(int(binary.BigEndian.Uint16(stream)), len(stream)-2)
			records = decoder.Decode(records, decodetest.Gateway, received, stream[2:2+size])
			stream = stream[2+size:]
		}
		checkBatches(t, classifier, records)
	})
}

// checkBatches batches records and reads the batches back from their files.
func checkBatches(t *testing.T, classifier *flow.Classifier, records []flow.Record) {
	t.Helper()
	batches := map[month]*batch{}
	var want, got struct{ rows, octets, packets uint64 }
	for i := range records {
		r := &records[i]
		m := monthOf(r.EndMs)
		if batches[m] == nil {
			batches[m] = newFlowBatch(new(flowColumns))
		}
		batches[m].add([]Row{{Record: r, Ends: classifier.Classify(r), Counted: true}}, piecesOf(r))
		want.rows++
		want.octets += r.Bytes
		want.packets += r.Packets
	}
	files := newEncoder()
	for m, b := range batches {
		line, body, err := files.encode(b)
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
		got.rows += uint64(back.rows)
		for _, c := range back.input {
			switch numbers, _ := c.Data.(*proto.ColUInt64); c.Name {
			case "bytes":
				for _, n := range *numbers {
					got.octets += n
				}
			case "packets":
				for _, n := range *numbers {
					got.packets += n
				}
			}
		}
	}
	if got != want {
		t.Fatalf("the batches hold %+v, the datagrams %+v", got, want)
	}
}
