package decode

import (
	"net/netip"
	"slices"
	"strings"
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

// TestEveryKindOfRouter: each kind of router that people have at home has a
// stream here, in every protocol it exports by itself or by our advice.
func TestEveryKindOfRouter(t *testing.T) {
	streams := decodetest.Routers(noon)
	for _, kind := range []struct {
		name      string
		protocols []string
	}{
		{"OPNsense", []string{"NetFlow v9"}},
		{"pfSense softflowd", []string{"NetFlow v9"}},
		{"pfSense Plus", []string{"NetFlow v5", "IPFIX"}},
		{"OpenWrt softflowd", []string{"NetFlow v5", "IPFIX"}},
		{"ipt_NETFLOW", []string{"NetFlow v5", "NetFlow v9", "IPFIX"}},
		{"VyOS", []string{"NetFlow v9", "IPFIX"}},
		{"UniFi", []string{"NetFlow v9", "IPFIX"}},
		{"MikroTik", []string{"NetFlow v9", "IPFIX"}},
		{"hsflowd, switches", []string{"sFlow v5"}},
	} {
		for _, protocol := range kind.protocols {
			if !slices.ContainsFunc(streams, func(r decodetest.Router) bool {
				return strings.HasPrefix(r.Name, kind.name) && r.Protocol == protocol
			}) {
				t.Errorf("no stream of %s in %s", kind.name, protocol)
			}
		}
	}
}
