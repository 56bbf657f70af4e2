package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/names"
	"github.com/flattraffic/flattraffic/report"
)

// fill writes traffic of n hosts, each a device with two addresses and a long
// name, and as many ranges of unmatched traffic.
func (h *house) fill(t *testing.T, n int) {
	t.Helper()
	const host = "toIPv6(concat('10.0.', toString(intDiv(number, 250)), '.', toString(1 + number % 250)))"
	const second = "toIPv6(concat('fd00::', hex(number + 1)))"
	flow := `INSERT INTO flows (end, duration_ms, exporter, origin, direction, host, peer, unmatched_dst, host_port, peer_port, protocol, service, bytes, packets, sampling_rate) `
	for _, statement := range []string{
		flow + `SELECT now() - number % 7200, 60000, toIPv6('192.168.1.1'), 'ipfix', 'received', ` + host + `, toIPv6('203.0.113.5'), toIPv6('::'), 50000, 443, 6, 443, 9000000000000 + number * 1000, 10, 1 FROM numbers({n:UInt32})`,
		flow + `SELECT now() - number % 7200, 60000, toIPv6('192.168.1.1'), 'ipfix', 'sent', ` + second + `, toIPv6('2001:db8::5'), toIPv6('::'), 50000, 443, 17, 443, 1000 + number, 10, 1 FROM numbers({n:UInt32})`,
		flow + `SELECT now() - 60, 1000, toIPv6('192.168.1.1'), 'ipfix', 'unmatched', toIPv6('::'), toIPv6('203.0.113.5'), toIPv6(concat('2001:db8:', hex(number), '::9')), 50000, 443, 6, 443, 5000, 10, 1 FROM numbers({n:UInt32})`,
		`INSERT INTO addresses (address, mac, first_seen, last_seen) SELECT ` + host + `, 1000 + number, now() - 86400, now() FROM numbers({n:UInt32})`,
		`INSERT INTO addresses (address, mac, first_seen, last_seen) SELECT ` + second + `, 1000 + number, now() - 86400, now() FROM numbers({n:UInt32})`,
		`INSERT INTO host_names (address, source, name, first_seen, last_seen) SELECT ` + host + `, 'dhcp', concat('a-rather-long-name-of-a-machine-in-the-study-', toString(number), '.home.example'), now() - 86400, now() FROM numbers({n:UInt32})`,
	} {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithParameters(clickhouse.Parameters{"n": strconv.Itoa(n)}))
		if err := h.conn.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
}

// nameHosts restarts the server with the names that are stored.
func (h *house) nameHosts(t *testing.T) {
	t.Helper()
	known := names.New(names.Config{}, h.conn, nil, time.Now, slog.New(slog.DiscardHandler))
	if err := known.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	services, err := flow.NewServices()
	if err != nil {
		t.Fatal(err)
	}
	h.deps.Names = known
	h.deps.Reports = report.New(h.conn, h.store.Current, services, known, time.Now)
	h.restart(t)
}

