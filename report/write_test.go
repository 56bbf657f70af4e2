package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample is a result of a kind with one or two rows.
func sample(t *testing.T, kind Kind) *Result {
	t.Helper()
	zone := location(t, "Pacific/Auckland")
	start := time.Date(2026, 11, 12, 0, 0, 0, 0, zone)
	c := Counters{Received: 123, Sent: 45, Internal: 6, Packets: 7, Flows: 2}
	rows := map[Kind][]Row{
		Days: {{Date: date(2026, 11, 12), Counters: c}, {Date: date(2026, 11, 13), Gap: true}},
		Hosts: {
			{Host: addr("192.168.1.20"), Name: `=HYPERLINK("http://x","nas")`, Addresses: []netip.Addr{addr("192.168.1.20"), addr("fd00::20")}, Device: "d1", Owner: "=anna", Counters: c},
			{Host: netip.IPv6Unspecified(), Addresses: []netip.Addr{netip.IPv6Unspecified()}, Name: "Unmatched", Counters: Counters{Unmatched: 9, Packets: 1, Flows: 1}},
		},
		Protocols: {{Protocol: "tcp", ProtocolNumber: 6, Service: 443, Name: "https", Title: "HTTPS", Counters: c}},
		Networks:  {{Network: "192.168.0.0/16", Name: "+LAN", Metered: true, Counters: c}, {Network: "elsewhere", Name: "Elsewhere"}},
		History:   {{Start: start, End: start.AddDate(0, 1, 0), Cap: 500, Used: 168, Counters: c}},
	}[kind]
	result := list(rows)
	result.Request.Kind = kind
	result.Span = Span{Start: start, End: start.AddDate(0, 1, 0), Plan: plan(t, "Pacific/Auckland", "12", nil), Billing: true}
	result.Completeness = Completeness{Known: true, Fraction: 0.998, Notes: []string{"2 records <lost>."}}
	return result
}

