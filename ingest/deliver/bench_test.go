package deliver

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go"

	"github.com/flattraffic/flattraffic/flow"
	decoding "github.com/flattraffic/flattraffic/ingest/decode"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// BenchmarkColumns takes datagrams all the way to the columns of a batch:
// decoded, told from the host's side, and appended.
func BenchmarkColumns(b *testing.B) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	services, err := flow.NewServices()
	if err != nil {
		b.Fatal(err)
	}
	classifier := flow.NewClassifier(flow.DefaultLocal(), services)
	for _, traffic := range decodetest.AllTraffic(at) {
		b.Run(traffic.Name, func(b *testing.B) { benchmarkColumns(b, traffic, classifier, at) })
	}
}

func benchmarkColumns(b *testing.B, traffic decodetest.Traffic, classifier *flow.Classifier, at time.Time) {
	b.Helper()
	deliverer, err := New(Config{Dir: b.TempDir(), FlushInterval: time.Second}, Deps{
		Dial: func(context.Context) (*ch.Client, error) { return nil, context.Canceled },
		Log:  slog.New(slog.DiscardHandler), Dropped: func(netip.Addr, int) {},
	})
	if err != nil {
		b.Fatal(err)
	}
	decoder := decoding.New(decoding.Config{})
	if traffic.Templates != nil {
		decoder.Decode(nil, decodetest.Gateway, at, traffic.Templates)
	}
	var records []flow.Record
	var rows []Row
	flows := 0
	b.ReportAllocs()
	report := decodetest.PerCore(b)
	for n := 0; b.Loop(); n++ {
		records = decoder.Decode(records[:0], decodetest.Gateway, at, traffic.Datagrams[n%len(traffic.Datagrams)])
		rows = rows[:0]
		for i := range records {
			rows = append(rows, Row{Record: &records[i], Ends: classifier.Classify(&records[i]), Counted: true})
		}
		deliverer.Append(rows)
		flows += len(records)
		if deliverer.openRows > deliverer.cfg.BatchRows-1000 { // as if sealed and sent
			for m, batch := range deliverer.open {
				batch.input.Reset()
				deliverer.free = append(deliverer.free, batch.flows)
				delete(deliverer.open, m)
			}
			deliverer.openRows = 0
		}
	}
	report(flows)
}
