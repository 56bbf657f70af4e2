package server

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

// What the storage job is wished to do.
const (
	wishRetention = "retention"
	wishDemo      = "the removal of the sample data"
	wishSample    = "the sample data"
)

// retainEvery is how often old raw flows are looked for.
const retainEvery = 24 * time.Hour

// smallTable is below how many bytes tables share a row.
const smallTable = 50_000

// StoragePage is the settings page of what is kept, and for how long.
type StoragePage struct {
	SettingsBase
	Tables  []StorageTable
	Total   size
	Raw     size
	RawFrom string // month of the oldest raw flows; empty = there are none

	Months, Size, FarEnds string // the form as entered
	InForce               string // what is saved, in words
	Due                   *StorageDue
	Preview               *StorageDue    // what the entered values would do
	Drops                 []StorageMonth // of raw flows, done, newest first
	Kept                  []StorageMonth // due lately and kept, with the reason
	Job                   jobState
	CanRemove             bool // the sample data
}

// StorageTable is a table with what it takes.
type StorageTable struct {
	Name, Comment, Kept string
	Rows                string
	Size                size
}

// StorageMonth is a month of raw flows or of far ends.
type StorageMonth struct {
	Month, Rows, Reason, When string
	Size                      size
}

// StorageDue is what a retention drops.
type StorageDue struct {
	Words        string // the retention
	Raw, FarEnds []StorageMonth

	RawSpan, FarEndsSpan string // which months, when they are too many to be read at a glance
	Size                 size
}

func (s *Server) showStorage(w http.ResponseWriter, r *http.Request) error {
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	return s.storagePage(w, r, settings, settings.Retention, nil, false, nil)
}

// saveStorage shows what the values entered would do, and stores them when the
// reader has seen it.
func (s *Server) saveStorage(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	wanted := site.Retention{RawSize: r.PostFormValue("raw_size")}
	errs := site.FieldErrors{}
	for field, months := range map[string]*int{"raw_months": &wanted.RawMonths, "far_end_months": &wanted.FarEndMonths} {
		if entered := strings.TrimSpace(r.PostFormValue(field)); entered != "" {
			if *months, err = strconv.Atoi(entered); err != nil {
				errs[field] = "Give a whole number of months, or leave it empty to keep them for ever."
			}
		}
	}
	if len(errs) == 0 {
		wanted, err = site.CheckRetention(wanted)
		if errs, err = fieldErrors(err); err != nil {
			return err
		}
	}
	if len(errs) > 0 || r.PostFormValue("do") != "save" {
		return s.storagePage(w, r, settings, wanted, r.PostForm, len(errs) == 0, errs)
	}
	if err := s.site.SaveRetention(r.Context(), wanted); err != nil {
		return err
	}
	return redirect(w, r, "/settings/storage", "storage")
}

// runStorage is the button that drops now what is due.
func (s *Server) runStorage(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	s.storage.start(wishRetention)
	return redirect(w, r, "/settings/storage", "")
}

// removeDemo is the button that takes the sample data away.
func (s *Server) removeDemo(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	s.storage.start(wishDemo)
	return redirect(w, r, "/settings/storage", "")
}

// addDemo is the button that makes the sample data.
func (s *Server) addDemo(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	settings, err := s.settings(r.Context())
	if err != nil {
		return err
	}
	if !settings.Demo { // A second click, or a page that is old.
		s.storage.start(wishSample)
	}
	return redirect(w, r, "/", "")
}

// offerDemo fills in what a page says of the sample data while it is not there.
func (s *Server) offerDemo(b *Base) {
	state := s.storage.now()
	made := state.Done && state.Wish == wishSample
	if state.Wish == wishSample {
		if state.Running {
			b.Making = strconv.Itoa(state.Percent) + " %"
		}
		b.Unmade = state.Failed
	}
	b.OfferDemo = s.makeDemo != nil && b.Role == Admin && !b.Demo && !state.Running && !made
}

