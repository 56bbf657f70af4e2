package server

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/report"
	"github.com/flattraffic/flattraffic/site"
)

// hostsSettingsDays is how far back the settings list hosts that nobody has
// said anything about.
const hostsSettingsDays = 90

// HostsSettingsPage lists the devices there are.
type HostsSettingsPage struct {
	SettingsBase
	Query   string
	Devices []DeviceRow
	All     int
	More    string // how many are not listed
}

// DeviceRow is a device in the list.
type DeviceRow struct {
	Name, Source, Owner, Address, MACs, Href string
	More                                     int // addresses beside the first
	Seen                                     moment
}

// DevicePage is what is set for one device, and what its traffic tells.
type DevicePage struct {
	SettingsBase
	Device          DeviceForm
	Label           string
	Host            string // address of the page of its traffic
	Found           []FoundAddress
	More            int // found addresses that are not listed
	Others          []DeviceChoice
	Many            bool // more than can be chosen from a list
	Stored          bool
	OwnerForm, Path string
}

// DeviceForm is a device as entered.
type DeviceForm struct {
	Name, Owner, MACs, Addresses string
	Apart                        bool
}

// FoundAddress is an address of a device.
type FoundAddress struct {
	Address string
	ByHand  bool
}

// DeviceChoice is a device to merge with.
type DeviceChoice struct{ ID, Label string }

// maxDevicesShown is how many devices a page lists or offers; the others are
// found by their names and addresses.
const maxDevicesShown = 200

// maxFound is how many addresses of a device are listed.
const maxFound = 40

func (s *Server) hostsSettingsRoutes(r chi.Router) {
	s.get(r, "/settings/hosts", s.showHosts)
	s.get(r, "/settings/hosts/{device}", s.showDevice)
	s.post(r, "/settings/hosts/{device}", s.saveDevice)
	s.post(r, "/settings/hosts/{device}/who", s.renameDevice)
	s.post(r, "/settings/hosts/{device}/merge", s.mergeDevice)
	s.post(r, "/settings/hosts/{device}/split", s.splitDevice)
	s.post(r, "/settings/hosts/{device}/forget", s.forgetDevice)
}

// knownHost is a device with what is stored of it.
type knownHost struct {
	found  site.Device // with all its addresses
	stored site.Device // as it is, or would be, stored
	known  bool        // something is stored
}

// machines lists the devices of the household, with their addresses of all
// time.
func (s *Server) machines(ctx context.Context, settings *site.Settings) ([]knownHost, error) {
	devices, err := s.names.Devices(ctx, settings.Devices, time.Unix(0, 0), s.now().AddDate(1, 0, 0))
	if err != nil {
		return nil, err
	}
	var list []knownHost
	for i, d := range devices {
		m := knownHost{found: d, stored: site.Device{ID: d.ID, MACs: d.MACs}}
		if m.known = i < len(settings.Devices); m.known {
			m.stored = settings.Devices[i]
		}
		list = append(list, m)
	}
	return list, nil
}

// machine finds a device by its id or one of its addresses. An address of no
// device is one by itself.
func (s *Server) machine(ctx context.Context, settings *site.Settings, text string) (knownHost, error) {
	list, err := s.machines(ctx, settings)
	if err != nil {
		return knownHost{}, err
	}
	a, err := netip.ParseAddr(text)
	a = a.Unmap().WithZone("")
	ofAddress := err == nil && !a.IsUnspecified()
	for _, m := range list {
		if ofAddress && slices.Contains(m.found.Addresses, a) {
			return m, nil
		}
	}
	for _, m := range list {
		if m.found.ID == text {
			return m, nil
		}
	}
	if !ofAddress {
		return knownHost{}, &Problem{Status: http.StatusNotFound, Detail: "There is no device of that id; it may have been merged or forgotten meanwhile."}
	}
	d := site.Device{ID: a.String(), Addresses: []netip.Addr{a}}
	return knownHost{found: d, stored: d}, nil
}

