package alerts

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/names"
	"github.com/flattraffic/flattraffic/report"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

const gb = 1_000_000_000

// home is a household of whose figures the tests decide.
type home struct {
	mu       sync.Mutex
	used     uint64
	complete float64
	overOn   billing.Date
	now      time.Time
	conn     driver.Conn
	settings *site.Settings
	secrets  site.Secrets
}

func newHome(t *testing.T) *home {
	t.Helper()
	conn, dsn := clickhousetest.Database(t)
	if err := schema.Apply(t.Context(), conn, schema.Options{DSN: dsn}); err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Pacific/Auckland")
	if err != nil {
		t.Fatal(err)
	}
	renewal, err := billing.ParseRenewal("12")
	if err != nil {
		t.Fatal(err)
	}
	plan := billing.Plan{ID: "home", Name: "Fibre 500", Zone: zone, Renewal: renewal, Cap: 500 * gb, Base: billing.Decimal}
	return &home{
		complete: 1, conn: conn, now: time.Date(2026, 11, 23, 12, 0, 0, 0, zone),
		settings: &site.Settings{
			Lines:  []site.Line{{ID: "home", Plans: billing.Plans{plan}}},
			Alerts: site.Alerts{Thresholds: []int{50, 80, 100}, Forecast: true, SilentHours: 6, Completeness: 95},
		},
	}
}

func (h *home) hook(r *receiver, format string) {
	h.settings.Alerts.Hook = site.Hook{On: true, Format: format}
	h.secrets.HookURL = r.URL
}

func (h *home) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// Run answers as package report does, for the period that holds now.
func (h *home) Run(_ context.Context, req report.Request) (*report.Result, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.settings.Lines[0].Plans.At(h.now)
	return &report.Result{
		Request: req, Span: report.Span{Start: p.Start, End: p.End, Plan: p.Plan, Billing: true},
		Completeness: report.Completeness{Known: true, Fraction: h.complete},
		Overview: &report.OverviewResult{
			Used: h.used, DayNumber: 12, DayCount: 30, SafePerDay: 10 * gb, LikelyLow: h.used + 100*gb, LikelyHigh: h.used + 200*gb, OverOn: h.overOn,
			Driver: &report.Driver{Host: netip.MustParseAddr("192.168.1.20"), Name: "PlayStation", Used: 9, Share: .39, Days: 7},
		},
	}, nil
}

// program is one running FlatTraffic on the household's database.
func (h *home) program() *Alerts {
	return New(Deps{
		Conn: h.conn, Reports: h, Log: slog.New(slog.DiscardHandler),
		Settings: func(context.Context) (*site.Settings, error) { return h.settings, nil },
		Secrets:  func(context.Context) (site.Secrets, error) { return h.secrets, nil },
		Now: func() time.Time {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.now
		},
	})
}

