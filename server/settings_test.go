package server

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/site"
)

func (h *house) settingsNow(t *testing.T) *site.Settings {
	t.Helper()
	settings, err := h.store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func planOf(values ...string) url.Values {
	form := url.Values{
		"name": {"Home"}, "renewal": {"12"}, "zone": {"UTC"}, "cap": {"500 GB"}, "counts": {"both"}, "base": {"0"},
		"scope": {"all"}, "action": {"save"},
	}
	for i := 0; i < len(values); i += 2 {
		form.Set(values[i], values[i+1])
	}
	return form
}

func TestPlanIsSaved(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	page := admin.submit("/settings/plan", planOf("name", "Fibre", "renewal", "-2", "cap", "1.5 TiB", "counts", "received"))
	if got, want := texts(page.document, ".notice.good"), []string{flashText("plan")}; !cmp.Equal(got, want) {
		t.Errorf("the page says %q, want %q", got, want)
	}
	for field, want := range map[string]string{"name": "Fibre", "renewal": "-2", "cap": "1.5 TiB", "zone": "UTC"} {
		if got := page.value("form.form input[name=" + field + "]"); got != want {
			t.Errorf("field %s shows %q, want %q", field, got, want)
		}
	}
	got := h.settingsNow(t).Lines[0].Plans
	want := site.PlanText{Name: "Fibre", Zone: "UTC", Renewal: "-2", Cap: "1.5 TiB", Counts: "received", Base: 1024}
	if len(got) != 1 || !cmp.Equal(site.TextOf(got[0]), want) {
		t.Errorf("stored: %v", cmp.Diff(site.TextOf(got[0]), want))
	}
	select {
	case zone := <-h.zones:
		t.Errorf("days re-cut for %s though the zone is the same", zone)
	default:
	}
}

func TestPlanErrorsStandAtTheFields(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	before := h.settingsNow(t)
	for _, tt := range []struct{ field, value string }{
		{"name", ""},
		{"name", strings.Repeat("x", 200)},
		{"renewal", "32"},
		{"renewal", "0"},
		{"renewal", "tomorrow"},
		{"renewal", "2026-02-30/28"},
		{"zone", "Mars/Olympus"},
		{"zone", "../../etc/passwd"},
		{"cap", "lots"},
		{"cap", "-5 GB"},
		{"counts", "everything"},
		{"base", "1001"},
		{"free", "02:10-06:00"},
		{"free", "Foo 02:00-06:00"},
		{"free", "00:00-24:00"},
	} {
		page := admin.post("/settings/plan", planOf(tt.field, tt.value))
		if page.status != http.StatusUnprocessableEntity {
			t.Errorf("%s = %q: status %d, want 422", tt.field, tt.value, page.status)
			continue
		}
		if len(find(page.document, "#"+tt.field+"[aria-invalid=true]")) != 1 {
			t.Errorf("%s = %q is not marked as wrong", tt.field, tt.value)
		}
		said := texts(page.document, "#"+tt.field+"-error")
		if len(said) != 1 || !strings.HasSuffix(said[0], ".") {
			t.Errorf("%s = %q: the field says %q, want one sentence", tt.field, tt.value, said)
		}
		if got := page.value("form.form input[name=" + tt.field + "]"); got != tt.value && got != "(no field)" {
			t.Errorf("%s: the field shows %q, want what was entered, %q", tt.field, got, tt.value)
		}
	}
	if diff := cmp.Diff(planTexts(before), planTexts(h.settingsNow(t))); diff != "" {
		t.Errorf("settings changed by refused forms: %s", diff)
	}
}

// planTexts are the stored versions of the plan.
func planTexts(s *site.Settings) []site.PlanText {
	var list []site.PlanText
	for _, p := range s.Lines[0].Plans {
		list = append(list, site.TextOf(p))
	}
	return list
}

func TestPlanPreviewSavesNothing(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	h.now = func() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) }
	page := admin.post("/settings/plan", planOf("renewal", "12", "action", "preview"))
	got := texts(page.document, "#preview p")
	want := []string{
		"This period would be 12 Nov – 11 Dec 2026, 30 days.",
		"The next one would be 12 Dec 2026 – 11 Jan 2027.",
		"History is cut again: the period before would be 12 Oct – 11 Nov 2026.",
		"An even pace is 16.7 GB a day.",
	}
	if !cmp.Equal(got, want) {
		t.Errorf("preview: %s", cmp.Diff(want, got))
	}
	if got := page.value("form.form input[name=renewal]"); got != "12" {
		t.Errorf("the form shows renewal %q, want 12 as entered", got)
	}
	if got := h.settingsNow(t).Lines[0].Plans[0].Renewal.String(); got != "month" {
		t.Errorf("stored renewal = %s, want month as before", got)
	}
}

