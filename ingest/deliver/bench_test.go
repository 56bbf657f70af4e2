package deliver

import (
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/flow"
	decoding "github.com/flattraffic/flattraffic/ingest/decode"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// BenchmarkColumns takes datagrams of NetFlow v9, 22 records of 22 fields, all
// the way to the columns of a batch: decoded, told from the host's side, and
// appended.
func BenchmarkColumns(b *testing.B) {
	t := decodetest.NewTemplate(256, 8, 12, 15, 10, 14, 2, 1, 24, 23, 22, 21, 7, 11, 6, 4, 5, 16, 17, 9, 13, 61, 58)
	record := t.Record(decodetest.Host, decodetest.Server, decodetest.Gateway, 1, 2, 9, 9000, 0, 0, 3590000, 3599000,
		50000, 443, 0x1b, 6, 0, 64500, 64501, 24, 0, 1, 7)
	records := make([][]byte, 22)
	for i := range records {
		records[i] = record
	}
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	message := func() *decodetest.Message {
		return &decodetest.Message{Version: 9, Uptime: time.Hour, Time: at, Domain: 1}
	}
	services, err := flow.NewServices()
	if err != nil {
		b.Fatal(err)
	}
	classifier := flow.NewClassifier(flow.DefaultLocal(), services)
	d := decoding.New(decoding.Config{})
	d.Decode(nil, decodetest.Gateway, at, message().Templates(t).Bytes())
	datagram := message().Data(t, records...).Bytes()
	batch := newFlowBatch(new(flowColumns))
	var decoded []flow.Record
	flows := 0
	b.ReportAllocs()
	for b.Loop() {
		decoded = d.Decode(decoded[:0], decodetest.Gateway, at, datagram)
		for i := range decoded {
			batch.add(&Row{Record: &decoded[i], Ends: classifier.Classify(&decoded[i]), Counted: true})
		}
		flows += len(decoded)
		if batch.rows >= 1<<17 {
			batch.input.Reset()
			batch.rows = 0
		}
	}
	b.ReportMetric(float64(flows)/b.Elapsed().Seconds(), "flows/s")
}