// An address that has changed hands has in an old month the name of then, and
// none where nobody had named it yet.
func TestOldMonthsKeepTheirNames(t *testing.T) {
	h := newHouse(t, Config{})
	for _, statement := range []string{
		`INSERT INTO flows (end, duration_ms, exporter, origin, direction, host, peer, host_port, peer_port, protocol, service, bytes, packets, sampling_rate)
			SELECT now() - 86400 * 30 * number, 1000, toIPv6('192.168.1.1'), 'ipfix', 'received', toIPv6('192.168.1.20'), toIPv6('203.0.113.5'), 50000, 443, 6, 443, 5000, 5, 1 FROM numbers(4)`,
		`INSERT INTO host_names (address, source, name, first_seen, last_seen) VALUES
			('192.168.1.20', 'dns', 'old-tv.lan', now() - 86400 * 70, now() - 86400 * 40), ('192.168.1.20', 'dns', 'new-phone.lan', now() - 86400 * 20, now()),
			('203.0.113.5', 'dns', 'cdn.old.example', now() - 86400 * 70, now() - 86400 * 40), ('203.0.113.5', 'dns', 'cdn.new.example', now() - 86400 * 20, now())`,
	} {
		if err := h.conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	h.nameHosts(t)
	b := h.local(t)
	for _, test := range []struct {
		name          string
		days          int // before today
		host, farther string
	}{
		{"today", 0, "new-phone.lan", "cdn.new.example"},
		{"when it was another's", 60, "old-tv.lan", "cdn.old.example"},
		{"before anybody named it", 90, "192.168.1.20", "203.0.113.5"},
	} {
		t.Run(test.name, func(t *testing.T) {
			day := time.Now().UTC().AddDate(0, 0, -test.days)
			span := "?from=" + day.Format(time.DateOnly) + "&to=" + day.AddDate(0, 0, 1).Format(time.DateOnly)
			if got := texts(b.get("/hosts"+span).document, "tbody .name a"); len(got) != 1 || got[0] != test.host {
				t.Errorf("hosts: %q, want %q", got, test.host)
			}
			page := b.get("/hosts/192.168.1.20" + span)
			if got := texts(page.document, "h1"); len(got) != 1 || got[0] != test.host {
				t.Errorf("the page of the host is headed %q, want %q", got, test.host)
			}
			if !strings.Contains(page.body, test.farther) {
				t.Errorf("the far end is not called %q", test.farther)
			}
			if got := texts(b.get("/"+span).document, ".list .name a"); len(got) == 0 || got[0] != test.host {
				t.Errorf("overview: %q, want %q first", got, test.host)
			}
		})
	}
}

// Every page is whole, well made and within its bytes with nothing, one host,
// a household and a provider's customers.
func TestEveryPageOfEverySize(t *testing.T) {
	for _, n := range []int{0, 1, 60, 5000} {
		t.Run(fmt.Sprintf("%d hosts", n), func(t *testing.T) {
			h := newHouse(t, Config{})
			host := "192.168.1.20"
			if n > 0 {
				h.hear(t, "192.168.1.1")
				h.count(t, "192.168.1.1", "records", 1000)
				h.fill(t, n)
				host = "10.0.0.1"
			}
			h.nameHosts(t)
			b := h.local(t)
			today := time.Now().UTC().Format(time.DateOnly)
			for _, path := range []string{
				"/", "/?compare=last", "/days", "/days/" + today, "/hosts", "/hosts?q=study", "/hosts/" + host, "/protocols", "/networks", "/networks/unmatched", "/people", "/history",
				"/settings/plan", "/settings/lines", "/settings/networks", "/settings/hosts", "/settings/hosts?q=study", "/settings/hosts/" + host, "/settings/people",
				"/settings/exporters", "/settings/alerts", "/settings/storage", "/settings/display", "/settings/account",
				"/status", "/status?recipe=mikrotik", "/welcome/password", "/welcome/plan", "/welcome/router", "/welcome/networks",
			} {
				a := b.get(path)
				if a.status != http.StatusOK {
					t.Errorf("GET %s = %d: %.300s", path, a.status, a.body)
					continue
				}
				for _, fault := range faults(a) {
					t.Errorf("GET %s: %s", path, fault)
				}
			}
			if n < maxDevicesShown {
				return
			}
			if got := strings.Join(texts(b.get("/settings/hosts").document, "main p"), " "); !strings.Contains(got, "more hosts") {
				t.Errorf("the list of hosts says %q, want how many it leaves out", got)
			}
			if got := len(find(b.get("/settings/hosts/"+host).document, "input#other")); got != 1 {
				t.Error("a device to merge with is chosen from a list of thousands")
			}
			if got := len(find(b.get("/settings/hosts?q=study-4999.").document, "tbody tr")); got != 1 {
				t.Errorf("%d hosts found by their name, want the one that used least", got)
			}
		})
	}
}