func TestPlanVersions(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	admin.submit("/settings/plan", planOf("cap", "300 GB"))
	page := admin.submit("/settings/plan", planOf("cap", "500 GB", "scope", "from", "from", "2026-05-12"))
	if got, want := len(find(page.document, "table tbody tr")), 2; got != want {
		t.Errorf("%d versions listed, want %d", got, want)
	}
	page = admin.get("/settings/plan?version=2026-05-12")
	if got, want := texts(page.document, "label[for=scope-this]"), []string{"This version only, from 12 May 2026 on"}; !cmp.Equal(got, want) {
		t.Errorf("the form of the version says %q, want %q", got, want)
	}
	page = admin.post("/settings/plan", planOf("cap", "1 TB", "scope", "from", "from", "2026-05-12"))
	if said := texts(page.document, "#from-error"); page.status != http.StatusUnprocessableEntity || len(said) != 1 || !strings.Contains(said[0], "two cannot hold at once") {
		t.Errorf("a second version from the same day = %d, %q at the field", page.status, said)
	}
	page = admin.submit("/settings/plan", planOf("cap", "600 GB", "scope", "this", "version", "2026-05-12"))
	if got := planTexts(h.settingsNow(t)); len(got) != 2 || got[0].Cap != "300 GB" || got[1].Cap != "600 GB" || got[1].From != "2026-05-12" {
		t.Errorf("after a version was corrected: %+v", got)
	}
	page = admin.submit("/settings/plan", planOf("cap", "310 GB", "scope", "this", "version", "first"))
	if got := planTexts(h.settingsNow(t)); len(got) != 2 || got[0].Cap != "310 GB" || got[0].From != "" {
		t.Errorf("after the first version was corrected: %+v", got)
	}
	if got := texts(page.document, "table tbody th"); !cmp.Equal(got, []string{"until 11 May 2026", "from 12 May 2026 on now"}) {
		t.Errorf("the versions listed hold %q", got)
	}
	for field, form := range map[string]url.Values{
		"scope": planOf("scope", "this", "version", "2001-01-01"), "#scope": planOf("scope", "sometimes"),
	} {
		if got := admin.post("/settings/plan", form); got.status != http.StatusUnprocessableEntity || len(texts(got.document, "#scope-error")) != 1 {
			t.Errorf("%s: status %d, want 422 and a sentence", field, got.status)
		}
	}
	if got := admin.post("/settings/plan", planOf("scope", "from", "from", "")).status; got != http.StatusUnprocessableEntity {
		t.Errorf("a version without a first day = %d, want 422", got)
	}
	admin.submit("/settings/plan/delete", url.Values{"from": {"2026-05-12"}})
	if got := h.settingsNow(t).Lines[0].Plans; len(got) != 1 || got[0].CapText != "310 GB" {
		t.Errorf("versions after deleting one: %v", got)
	}
	if got := admin.post("/settings/plan/delete", url.Values{"from": {""}}).status; got != http.StatusConflict {
		t.Errorf("deleting the only version = %d, want 409", got)
	}
	if got := admin.post("/settings/plan/delete", url.Values{"from": {"soon"}}).status; got != http.StatusBadRequest {
		t.Errorf("deleting a version of no date = %d, want 400", got)
	}
}

