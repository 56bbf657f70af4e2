package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/report"
)

func TestWhatTheISPSaysIsExplained(t *testing.T) {
	const gb = 1_000_000_000
	end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		says   uint64
		counts billing.Counts
		now    time.Time
		want   string
	}{
		{"the same", 500 * gb, billing.CountBoth, end, "Exactly what is counted here. That agrees."},
		{"nearly", 505 * gb, billing.CountBoth, end, "5.00 GB more than the 500 GB counted here (1.0 %). That agrees."},
		{"framing", 512 * gb, billing.CountBoth, end, "12.0 GB more than the 500 GB counted here (2.4 %). That is what the framing"},
		{"received only", 400 * gb, billing.CountBoth, end, "what was received alone"},
		{"both", 500 * gb, billing.CountReceived, end, "received and sent together"},
		{"GiB", 465_661_287_307, billing.CountBoth, end, "between GB and GiB"},
		{"twice", 250 * gb, billing.CountBoth, end, "twice as much"},
		{"much more", 700 * gb, billing.CountBoth, end, "More than the framing"},
		{"less", 300 * gb, billing.CountBoth, end, "may be free at your ISP"},
		{"running", 480 * gb, billing.CountBoth, end.AddDate(0, 0, -9), "The period is not over"},
		{"nothing", 0, billing.CountBoth, end, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			plan := billing.Plan{Base: billing.Decimal, Zone: time.UTC, Counts: test.counts}
			total := report.Counters{Received: 400 * gb, Sent: 100 * gb, Packets: 600_000_000}
			a := answer{
				Result: &report.Result{
					Span: report.Span{Start: end.AddDate(0, -1, 0), End: end, Plan: plan, Billing: true}, Total: total,
					Overview: &report.OverviewResult{Used: plan.Used(total.Received, total.Sent)},
				},
				figures: newFigures(plan, test.now),
			}
			got := strings.Join(a.compareBill(test.says), " ")
			if !strings.Contains(got, test.want) || test.want == "" && got != "" {
				t.Errorf("says %q, want %q in it", got, test.want)
			}
		})
	}
}

func TestISPFigureIsKeptForItsPeriod(t *testing.T) {
	h := newHouse(t, Config{PublicReports: true})
	b := h.setUp(t)
	h.flow(t, "received", "192.168.1.20", "203.0.113.5", 1_500_000_000)
	a := b.submit("/bill", url.Values{"says": {"1.6"}})
	if got := a.value("#says"); got != "1.6 GB" {
		t.Errorf("the field holds %q, want 1.6 GB: a plain number is in the unit beside it", got)
	}
	if got := strings.Join(texts(a.document, ".bill p"), " "); !strings.Contains(got, "100 MB more than the 1.50 GB counted here (6.7 %)") {
		t.Errorf("the difference is said as %q", got)
	}
	if got := b.get("/?period=previous").value("#says"); got == "1.6 GB" {
		t.Errorf("another period has the figure %q", got)
	}
	for _, page := range []string{"/?host=192.168.1.20", "/?from=2026-11-01&to=2026-11-08", "/?line=*"} {
		if got := b.get(page); got.document != nil && len(find(got.document, "#bill")) != 0 {
			t.Errorf("GET %s asks for a figure that is of no whole period", page)
		}
	}
	bad := b.post("/bill", url.Values{"says": {"1,6 GB"}})
	if bad.status != http.StatusUnprocessableEntity || !strings.Contains(strings.Join(bad.errors(), " "), "comma") || bad.value("#says") != "1,6 GB" {
		t.Errorf("a comma = %d %q, holding %q; want the error at the field", bad.status, bad.errors(), bad.value("#says"))
	}
	reader := h.remote(t).get("/")
	if got := strings.Join(texts(reader.document, ".bill p"), " "); !strings.Contains(got, "Your ISP says 1.6 GB") || len(find(reader.document, "#bill input")) != 0 {
		t.Errorf("a reader sees %q, want the figure without a field", got)
	}
	if a := h.remote(t).post("/bill", url.Values{"says": {"9 GB"}}); a.status != http.StatusUnauthorized {
		t.Errorf("a reader's own figure = %d, want 401", a.status)
	}
	if a := b.submit("/bill", url.Values{"says": {""}}); a.value("#says") != "" {
		t.Errorf("an empty field leaves %q", a.value("#says"))
	}
}
