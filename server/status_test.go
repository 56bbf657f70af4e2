package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hear makes an exporter that was heard just now.
func (h *house) hear(t *testing.T, address string) {
	t.Helper()
	err := h.conn.Exec(t.Context(), `INSERT INTO exporter_state
		(exporter, first_seen, last_seen, origin, templates, last_template, clock_offset_ms, sampling_rate, interfaces, active_timeout_s)
		SELECT toIPv6($1), now() - 3600, now(), 'ipfix', 2, now(), 120, 1, [1, 2], 60`, address)
	if err != nil {
		t.Fatal(err)
	}
	h.feed.read = time.Time{}
}

// flow adds a flow that ended just now.
func (h *house) flow(t *testing.T, direction, host, peer string, bytes int) {
	t.Helper()
	err := h.conn.Exec(t.Context(), `INSERT INTO flows
		(end, exporter, origin, direction, host, peer, unmatched_dst, protocol, service, bytes, packets, sampling_rate)
		SELECT now(), toIPv6('192.168.1.1'), 'ipfix', $1, toIPv6($2), toIPv6($3), toIPv6($4), 6, 443, $5, 10, 1`,
		direction, host, peer, map[bool]string{true: "2001:db8:77::5", false: "::"}[direction == "unmatched"], bytes)
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) count(t *testing.T, exporter, event string, n int) {
	t.Helper()
	err := h.conn.Exec(t.Context(), `INSERT INTO ledger (bucket, exporter, event, count)
		SELECT toStartOfFifteenMinutes(now()), toIPv6($1), $2, $3`, exporter, event, n)
	if err != nil {
		t.Fatal(err)
	}
}

func TestStatusWithoutExporters(t *testing.T) {
	h := newHouse(t, Config{NetFlow: []string{":12055", "[::1]:12055", ":14739"}, SFlow: []string{"0.0.0.0:16343"}})
	page := h.local(t).get("/status")
	causes := texts(page.document, "section[aria-labelledby=causes] li")
	if page.status != http.StatusOK || len(causes) < 4 {
		t.Fatalf("status %d, causes %q; want the usual causes", page.status, causes)
	}
	if all := strings.Join(causes, " "); !strings.Contains(all, "port 12055 or 14739 for NetFlow") || !strings.Contains(all, "12055, 14739, 16343") || !strings.Contains(all, "16343") || !strings.Contains(all, "irewall") {
		t.Errorf("causes = %q, want the ports in use and the firewall", causes)
	}
	if got := texts(page.document, "section[aria-labelledby=ingest] li"); len(got) != 1 || !strings.Contains(got[0], "not running") {
		t.Errorf("about this machine: %q, want that the ingest is not running", got)
	}
	if page.header.Get("Refresh") == "" {
		t.Error("the page does not look again by itself")
	}
}

func TestStatusWithExporter(t *testing.T) {
	h := newHouse(t, Config{})
	h.hear(t, "192.168.1.1")
	h.count(t, "192.168.1.1", "datagrams", 12345)
	h.count(t, "192.168.1.1", "records", 1000)
	h.count(t, "192.168.1.1", "lost_records", 50)
	h.count(t, "192.168.1.99", "unknown_version", 3)
	h.count(t, "::", "kernel_drops", 7)
	h.count(t, "::", "running_seconds", 600)
	page := h.local(t).get("/status")
	if n := len(find(page.document, "section[aria-labelledby=causes]")); n != 0 {
		t.Error("the usual causes are shown though flows arrive")
	}
	cards := texts(page.document, ".exporter")
	if len(cards) != 2 {
		t.Fatalf("cards = %q, want two exporters", cards)
	}
	i := slices.IndexFunc(cards, func(c string) bool { return strings.HasPrefix(c, "192.168.1.1 ") })
	for _, want := range []string{"receiving", "IPFIX", "12,345", "50 records got lost"} {
		if i < 0 || !strings.Contains(cards[i], want) {
			t.Errorf("cards = %q, want %q at 192.168.1.1", cards, want)
		}
	}
	if !strings.Contains(cards[1-i], "neither NetFlow") {
		t.Errorf("card %q, want what is wrong with the unknown version", cards[1-i])
	}
	if got := texts(page.document, "section[aria-labelledby=ingest] li"); len(got) != 1 || !strings.Contains(got[0], "7 datagrams") {
		t.Errorf("about this machine: %q, want the kernel drops", got)
	}
	if got := texts(page.document, ".top .receiving.on"); len(got) != 1 {
		t.Error("the dot of the frame is not on")
	}
}

