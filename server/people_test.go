package server

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/names"
	"github.com/flattraffic/flattraffic/report"
)

// newNamedHouse is a house that knows devices and names, as the program does.
func newNamedHouse(t *testing.T) *house {
	t.Helper()
	h := newHouse(t, Config{})
	known := names.New(names.Config{ReverseDNS: func() bool { return false }}, h.conn, nil, time.Now, slog.New(slog.DiscardHandler))
	services, err := flow.NewServices()
	if err != nil {
		t.Fatal(err)
	}
	h.deps.Names = known
	h.deps.Reports = report.New(h.conn, h.store.Current, services, known, time.Now)
	h.restart(t)
	return h
}

// seenWith says which MACs the ingest has seen.
func (h *house) seenWith(t *testing.T, rows string) {
	t.Helper()
	if err := h.conn.Exec(t.Context(), "INSERT INTO addresses (address, mac, first_seen, last_seen) SELECT toIPv6(a), m, now() - 60, now() FROM values('a String, m UInt64', "+rows+")"); err != nil {
		t.Fatal(err)
	}
}

type hostRow struct {
	Host, Name, Device, Owner string
	Addresses                 []string
	Received                  uint64
}

func (b *browser) hosts(query string) map[string]hostRow {
	b.t.Helper()
	var doc struct{ Rows []hostRow }
	if err := json.Unmarshal([]byte(b.get("/hosts.json"+query).body), &doc); err != nil {
		b.t.Fatal(err)
	}
	rows := map[string]hostRow{}
	for _, r := range doc.Rows {
		rows[r.Host] = r
	}
	return rows
}

const laptopPath = "/settings/hosts/3c:22:fb:00:00:01"

// flat is a house with a laptop of two addresses and a phone of one.
func flat(t *testing.T) (*house, *browser) {
	t.Helper()
	h := newNamedHouse(t)
	h.seenWith(t, "('192.168.1.20', 0x3c22fb000001), ('fd00::20', 0x3c22fb000001), ('192.168.1.21', 0x3c22fb000002)")
	h.flow(t, "received", "192.168.1.20", "203.0.113.5", 1000)
	h.flow(t, "received", "fd00::20", "203.0.113.5", 100)
	h.flow(t, "received", "192.168.1.21", "198.51.100.77", 10)
	return h, h.setUp(t)
}

func TestRenameAHost(t *testing.T) {
	h, admin := flat(t)
	admin.submit("/settings/people", url.Values{"name": {"Anna"}, "weight": {"1"}})
	page := admin.get("/hosts/fd00::20")
	if got := page.value("form input[name=back]"); got != "/hosts/fd00::20" {
		t.Errorf("the form on the page of the host goes back to %q", got)
	}
	page = admin.submit(laptopPath+"/who", url.Values{"name": {"Anna’s laptop"}, "owner": {"anna"}, "back": {"/hosts/fd00::20"}})
	if got := texts(page.document, "h1"); len(got) != 1 || got[0] != "Anna’s laptop" {
		t.Errorf("the page of one address is headed %q, want the new name of the device", got)
	}
	if got := strings.Join(texts(page.document, "main"), " "); !strings.Contains(got, "given here") || !strings.Contains(got, "192.168.1.20") {
		t.Errorf("the page lacks the name with its date, or the other address: %s", got)
	}
	rows := admin.hosts("")
	want := hostRow{Host: "192.168.1.20", Name: "Anna’s laptop", Device: "3c:22:fb:00:00:01", Owner: "anna", Addresses: []string{"192.168.1.20", "fd00::20"}, Received: 1100}
	if got := rows["192.168.1.20"]; got.Name != want.Name || got.Owner != want.Owner || got.Received != want.Received || len(got.Addresses) != 2 || got.Device != want.Device {
		t.Errorf("hosts.json has %+v, want %+v", got, want)
	}
	if got := admin.hosts("?host=" + url.QueryEscape("Anna’s laptop"))["192.168.1.20"].Received; got != 1100 {
		t.Errorf("?host= by the new name has %d bytes, want 1100", got)
	}
	if got := texts(admin.get("/settings/hosts?q=anna").document, "tbody tr"); len(got) != 1 || !strings.Contains(got[0], "3c:22:fb:00:00:01") {
		t.Errorf("the settings find %q by owner, want the laptop with its MAC", got)
	}

	for _, form := range []url.Values{{"macs": {"nonsense"}}, {"macs": {"3c:22:fb:00:00:01"}, "addresses": {"1.2.3"}}, {"name": {strings.Repeat("x", 200)}, "macs": {"3c:22:fb:00:00:01"}}, {"name": {"Nothing left"}}} {
		if bad := admin.post(laptopPath, form); bad.status != http.StatusUnprocessableEntity || len(bad.errors()) == 0 {
			t.Errorf("the form %v = %d with %q, want what is wrong at the field", form, bad.status, bad.errors())
		}
	}
	admin.submit(laptopPath+"/who", url.Values{"name": {""}, "owner": {""}})
	if got := admin.hosts("")["192.168.1.20"]; got.Name != "" || got.Owner != "" {
		t.Errorf("after both were taken away hosts.json has %+v", got)
	}
	if got := h.remote(t).post(laptopPath+"/who", url.Values{"name": {"mine"}}).status; got != http.StatusUnauthorized {
		t.Errorf("a stranger renames a host: %d, want 401", got)
	}
}

