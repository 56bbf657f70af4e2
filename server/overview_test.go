package server

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOverviewAnswersFirst(t *testing.T) {
	capped := visit(t, newHousehold(9, date(t, "2026-09-01"), 900e9))
	tight := visit(t, newHousehold(9, date(t, "2026-09-01"), 200e9))
	free := visit(t, newHousehold(9, date(t, "2026-09-01"), 0))
	for _, test := range []struct {
		name, path string
		b          *browser
		answer     string
		when       string
		says       []string
		meter      bool
	}{
		{
			"inside the cap", "/", capped, "268 GB of 900 GB used", "day 12 of 30 · 18 days left",
			[]string{"Likely at the end 603–738 GB", "35.1 GB a day would stay inside", "19 % more than last period by this day"},
			true,
		},
		{
			"over the cap", "/", tight, "268 GB of 200 GB used", "day 12 of 30 · 18 days left",
			[]string{"68.2 GB over the cap", "Likely at the end 603–738 GB", "19 % more than last period by this day"},
			true,
		},
		{
			"no cap", "/", free, "268 GB used", "day 12 of 30 · 18 days left",
			[]string{"Likely at the end 603–738 GB", "19 % more than last period by this day"},
			false,
		},
		{
			"a period that is over", "/?period=2026-10-12", capped, "620 GB of 900 GB used", "31 days",
			[]string{"280 GB to spare", "21 % less than in the period before"},
			true,
		},
		{"a range", "/?from=2026-11-20&to=2026-11-22", capped, "74.2 GB used", "2 days", nil, false},
		{
			"a filter", "/?host=192.168.1.20", capped, "131 GB used", "day 12 of 30 · 18 days left",
			[]string{"Likely at the end 295–360 GB", "35 % more than last period by this day"},
			false,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := test.b.get(test.path)
			if got := texts(a.document, "h1")[0]; got != test.answer {
				t.Errorf("answers %q, want %q", got, test.answer)
			}
			if got := texts(a.document, ".answer .title p")[0]; got != test.when {
				t.Errorf("when %q, want %q", got, test.when)
			}
			if diff := cmp.Diff(test.says, texts(a.document, ".says span")); diff != "" {
				t.Errorf("says (-want +got):\n%s", diff)
			}
			if got := len(find(a.document, ".chart-meter")) == 1; got != test.meter {
				t.Errorf("meter: %v, want %v", got, test.meter)
			}
		})
	}
}

func TestOverviewListsSum(t *testing.T) {
	a := visit(t, newHousehold(60, date(t, "2026-09-01"), 900e9)).get("/")
	want := figure(t, find(a.document, "h1")[0])
	for _, list := range find(a.document, ".list") {
		rows := find(list, "tbody tr")
		var got uint64
		for _, row := range rows {
			figures := find(row, "td data")
			at := 1
			if len(figures) > 1 {
				at = 3
			}
			if len(find(row, "span.muted data")) == 0 { // in brackets: not counted
				got += columnOf(t, row, at)
			}
		}
		if got != want {
			t.Errorf("%s: rows sum to %d, the answer is %d", text(find(list, "h2")[0]), got, want)
		}
	}
	if links := find(a.document, ".chart-columns .hits a"); len(links) != 12 {
		t.Errorf("%d columns lead to their day, want 12", len(links))
	}
}