func TestDiagnose(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	healthy := func() *exporterSeen {
		return &exporterSeen{
			Address: netip.MustParseAddr("192.168.1.1"), Known: true, Origin: "netflow9", LastSeen: now.Add(-20 * time.Second),
			Templates: 2, LastTemplate: now.Add(-time.Minute), SamplingRate: 1, Longest: time.Minute,
			Events:   map[string]uint64{"datagrams": 5000, "records": 100000},
			Received: 9e9, Sent: 1e9, Internal: 1e8,
		}
	}
	tests := []struct {
		name    string
		blocked bool
		change  func(*exporterSeen)
		want    []string // a word of each finding, in order
	}{
		{"healthy", false, func(*exporterSeen) {}, nil},
		{"blocked", true, func(*exporterSeen) {}, []string{"blocked"}},
		{"silent", false, func(e *exporterSeen) { e.LastSeen = now.Add(-2 * time.Hour) }, []string{"Nothing has come for 2 hours"}},
		{"no template", false, func(e *exporterSeen) { e.LastTemplate = time.Unix(0, 0) }, []string{"template"}},
		{"v5 has none", false, func(e *exporterSeen) { e.Origin, e.LastTemplate = "netflow5", time.Unix(0, 0) }, nil},
		{"one direction", false, func(e *exporterSeen) { e.Sent = 0 }, []string{"nothing sent"}},
		{"other direction", false, func(e *exporterSeen) { e.Received = 0 }, []string{"nothing received"}},
		{"unmatched", false, func(e *exporterSeen) { e.Unmatched = 5e9 }, []string{"no local network"}},
		{"long timeout", false, func(e *exporterSeen) { e.Longest = 30 * time.Minute }, []string{"30 minutes"}},
		{"clock off", false, func(e *exporterSeen) { e.ClockOffset = -40 * time.Second }, []string{"40 seconds ahead"}},
		{"clock wrong", false, func(e *exporterSeen) { e.ClockOffset = 5 * time.Hour }, []string{"5 hours behind"}},
		{"sampled", false, func(e *exporterSeen) { e.SamplingRate = 1000 }, []string{"1 packet of 1,000"}},
		{"little loss", false, func(e *exporterSeen) { e.Events["lost_records"] = 5 }, nil},
		{"loss", false, func(e *exporterSeen) { e.Events["lost_records"] = 5000 }, []string{"5,000 records"}},
		{"little loss of datagrams", false, func(e *exporterSeen) { e.Events["lost_datagrams"] = 4 }, nil},
		{"loss of datagrams of 20 records", false, func(e *exporterSeen) { e.Events["lost_datagrams"] = 6 }, []string{"About 120 records"}},
		{"several", false, func(e *exporterSeen) { e.Events["malformed"], e.Longest = 3, time.Hour }, []string{"rules", "long flows"}},
		{"unknown to the list", false, func(e *exporterSeen) { e.Known = false; e.Events = map[string]uint64{"blocked": 4} }, []string{"not on the list"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := healthy()
			tt.change(e)
			got := diagnose(e, tt.blocked, "2055 for NetFlow", now)
			if len(got) != len(tt.want) {
				t.Fatalf("findings = %+v, want %d", got, len(tt.want))
			}
			for i, f := range got {
				if !strings.Contains(f.Text, tt.want[i]) || f.Fix == "" {
					t.Errorf("finding %d = %+v, want %q and a remedy", i, f, tt.want[i])
				}
			}
		})
	}
}

func TestLasted(t *testing.T) {
	got := map[time.Duration]string{}
	want := map[time.Duration]string{
		time.Second: "1 second", 45 * time.Second: "45 seconds", 2 * time.Minute: "2 minutes",
		3*time.Hour + 20*time.Minute: "3 hours", 72 * time.Hour: "3 days",
	}
	for d := range want {
		got[d] = lasted(d)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestChecklist(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	fine := func() *exporterSeen {
		return &exporterSeen{
			Known: true, Origin: "ipfix", LastSeen: now.Add(-10 * time.Second), LastTemplate: now.Add(-time.Minute), Longest: time.Minute,
			Received: 5e9, Sent: 1e9, Events: map[string]uint64{"records": 10000},
		}
	}
	for _, test := range []struct {
		name    string
		change  func(*exporterSeen)
		doubled bool
		want    []string // ! before what fails
	}{
		{"all is well", func(*exporterSeen) {}, false, []string{"Datagrams arrive", "Templates are here", "Both directions", "Nothing counted twice", "Active timeout is short", "Complete to 100 %"}},
		{"a datagram of ten records is lost", func(e *exporterSeen) {
			e.Events["records"], e.Events["datagrams"], e.Events["lost_datagrams"] = 100_000, 10_000, 9
		}, false, []string{"Datagrams arrive", "Templates are here", "Both directions", "Nothing counted twice", "Active timeout is short", "Complete to about 99.9 %"}},
		{"sFlow has no templates", func(e *exporterSeen) { e.Origin = "sflow" }, false, []string{"Datagrams arrive", "Both directions", "Nothing counted twice", "Active timeout is short", "Complete to 100 %"}},
		{"silent, long and lossy", func(e *exporterSeen) {
			e.LastSeen, e.Longest = now.Add(-time.Hour), 30*time.Minute
			e.Events["lost_records"] = 500
		}, true, []string{"!No datagrams", "Templates are here", "Both directions", "!Counted twice", "!Active timeout is too long", "!Some of it is lost"}},
		{"no template, one direction", func(e *exporterSeen) {
			e.LastTemplate, e.Sent = time.Time{}, 0
		}, false, []string{"Datagrams arrive", "!Templates are missing", "!One direction only", "Nothing counted twice", "Active timeout is short", "Complete to 100 %"}},
		{"too little to tell", func(e *exporterSeen) {
			e.Received, e.Sent, e.Longest, e.Events = 1000, 0, 0, map[string]uint64{}
		}, false, []string{"Datagrams arrive", "Templates are here", "Nothing counted twice"}},
		{"nothing could be read", func(e *exporterSeen) { e.Known = false }, false, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := fine()
			test.change(e)
			var got []string
			for _, c := range checklist(e, test.doubled, now) {
				got = append(got, map[bool]string{false: "!"}[c.OK]+c.Text)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("checks (-want +got):\n%s", diff)
			}
		})
	}
}
