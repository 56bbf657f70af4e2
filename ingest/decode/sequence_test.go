package decode

import (
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
	"github.com/flattraffic/flattraffic/ingest/ledger"
)

func TestSequence(t *testing.T) {
	type datagram struct{ number, n uint32 }
	run := func(first, count, n uint32) (list []datagram) {
		for range count {
			list = append(list, datagram{first, n})
			first += n
		}
		return list
	}
	join := func(lists ...[]datagram) (all []datagram) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	interleave := func(a, b []datagram) (all []datagram) {
		for i := range a {
			all = append(all, a[i], b[i])
		}
		return all
	}
	for name, tc := range map[string]struct {
		datagrams []datagram
		want      uint32
	}{
		"in order":               {run(100, 20, 1), 0},
		"in order, thirties":     {run(100, 20, 30), 0},
		"one missing":            {join(run(0, 5, 1), run(6, 5, 1)), 1},
		"some missing":           {join(run(0, 5, 30), run(210, 5, 30), run(420, 5, 30)), 120},
		"across the wrap":        {join(run(0xfffffff0, 10, 1), run(0xfffffffc, 10, 1)), 2},
		"swapped":                {join(run(0, 5, 30), []datagram{{180, 30}, {150, 30}}, run(210, 3, 30)), 0},
		"swapped and one lost":   {join(run(0, 5, 1), []datagram{{7, 1}, {5, 1}}, run(8, 3, 1)), 1},
		"repeated":               {join(run(0, 5, 1), run(3, 2, 1), run(5, 3, 1)), 0},
		"new start":              {join(run(1000000, 5, 30), run(0, 5, 30)), 0},
		"new start soon":         {join(run(0, 50, 1), run(0, 60, 1)), 0},
		"two processes":          {interleave(run(1000, 30, 1), run(900000, 30, 1)), 0},
		"two young processes":    {interleave(run(1, 30, 1), run(200, 30, 1)), 0},
		"two processes, a loss":  {join(interleave(run(1000, 9, 1), run(90000, 9, 1)), run(1012, 9, 1), run(90009, 9, 1)), 3},
		"count not known":        {join(run(0, 3, 30), []datagram{{90, unknownCount}}, run(150, 3, 30)), 0},
		"known again":            {join(run(0, 3, 30), []datagram{{90, unknownCount}}, run(150, 3, 30), run(270, 3, 30)), 30},
		"jump too far for a gap": {join(run(0, 5, 1), run(1<<30, 5, 1)), 0},
		"late over a gap's end":  {join(run(0, 2, 10), []datagram{{40, 10}, {35, 10}}, run(50, 2, 10)), 15},
	} {
		var s sequence
		var lost uint32
		now := noon.UnixMilli()
		for i, d := range tc.datagrams {
			for _, g := range s.observe(d.number, d.n, now+int64(i)*100) {
				lost += g.missing()
			}
		}
		for _, g := range s.settle(now, true) {
			lost += g.missing()
		}
		if lost != tc.want {
			t.Errorf("%s: %d lost, want %d", name, lost, tc.want)
		}
	}
}

// TestLoss: what each protocol's sequence numbers count, per source, and when a
// loss is booked.
func TestLoss(t *testing.T) {
	v5 := func(sequence uint32, engine uint16) []byte {
		r := decodetest.V5Record{Src: decodetest.Host, Dst: decodetest.Server}
		return decodetest.V5{Time: noon, Sequence: sequence, Engine: engine, Records: []decodetest.V5Record{r, r}}.Bytes()
	}
	v9 := func(sequence, domain uint32) []byte {
		m := message9()
		m.Sequence, m.Domain = sequence, domain
		return m.Templates(simple).Data(simple, simpleRecord(1), simpleRecord(2)).Bytes()
	}
	ipfix := func(sequence uint32) []byte {
		m := message10()
		m.Sequence = sequence
		return m.Templates(simple).Data(simple, simpleRecord(1), simpleRecord(2)).Bytes()
	}
	sflow := func(sequence, sub uint32) []byte {
		return (&decodetest.SFlow{Agent: exporter1, SubAgent: sub, Sequence: sequence}).Bytes()
	}
	for name, tc := range map[string]struct {
		datagrams [][]byte
		event     ledger.Event
		want      uint64
	}{
		"v5 records":       {[][]byte{v5(10, 0), v5(12, 0), v5(18, 0), v5(500, 1), v5(502, 1)}, ledger.LostRecords, 4},
		"v9 datagrams":     {[][]byte{v9(10, 0), v9(11, 0), v9(13, 0), v9(70, 1), v9(71, 1)}, ledger.LostDatagrams, 1},
		"IPFIX records":    {[][]byte{ipfix(10), ipfix(12), ipfix(18)}, ledger.LostRecords, 4},
		"sFlow datagrams":  {[][]byte{sflow(1, 0), sflow(2, 0), sflow(5, 0), sflow(90, 1), sflow(91, 1)}, ledger.LostDatagrams, 2},
		"one that is late": {[][]byte{v9(10, 0), v9(12, 0), v9(11, 0)}, ledger.LostDatagrams, 0},
	} {
		_, c, d := decodeAll(Config{}, tc.datagrams...)
		if c[tc.event] != 0 {
			t.Errorf("%s: booked before the reorder time", name)
		}
		d.Tick(noon.Add(reorderTime - time.Millisecond))
		if c[tc.event] != 0 {
			t.Errorf("%s: booked before the reorder time", name)
		}
		d.Tick(noon.Add(reorderTime))
		if c[tc.event] != tc.want || c[ledger.LostRecords]+c[ledger.LostDatagrams] != tc.want {
			t.Errorf("%s: ledger %v, want %d %s", name, c, tc.want, tc.event)
		}
	}
}
