package decode

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

var (
	exporter1 = netip.MustParseAddr("192.168.1.1")
	noon      = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

var compareAddr = cmpopts.EquateComparable(netip.Addr{})

// TestRouters decodes the stream of each kind of home router, over one decoder
// and over one of its own.
func TestRouters(t *testing.T) {
	for _, router := range decodetest.Routers(noon) {
		t.Run(router.Name, func(t *testing.T) {
			got := decodeRouter(router)
			want := wantOf(router)
			if diff := cmp.Diff(want, got, compareAddr); diff != "" {
				t.Errorf("records differ (-want +got):\n%s", diff)
			}
		})
	}
}

func decodeRouter(router decodetest.Router) []flow.Record {
	d := New(Config{})
	var got []flow.Record
	for _, datagram := range router.Datagrams {
		got = d.Decode(got, exporter1, noon, datagram)
	}
	return got
}

func wantOf(router decodetest.Router) []flow.Record {
	want := make([]flow.Record, len(router.Want))
	for i, r := range router.Want {
		r.Exporter, r.ReceivedMs = exporter1, noon.UnixMilli()
		want[i] = r
	}
	return want
}
