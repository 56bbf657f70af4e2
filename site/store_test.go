package site

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/clickhouse/clickhousetest"
	"github.com/flattraffic/flattraffic/schema"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

// equal compares settings by what they say; billing's types hold a pointer to
// the zone and unexported fields.
var equal = cmp.Options{
	cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
	cmp.Comparer(func(a, b billing.Renewal) bool { return a == b }),
	cmp.Comparer(func(a, b billing.FreeTimes) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

func newStore(t *testing.T) (*Store, driver.Conn) {
	t.Helper()
	conn, dsn := clickhousetest.Database(t)
	do(t, schema.Apply(t.Context(), conn, schema.Options{DSN: dsn}))
	return NewStore(conn, zone(t, "Asia/Kathmandu")), conn
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func renewal(t *testing.T, text string) billing.Renewal {
	t.Helper()
	r, err := billing.ParseRenewal(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func freeTimes(t *testing.T, text string) billing.FreeTimes {
	t.Helper()
	f, err := billing.ParseFreeTimes(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func load(t *testing.T, s *Store) *Settings {
	t.Helper()
	got, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func date(y, m, d int) billing.Date { return billing.Date{Year: y, Month: time.Month(m), Day: d} }

func TestLoadDefaults(t *testing.T) {
	s, _ := newStore(t)
	got := load(t, s)
	want := &Settings{
		Lines:   []Line{{ID: "home", Plans: billing.Plans{{ID: "home", Name: "Home", Zone: zone(t, "Asia/Kathmandu"), Base: billing.Decimal}}}},
		Display: Display{ReverseDNS: true}, Alerts: DefaultAlerts(),
	}
	for _, n := range []struct{ prefix, name string }{
		{"10.0.0.0/8", "Private 10"},
		{"169.254.0.0/16", "Link-local"},
		{"172.16.0.0/12", "Private 172"},
		{"192.168.0.0/16", "Private 192.168"},
		{"fc00::/7", "Private IPv6"},
		{"fe80::/10", "Link-local IPv6"},
	} {
		want.Networks = append(want.Networks, Network{netip.MustParsePrefix(n.prefix), n.name, true})
	}
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Error(diff)
	}
	if err := got.Lines[0].Plans.Validate(); err != nil {
		t.Error(err)
	}
}

// fill saves something of every kind and returns what is to be loaded.
func fill(t *testing.T, s *Store) *Settings {
	t.Helper()
	ctx := t.Context()
	router := netip.MustParseAddr("192.168.1.1")
	lte := netip.MustParseAddr("2001:db8::1")
	home := billing.Plan{
		ID: "home", Name: "Kahu's line", Zone: zone(t, "Pacific/Auckland"), Renewal: renewal(t, "12"),
		Cap: 500e9, CapText: "500 GB", Counts: billing.CountBoth, Base: billing.Decimal, Free: freeTimes(t, "02:00-06:00; Sat,Sun 00:00-24:00"),
	}
	bigger := home
	bigger.EffectiveFrom, bigger.Cap, bigger.CapText, bigger.Base, bigger.Counts = date(2026, 11, 12), 1<<40, "1 TiB", billing.Binary, billing.CountLarger
	spare := billing.Plan{
		ID: "spare", Name: "LTE 'spare'; DROP TABLE plans", Zone: zone(t, "UTC"), Renewal: renewal(t, "2026-01-05/28"), Base: billing.Decimal,
	}
	do(t, s.SavePlan(ctx, "spare", spare, billing.Date{}))
	do(t, s.SavePlan(ctx, "home", home, billing.Date{}))
	do(t, s.SaveLine(ctx, "home", " Kahu's \\ wire ", []netip.Addr{router}))
	do(t, s.SavePlan(ctx, "home", bigger, bigger.EffectiveFrom))
	do(t, s.SaveLine(ctx, "spare", "LTE", []netip.Addr{lte, netip.MustParseAddr("::ffff:10.0.0.9"), lte}))
	networks := []Network{
		{netip.MustParsePrefix("192.168.0.0/16"), "LAN", true},
		{netip.MustParsePrefix("192.168.50.0/24"), "Guest \"wifi\" \\ ünïcode 🦤", false},
		{netip.MustParsePrefix("2001:db8:1::/56"), "", true},
	}
	do(t, s.SaveNetworks(ctx, networks))
	exporter := Exporter{Address: router, Name: "router", SamplingRate: 100, CountInterfaces: []uint32{3, 7}, CountDirection: "ingress", SumOutBytes: true}
	do(t, s.SaveExporter(ctx, exporter))
	do(t, s.SaveDisplay(ctx, Display{AllowListOnly: true}))
	said := Alerts{
		Thresholds: []int{50, 90}, SilentHours: 3, Mail: Mail{Host: "mail.example.org", Port: 465, Security: "tls", User: "us", From: "us@example.org", To: []string{"Mere <mere@example.org>"}},
		Hook: Hook{On: true, Format: "json"},
	}
	do(t, s.SaveAlerts(ctx, said, Secrets{MailPassword: "hush", HookURL: "https://ntfy.example.org/topic", HookToken: "tk"}))
	mere, err := s.SavePerson(ctx, Person{Name: " Mere ", Weight: 2})
	do(t, err)
	device := Device{ID: "nas", Name: "NAS", Owner: mere, Apart: true, MACs: []uint64{0x3c22fb010203}, Addresses: []netip.Addr{netip.MustParseAddr("192.168.1.20"), netip.MustParseAddr("fd00::20")}}
	do(t, s.SaveDevice(ctx, device))
	return &Settings{
		Lines: []Line{
			{ID: "home", Name: `Kahu's \ wire`, Plans: billing.Plans{home, bigger}, Exporters: []netip.Addr{router}},
			{ID: "spare", Name: "LTE", Plans: billing.Plans{spare}, Exporters: []netip.Addr{netip.MustParseAddr("10.0.0.9"), lte}},
		},
		Networks: networks, Exporters: []Exporter{exporter},
		Display: Display{AllowListOnly: true}, Alerts: said, Devices: []Device{device},
		People: []Person{{ID: "mere", Name: "Mere", Weight: 2}},
	}
}

func TestSnapshotRoundTrips(t *testing.T) {
	s, _ := newStore(t)
	want := fill(t, s)
	if diff := cmp.Diff(want, load(t, s), equal); diff != "" {
		t.Error(diff)
	}
}

func TestExportImportRoundTrips(t *testing.T) {
	s, _ := newStore(t)
	want := fill(t, s)
	text, err := s.Export(t.Context())
	do(t, err)

	other, _ := newStore(t)
	do(t, other.SaveNetwork(t.Context(), Network{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Name: "goes away"}))
	do(t, other.SaveExporter(t.Context(), Exporter{Address: netip.MustParseAddr("10.9.9.9"), Name: "goes away"}))
	do(t, other.SavePlan(t.Context(), "gone", want.Lines[0].Plans[0], date(2020, 1, 1)))
	do(t, other.Import(t.Context(), text))
	if diff := cmp.Diff(want, load(t, other), equal); diff != "" {
		t.Errorf("%s\nfile:\n%s", diff, text)
	}
	again, err := other.Export(t.Context())
	do(t, err)
	if diff := cmp.Diff(string(text), string(again)); diff != "" {
		t.Error(diff)
	}
}

func TestImportIsAllOrNothing(t *testing.T) {
	const good = "[[plan]]\nname = 'Home'\nzone = 'UTC'\nrenewal = '12'\ncap = '300 GB'\n"
	for _, test := range []struct {
		name, text string
		want       []string // fields with an error, or a part of the message
	}{
		{"no plan", "[display]\nreverse_dns = false\n", []string{"plan"}},
		{"unknown key", good + "colour = 'red'\n", []string{"plan.colour"}},
		{
			"several", "[[plan]]\nname = ''\nzone = 'Mars/Olympus'\nrenewal = '32'\ncap = '12 parsec'\n[[network]]\nrange = '10.0.0.0/40'\n",
			[]string{"network[0].range", "plan[0].cap", "plan[0].renewal", "plan[0].zone"},
		},
		{"late error", good + "[[device]]\nname = 'x'\naddresses = ['fridge']\n", []string{"device[0].addresses"}},
		{"same date twice", good + good, []string{"plan[1].from"}},
		{"everything local", good + "[[network]]\nrange = '0.0.0.0/0'\n", []string{"network[0].range"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, _ := newStore(t)
			want := fill(t, s)
			err := s.Import(t.Context(), []byte(test.text))
			var fields FieldErrors
			if !errors.As(err, &fields) {
				t.Fatalf("got %v, want FieldErrors", err)
			}
			if got := slices.Sorted(maps.Keys(fields)); !slices.Equal(got, test.want) {
				t.Errorf("got fields %v (%v), want %v", got, err, test.want)
			}
			if diff := cmp.Diff(want, load(t, s), equal); diff != "" {
				t.Errorf("settings changed: %s", diff)
			}
		})
	}
	t.Run("no TOML", func(t *testing.T) {
		s, _ := newStore(t)
		err := s.Import(t.Context(), []byte(good+"colour = = 'red'\n"))
		if err == nil || !strings.Contains(err.Error(), "line 6") {
			t.Errorf("got %v, want an error that names line 6", err)
		}
	})
}

func TestSaveRefuses(t *testing.T) {
	s, _ := newStore(t)
	fill(t, s)
	ctx := t.Context()
	plan := load(t, s).Lines[0].Plans[0]
	with := func(change func(*billing.Plan)) billing.Plan {
		p := plan
		change(&p)
		return p
	}
	for _, test := range []struct {
		name string
		save func() error
		want string // the field
	}{
		{"plan without name", func() error {
			return s.SavePlan(ctx, "home", with(func(p *billing.Plan) { p.Name = "" }), billing.Date{})
		}, "name"},
		{"plan without zone", func() error {
			return s.SavePlan(ctx, "home", with(func(p *billing.Plan) { p.Zone = nil }), billing.Date{})
		}, "zone"},
		{"plan in the machine's zone without a name", func() error {
			return s.SavePlan(ctx, "home", with(func(p *billing.Plan) { p.Zone = time.Local }), billing.Date{})
		}, "zone"},
		{"plan with odd base", func() error {
			return s.SavePlan(ctx, "home", with(func(p *billing.Plan) { p.Base = 1001 }), billing.Date{})
		}, "base"},
		{"plan with another cap than its text", func() error {
			return s.SavePlan(ctx, "home", with(func(p *billing.Plan) { p.Cap++ }), billing.Date{})
		}, "plan"},
		{"plan before the calendar", func() error { return s.SavePlan(ctx, "home", plan, date(1066, 10, 14)) }, "from"},
		{"line with a bad id", func() error { return s.SavePlan(ctx, "my line", plan, billing.Date{}) }, "line"},
		{"line that is not there", func() error { return s.SaveLine(ctx, "nowhere", "Nowhere", nil) }, "line"},
		{"line without a name", func() error { return s.SaveLine(ctx, "spare", " ", nil) }, "name"},
		{"line of another's name", func() error { return s.SaveLine(ctx, "home", "lte", nil) }, "name"},
		{"line with another's exporter", func() error {
			return s.SaveLine(ctx, "home", "Wire", []netip.Addr{netip.MustParseAddr("10.0.0.9")})
		}, "exporters"},
		{"line with no address", func() error { return s.SaveLine(ctx, "home", "Wire", []netip.Addr{{}}) }, "exporters"},
		{"new line without a name", func() error {
			_, err := s.AddLine(ctx, "", []netip.Addr{netip.MustParseAddr("10.0.0.10")})
			return err
		}, "name"},
		{"first line removed", func() error { return s.DeleteLine(ctx, "home") }, "line"},
		{"line removed that is not there", func() error { return s.DeleteLine(ctx, "nowhere") }, "line"},
		{"version that is not there", func() error { return s.DeletePlanVersion(ctx, "home", date(2001, 1, 1)) }, "from"},
		{"network of nothing", func() error { return s.SaveNetwork(ctx, Network{}) }, "range"},
		{"network of everything", func() error { return s.SaveNetwork(ctx, Network{Prefix: netip.MustParsePrefix("::/0")}) }, "range"},
		{"network of multicast", func() error { return s.SaveNetwork(ctx, Network{Prefix: netip.MustParsePrefix("ff00::/8")}) }, "range"},
		{"network with a broken name", func() error {
			return s.SaveNetwork(ctx, Network{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Name: "a\nb"})
		}, "name"},
		{"no networks", func() error { return s.SaveNetworks(ctx, nil) }, "networks"},
		{"network that is not there", func() error { return s.DeleteNetwork(ctx, netip.MustParsePrefix("10.0.0.0/8")) }, "range"},
		{"exporter without address", func() error { return s.SaveExporter(ctx, Exporter{}) }, "address"},
		{"exporter with a bad direction", func() error {
			return s.SaveExporter(ctx, Exporter{Address: netip.MustParseAddr("10.0.0.1"), CountDirection: "sideways"})
		}, "count_direction"},
		{"device without address", func() error { return s.SaveDevice(ctx, Device{Name: "x"}) }, "addresses"},
		{"device with another's address", func() error {
			return s.SaveDevice(ctx, Device{Addresses: []netip.Addr{netip.MustParseAddr("::ffff:192.168.1.20")}})
		}, "addresses"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := load(t, s)
			err := test.save()
			var fields FieldErrors
			if !errors.As(err, &fields) || fields[test.want] == "" || len(fields) != 1 {
				t.Errorf("got %v, want one error at %s", err, test.want)
			}
			if diff := cmp.Diff(want, load(t, s), equal); diff != "" {
				t.Errorf("settings changed: %s", diff)
			}
		})
	}
}

func TestRewritesWithinOneMillisecond(t *testing.T) {
	s, conn := newStore(t)
	other := NewStore(conn, time.UTC) // another process
	address := netip.MustParseAddr("10.0.0.1")
	for i := range 40 {
		store := s
		if i%2 == 1 {
			store = other
		}
		do(t, store.SaveExporter(t.Context(), Exporter{Address: address, SamplingRate: uint32(i)}))
		if got := load(t, s).Exporters[0].SamplingRate; got != uint32(i) {
			t.Fatalf("got the version %d, want %d", got, i)
		}
	}
	var rows, times uint64
	do(t, conn.QueryRow(t.Context(), "SELECT count(), uniqExact(changed_at) FROM exporters").Scan(&rows, &times))
	if rows != times {
		t.Errorf("got %d times for %d versions", times, rows)
	}
	// A clock that was set back must not bring old versions up again.
	do(t, conn.Exec(t.Context(), "INSERT INTO exporters (exporter, sampling_rate, changed_at) VALUES ('10.0.0.1', 77, now() + INTERVAL 1 DAY)"))
	do(t, s.SaveExporter(t.Context(), Exporter{Address: address, SamplingRate: 99}))
	if got := load(t, s).Exporters[0].SamplingRate; got != 99 {
		t.Errorf("got %d after the clock was set back, want 99", got)
	}
}

func TestDefaultNetworksStayWhenOneIsAdded(t *testing.T) {
	s, _ := newStore(t)
	v6 := netip.MustParsePrefix("2001:db8:1:2::5/56")
	do(t, s.SaveNetwork(t.Context(), Network{Prefix: v6, Name: "Delegated", Metered: true}))
	got := load(t, s)
	if len(got.Networks) != 7 || !slices.Contains(got.Prefixes(), v6.Masked()) {
		t.Errorf("got %v, want the six defaults and %s", got.Prefixes(), v6.Masked())
	}
	do(t, s.DeleteNetwork(t.Context(), netip.MustParsePrefix("10.0.0.0/8")))
	if got := load(t, s); slices.Contains(got.Prefixes(), netip.MustParsePrefix("10.0.0.0/8")) || len(got.Networks) != 6 {
		t.Errorf("got %v after 10.0.0.0/8 was deleted", got.Prefixes())
	}
}

func TestDeletePlanVersion(t *testing.T) {
	s, _ := newStore(t)
	want := fill(t, s)
	do(t, s.DeletePlanVersion(t.Context(), "home", date(2026, 11, 12)))
	want.Lines[0].Plans = want.Lines[0].Plans[:1]
	if diff := cmp.Diff(want, load(t, s), equal); diff != "" {
		t.Error(diff)
	}
	var fields FieldErrors
	if err := s.DeletePlanVersion(t.Context(), "home", billing.Date{}); !errors.As(err, &fields) {
		t.Errorf("got %v for the last version, want FieldErrors", err)
	}
	do(t, s.DeletePlanVersion(t.Context(), "spare", billing.Date{}))
	if got := load(t, s); len(got.Lines) != 1 {
		t.Errorf("got %d lines, want the spare one gone", len(got.Lines))
	}
}

func TestCurrentSeesOwnChanges(t *testing.T) {
	s, _ := newStore(t)
	before, err := s.Current(t.Context())
	do(t, err)
	if same, _ := s.Current(t.Context()); same != before {
		t.Error("two snapshots within five seconds without a change between")
	}
	do(t, s.SaveDisplay(t.Context(), Display{}))
	after, err := s.Current(t.Context())
	do(t, err)
	if after.Display.ReverseDNS {
		t.Error("the snapshot is older than the change")
	}
}

func TestZoneChanged(t *testing.T) {
	s, _ := newStore(t)
	before := load(t, s)
	fill(t, s)
	if got, changed := ZoneChanged(before, load(t, s)); got != "Pacific/Auckland" || !changed {
		t.Errorf("got %s, %t", got, changed)
	}
	if _, changed := ZoneChanged(before, before); changed {
		t.Error("a change where there is none")
	}
}

func TestLoadObeysTheContext(t *testing.T) {
	s, _ := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestMAC(t *testing.T) {
	for _, test := range []struct {
		text string
		want uint64
		ok   bool
	}{
		{"3c:22:fb:01:02:03", 0x3c22fb010203, true},
		{"3C-22-FB-01-02-03", 0x3c22fb010203, true},
		{"3c22.fb01.0203", 0x3c22fb010203, true},
		{"3c:22:fb:01:02", 0, false},
		{"00:00:00:00:fe:80:00:00", 0, false},
	} {
		got, err := ParseMAC(test.text)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("ParseMAC(%q): got %x, %v", test.text, got, err)
		}
	}
	if got := FormatMAC(0x3c22fb010203); got != "3c:22:fb:01:02:03" {
		t.Errorf("got %s", got)
	}
}

// An old snapshot stands as long as nothing was written, by whomever.
func TestCurrentIsReadAgainWhenChanged(t *testing.T) {
	store, conn := newStore(t)
	first, err := store.Load(t.Context())
	do(t, err)
	current := func() *Settings {
		t.Helper()
		store.mu.Lock()
		store.loaded = time.Time{}
		store.mu.Unlock()
		got, err := store.Current(t.Context())
		do(t, err)
		return got
	}
	if got := current(); got != first {
		t.Error("read again although nothing changed")
	}
	if store.loaded.IsZero() {
		t.Error("not known to be current")
	}
	do(t, NewStore(conn, store.zone).SaveNetworks(t.Context(), []Network{{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Name: "Lab", Metered: true}}))
	if got := current(); len(got.Networks) != 1 || got.Networks[0].Name != "Lab" {
		t.Errorf("got networks %v, want those another process saved", got.Networks)
	}
}

// Every kind of change makes another version of the tables, so no reading of
// an old one can stand.
func TestEveryChangeMakesAnotherVersion(t *testing.T) {
	store, _ := newStore(t)
	last := store.stands(t.Context())
	for _, test := range []struct {
		what   string
		change func(context.Context) error
	}{
		{"line", func(ctx context.Context) error { return store.SaveLine(ctx, DefaultLine, "Fibre", nil) }},
		{"network", func(ctx context.Context) error {
			return store.SaveNetwork(ctx, Network{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Name: "Lab", Metered: true})
		}},
		{"exporter", func(ctx context.Context) error {
			return store.SaveExporter(ctx, Exporter{Address: netip.MustParseAddr("10.1.0.1"), Name: "Router"})
		}},
		{"display", func(ctx context.Context) error { return store.SaveDisplay(ctx, Display{ReverseDNS: false}) }},
		{"device", func(ctx context.Context) error {
			return store.SaveDevice(ctx, Device{ID: "d", Name: "Phone", MACs: []uint64{1}})
		}},
		{"person", func(ctx context.Context) error {
			_, err := store.SavePerson(ctx, Person{Name: "Ann", Weight: 1})
			return err
		}},
		{"what the ISP says", func(ctx context.Context) error {
			return store.SaveBill(ctx, DefaultLine, billing.Date{Year: 2026, Month: time.March, Day: 1}, "12 GB")
		}},
		{"alerts", func(ctx context.Context) error { return store.SaveAlerts(ctx, DefaultAlerts(), Secrets{}) }},
	} {
		do(t, test.change(t.Context()))
		version := store.stands(t.Context())
		if version == "" || version == last {
			t.Errorf("%s: version %q, was %q", test.what, version, last)
		}
		last = version
	}
}
