package report

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/flow"
)

func parse(t *testing.T, kind Kind, query string) Request {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	req, err := Parse(kind, values)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestParse(t *testing.T) {
	instant := time.Date(2026, 11, 3, 6, 0, 0, 0, time.FixedZone("", 13*3600))
	for _, test := range []struct {
		query string
		want  Request
		back  string // canonical query
	}{
		{"", Request{}, ""},
		{"period=current&sort=name", Request{}, ""},
		{"period=previous", Request{Period: Period{Previous: true}}, "period=previous"},
		{"period=2026-11-23", Request{Period: Period{Holding: date(2026, 11, 23)}}, "period=2026-11-23"},
		{"from=2026-11-01&to=2026-11-08", Request{Period: Period{FromDate: date(2026, 11, 1), ToDate: date(2026, 11, 8)}}, "from=2026-11-01&to=2026-11-08"},
		{"from=2026-11-03T06:00:00+13:00&to=2026-11-08", Request{Period: Period{From: instant, ToDate: date(2026, 11, 8)}}, "from=2026-11-03T06%3A00%3A00%2B13%3A00&to=2026-11-08"},
		{"host=::ffff:192.168.1.20", Request{Filter: Filter{Host: addr("192.168.1.20")}}, "host=192.168.1.20"},
		{"host=FD00:0::1", Request{Filter: Filter{Host: addr("fd00::1")}}, "host=fd00%3A%3A1"},
		{"host=Unmatched", Request{Filter: Filter{Host: addr("::")}}, "host=%3A%3A"},
		{"network=192.168.1.7/24", Request{Filter: Filter{Network: netip.MustParsePrefix("192.168.1.0/24")}}, "network=192.168.1.0%2F24"},
		{"network=192.168.1.7", Request{Filter: Filter{Network: netip.MustParsePrefix("192.168.1.7/32")}}, "network=192.168.1.7%2F32"},
		{"network=Elsewhere", Request{Filter: Filter{Group: Elsewhere}}, "network=elsewhere"},
		{"protocol=HTTPS", Request{Filter: Filter{Protocol: ProtocolFilter{Set: true, Text: "https"}}}, "protocol=https"},
		{"line=spare", Request{Filter: Filter{Line: "spare"}}, "line=spare"},
	} {
		got := parse(t, Hosts, test.query)
		test.want.Kind = Hosts
		if diff := cmp.Diff(test.want, got, same); diff != "" {
			t.Errorf("%s: %s", test.query, diff)
		}
		if back := got.Query().Encode(); back != test.back {
			t.Errorf("%s: got query %s, want %s", test.query, back, test.back)
		}
		if again := parse(t, Hosts, got.Query().Encode()); again.Query().Encode() != test.back {
			t.Errorf("%s: not canonical: %s", test.query, again.Query().Encode())
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ query, param, remedy string }{
		{"period=yesterday", "period", "2026-11-23"},
		{"period=2026-02-30", "period", "2026-11-23"},
		{"period=2026-11-23&from=2026-11-01", "period", "leave one"},
		{"period=1066-10-14", "period", "1971"},
		{"from=monday", "from", "2026-11-23"},
		{"from=2026-11-01&to=9999-01-01", "to", "2105"},
		{"to=2026-11-01", "from", "together with to"},
		{"host=nas%00", "host", "192.168.1.20"},
		{"host=fe80::1%25eth0", "host", "192.168.1.20"},
		{"host=" + strings.Repeat("x", 401), "host", "192.168.1.20"},
		{"network=192.168.1.0/33", "network", "192.168.1.0/24"},
		{"network=everywhere", "network", "elsewhere"},
	} {
		values, err := url.ParseQuery(strings.ReplaceAll(test.query, ";", "%3B"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse(Hosts, values)
		var got *RequestError
		if !errors.As(err, &got) || got.Param != test.param || !strings.Contains(got.Sentence, test.remedy) {
			t.Errorf("%s: got %v, want an error of %s with %q", test.query, err, test.param, test.remedy)
		}
	}
}

func TestResolveProtocol(t *testing.T) {
	services, err := flow.NewServices()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		text string
		want []serviceKey // empty: all of protocol
		all  uint8
	}{
		{"https", []serviceKey{{6, 443}}, 0},
		{"dns", []serviceKey{{6, 53}, {17, 53}}, 0},
		{"udp/443", []serviceKey{{17, 443}}, 0},
		{"tcp/other", []serviceKey{{6, 0}}, 0},
		{"47", nil, 47},
		{"gre", nil, 47},
		{"udp", nil, 17},
		{"icmp/0", []serviceKey{{1, 0}}, 0},
		{"rdp", []serviceKey{{6, 3389}, {17, 3389}}, 0}, // the service people mean, not IP protocol 27
	} {
		f := ProtocolFilter{Set: true, Text: test.text}
		got, err := f.resolve(services)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if diff := cmp.Diff(test.want, got, same); diff != "" || f.Any != (test.all != 0) || test.all != 0 && f.Protocol != test.all {
			t.Errorf("%s: got %v, %+v: %s", test.text, got, f, diff)
		}
	}
	for _, text := range []string{"htps", "tcp/70000", "tcp/", "/443", "300", "tcp/443/1", "' OR 1=1"} {
		f := ProtocolFilter{Set: true, Text: text}
		var refused *RequestError
		if _, err := f.resolve(services); !errors.As(err, &refused) || refused.Param != "protocol" {
			t.Errorf("%s: got %v, want an error of protocol", text, err)
		}
	}
}