func check(t *testing.T, a *Alerts) {
	t.Helper()
	if err := a.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func titles(posts []post) []string {
	var list []string
	for _, p := range posts {
		title, err := new(mime.WordDecoder).DecodeHeader(p.header.Get("Title"))
		if err != nil {
			title = err.Error()
		}
		list = append(list, title)
	}
	return list
}

// TestSaidOnceAThresholdAPeriod crosses thresholds over two periods, with a
// restart between any two looks.
func TestSaidOnceAThresholdAPeriod(t *testing.T) {
	h := newHome(t)
	hook := newReceiver(t)
	h.hook(hook, "text")
	var want []string
	for _, step := range []struct {
		used uint64
		days int
		says []string
	}{
		{249 * gb, 0, nil},
		{250 * gb, 1, []string{"FlatTraffic: 50 % of 500 GB used (Fibre 500)"}},
		{260 * gb, 1, nil},
		{500 * gb, 1, []string{"FlatTraffic: 100 % of 500 GB used (Fibre 500)"}}, // and 80 % with it
		{600 * gb, 1, nil},
		{10 * gb, 20, nil}, // the next period
		{400 * gb, 1, []string{"FlatTraffic: 80 % of 500 GB used (Fibre 500)"}},
		{410 * gb, 0, nil},
	} {
		h.set(func() { h.used, h.now = step.used, h.now.AddDate(0, 0, step.days) })
		check(t, h.program())
		check(t, h.program())
		want = append(want, step.says...)
		if got := titles(hook.posts()); !cmp.Equal(got, want) {
			t.Fatalf("at %d: %s", step.used, cmp.Diff(want, got))
		}
	}
	if got := hook.posts()[1].header.Get("Priority"); got != "high" {
		t.Errorf("the cap was reached with priority %q, want high", got)
	}
}

// TestManyProgramsSayItOnce lets programs look at the same time.
func TestManyProgramsSayItOnce(t *testing.T) {
	h := newHome(t)
	hook := newReceiver(t)
	h.hook(hook, "text")
	h.used = 450 * gb
	var wg sync.WaitGroup
	for range 6 {
		a := h.program()
		wg.Go(func() {
			if err := a.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := titles(hook.posts()); len(got) != 1 {
		t.Errorf("said %q, want one thing", got)
	}
}

func TestForecastAndCompleteness(t *testing.T) {
	h := newHome(t)
	hook := newReceiver(t)
	h.hook(hook, "json")
	h.used, h.overOn, h.complete = 100*gb, billing.Date{Year: 2026, Month: 12, Day: 5}, .9412
	check(t, h.program())
	check(t, h.program())
	var got []hookDocument
	for _, p := range hook.posts() {
		var d hookDocument
		if err := json.Unmarshal([]byte(p.body), &d); err != nil || p.header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %v", p.body, err)
		}
		got = append(got, d)
	}
	if len(got) != 2 || got[0].Subject != "FlatTraffic: likely over 500 GB from about 5 Dec (Fibre 500)" || got[1].Subject != "FlatTraffic: figures are less than 95 % complete (Fibre 500)" {
		t.Fatalf("said %+v", got)
	}
	if d := got[0]; d.Kind != "forecast" || d.Line != "home" || *d.Used != 100*gb || *d.Cap != 500*gb || !d.Start.Equal(h.settings.Lines[0].Plans.At(h.now).Start) {
		t.Errorf("got %+v", d)
	}
}

// TestMailHasTheWordsOfTheOverview reads the letter that a mail server got.
func TestMailHasTheWordsOfTheOverview(t *testing.T) {
	h := newHome(t)
	office := newPostOffice(t)
	h.settings.Alerts.Mail = site.Mail{
		Host: office.host, Port: office.port, Security: "none", From: "FlatTraffic <ft@example.org>", To: []string{"anna@example.org", "Bo <bo@example.org>"},
	}
	h.settings.Lines[0].Name = "Küche"
	h.settings.Lines[0].Plans[0].Name = "Küche"
	h.used, h.overOn = 402*gb, billing.Date{Year: 2026, Month: 12, Day: 5}
	h.settings.Alerts.Forecast = false
	check(t, h.program())
	check(t, h.program())
	letters := office.letters()
	if len(letters) != 1 {
		t.Fatalf("got %d letters, want 1", len(letters))
	}
	if got := letters[0]; got.from != "ft@example.org" || !cmp.Equal(got.to, []string{"anna@example.org", "bo@example.org"}) {
		t.Errorf("from %s to %v", got.from, got.to)
	}
	m, err := mail.ReadMessage(strings.NewReader(letters[0].data))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if want := "FlatTraffic: 80 % of 500 GB used (Küche)"; err != nil || subject != want {
		t.Errorf("subject %q, %v; want %q", subject, err, want)
	}
	if m.Header.Get("Auto-Submitted") != "auto-generated" || m.Header.Get("Message-Id") == "" || m.Header.Get("Date") == "" {
		t.Errorf("header: %v", m.Header)
	}
	body := readBody(t, m)
	for _, want := range []string{
		"402 GB of 500 GB used, day 12 of 30 · 18 days left", "Likely at the end 502–602 GB over from about 5 Dec",
		"Driven by PlayStation 39 % of the last 7 days", "10.0 GB a day would stay inside", "plan Küche, 12 Nov 2026 to 11 Dec 2026 (Pacific/Auckland)", "Complete to 100 %",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the letter does not say %q:\n%s", want, body)
		}
	}
}

// TestFailureIsTriedAgain has a webhook that fails, and then works: one message
// gets through, after a pause, and the page says what was wrong.
func TestFailureIsTriedAgain(t *testing.T) {
	h := newHome(t)
	hook := newReceiver(t)
	h.hook(hook, "text")
	h.used = 260 * gb
	// The database notes its own time, so that the programs' clock is of today
	// and in the middle of a long period.
	h.now = time.Now()
	var err error
	if h.settings.Lines[0].Plans[0].Renewal, err = billing.ParseRenewal(h.now.AddDate(0, 0, -100).Format(time.DateOnly) + "/366"); err != nil {
		t.Fatal(err)
	}
	hook.answer(http.StatusInternalServerError)
	check(t, h.program())
	check(t, h.program()) // too early to try again
	if got := len(hook.posts()); got != 1 {
		t.Fatalf("tried %d times at once, want 1", got)
	}
	list, err := h.program().Recent(t.Context())
	if err != nil || len(list) != 1 || list[0].State != failed || !strings.Contains(list[0].Problem, "500") || list[0].Way != "webhook" {
		t.Fatalf("noted %+v, %v", list, err)
	}
	hook.answer(http.StatusOK)
	h.set(func() { h.now = h.now.Add(2 * time.Minute) })
	for range 3 {
		check(t, h.program())
	}
	if got := len(hook.posts()); got != 2 {
		t.Errorf("tried %d times, want twice", got)
	}
	if list, err := h.program().Recent(t.Context()); err != nil || len(list) != 1 || list[0].State != sent {
		t.Errorf("noted %+v, %v", list, err)
	}
}

// TestAttempts is the rule of when to try again.
func TestAttempts(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, test := range []struct {
		name     string
		attempts []attempt
		number   uint16
		due      bool
	}{
		{"never said", nil, 1, true},
		{"said", []attempt{{number: 1, sent: true, last: ago(time.Hour)}}, 0, false},
		{"said at the second attempt", []attempt{{number: 1, failed: true, last: ago(time.Hour)}, {number: 2, sent: true}}, 0, false},
		{"under way", []attempt{{number: 1, last: ago(time.Minute)}}, 2, false},
		{"abandoned", []attempt{{number: 1, last: ago(time.Hour)}}, 2, true},
		{"just failed", []attempt{{number: 1, failed: true, last: ago(30 * time.Second)}}, 2, false},
		{"failed a minute ago", []attempt{{number: 1, failed: true, last: ago(time.Minute)}}, 2, true},
		{"failed often", []attempt{{number: 5, failed: true, last: ago(15 * time.Minute)}}, 6, false},
		{"failed very often", []attempt{{number: 20, failed: true, last: ago(6 * time.Hour)}}, 21, true},
		{"given up", []attempt{{number: maxAttempts, failed: true, last: ago(100 * time.Hour)}}, maxAttempts + 1, false},
	} {
		if number, due := next(test.attempts, now); due != test.due || due && number != test.number {
			t.Errorf("%s: got %d, %t; want %d, %t", test.name, number, due, test.number, test.due)
		}
	}
}

// TestHookIsGuarded sends to where nothing may go.
func TestHookIsGuarded(t *testing.T) {
	inner := newReceiver(t)
	outer := newReceiver(t)
	outer.Config.Handler = http.RedirectHandler(inner.URL+"/secret-topic", http.StatusTemporaryRedirect)
	m := Message{Kind: "test", Subject: "x", Text: "y"}
	for name, test := range map[string]struct{ url, want string }{
		"redirect":    {outer.URL + "/secret-topic", "redirects are not followed"},
		"link-local":  {"http://169.254.169.254/latest/meta-data", "169.254.0.0/16"},
		"mapped":      {"http://[::ffff:169.254.169.254]/", "169.254.0.0/16"},
		"unspecified": {"http://0.0.0.0:1/secret-topic", "169.254.0.0/16"},
		"closed":      {"http://127.0.0.1:1/secret-topic", "refused"},
		"no address":  {"http://[::1", "not understood"},
	} {
		err := newHook(site.Hook{On: true, Format: "text"}, site.Secrets{HookURL: test.url}).send(t.Context(), m)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret-topic") {
			t.Errorf("%s: got %v, want an error with %q and without the address", name, err, test.want)
		}
	}
	if got := inner.posts(); len(got) != 0 {
		t.Errorf("a redirect was followed: %+v", got)
	}
	hook := newReceiver(t)
	err := newHook(site.Hook{On: true, Format: "text"}, site.Secrets{HookURL: hook.URL, HookToken: "tk_1"}).send(t.Context(), m)
	if got := hook.posts(); err != nil || len(got) != 1 || got[0].header.Get("Authorization") != "Bearer tk_1" || got[0].body != "y" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTestButton(t *testing.T) {
	h := newHome(t)
	a := h.program()
	if err := a.Test(t.Context(), h.settings.Alerts, h.secrets); err == nil {
		t.Error("no way is set, and the test says nothing")
	}
	hook, office := newReceiver(t), newPostOffice(t)
	h.hook(hook, "text")
	h.settings.Alerts.Mail = site.Mail{Host: office.host, Port: office.port, Security: "none", From: "ft@example.org", To: []string{"anna@example.org"}}
	if err := a.Test(t.Context(), h.settings.Alerts, h.secrets); err != nil || len(hook.posts()) != 1 || len(office.letters()) != 1 {
		t.Errorf("got %v, %d posts and %d letters", err, len(hook.posts()), len(office.letters()))
	}
	office.refuse = true
	h.settings.Alerts.Hook.On = false
	if err := a.Test(t.Context(), h.settings.Alerts, h.secrets); err == nil || !strings.Contains(err.Error(), "nobody of that name") {
		t.Errorf("got %v, want what the mail server said", err)
	}
	h.settings.Alerts.Mail.Security = "starttls"
	if err := a.Test(t.Context(), h.settings.Alerts, h.secrets); err == nil {
		t.Error("a server without STARTTLS was spoken to in the clear")
	}
}

// TestSilentExporters has one that stopped, one that goes on, one that is
// blocked and a stranger of one quarter hour.
func TestSilentExporters(t *testing.T) {
	h := newHome(t)
	hook := newReceiver(t)
	h.hook(hook, "text")
	h.settings.Exporters = []site.Exporter{{Address: netip.MustParseAddr("10.0.0.1"), Name: "router"}, {Address: netip.MustParseAddr("10.0.0.3"), Blocked: true}}
	batch, err := h.conn.PrepareBatch(t.Context(), "INSERT INTO ledger (bucket, exporter, event, count)")
	if err != nil {
		t.Fatal(err)
	}
	stopped := h.now.Add(-7 * time.Hour).Truncate(15 * time.Minute)
	for at := stopped.Add(-6 * time.Hour); at.Before(h.now); at = at.Add(15 * time.Minute) {
		rows := map[string]string{"::": "running_seconds", "10.0.0.2": "records"}
		if !at.After(stopped) {
			rows["10.0.0.1"], rows["10.0.0.3"] = "records", "records"
		}
		if at.Equal(stopped) {
			rows["203.0.113.9"] = "records"
		}
		for exporter, event := range rows {
			if err := batch.Append(at, netip.MustParseAddr(exporter), event, uint64(900)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	check(t, h.program())
	h.set(func() { h.now = h.now.Add(3 * time.Hour) }) // still silent: said already
	check(t, h.program())
	if got, want := titles(hook.posts()), []string{"FlatTraffic: nothing from router (10.0.0.1) for 6 hours"}; !cmp.Equal(got, want) {
		t.Errorf("said %q, want %q", got, want)
	}
}

// TestNoWayIsSet looks at nothing.
func TestNoWayIsSet(t *testing.T) {
	h := newHome(t)
	h.used = 600 * gb
	a := h.program()
	check(t, a)
	if list, err := a.Recent(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("noted %+v, %v", list, err)
	}
}

// TestOfRealFigures goes the whole way: flows, rollups, overview, webhook.
func TestOfRealFigures(t *testing.T) {
	h := newHome(t)
	hook := newReceiver(t)
	h.hook(hook, "text")
	batch, err := h.conn.PrepareBatch(t.Context(), "INSERT INTO flows (end, duration_ms, exporter, origin, direction, counted, host, peer, protocol, service, sampling_rate, bytes, packets)")
	if err != nil {
		t.Fatal(err)
	}
	for day := range 11 {
		err := batch.Append(h.now.AddDate(0, 0, -day).UTC(), uint32(0), netip.MustParseAddr("192.168.1.1"), int8(flow.Import), int8(flow.Received), true,
			netip.MustParseAddr("192.168.1.20"), netip.MustParseAddr("203.0.113.5"), uint8(6), uint16(443), uint32(1), uint64(40*gb), uint64(9))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	services, err := flow.NewServices()
	if err != nil {
		t.Fatal(err)
	}
	known := names.New(names.Config{}, h.conn, nil, time.Now, slog.New(slog.DiscardHandler))
	a := h.program()
	a.Reports = report.New(h.conn, a.Settings, services, known, a.Now)
	check(t, a)
	got := hook.posts()
	if want := []string{"FlatTraffic: 80 % of 500 GB used (Fibre 500)", "FlatTraffic: likely over 500 GB from about 24 Nov (Fibre 500)"}; !cmp.Equal(titles(got), want) {
		t.Fatalf("said %q, want %q", titles(got), want)
	}
	if want := "440 GB of 500 GB used, day 12 of 30 · 18 days left"; !strings.HasPrefix(got[0].body, want) {
		t.Errorf("got %q, want it to begin with %q", got[0].body, want)
	}
}

// TestRunGoesOnAfterErrors has settings that cannot be read at first.
func TestRunGoesOnAfterErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looked := 0
		a := New(Deps{
			Log: slog.New(slog.DiscardHandler), Now: time.Now,
			Settings: func(context.Context) (*site.Settings, error) {
				if looked++; looked < 3 {
					return nil, errors.New("away")
				}
				return &site.Settings{}, nil
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		time.Sleep(settling + 5*interval)
		cancel()
		if err := <-done; err != nil || looked < 5 {
			t.Errorf("looked %d times, %v", looked, err)
		}
	})
}

func TestReached(t *testing.T) {
	for _, test := range []struct {
		used, limit uint64
		percent     int
		want        bool
	}{
		{79, 100, 80, false},
		{80, 100, 80, true},
		{2, 3, 67, false}, // 67 % of three bytes are more than two
		{3, 3, 67, true},
		{1<<64 - 1, 1<<64 - 1, 100, true},
		{0, 0, 50, true},
	} {
		if got := reached(test.used, test.limit, test.percent); got != test.want {
			t.Errorf("%d of %d at %d %%: got %t", test.used, test.limit, test.percent, got)
		}
	}
}

func readBody(t *testing.T, m *mail.Message) string {
	t.Helper()
	body, err := io.ReadAll(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(body)
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		plain, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		text = string(plain)
	}
	return strings.ReplaceAll(text, "\r\n", "\n")
}