func (s *Server) showHosts(w http.ResponseWriter, r *http.Request) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	today := billing.DateOf(s.today(settings.Lines[0].Plans.At(s.now()).Plan.Zone))
	req := report.Request{Kind: report.Hosts, Period: report.Period{FromDate: today.AddDays(-hostsSettingsDays), ToDate: today.AddDays(1)}}
	res, err := s.reports.Run(r.Context(), req)
	if err != nil {
		return err
	}
	page := HostsSettingsPage{SettingsBase: s.settingsBase(r, "hosts", "Hosts", nil), Query: strings.TrimSpace(r.URL.Query().Get("q"))}
	machines, err := s.machines(r.Context(), settings)
	if err != nil {
		return err
	}
	page.Devices = s.deviceRows(res, machines, settings)
	page.All = len(page.Devices)
	if page.Query != "" {
		query := strings.ToLower(page.Query)
		page.Devices = slices.DeleteFunc(page.Devices, func(d DeviceRow) bool {
			return !strings.Contains(strings.ToLower(strings.Join([]string{d.Name, d.Owner, d.Address, d.MACs}, " ")), query)
		})
	}
	if more := len(page.Devices) - maxDevicesShown; more > 0 {
		page.Devices, page.More = page.Devices[:maxDevicesShown], count(more, "more host", "more hosts")
	}
	return s.render(w, r, http.StatusOK, "settings_hosts", page)
}

// deviceRows lists the hosts of a report, and behind them the devices that are
// stored and were not seen.
func (s *Server) deviceRows(res *report.Result, machines []knownHost, settings *site.Settings) []DeviceRow {
	fig := newFigures(res.Span.Plan, s.now())
	byID := map[string]knownHost{}
	for _, m := range machines {
		byID[m.found.ID] = m
	}
	var rows []DeviceRow
	for _, host := range res.Rows {
		if unmatched(host) {
			continue
		}
		m := byID[host.Device]
		delete(byID, host.Device)
		row := DeviceRow{
			Name: cmp.Or(host.Name, host.Host.String()), Source: nameSource(host.NameFrom), Address: host.Host.String(),
			More: len(host.Addresses) - 1, Seen: fig.seen(host.LastSeen), MACs: macsText(m.found.MACs, " "),
			Href: "/settings/hosts/" + url.PathEscape(cmp.Or(host.Device, host.Host.String())),
		}
		row.Owner = ownerName(settings, host.Owner)
		rows = append(rows, row)
	}
	for _, m := range machines {
		if _, unseen := byID[m.found.ID]; unseen && m.known {
			rows = append(rows, DeviceRow{
				Name: machineLabel(m), Owner: ownerName(settings, m.found.Owner), MACs: macsText(m.found.MACs, " "),
				Href: "/settings/hosts/" + url.PathEscape(m.found.ID),
			})
		}
	}
	return rows
}

func ownerName(settings *site.Settings, id string) string {
	p, _ := settings.Person(id)
	return p.Name
}

// machineLabel is how a device is called when its traffic does not say.
func machineLabel(m knownHost) string {
	label := m.found.Name
	if label == "" && len(m.found.Addresses) > 0 {
		label = slices.MinFunc(m.found.Addresses, func(a, b netip.Addr) int {
			return cmp.Or(cmp.Compare(a.BitLen(), b.BitLen()), a.Compare(b))
		}).String()
	}
	return cmp.Or(label, macsText(m.found.MACs, " "), "A device")
}

func macsText(macs []uint64, between string) string {
	var texts []string
	for _, m := range macs {
		texts = append(texts, site.FormatMAC(m))
	}
	return strings.Join(texts, between)
}

// askedDevice is the device of the path.
func (s *Server) askedDevice(r *http.Request) (knownHost, *site.Settings, error) {
	settings, err := s.settings(r.Context())
	if err != nil {
		return knownHost{}, nil, err
	}
	text, err := url.PathUnescape(chi.URLParam(r, "device"))
	if err != nil {
		return knownHost{}, nil, errNotFound
	}
	m, err := s.machine(r.Context(), settings, text)
	return m, settings, err
}

