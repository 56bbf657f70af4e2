package site

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flattraffic/flattraffic/billing"
)

func TestLines(t *testing.T) {
	s, _ := newStore(t)
	ctx := t.Context()
	lte := netip.MustParseAddr("10.0.0.9")
	id, err := s.AddLine(ctx, "LTE stick (über)", []netip.Addr{lte})
	do(t, err)
	if want := "lte-stick-ber"; id != want {
		t.Errorf("got the id %q, want %q", id, want)
	}
	got := load(t, s)
	if len(got.Lines) != 2 || got.Lines[0].ID != DefaultLine || !got.Lines[0].Rest() || got.Lines[1].Label() != "LTE stick (über)" || !got.HasRest() {
		t.Fatalf("got %+v, want the default line with the rest, and the new one", got.Lines)
	}
	if got.Lines[1].Plans[0].Zone.String() != "Asia/Kathmandu" {
		t.Errorf("the new line is in %s, want the zone of the first", got.Lines[1].Plans[0].Zone)
	}
	again, err := s.AddLine(ctx, "lte stick ber", []netip.Addr{netip.MustParseAddr("10.0.0.10")})
	do(t, err)
	if again != id+"-2" {
		t.Errorf("got the id %q beside %q", again, id)
	}
	odd, err := s.AddLine(ctx, "全部", []netip.Addr{netip.MustParseAddr("10.0.0.11")})
	do(t, err)
	if odd != "line" {
		t.Errorf("got the id %q for a name without letters of an id", odd)
	}
	_, err = s.AddLine(ctx, "Second with the rest", nil)
	if fields, ok := errors.AsType[FieldErrors](err); !ok || !strings.Contains(fields["exporters"], "only one line can") {
		t.Errorf("got %v for a second line with the rest", err)
	}
}

func TestLineKeepsItsNameWhenVersionsChange(t *testing.T) {
	s, _ := newStore(t)
	ctx := t.Context()
	lte := netip.MustParseAddr("10.0.0.9")
	id, err := s.AddLine(ctx, "LTE", []netip.Addr{lte})
	do(t, err)
	plan := load(t, s).Lines[1].Plans[0]
	do(t, s.SavePlan(ctx, id, plan, date(2026, 5, 1)))
	do(t, s.SavePlan(ctx, id, plan, date(2025, 5, 1)))
	do(t, s.SaveLine(ctx, id, "Mobile", []netip.Addr{lte}))
	for _, from := range []billing.Date{date(2026, 5, 1), {}} {
		do(t, s.DeletePlanVersion(ctx, id, from))
		line, _ := load(t, s).Line(id)
		if line.Label() != "Mobile" || !cmp.Equal(line.Exporters, []netip.Addr{lte}, equal) {
			t.Errorf("after the version from %q went: got %q with %v", from, line.Label(), line.Exporters)
		}
	}
	do(t, s.DeleteLine(ctx, id))
	if got := load(t, s).Lines; len(got) != 1 {
		t.Errorf("got %d lines after one was removed, want 1", len(got))
	}
}

func TestImportRefusesSharedExporters(t *testing.T) {
	s, _ := newStore(t)
	for name, text := range map[string]string{
		"twice":      "[[plan]]\nname='a'\nzone='UTC'\nexporters=['10.0.0.1']\n[[plan]]\nline='b'\nname='b'\nzone='UTC'\nexporters=['10.0.0.1']\n",
		"two rests":  "[[plan]]\nname='a'\nzone='UTC'\n[[plan]]\nline='b'\nname='b'\nzone='UTC'\n",
		"named all":  "[[plan]]\nname='a'\nzone='UTC'\n[[plan]]\nline='all'\nname='b'\nzone='UTC'\nexporters=['10.0.0.1']\n",
		"free times": "[[plan]]\nname='a'\nzone='UTC'\nfree='02:10-06:00'\n",
	} {
		err := s.Import(t.Context(), []byte(text))
		if _, ok := errors.AsType[FieldErrors](err); !ok {
			t.Errorf("%s: got %v, want FieldErrors", name, err)
		}
	}
}