func TestWriteJSON(t *testing.T) {
	const head = `{"period":{"start":"2026-11-12T00:00:00+13:00","end":"2026-12-12T00:00:00+13:00","plan":"Home"},"rows":[`
	const counts = `"received":123,"sent":45,"internal":6,"unmatched":0,"packets":7,"flows":2`
	const zeros = `"received":0,"sent":0,"internal":0,"unmatched":0,"packets":0,"flows":0`
	const tail = `],"total":{` + counts + `},"completeness":{"fraction":0.998,"notes":["2 records <lost>."]}}`
	for _, test := range []struct {
		kind Kind
		want string
	}{
		{Days, head + `{"date":"2026-11-12",` + counts + `},{"date":"2026-11-13",` + zeros + `,"gap":true}` + tail},
		{Hosts, head + `{"host":"192.168.1.20","name":"=HYPERLINK(\"http://x\",\"nas\")","addresses":["192.168.1.20","fd00::20"],"device":"d1","owner":"=anna",` + counts + `},` +
			`{"host":"::","name":"Unmatched","addresses":["::"],"received":0,"sent":0,"internal":0,"unmatched":9,"packets":1,"flows":1}` +
			strings.Replace(tail, `"unmatched":0,"packets":7,"flows":2`, `"unmatched":9,"packets":8,"flows":3`, 1)},
		{Protocols, head + `{"protocol":"tcp","service":443,"name":"https",` + counts + `}` + tail},
		{Networks, head + `{"network":"192.168.0.0/16","name":"+LAN",` + counts + `},{"network":"elsewhere","name":"Elsewhere",` + zeros + `}` + tail},
		{History, head + `{"start":"2026-11-12T00:00:00+13:00","end":"2026-12-12T00:00:00+13:00","cap":500,"used":168,"free":0,` + counts + `}` + tail},
	} {
		var b bytes.Buffer
		if err := WriteJSON(&b, sample(t, test.kind)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, strings.TrimSpace(b.String())); diff != "" {
			t.Errorf("%s: %s", test.kind, diff)
		}
	}
	t.Run("nothing", func(t *testing.T) {
		r := sample(t, Hosts)
		*r = Result{Request: r.Request, Span: r.Span, Rows: []Row{}}
		var b bytes.Buffer
		if err := WriteJSON(&b, r); err != nil {
			t.Fatal(err)
		}
		want := head + `],"total":{` + zeros + `},"completeness":{"fraction":null,"notes":[]}}`
		if got := strings.TrimSpace(b.String()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// TestWriteJSONOfPages checks that the parts of the front page and of a host
// are there and sum to the total.
func TestWriteJSONOfPages(t *testing.T) {
	now := time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC)
	conn := database(t, "UTC")
	insert(t, conn, []record{received(now.Add(-time.Hour), 5)})
	insertLedger(t, conn, quiet(now.Add(-2*time.Hour), now)...)
	r := newReports(t, conn, settingsOf(plan(t, "UTC", "1", nil)), now)
	for query, parts := range map[string][]string{"": {"rows", "hosts", "protocols", "networks"}, "host=192.168.1.20": {"rows", "protocols", "peers"}} {
		kind := Overview
		if query != "" {
			kind = Host
		}
		var b bytes.Buffer
		if err := WriteJSON(&b, run(t, r, parse(t, kind, query))); err != nil {
			t.Fatal(err)
		}
		var got map[string]json.RawMessage
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for _, part := range parts {
			var rows []struct{ Received uint64 }
			if err := json.Unmarshal(got[part], &rows); err != nil {
				t.Fatalf("%s: %v in %s", part, err, b.String())
			}
			var total uint64
			for _, row := range rows {
				total += row.Received
			}
			if total != 5 {
				t.Errorf("%s of %s: got %d bytes, want 5", part, kind, total)
			}
		}
	}
}

func TestWriteCSV(t *testing.T) {
	const counts = ",received,sent,internal,unmatched,packets,flows\n"
	for _, test := range []struct {
		kind Kind
		want string
	}{
		{Days, "date" + counts + "2026-11-12,123,45,6,0,7,2\n2026-11-13,0,0,0,0,0,0\n"},
		{Hosts, "host,name" + strings.TrimSuffix(counts, "\n") + ",addresses,device,owner\n192.168.1.20,\"'=HYPERLINK(\"\"http://x\"\",\"\"nas\"\")\",123,45,6,0,7,2,192.168.1.20 fd00::20,d1,'=anna\n::,Unmatched,0,0,0,9,1,1,::,,\n"},
		{Protocols, "protocol,service,name" + counts + "tcp,443,https,123,45,6,0,7,2\n"},
		{Networks, "network,name" + counts + "192.168.0.0/16,'+LAN,123,45,6,0,7,2\nelsewhere,Elsewhere,0,0,0,0,0,0\n"},
		{History, "start,end,cap" + counts + "2026-11-12T00:00:00+13:00,2026-12-12T00:00:00+13:00,500,123,45,6,0,7,2\n"},
	} {
		var b bytes.Buffer
		if err := WriteCSV(&b, sample(t, test.kind)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, b.String()); diff != "" {
			t.Errorf("%s: %s", test.kind, diff)
		}
	}
}

func TestCSVHasNoFormulas(t *testing.T) {
	for _, name := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "nas", "", "a=1"} {
		r := sample(t, Hosts)
		r.Rows[0].Name = name
		var b bytes.Buffer
		if err := WriteCSV(&b, r); err != nil {
			t.Fatal(err)
		}
		cells, err := csv.NewReader(&b).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		got := cells[1][1]
		if strings.HasPrefix(got, "=") || strings.HasPrefix(got, "+") || strings.HasPrefix(got, "-") || strings.HasPrefix(got, "@") || strings.HasPrefix(got, "\t") || strings.HasPrefix(got, "\r") {
			t.Errorf("%q: got the cell %q", name, got)
		}
		if !strings.HasSuffix(got, name) {
			t.Errorf("%q: got the cell %q, the name is not in it", name, got)
		}
	}
}

var update = flag.Bool("update", false, "rewrite the golden files")

func TestWriteTable(t *testing.T) {
	for _, kind := range []Kind{Days, Hosts, Protocols, Networks, History} {
		r := sample(t, kind)
		if kind == Hosts {
			r.Rows[0].Name = "nas\x1b[31m" // must not steer the terminal
		}
		golden(t, "table_"+string(kind)+".txt", r)
	}
	r := sample(t, Days)
	r.Request.Kind, r.Span.Plan.Cap = Overview, 500*gb
	r.Overview = &OverviewResult{Used: 312 * gb, DayNumber: 12, DayCount: 30, EvenPace: 200 * gb, LikelyLow: 640 * gb, LikelyHigh: 780 * gb, OverOn: date(2026, 11, 30)}
	golden(t, "table_overview.txt", r)
}

// golden compares a table with a file of testdata, or writes it there.
func golden(t *testing.T, name string, r *Result) {
	t.Helper()
	var b bytes.Buffer
	if err := WriteTable(&b, r); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

func TestPercent(t *testing.T) {
	for fraction, want := range map[float64]string{1: "100", 0.99999: "99.9", 0.998: "99.8", 0: "0.0"} {
		if got := percent(fraction); got != want {
			t.Errorf("%v: got %s, want %s", fraction, got, want)
		}
	}
}