func (s *Server) showDevice(w http.ResponseWriter, r *http.Request) error {
	m, settings, err := s.askedDevice(r)
	if err != nil {
		return err
	}
	return s.devicePage(w, r, m, settings, deviceForm(m.stored), nil)
}

func deviceForm(d site.Device) DeviceForm {
	f := DeviceForm{Name: d.Name, Owner: d.Owner, MACs: macsText(d.MACs, "\n"), Apart: d.Apart}
	var addresses []string
	for _, a := range d.Addresses {
		addresses = append(addresses, a.String())
	}
	f.Addresses = strings.Join(addresses, "\n")
	return f
}

func (s *Server) devicePage(w http.ResponseWriter, r *http.Request, m knownHost, settings *site.Settings, form DeviceForm, errs site.FieldErrors) error {
	page := DevicePage{SettingsBase: s.settingsBase(r, "hosts", "Host", errs), Device: form, Stored: m.known, Label: machineLabel(m)}
	page.Path = "/settings/hosts/" + url.PathEscape(m.found.ID)
	page.Title = page.Label
	addresses := slices.SortedFunc(slices.Values(m.found.Addresses), func(a, b netip.Addr) int {
		return cmp.Or(cmp.Compare(a.BitLen(), b.BitLen()), a.Compare(b))
	})
	if len(addresses) > 0 {
		page.Host = "/hosts/" + addresses[0].String()
	}
	for _, a := range addresses[:min(len(addresses), maxFound)] {
		page.Found = append(page.Found, FoundAddress{a.String(), slices.Contains(m.stored.Addresses, a)})
	}
	page.More = len(addresses) - len(page.Found)
	others, err := s.machines(r.Context(), settings)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.found.ID != m.found.ID {
			page.Others = append(page.Others, DeviceChoice{o.found.ID, s.choiceLabel(o)})
		}
	}
	if page.Many = len(page.Others) > maxDevicesShown; page.Many {
		page.Others = nil
	}
	slices.SortFunc(page.Others, func(a, b DeviceChoice) int {
		return strings.Compare(strings.ToLower(a.Label), strings.ToLower(b.Label))
	})
	return s.render(w, r, formStatus(errs), "settings_device", page)
}

// choiceLabel tells a device from others: its best name and its first address.
func (s *Server) choiceLabel(m knownHost) string {
	label := machineLabel(m)
	for _, a := range m.found.Addresses {
		if name, _ := s.names.Name(a); name != "" && m.found.Name == "" {
			return name + " (" + label + ")"
		}
	}
	return label
}

// saveDevice stores the whole form.
func (s *Server) saveDevice(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	m, settings, err := s.askedDevice(r)
	if err != nil {
		return err
	}
	form := DeviceForm{
		Name: strings.TrimSpace(r.PostFormValue("name")), Owner: r.PostFormValue("owner"), Apart: r.PostFormValue("apart") != "",
		MACs: r.PostFormValue("macs"), Addresses: r.PostFormValue("addresses"),
	}
	errs := site.FieldErrors{}
	d := m.stored
	d.Name, d.Owner, d.Apart, d.MACs, d.Addresses = form.Name, form.Owner, form.Apart, nil, nil
	for _, text := range strings.FieldsFunc(form.MACs, isSeparator) {
		mac, err := site.ParseMAC(text)
		if err != nil {
			errs["macs"] = text + " is not a MAC address; write it like 3c:22:fb:01:02:03."
		}
		d.MACs = append(d.MACs, mac)
	}
	for _, text := range strings.FieldsFunc(form.Addresses, isSeparator) {
		a, err := netip.ParseAddr(text)
		if err != nil {
			errs["addresses"] = text + " is not an address; write it like 192.168.1.20 or fd00::20."
		}
		d.Addresses = append(d.Addresses, a.Unmap().WithZone(""))
	}
	return s.storeDevice(w, r, m, settings, d, form, errs, "/settings/hosts")
}

func isSeparator(r rune) bool {
	return r == ',' || r == ';' || r == ' ' || r == '\n' || r == '\r' || r == '\t'
}

