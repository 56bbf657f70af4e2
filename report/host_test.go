package report

import (
	"net/netip"
	"testing"
	"time"
)

// The far ends with the most usage are listed and the others are one row: all
// together are the total, whether whole days or raw flows answer.
func TestFarEnds(t *testing.T) {
	now := time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC)
	var records []record
	for i := range 250 {
		r := received(now.Add(-time.Hour), uint64(1000+i))
		r.peer = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		if i%3 == 0 {
			r.direction = 3 // internal: no usage
		}
		records = append(records, r)
	}
	conn := database(t, "UTC")
	insert(t, conn, records)
	r := newReports(t, conn, settingsOf(plan(t, "UTC", "1", nil)), now)
	host := "host=" + records[0].host.String()
	for _, question := range []string{"", "&from=2026-11-14T00:15:00Z&to=2026-11-14T12:00:00Z", "&from=2025-11-14&to=2026-11-15"} {
		result := run(t, r, parse(t, Host, host+question))
		got := result.Detail.Peers
		if len(got) != peerLimit+1 || got[peerLimit].Name != "Others (150)" || got[peerLimit].Address.IsValid() {
			t.Fatalf("%q: got %d far ends, the last %+v", question, len(got), got[len(got)-1])
		}
		if sumPeers(got) != result.Total || result.Total.Flows != 250 {
			t.Errorf("%q: far ends sum to %+v, want the total %+v", question, sumPeers(got), result.Total)
		}
		if got[0].Received != 1248 || got[1].Received != 1247 || got[99].Received <= got[peerLimit].Received/150 {
			t.Errorf("%q: got %d, %d and at last %d received, want the most first", question, got[0].Received, got[1].Received, got[99].Received)
		}
	}
}

// A brief answer leaves out the far ends of a long time, and nothing else.
func TestBriefLeavesOutFarEnds(t *testing.T) {
	now := time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC)
	one := received(now.Add(-time.Hour), 500)
	conn := database(t, "UTC")
	insert(t, conn, []record{one})
	r := newReports(t, conn, settingsOf(plan(t, "UTC", "1", nil)), now)
	for question, left := range map[string]bool{"": false, "&from=2026-09-14&to=2026-11-15": false, "&from=2026-09-01&to=2026-11-15": true} {
		req := parse(t, Host, "host="+one.host.String()+question)
		req.Brief = true
		got := run(t, r, req)
		if got.Detail.PeersLeft != left || (len(got.Detail.Peers) == 0) != left || got.Total.Received != 500 || len(got.Detail.Protocols) != 1 {
			t.Errorf("%q: got %t with %d far ends of %+v", question, got.Detail.PeersLeft, len(got.Detail.Peers), got.Total)
		}
	}
}
