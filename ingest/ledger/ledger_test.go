package ledger_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/ingest/ledger"
)

// row is a row of the table, for comparison.
type row struct {
	Bucket   string
	Exporter string
	Event    string
	Count    uint64
}

// table collects what is flushed.
type table struct {
	rows   []row
	refuse error
}

func (tb *table) insert(name string, input proto.Input) error {
	if tb.refuse != nil {
		return tb.refuse
	}
	if name != "ledger" {
		return errors.New("wrong table " + name)
	}
	buckets, exporters := input[0].Data.(*proto.ColDateTime), *input[1].Data.(*proto.ColIPv6)
	events, counts := input[2].Data.(*proto.ColStr), *input[3].Data.(*proto.ColUInt64)
	for i := range counts {
		tb.rows = append(tb.rows, row{
			buckets.Data[i].Time().UTC().Format("15:04:05"),
			netip.AddrFrom16(exporters[i]).Unmap().String(), events.Row(i), counts[i],
		})
	}
	return nil
}

var (
	at     = time.Date(2026, 11, 23, 9, 14, 59, 999e6, time.UTC)
	router = netip.MustParseAddr("192.168.1.1")
)

func TestCountsByQuarterHour(t *testing.T) {
	l := ledger.New()
	l.Count(router, at, ledger.Datagrams, 2)
	l.Count(router, at, ledger.Datagrams, 3)
	l.Count(router, at, ledger.Malformed, 0)
	l.Count(router, at.Add(time.Millisecond), ledger.Datagrams, 1)
	l.Count(netip.Addr{}, at, ledger.RunningSeconds, 1)
	var got table
	if err := l.Flush(got.insert); err != nil {
		t.Fatal(err)
	}
	want := []row{
		{"09:00:00", "192.168.1.1", "datagrams", 5},
		{"09:00:00", "::", "running_seconds", 1},
		{"09:15:00", "192.168.1.1", "datagrams", 1},
	}
	if diff := cmp.Diff(want, got.rows); diff != "" {
		t.Error(diff)
	}
	if got, want := l.Totals()[ledger.Datagrams], uint64(6); got != want {
		t.Errorf("total of datagrams: got %d, want %d", got, want)
	}
}

func TestRefusedCountsStay(t *testing.T) {
	l := ledger.New()
	l.Count(router, at, ledger.Datagrams, 2)
	got := table{refuse: errors.New("spool full")}
	if err := l.Flush(got.insert); !errors.Is(err, got.refuse) {
		t.Fatalf("got error %v, want the refusal", err)
	}
	l.Count(router, at, ledger.Datagrams, 5)
	got.refuse = nil
	for range 2 { // the second has nothing to say
		if err := l.Flush(got.insert); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]row{{"09:00:00", "192.168.1.1", "datagrams", 7}}, got.rows); diff != "" {
		t.Error(diff)
	}
}

// A flood of forged sources is counted whole, in few rows, and exporters that
// send records keep rows of their own.
func TestForgedSourcesAreBounded(t *testing.T) {
	l := ledger.New()
	forge := func(n uint32) netip.Addr {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 0x0b000000+n)
		return netip.AddrFrom4(a)
	}
	const forged = 50_000
	for i := range uint32(forged) {
		l.Count(forge(i), at, ledger.UnknownVersion, 1)
	}
	l.Count(router, at, ledger.Records, 30)
	l.Count(router, at, ledger.Datagrams, 1)
	for i := range uint32(forged) {
		l.Count(forge(forged+i), at.Add(ledger.Quarter), ledger.UnknownVersion, 1)
	}
	l.Count(router, at.Add(ledger.Quarter), ledger.LostRecords, 4)
	var got table
	if err := l.Flush(got.insert); err != nil {
		t.Fatal(err)
	}
	if len(got.rows) > 600 {
		t.Errorf("got %d rows, want few", len(got.rows))
	}
	var refused uint64
	own := map[string]uint64{}
	for _, r := range got.rows {
		if r.Event == string(ledger.UnknownVersion) {
			refused += r.Count
		}
		if r.Exporter == router.String() {
			own[r.Event] += r.Count
		}
	}
	if refused != 2*forged {
		t.Errorf("got %d refused datagrams, want %d", refused, 2*forged)
	}
	if diff := cmp.Diff(map[string]uint64{"records": 30, "datagrams": 1, "lost_records": 4}, own); diff != "" {
		t.Error(diff)
	}
}

// A delivery may wait while there is only more of the same to tell.
func TestNews(t *testing.T) {
	l := ledger.New()
	var table table
	flush := func() {
		t.Helper()
		if err := l.Flush(table.insert); err != nil {
			t.Fatal(err)
		}
	}
	if l.News() {
		t.Error("news of nothing")
	}
	for _, step := range []struct {
		what     string
		exporter netip.Addr
		at       time.Time
		event    ledger.Event
		want     bool
	}{
		{"the first count", router, at, ledger.Datagrams, true},
		{"more of it", router, at, ledger.Datagrams, false},
		{"another event", router, at, ledger.Malformed, true},
		{"another exporter", netip.MustParseAddr("192.168.1.2"), at, ledger.Malformed, true},
		{"the next quarter hour", router, at.Add(time.Second), ledger.Datagrams, true},
		{"more of that", router, at.Add(2 * time.Second), ledger.Datagrams, false},
	} {
		l.Count(step.exporter, step.at, step.event, 1)
		if got := l.News(); got != step.want {
			t.Errorf("%s: news %v, want %v", step.what, got, step.want)
		}
		flush()
	}
	l.Count(router, at.Add(time.Second), ledger.Datagrams, 1)
	table.refuse = errors.New("away")
	if l.Flush(table.insert) == nil || !l.News() {
		t.Error("what was refused is not told yet")
	}
}