// TestPlanForAllTime cuts history again: the versions before are gone.
func TestPlanForAllTime(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	admin.submit("/settings/plan", planOf("cap", "300 GB"))
	admin.submit("/settings/plan", planOf("cap", "500 GB", "scope", "from", "from", "2026-05-12"))
	admin.submit("/settings/plan", planOf("cap", "700 GB", "renewal", "3"))
	got := h.settingsNow(t).Lines[0].Plans
	if len(got) != 1 || got[0].CapText != "700 GB" || got[0].Renewal.String() != "3" {
		t.Errorf("versions = %v, want one with 700 GB from the 3rd", got)
	}
}

func TestZoneChangeRecutsDays(t *testing.T) {
	h := newHouse(t, Config{})
	release := make(chan error)
	h.deps.ChangeZone = func(ctx context.Context, zone string, progress func(int, int)) error {
		progress(42, 100)
		h.zones <- zone
		return <-release
	}
	h.restart(t)
	admin := h.setUp(t)
	admin.submit("/settings/plan", planOf("zone", "Pacific/Chatham"))
	if got, want := <-h.zones, "Pacific/Chatham"; got != want {
		t.Errorf("days re-cut for %s, want %s", got, want)
	}
	page := admin.get("/settings/plan")
	if got := strings.Join(texts(page.document, "#recut"), ""); !strings.Contains(got, "42 %") || !strings.Contains(got, "Pacific/Chatham") {
		t.Errorf("while it runs the page says %q, want the zone and 42 %%", got)
	}
	if page.header.Get("Refresh") == "" {
		t.Error("the page does not look again by itself")
	}
	release <- context.DeadlineExceeded
	h.zone.wait()
	page = admin.get("/settings/plan")
	if len(find(page.document, "#recut.bad button")) != 1 || page.header.Get("Refresh") != "" {
		t.Errorf("after a failure the page says %q, want a way to try again", texts(page.document, "#recut"))
	}
	admin.submit("/settings/plan/zone", url.Values{})
	if got, want := <-h.zones, "Pacific/Chatham"; got != want {
		t.Errorf("tried again for %s, want %s", got, want)
	}
	release <- nil
	h.zone.wait()
	if page = admin.get("/settings/plan"); len(find(page.document, "#recut.good")) != 1 {
		t.Errorf("after success the page says %q", texts(page.document, "#recut"))
	}
}

func networksForm(rows ...[3]string) url.Values {
	form := url.Values{}
	for i, row := range rows {
		n := string(rune('0' + i))
		form.Set("range-"+n, row[0])
		form.Set("name-"+n, row[1])
		if row[2] != "" {
			form.Set(row[2]+"-"+n, "1")
		}
	}
	return form
}

func TestNetworks(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	page := admin.get("/settings/networks?add=2001:db8:7::/48")
	if got, want := attr(find(page.document, "#new input")[0], "value"), "2001:db8:7::/48"; got != want {
		t.Errorf("the new row shows %q, want %q", got, want)
	}

	page = admin.submit("/settings/networks", networksForm(
		[3]string{"192.168.1.77/24", "LAN", "metered"}, [3]string{"2001:db8:1::/56", "ISP <b>prefix</b>", "metered"},
		[3]string{"10.0.0.0/8", "old", "delete"}, [3]string{"192.168.9.0/24", "Guests", ""}, [3]string{"", "", "metered"},
	))
	var got []string
	for _, n := range h.settingsNow(t).Networks {
		got = append(got, n.Prefix.String()+" "+n.Name+map[bool]string{true: " metered"}[n.Metered])
	}
	want := []string{"192.168.1.0/24 LAN metered", "192.168.9.0/24 Guests", "2001:db8:1::/56 ISP <b>prefix</b> metered"}
	if !cmp.Equal(got, want) {
		t.Errorf("stored: %s", cmp.Diff(want, got))
	}
	if n := len(find(page.document, "fieldset b")); n != 0 {
		t.Errorf("the name of a network became %d elements of the page", n)
	}
}

