package decode

import (
	"bytes"
	"testing"

	"github.com/netsampler/goflow2/v2/decoders/netflow"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// benchDatagram is a datagram of 22 records of 22 fields, the size the design's
// figures are given for.
func benchDatagram() (decodetest.Template, []byte) {
	t := decodetest.NewTemplate(256, 8, 12, 15, 10, 14, 2, 1, 24, 23, 22, 21, 7, 11, 6, 4, 5, 16, 17, 9, 13, 61, 58)
	record := t.Record(decodetest.Host, decodetest.Server, decodetest.Gateway, 1, 2, 9, 9000, 0, 0, 3590000, 3599000,
		50000, 443, 0x1b, 6, 0, 64500, 64501, 24, 0, 1, 7)
	records := make([][]byte, 22)
	for i := range records {
		records[i] = record
	}
	return t, message9().Data(t, records...).Bytes()
}

// BenchmarkNetFlow9 decodes datagrams into records.
func BenchmarkNetFlow9(b *testing.B) {
	t, datagram := benchDatagram()
	d := New(Config{})
	d.Decode(nil, exporter1, noon, message9().Templates(t).Bytes())
	dst := make([]flow.Record, 0, 64)
	b.ReportAllocs()
	flows := 0
	for b.Loop() {
		flows += len(d.Decode(dst, exporter1, noon, datagram))
	}
	b.ReportMetric(float64(flows)/b.Elapsed().Seconds(), "flows/s")
}

// BenchmarkGoflow2 has goflow2's decoder take the same datagrams apart, into
// fields that nobody has looked at yet.
func BenchmarkGoflow2(b *testing.B) {
	t, datagram := benchDatagram()
	templates := netflow.CreateTemplateSystem()
	var v9 netflow.NFv9Packet
	var ipfix netflow.IPFIXPacket
	if err := netflow.DecodeMessageVersion(bytes.NewBuffer(message9().Templates(t).Bytes()), templates, &v9, &ipfix); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	flows := 0
	for b.Loop() {
		v9 = netflow.NFv9Packet{}
		if err := netflow.DecodeMessageVersion(bytes.NewBuffer(datagram), templates, &v9, &ipfix); err != nil {
			b.Fatal(err)
		}
		flows += 22
	}
	b.ReportMetric(float64(flows)/b.Elapsed().Seconds(), "flows/s")
}