// renameDevice is the short form of the page of a host: name and owner.
func (s *Server) renameDevice(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	m, settings, err := s.askedDevice(r)
	if err != nil {
		return err
	}
	d := m.stored
	d.Name, d.Owner = strings.TrimSpace(r.PostFormValue("name")), r.PostFormValue("owner")
	back := safeNext(r.PostFormValue("back"))
	if !strings.HasPrefix(back, "/hosts/") {
		back = "/settings/hosts"
	}
	return s.storeDevice(w, r, m, settings, d, deviceForm(d), site.FieldErrors{}, back)
}

// storeDevice saves a device, or shows the form again with what is wrong.
func (s *Server) storeDevice(w http.ResponseWriter, r *http.Request, m knownHost, settings *site.Settings, d site.Device, form DeviceForm, errs site.FieldErrors, back string) error {
	if _, ok := settings.Person(d.Owner); d.Owner != "" && !ok {
		errs["owner"] = "This person is not there any more; choose another."
	}
	if len(errs) == 0 {
		err := s.site.SaveDevice(r.Context(), d)
		if errs, err = fieldErrors(err); err != nil {
			return err
		}
	}
	if len(errs) > 0 {
		return s.devicePage(w, r, m, settings, form, errs)
	}
	if err := s.noteName(r.Context(), m, d.Name); err != nil {
		return err
	}
	return redirect(w, r, back, "host")
}

// noteName writes a new name down with its date, on the first address of the
// device; a name that is taken away is so on all of them.
func (s *Server) noteName(ctx context.Context, m knownHost, name string) error {
	if name == m.stored.Name || len(m.found.Addresses) == 0 {
		return nil
	}
	first := slices.MinFunc(m.found.Addresses, func(a, b netip.Addr) int {
		return cmp.Or(cmp.Compare(a.BitLen(), b.BitLen()), a.Compare(b))
	})
	if err := s.names.Rename(ctx, first, name); err != nil || name != "" {
		return err
	}
	for _, a := range m.found.Addresses {
		if _, source := s.names.Name(a); source == "own" {
			if err := s.names.Rename(ctx, a, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Server) mergeDevice(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	m, settings, err := s.askedDevice(r)
	if err != nil {
		return err
	}
	other, err := s.machine(r.Context(), settings, r.PostFormValue("other"))
	if err != nil {
		return err
	}
	if other.found.ID == m.found.ID {
		return s.devicePage(w, r, m, settings, deviceForm(m.stored), site.FieldErrors{"other": "Choose another device to merge with this one."})
	}
	return s.identityChanged(w, r, m, settings, s.site.MergeDevice(r.Context(), m.stored, other.stored), "other", "host-merged")
}

func (s *Server) splitDevice(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	m, settings, err := s.askedDevice(r)
	if err != nil {
		return err
	}
	a, err := netip.ParseAddr(r.PostFormValue("address"))
	if err != nil || !slices.Contains(m.found.Addresses, a.Unmap()) {
		return &Problem{Status: http.StatusBadRequest, Title: "Not split", Detail: "This is no address of the device."}
	}
	return s.identityChanged(w, r, m, settings, s.site.SplitDevice(r.Context(), a), "addresses", "host-split")
}

func (s *Server) forgetDevice(w http.ResponseWriter, r *http.Request) error {
	m, settings, err := s.askedDevice(r)
	if err != nil {
		return err
	}
	if err := s.noteName(r.Context(), m, ""); err != nil {
		return err
	}
	return s.identityChanged(w, r, m, settings, s.site.DeleteDevice(r.Context(), m.found.ID), "name", "host-forgotten")
}

// identityChanged answers a change of which addresses are one device. What is
// wrong is said at a field of the form.
func (s *Server) identityChanged(w http.ResponseWriter, r *http.Request, m knownHost, settings *site.Settings, err error, field, done string) error {
	errs, err := fieldErrors(err)
	if err != nil {
		return err
	}
	if len(errs) > 0 {
		said := site.FieldErrors{}
		for _, sentence := range errs {
			said[field] = sentence
		}
		return s.devicePage(w, r, m, settings, deviceForm(m.stored), said)
	}
	return redirect(w, r, "/settings/hosts", done)
}
