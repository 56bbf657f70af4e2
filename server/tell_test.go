package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/schema"
)

// tells makes the house tell flows anew as the program does.
func (h *house) tells(t *testing.T) {
	t.Helper()
	h.deps.TellHistory = func(ctx context.Context, progress func(int, int)) error {
		settings, err := h.store.Load(ctx)
		if err != nil {
			return err
		}
		return schema.Retell(ctx, h.conn, schema.Rules{Networks: settings.Prefixes(), Counting: settings.CountRules(), Patience: time.Nanosecond}, progress)
	}
	h.restart(t)
}

// total is what a report says of all traffic.
func (b *browser) total(path string) (total struct{ Received, Sent, Internal, Unmatched, Flows uint64 }) {
	b.t.Helper()
	var doc struct {
		Total struct{ Received, Sent, Internal, Unmatched, Flows uint64 }
	}
	if err := json.Unmarshal([]byte(b.get(path).body), &doc); err != nil {
		b.t.Fatal(err)
	}
	return doc.Total
}

// A range of the unmatched traffic becomes a local network with one click, and
// all the past is told by it.
func TestUnmatchedRangeIsAddedWithOneClick(t *testing.T) {
	h := newHouse(t, Config{})
	h.tells(t)
	admin := h.setUp(t)
	h.flow(t, "received", "192.168.1.20", "203.0.113.5", 4_000_000)
	h.flow(t, "unmatched", "::", "198.51.100.7", 1_000_000) // to 2001:db8:77::5
	h.flow(t, "unmatched", "::", "198.51.100.8", 500_000)

	page := admin.get("/networks")
	var link string
	for _, a := range find(page.document, "tbody tr.rest a") {
		if strings.Contains(attr(a, "href"), "unmatched") {
			link = attr(a, "href")
		}
	}
	page = admin.get(link)
	if page.status != http.StatusOK {
		t.Fatalf("the row leads to %q: %d", link, page.status)
	}
	if got, want := texts(page.document, "tbody tr th"), []string{"198.51.100.0/24", "2001:db8:77::/64"}; !cmp.Equal(got, want) {
		t.Fatalf("ranges %q, want %q", got, want)
	}
	if got := strings.Join(texts(page.document, "p.notice"), " "); !strings.Contains(got, "1.50 MB belong to nobody") || !strings.Contains(got, "all of the past can be told anew") {
		t.Errorf("the page says %q, want how much, and how much can be told anew", got)
	}
	var choices []string
	for _, option := range find(page.document, "tbody select option") {
		choices = append(choices, attr(option, "value"))
	}
	if got, want := choices, []string{"2001:db8:77::/64", "2001:db8:77::/56", "2001:db8:77::/48"}; !cmp.Equal(got, want) {
		t.Errorf("ranges to choose from %q, want %q", got, want)
	}

	page = admin.submit("/settings/networks/add", url.Values{"range": {"2001:db8:77::/56"}, "back": {"unmatched"}, "query": {"line=home"}})
	if got := texts(page.document, ".notice.good"); len(got) == 0 || got[0] != flashText("network-added") {
		t.Errorf("the page says %q, want that the network is added", got)
	}
	h.history.wait()
	if got := admin.total("/overview.json"); got.Received != 5_500_000 || got.Unmatched != 0 || got.Flows != 3 {
		t.Errorf("total %+v, want all received by the new network", got)
	}
	if got := h.historyWish(t.Context()); got != "" {
		t.Errorf("wish %q is left, want none when it is done", got)
	}
	page = admin.get("/networks/unmatched")
	if got := texts(page.document, ".empty h2"); len(got) != 1 || got[0] != "Nothing is unmatched" {
		t.Errorf("the page says %q, want that nothing is unmatched", got)
	}
	if got := texts(page.document, "#history-state"); len(got) != 1 || !strings.Contains(got[0], "settings of today") {
		t.Errorf("the page says %q, want that all flows are told", got)
	}

	// The way back: without the network, the same button for all of the past.
	admin.submit("/settings/networks", url.Values{"range-0": {"192.168.0.0/16"}, "metered-0": {"1"}})
	admin.submit("/settings/history", url.Values{})
	h.history.wait()
	if got := admin.total("/overview.json"); got.Received != 4_000_000 || got.Unmatched != 1_500_000 {
		t.Errorf("total %+v, want what it was before", got)
	}
}