func TestMergeAndSplitByHand(t *testing.T) {
	_, admin := flat(t)
	admin.submit(laptopPath+"/merge", url.Values{"other": {"3c:22:fb:00:00:02"}})
	if rows := admin.hosts(""); len(rows) != 1 || rows["192.168.1.20"].Received != 1110 {
		t.Errorf("merged: %+v, want one host of 1110 bytes", rows)
	}
	admin.submit(laptopPath+"/split", url.Values{"address": {"fd00::20"}})
	if rows := admin.hosts(""); len(rows) != 2 || rows["192.168.1.20"].Received != 1010 || rows["fd00::20"].Received != 100 {
		t.Errorf("split: %+v, want fd00::20 apart", rows)
	}
	admin.submit("/settings/hosts/fd00::20/forget", url.Values{})
	admin.submit(laptopPath+"/forget", url.Values{})
	if rows := admin.hosts(""); len(rows) != 2 || rows["192.168.1.20"].Received != 1100 || rows["192.168.1.21"].Received != 10 {
		t.Errorf("forgotten: %+v, want the hosts as their MACs tell", rows)
	}
	admin.submit(laptopPath, url.Values{"macs": {"3C-22-FB-00-00-01"}, "apart": {"1"}})
	if rows := admin.hosts(""); len(rows) != 3 {
		t.Errorf("set apart: %+v, want each address by itself", rows)
	}
}

// shareLinkIn is the address of a new link on the page that shows it once.
func shareLinkIn(t *testing.T, page reply) string {
	t.Helper()
	u, err := url.Parse(page.value("#link"))
	if err != nil || !strings.HasPrefix(u.Path, "/share/") || len(u.Path) < len("/share/")+26 {
		t.Fatalf("the page shows the link %q (%v), want one with 26 characters of token", page.value("#link"), err)
	}
	return u.Path
}

func TestShareLinks(t *testing.T) {
	h, admin := flat(t)
	admin.submit("/settings/people", url.Values{"name": {"Anna"}, "weight": {"1"}})
	admin.submit("/settings/people", url.Values{"name": {"Ben"}, "weight": {"1"}})
	admin.submit(laptopPath+"/who", url.Values{"name": {"Laptop"}, "owner": {"anna"}})
	admin.submit("/settings/hosts/3c:22:fb:00:00:02/who", url.Values{"name": {"Phone"}, "owner": {"ben"}})
	annas := shareLinkIn(t, admin.post("/settings/people/share", url.Values{"person": {"anna"}, "days": {"30"}}))
	alls := shareLinkIn(t, admin.post("/settings/people/share", url.Values{}))

	stranger := h.remote(t)
	got := stranger.get(annas)
	if got.status != http.StatusOK {
		t.Fatalf("GET %s = %d: %s", annas, got.status, got.body)
	}
	for key, want := range map[string]string{"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow", "Content-Security-Policy": contentPolicy} {
		if got.header.Get(key) != want {
			t.Errorf("%s = %q, want %q", key, got.header.Get(key), want)
		}
	}
	if cache := got.header.Get("Cache-Control"); !strings.Contains(cache, "private") {
		t.Errorf("Cache-Control = %q, want private", cache)
	}
	shown := strings.Join(texts(got.document, "body"), " ")
	for _, want := range []string{"Anna", "Laptop", "1.10 kB"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the link shows %q, want %q in it", shown, want)
		}
	}
	for _, secret := range []string{"203.0.113.5", "198.51.100.77", "Phone", "Ben", "192.168.1", "fd00::20", "/settings", "/hosts", "/days/", "HTTPS"} {
		if strings.Contains(got.body, secret) {
			t.Errorf("the page of Anna's link holds %q", secret)
		}
	}
	// The query cannot make it another's.
	for _, query := range []string{"?person=ben", "?person=", "?host=192.168.1.21", "?line=all", "?network=192.168.1.21"} {
		if body := stranger.get(annas + query).body; strings.Contains(body, "Phone") {
			t.Errorf("GET %s%s shows Ben's phone", annas, query)
		}
	}
	everyone := stranger.get(alls).body
	if !strings.Contains(everyone, "Phone") || !strings.Contains(everyone, "Laptop") || strings.Contains(everyone, "203.0.113.5") {
		t.Error("the link for everyone lacks a host or shows a far end")
	}
	// It opens nothing else.
	for _, path := range []string{annas + ".json", annas + "/hosts", "/people", "/people.json", "/hosts/192.168.1.20"} {
		if got := stranger.get(path).status; got == http.StatusOK {
			t.Errorf("GET %s with nothing but a link = 200", path)
		}
	}

	var clear, there uint64
	token := strings.TrimPrefix(annas, "/share/")
	if err := h.conn.QueryRow(t.Context(), "SELECT countIf(position(concat(link, token, person), $1) > 0), count() FROM share_links", token).Scan(&clear, &there); err != nil {
		t.Fatal(err)
	}
	if clear != 0 || there != 2 {
		t.Errorf("%d of %d rows hold the token", clear, there)
	}
	for _, wrong := range []string{"", "a", token[:25], token + "a", strings.ToUpper(token), "%27%20OR%201=1", "..%2f..%2fetc", strings.Repeat("a", 5000)} {
		if got := stranger.get("/share/" + wrong).status; got != http.StatusNotFound {
			t.Errorf("GET /share/%.30s = %d, want 404", wrong, got)
		}
	}

	page := admin.get("/settings/people")
	for _, row := range find(page.document, "tbody tr") {
		if strings.Contains(text(row), "Anna") {
			admin.submit("/settings/people/revoke", url.Values{"link": {attr(find(row, "input[name=link]")[0], "value")}})
		}
	}
	later := h.remote(t)
	later.remote = "192.168.1.99:5000"
	if got := later.get(annas).status; got != http.StatusNotFound {
		t.Errorf("a revoked link = %d, want 404", got)
	}
	if got := later.get(alls).status; got != http.StatusOK {
		t.Errorf("the other link = %d, want it as before", got)
	}
	statuses := map[int]int{}
	greedy := h.remote(t)
	greedy.remote = "192.168.1.100:5000"
	for range shareBurst + 10 {
		statuses[greedy.get("/share/guess").status]++
	}
	if statuses[http.StatusTooManyRequests] < 8 {
		t.Errorf("guessing is answered with %v, want it slowed down", statuses)
	}
}

