package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/flattraffic/flattraffic/demo"
)

// While the demo's rows are in the database every page says so, from the
// moment they are written until they are removed.
func TestEveryPageMarksTheDemo(t *testing.T) {
	const mark = "<strong>Sample data.</strong>"
	h := newHouse(t, Config{})
	pages := append([]string{"/settings/plan", "/settings/networks", "/settings/exporters", "/settings/display", "/settings/account", "/status", "/welcome/plan"}, reportPaths...)
	look := func(want int) {
		t.Helper()
		b := newHouseOn(t, Config{}, h.conn).local(t)
		for _, path := range pages {
			a := b.get(path)
			if a.status != http.StatusOK {
				t.Errorf("GET %s = %d", path, a.status)
			}
			if got := strings.Count(a.body, mark); got != want {
				t.Errorf("GET %s says %d times that it shows sample data, want %d", path, got, want)
			}
		}
	}
	look(0)
	if _, err := demo.Write(t.Context(), h.conn, demo.Options{Years: .02, FlowsPerDay: 200, Until: time.Now()}, nil); err != nil {
		t.Fatal(err)
	}
	look(1)
	if err := demo.Remove(t.Context(), h.conn, nil); err != nil {
		t.Fatal(err)
	}
	look(0)
}