func TestNetworksErrorsStandAtTheRows(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	for name, tt := range map[string]struct {
		form url.Values
		row  string
	}{
		"no range":     {networksForm([3]string{"192.168.0.0/16", "", ""}, [3]string{"home", "LAN", ""}), "1"},
		"name only":    {networksForm([3]string{"192.168.0.0/16", "", ""}, [3]string{"", "LAN", ""}), "1"},
		"everything":   {networksForm([3]string{"0.0.0.0/0", "", ""}), "0"},
		"twice":        {networksForm([3]string{"192.168.0.0/16", "", ""}, [3]string{"192.168.5.5/16", "", ""}), "1"},
		"multicast":    {networksForm([3]string{"224.0.0.0/4", "", ""}), "0"},
		"SQL":          {networksForm([3]string{"'; DROP TABLE flows; --", "", ""}), "0"},
		"after delete": {networksForm([3]string{"10.0.0.0/8", "", "delete"}, [3]string{"x", "", ""}), "1"},
	} {
		page := admin.post("/settings/networks", tt.form)
		if page.status != http.StatusUnprocessableEntity || len(texts(page.document, "#range-error-"+tt.row)) != 1 {
			t.Errorf("%s: status %d, errors %q; want 422 and a sentence at row %s", name, page.status, page.errors(), tt.row)
			continue
		}
		if got, want := page.value("input[name=range-"+tt.row+"]"), tt.form.Get("range-"+tt.row); got != want {
			t.Errorf("%s: row %s shows %q, want %q as entered", name, tt.row, got, want)
		}
	}
	if page := admin.post("/settings/networks", networksForm([3]string{"10.0.0.0/8", "", "delete"})); page.status != http.StatusUnprocessableEntity {
		t.Errorf("deleting all networks = %d, want 422", page.status)
	}
	if got, want := len(h.settingsNow(t).Networks), 6; got != want {
		t.Errorf("%d networks, want the %d defaults", got, want)
	}
}

func TestNetworkAddedInOneClick(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	admin.submit("/settings/networks/add", url.Values{"range": {"2001:db8:9::/64"}})
	admin.submit("/settings/networks/add", url.Values{"range": {"203.0.113.7"}, "back": {"welcome"}})
	settings := h.settingsNow(t)
	for _, want := range []string{"2001:db8:9::/64", "203.0.113.7/32", "192.168.0.0/16"} {
		if !slices.ContainsFunc(settings.Networks, func(n site.Network) bool { return n.Prefix.String() == want }) {
			t.Errorf("%s is not among the networks %v", want, settings.Networks)
		}
	}
	if got := admin.post("/settings/networks/add", url.Values{"range": {"::/0"}}).status; got != http.StatusBadRequest {
		t.Errorf("adding everything = %d, want 400", got)
	}
	admin.submit("/settings/networks", networksForm([3]string{"203.0.113.0/24", "", ""}))
	admin.submit("/settings/networks/defaults", url.Values{})
	if got, want := len(h.settingsNow(t).Networks), 7; got != want {
		t.Errorf("%d networks after adding the defaults, want %d", got, want)
	}
}