func TestShareLinkEndsAndFollowsItsPerson(t *testing.T) {
	h, admin := flat(t)
	admin.submit("/settings/people", url.Values{"name": {"Anna"}, "weight": {"1"}})
	link := shareLinkIn(t, admin.post("/settings/people/share", url.Values{"person": {"anna"}, "days": {"30"}}))
	now := time.Now()
	h.deps.Now = func() time.Time { return now }
	for days, want := range map[int]int{0: http.StatusOK, 29: http.StatusOK, 31: http.StatusNotFound} {
		now = time.Now().AddDate(0, 0, days)
		h.restart(t)
		if got := h.remote(t).get(link).status; got != want {
			t.Errorf("after %d days the link = %d, want %d", days, got, want)
		}
	}
	now = time.Now()
	h.restart(t)
	admin.handler = h.Handler()
	admin.submit("/settings/people/delete", url.Values{"id": {"anna"}})
	if got := h.remote(t).get(link).status; got != http.StatusNotFound {
		t.Errorf("the link of a removed person = %d, want 404", got)
	}
	for _, form := range []url.Values{{"person": {"nobody"}}, {"person": {"anna"}}, {"days": {"9999999"}}, {"days": {"-1"}}} {
		if got := admin.post("/settings/people/share", form).status; got != http.StatusBadRequest {
			t.Errorf("a link with %v = %d, want 400", form, got)
		}
	}
}

// TestHostileNamesGivenHere stores scripts as names of hosts and people: they
// stay text wherever they are shown, also on share links and in CSV.
func TestHostileNamesGivenHere(t *testing.T) {
	h, admin := flat(t)
	admin.submit("/settings/people", url.Values{"name": {hostileName}, "weight": {"1"}})
	settings, err := h.store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := settings.People[0].ID
	admin.submit(laptopPath+"/who", url.Values{"name": {hostileName}, "owner": {id}})
	link := shareLinkIn(t, admin.post("/settings/people/share", url.Values{"person": {id}}))
	for _, path := range []string{"/", "/hosts", "/hosts?person=" + id, "/hosts/192.168.1.20", "/people", "/days", "/settings/hosts", laptopPath, "/settings/people", link} {
		got := admin.get(path)
		if got.status != http.StatusOK || got.document == nil {
			t.Errorf("GET %s = %d", path, got.status)
			continue
		}
		if len(find(got.document, "main script"))+len(find(got.document, "[onerror]"))+len(find(got.document, "img")) > 0 {
			t.Errorf("GET %s: a name became markup", path)
		}
	}
	admin.submit(laptopPath+"/who", url.Values{"name": {"=cmd|' /C calc'!A0"}})
	if csv := admin.get("/hosts.csv").body; !strings.Contains(csv, "'=cmd") {
		t.Errorf("hosts.csv lets a spreadsheet run a name:\n%s", csv)
	}
}