func TestUnmatchedPageOffersNothingToViewers(t *testing.T) {
	h := newHouse(t, Config{})
	admin := h.setUp(t)
	admin.submit("/settings/account/add", url.Values{"name": {"lena"}, "role": {Viewer}, "new_password": {"viewers only please"}})
	h.flow(t, "unmatched", "::", "224.0.0.5", 1000)
	if got := len(find(h.as(t, "lena", "viewers only please").get("/networks/unmatched").document, "tbody form")); got != 0 {
		t.Errorf("%d forms for a viewer, want none", got)
	}
	if got := len(find(admin.get("/networks/unmatched").document, "tbody form")); got != 1 {
		t.Errorf("%d forms for an admin, want one: no host has a multicast address", got)
	}
}

// The progress is on every page that has to do with it, without a script, and
// outlives the page that began it.
func TestHistoryShowsItsProgress(t *testing.T) {
	h := newHouse(t, Config{})
	step, next := make(chan int), make(chan struct{})
	h.deps.TellHistory = func(_ context.Context, progress func(int, int)) error {
		for done := range step {
			progress(done, 10)
			next <- struct{}{}
		}
		return nil
	}
	h.restart(t)
	admin := h.setUp(t)
	h.flow(t, "unmatched", "::", "198.51.100.7", 1000)
	admin.submit("/settings/history", url.Values{})
	for _, tt := range []struct {
		done int
		want string
	}{{3, "day 4 of 5: 30 %"}, {7, "All 5 days are told anew and in place, and are now compared, to the byte: 70 %"}} {
		step <- tt.done
		<-next
		for _, path := range []string{"/networks/unmatched", "/settings/networks", "/settings/exporters", "/status"} {
			page := h.as(t, "admin", password).get(path)
			if got := texts(page.document, "#history-state"); len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("GET %s says %q, want %q", path, got, tt.want)
			}
			if len(find(page.document, "#history-state a")) != 1 {
				t.Errorf("GET %s has no link to look again", path)
			}
		}
		if got := admin.get("/networks/unmatched").header.Get("Refresh"); got == "" {
			t.Error("the page does not look again by itself")
		}
	}
	close(step)
}

// What was wished for and cut off by a restart is taken up by the next start.
func TestHistoryIsTakenUpAfterARestart(t *testing.T) {
	h := newHouse(t, Config{})
	began := make(chan struct{}, 1)
	h.deps.TellHistory = func(ctx context.Context, _ func(int, int)) error {
		began <- struct{}{}
		<-ctx.Done() // the program is stopped in the middle
		return ctx.Err()
	}
	h.restart(t)
	admin := h.setUp(t)
	life, end := context.WithCancel(t.Context())
	h.history.attach(life)
	admin.submit("/settings/history", url.Values{})
	<-began
	end()
	h.history.wait()
	if h.historyWish(t.Context()) == "" {
		t.Fatal("the wish is forgotten though it is not done")
	}

	told := make(chan struct{}, 1)
	h.deps.TellHistory = func(context.Context, func(int, int)) error {
		told <- struct{}{}
		return nil
	}
	h.restart(t)
	life, end = context.WithCancel(t.Context())
	watching := make(chan struct{})
	go func() { h.watchJobs(life); close(watching) }()
	<-told
	end()
	<-watching
	h.history.wait()
	if got := h.historyWish(t.Context()); got != "" {
		t.Errorf("wish %q is left, want none when it is done", got)
	}
}

// A newer wish that comes while the work goes on is worked for afterwards.
func TestHistoryWishedForTwice(t *testing.T) {
	h := newHouse(t, Config{})
	runs := make(chan chan struct{}, 3)
	h.deps.TellHistory = func(context.Context, func(int, int)) error {
		done := make(chan struct{})
		runs <- done
		<-done
		return nil
	}
	h.restart(t)
	if err := h.wishForHistory(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := <-runs
	if err := h.wishForHistory(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(first)
	close(<-runs)
	h.history.wait()
	if got := h.historyWish(t.Context()); got != "" {
		t.Errorf("wish %q is left, want none", got)
	}
}