func TestExporters(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	if got := texts(admin.get("/settings/exporters").document, ".empty h2"); len(got) != 1 {
		t.Errorf("without exporters the page says %q", got)
	}
	h.hear(t, "192.168.1.1")
	const hostile = `Router "x' \ <script>alert(1)</script>`
	page := admin.submit("/settings/exporters", url.Values{
		"address": {"192.168.1.1"}, "name": {hostile}, "sampling_rate": {"100"}, "count_interfaces": {"2, 3 3"},
		"count_direction": {"ingress"}, "blocked": {"1"}, "sum_out_bytes": {"1"},
	})
	want := []site.Exporter{{
		Address: h.settingsNow(t).Exporters[0].Address, Name: hostile, Blocked: true, SamplingRate: 100,
		CountInterfaces: []uint32{2, 3}, CountDirection: "ingress", SumOutBytes: true,
	}}
	if diff := cmp.Diff(want, h.settingsNow(t).Exporters, cmp.Comparer(func(a, b site.Exporter) bool {
		return a.Address == b.Address && a.Name == b.Name && a.Blocked == b.Blocked && a.SamplingRate == b.SamplingRate &&
			slices.Equal(a.CountInterfaces, b.CountInterfaces) && a.CountDirection == b.CountDirection && a.SumOutBytes == b.SumOutBytes
	})); diff != "" {
		t.Errorf("stored: %s", diff)
	}
	if got := page.value(".exporter input[name=name]"); got != hostile {
		t.Errorf("the form shows the name %q, want %q", got, hostile)
	}
	if n := len(find(page.document, "main script")); n != 0 {
		t.Error("a name became a script of the page")
	}
	facts := texts(page.document, ".exporter dd")
	if len(facts) == 0 || facts[0] != "IPFIX" {
		t.Errorf("facts = %q, want what was heard", facts)
	}
	for _, bad := range []struct{ field, value, element string }{
		{"sampling_rate", "0", "sampling-1"},
		{"sampling_rate", "-1", "sampling-1"},
		{"sampling_rate", "99999999999", "sampling-1"},
		{"count_interfaces", "eth0", "interfaces-1"},
		{"count_direction", "sideways", "direction-1"},
		{"name", "a\x00b", "name-1"},
	} {
		page := admin.post("/settings/exporters", url.Values{"address": {"192.168.1.1"}, bad.field: {bad.value}})
		if page.status != http.StatusUnprocessableEntity || len(find(page.document, "#"+bad.element+"[aria-invalid=true]")) != 1 {
			t.Errorf("%s = %q: status %d, errors %q; want 422 at #%s", bad.field, bad.value, page.status, page.errors(), bad.element)
		}
	}
	if page := admin.post("/settings/exporters", url.Values{"address": {"router"}}); page.status != http.StatusUnprocessableEntity || len(find(page.document, "#address[aria-invalid=true]")) != 1 {
		t.Errorf("an exporter without address: status %d, errors %q", page.status, page.errors())
	}
	admin.submit("/settings/exporters/delete", url.Values{"address": {"192.168.1.1"}})
	if got := h.settingsNow(t).Exporters; len(got) != 0 {
		t.Errorf("exporters = %v, want none", got)
	}
}

func TestDisplay(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	page := admin.post("/settings/display", url.Values{"allow_list_only": {"1"}})
	if page.status != http.StatusUnprocessableEntity || len(texts(page.document, "#allow-error")) != 1 {
		t.Errorf("an empty allow-list: status %d, errors %q; want it refused", page.status, page.errors())
	}
	if n := len(find(page.document, "#allow_list_only[checked]")); n != 1 {
		t.Error("what was entered is not kept")
	}
	admin.submit("/settings/exporters", url.Values{"address": {"192.168.1.1"}, "count_direction": {"any"}})
	admin.submit("/settings/display", url.Values{"allow_list_only": {"1"}})
	if got, want := h.settingsNow(t).Display, (site.Display{AllowListOnly: true}); got != want {
		t.Errorf("display = %+v, want %+v", got, want)
	}
	admin.submit("/settings/display", url.Values{"reverse_dns": {"1"}})
	if got, want := h.settingsNow(t).Display, (site.Display{ReverseDNS: true}); got != want {
		t.Errorf("display = %+v, want %+v", got, want)
	}
}