func (s *Server) storagePage(w http.ResponseWriter, r *http.Request, settings *site.Settings, wanted site.Retention, entered url.Values, preview bool, errs site.FieldErrors) error {
	fig := newFigures(settings.Lines[0].Plans.At(s.now()).Plan, s.now())
	page := StoragePage{
		SettingsBase: s.settingsBase(r, "storage", "Storage", errs), Size: wanted.RawSize, Months: monthsField(wanted.RawMonths), FarEnds: monthsField(wanted.FarEndMonths),
		InForce: settings.Retention.Words(), Job: s.storage.now(), CanRemove: settings.Demo && s.dropDemo != nil,
	}
	if entered != nil {
		page.Months, page.FarEnds = entered.Get("raw_months"), entered.Get("far_end_months")
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	if err := s.fillStorage(ctx, &page, fig, settings.Retention); err != nil {
		return err
	}
	months, err := s.db.RawMonths(ctx)
	if err != nil {
		return err
	}
	if page.Due, err = s.due(ctx, settings.Retention, fig); err != nil {
		return err
	}
	if len(months) > 0 {
		page.RawFrom = months[0].Month.Format("January 2006")
	}
	if preview {
		if page.Preview, err = s.due(ctx, wanted, fig); err != nil {
			return err
		}
	}
	return s.render(w, r, formStatus(errs), "settings_storage", page)
}

// monthsField is a number of months as a field has it.
func monthsField(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// due lists what a retention drops now.
func (s *Server) due(ctx context.Context, r site.Retention, fig figures) (*StorageDue, error) {
	raw, far, err := s.db.Due(ctx, retentionOf(r), s.now())
	if err != nil {
		return nil, err
	}
	d := &StorageDue{Words: r.Words()}
	var rawBytes, farBytes uint64
	d.Raw, rawBytes = storageMonths(raw, fig)
	d.FarEnds, farBytes = storageMonths(far, fig)
	d.RawSpan, d.FarEndsSpan = span(d.Raw), span(d.FarEnds)
	d.Size = fig.size(rawBytes + farBytes)
	return d, nil
}

// span says which months a long list has; empty for a short one.
func span(months []StorageMonth) string {
	n := len(months)
	if n <= 12 {
		return ""
	}
	return months[0].Month + " to " + months[n-1].Month + ": " + strconv.Itoa(n) + " months"
}

// fillStorage reads the sizes of all tables and what was dropped.
func (s *Server) fillStorage(ctx context.Context, page *StoragePage, fig figures, r site.Retention) error {
	sizes, err := s.db.Sizes(ctx)
	if err != nil {
		return err
	}
	var total, rest, rows uint64
	for _, t := range sizes {
		total += t.Bytes
		if t.Table == "flows" {
			page.Raw = fig.size(t.Bytes)
		}
		if t.Bytes < smallTable {
			rest, rows = rest+t.Bytes, rows+t.Rows
			continue
		}
		comment, _, _ := strings.Cut(t.Comment, ". ")
		kept := "for ever"
		switch t.Table {
		case "flows":
			kept = r.RawWords()
		case "daily_peer":
			kept = r.FarEndWords()
		}
		page.Tables = append(page.Tables, StorageTable{t.Table, comment, kept, grouped(t.Rows), fig.size(t.Bytes)})
	}
	if rest > 0 {
		page.Tables = append(page.Tables, StorageTable{"others", "Settings, names, accounts and notes", "for ever", grouped(rows), fig.size(rest)})
	}
	page.Total = fig.size(total)
	drops, err := s.db.RawDrops(ctx)
	if err != nil {
		return err
	}
	page.Drops, _ = storageMonths(drops, fig)
	page.Kept = s.monthsKept(fig)
	return nil
}

// monthsKept lists the months of raw flows that were due lately and are kept,
// with the reason.
func (s *Server) monthsKept(fig figures) []StorageMonth {
	s.keptMonths.Lock()
	defer s.keptMonths.Unlock()
	kept, _ := storageMonths(s.keptMonths.list, fig)
	return kept
}

func storageMonths(months []schema.Month, fig figures) (list []StorageMonth, bytes uint64) {
	for _, m := range months {
		bytes += m.Bytes
		list = append(list, StorageMonth{m.Month.Format("January 2006"), grouped(m.Rows), m.Kept, fig.seen(m.At).Text, fig.size(m.Bytes)})
	}
	return list, bytes
}

// retentionOf is a setting as the schema takes it.
func retentionOf(r site.Retention) schema.Retention {
	return schema.Retention{Months: r.RawMonths, Bytes: r.RawBytes(), FarEnds: r.FarEndMonths}
}

// keepStorage is the work of the storage job.
func (s *Server) keepStorage(ctx context.Context, wish string, progress func(done, total int)) error {
	part := func(done float64) { progress(int(done*1000), 1000) }
	switch {
	case wish == wishDemo && s.dropDemo != nil:
		return s.dropDemo(ctx, part)
	case wish == wishSample && s.makeDemo != nil:
		return s.makeDemo(ctx, part)
	case wish != wishRetention:
		return nil
	}
	settings, err := s.settings(ctx)
	if err != nil {
		return err
	}
	due, err := s.db.Retain(ctx, retentionOf(settings.Retention), s.now(), progress)
	var kept []schema.Month
	for _, m := range due {
		switch {
		case m.Kept != "":
			kept = append(kept, m)
			s.log.Warn("raw flows are kept although they are due", "month", m.Month.Format("2006-01"), "reason", m.Kept)
		case !m.At.IsZero():
			s.log.Info("dropped by retention", "month", m.Month.Format("2006-01"), "far_ends", m.FarEnds, "rows", m.Rows, "bytes", m.Bytes)
		}
	}
	s.keptMonths.Lock()
	s.keptMonths.list = kept
	s.keptMonths.Unlock()
	return err
}

// retentionDue says whether there is something to be dropped; false also when
// the database does not answer.
func (s *Server) retentionDue(ctx context.Context) bool {
	settings, err := s.settings(ctx)
	if err != nil || settings.Retention == (site.Retention{}) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	raw, far, err := s.db.Due(ctx, retentionOf(settings.Retention), s.now())
	return err == nil && len(raw)+len(far) > 0
}
