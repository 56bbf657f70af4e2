package ingest_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/ingest"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
	"github.com/flattraffic/flattraffic/site"
)

// BenchmarkRows takes datagrams to the rows of a batch, under settings that
// name the exporter: decoded, told from the host's side, counted in the ledger.
func BenchmarkRows(b *testing.B) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, traffic := range decodetest.AllTraffic(at) {
		b.Run(traffic.Name, func(b *testing.B) {
			settings := &site.Settings{Exporters: []site.Exporter{{Address: decodetest.Gateway}}}
			replay, err := ingest.NewReplay(settings, slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			if traffic.Templates != nil {
				replay.Datagram(decodetest.Gateway, at, traffic.Templates)
			}
			flows := 0
			b.ReportAllocs()
			report := decodetest.PerCore(b)
			for n := 0; b.Loop(); n++ {
				flows += len(replay.Datagram(decodetest.Gateway, at, traffic.Datagrams[n%len(traffic.Datagrams)]))
			}
			report(flows)
		})
	}
}