func TestAccountPassword(t *testing.T) {
	h := newHouse(t, Config{})
	h.setUp(t)
	b, elsewhere := h.as(t, Admin, password), h.as(t, Admin, password)
	const newPassword = "quite another one"
	for field, form := range map[string]url.Values{
		"current":  {"current": {"wrong one"}, "password": {newPassword}, "repeat": {newPassword}},
		"password": {"current": {password}, "password": {"short"}, "repeat": {"short"}},
		"repeat":   {"current": {password}, "password": {newPassword}, "repeat": {"something else"}},
	} {
		page := b.post("/settings/account/password", form)
		if page.status != http.StatusUnprocessableEntity || len(texts(page.document, "#"+field+"-error")) != 1 {
			t.Errorf("wrong %s: status %d, errors %q", field, page.status, page.errors())
		}
	}
	b.submit("/settings/account/password", url.Values{"current": {password}, "password": {newPassword}, "repeat": {newPassword}})
	if got := b.get("/settings/plan").status; got != http.StatusOK {
		t.Errorf("GET /settings/plan after changing the password = %d, want 200", got)
	}
	if got := elsewhere.get("/settings/plan").status; got != http.StatusSeeOther {
		t.Errorf("GET /settings/plan elsewhere = %d, want the login", got)
	}
	h.as(t, Admin, newPassword)
}

func TestLogOutEverywhereElse(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	b := h.as(t, Admin, password)
	admin.submit("/settings/account/add", url.Values{"name": {"lena"}, "role": {Viewer}, "new_password": {"viewers only please"}})
	lena := h.as(t, "lena", "viewers only please")
	b.submit("/settings/account/others", url.Values{})
	for name, tt := range map[string]struct {
		*browser
		want int
	}{"this one": {b, http.StatusOK}, "the other": {admin, http.StatusSeeOther}, "another account": {lena, http.StatusOK}} {
		if got := tt.get("/status").status; got != tt.want {
			t.Errorf("%s: GET /status = %d, want %d", name, got, tt.want)
		}
	}
}

func TestAccounts(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	for field, form := range map[string]url.Values{
		"name":         {"name": {"Lena O'Hara; DROP"}, "role": {Viewer}, "new_password": {"long enough here"}},
		"role":         {"name": {"lena"}, "role": {"root"}, "new_password": {"long enough here"}},
		"new_password": {"name": {"lena"}, "role": {Viewer}, "new_password": {"short"}},
	} {
		page := admin.post("/settings/account/add", form)
		if page.status != http.StatusUnprocessableEntity || len(texts(page.document, "#"+field+"-error")) != 1 {
			t.Errorf("wrong %s: status %d, errors %q", field, page.status, page.errors())
		}
	}
	if got := admin.post("/settings/account/add", url.Values{"name": {"admin"}, "role": {Viewer}, "new_password": {"long enough here"}}).status; got != http.StatusUnprocessableEntity {
		t.Errorf("an account that is there already = %d, want 422", got)
	}
	if got := admin.post("/settings/account/delete", url.Values{"name": {"admin"}}).status; got != http.StatusConflict {
		t.Errorf("removing oneself = %d, want 409", got)
	}
	list, err := h.accounts.List(t.Context())
	if err != nil || len(list) != 1 {
		t.Errorf("accounts = %v, %v; want admin alone", list, err)
	}
}

// TestStatementsAreThere reads every statement the program names.
func TestStatementsAreThere(t *testing.T) {
	for _, name := range []string{
		"accounts", "write_account", "find_session", "commit_session", "delete_session", "delete_other_sessions", "count_sessions",
		"exporters_seen", "ingest_last", "ledger_since", "directions_since", "last_seen", "flows_lately", "time_zones",
		"setup_step", "set_setup_step", "unmatched_ranges", "local_ranges",
	} {
		if statement(name) == "" {
			t.Errorf("statement %s is empty", name)
		}
	}
}
