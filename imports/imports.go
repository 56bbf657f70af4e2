// Package imports brings files of earlier flows into the database: captures
// of flow exports, nfdump's files, tables of records, and other meters' daily
// history. A file counts once whatever it is called, whole or not at all, and
// can be taken out again.
//
// A file is read into a table that no view sees. Only when all of it could be
// read its rows are added to flows, under the number of the import, by which
// they are found again. An import or an undo that was cut off is undone by the
// next one.
package imports

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flattraffic/flattraffic/billing"
	"github.com/flattraffic/flattraffic/cluster"
	"github.com/flattraffic/flattraffic/ingest"
	"github.com/flattraffic/flattraffic/ingest/deliver"
	"github.com/flattraffic/flattraffic/schema"
	"github.com/flattraffic/flattraffic/site"
)

// Deps is what an Importer works with.
type Deps struct {
	Database *cluster.Database
	Settings func(ctx context.Context) (*site.Settings, error)
	Now      func() time.Time
	Log      *slog.Logger
}

// Options say what a file itself does not.
type Options struct {
	Exporter  netip.Addr   // of records that name none; invalid = ::
	Host      netip.Addr   // the local address that a vnStat history is booked on
	Interface string       // of a vnStat history; needed when it has several
	From, To  billing.Date // days that an nlbwmon table covers, half-open
}

// Importer imports files and removes imports.
type Importer struct {
	deps  Deps
	db    *cluster.Database
	dials []deliver.DialFunc // to its shards
}

// New returns an Importer. It does no I/O.
func New(deps Deps) (*Importer, error) {
	if deps.Database == nil || deps.Settings == nil || deps.Now == nil || deps.Log == nil {
		return nil, errors.New("importer lacks Database, Settings, Now or Log")
	}
	im := &Importer{deps: deps, db: deps.Database}
	for _, s := range im.db.Shards {
		dial, err := deliver.Dialer(s.DSN)
		if err != nil {
			return nil, err
		}
		im.dials = append(im.dials, dial)
	}
	return im, nil
}

// Progress is told the part of the work that is done, 0 to 1. It may be nil.
type Progress func(done float64)

func (p Progress) between(from, to float64) Progress {
	if p == nil {
		return func(float64) {}
	}
	return func(done float64) { p(from + (to-from)*min(max(done, 0), 1)) }
}

func (p Progress) steps() schema.Progress {
	return func(done, total int) { p(float64(done) / float64(max(total, 1))) }
}

// Import imports a file. A file whose content was imported before changes
// nothing; the summary then says so. After an error nothing of the file is in
// the database.
func (im *Importer) Import(ctx context.Context, path string, opts Options, progress Progress) (Summary, error) {
	src, err := open(path)
	if err != nil {
		return Summary{}, err
	}
	defer src.close()
	var summary Summary
	err = im.db.WithImportLock(ctx, func(ctx context.Context) error {
		if err := im.recover(ctx); err != nil {
			return err
		}
		list, err := im.load(ctx)
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.State == done && e.Hash == src.hash {
				summary = Summary{Entry: e, Before: true}
				return nil
			}
		}
		summary, err = im.bringIn(ctx, src, opts, next(list), progress)
		return err
	})
	if err != nil {
		return Summary{}, fmt.Errorf("import %s: %w", path, err)
	}
	return summary, nil
}

// bringIn reads a file into a stage and adds it.
func (im *Importer) bringIn(ctx context.Context, src *source, opts Options, number uint32, progress Progress) (Summary, error) {
	settings, err := im.deps.Settings(ctx)
	if err != nil {
		return Summary{}, err
	}
	replay, err := ingest.NewReplay(settings, im.deps.Log)
	if err != nil {
		return Summary{}, err
	}
	stage, err := im.db.NewStage(ctx)
	if err != nil {
		return Summary{}, err
	}
	s := newSink(replay, deliver.NewWriter(im.dials, stage), im.deps.Now())
	defer func() {
		s.writer.Close()
		if err := im.db.DropStages(context.WithoutCancel(ctx)); err != nil {
			im.deps.Log.Warn("a table of an import is left behind; the next import drops it", "error", err)
		}
	}()
	kind, read, err := im.reader(ctx, src, opts, settings)
	if err != nil {
		return Summary{}, err
	}
	src.progress = progress.between(0, .5)
	if err := read(ctx, src, s); err != nil {
		return Summary{}, err
	}
	if err := s.writer.Flush(ctx); err != nil {
		return Summary{}, err
	}
	summary := s.summary(Entry{
		Number: number, File: filepath.Base(src.path), Hash: src.hash, Kind: kind, Started: im.deps.Now().UTC(),
	})
	if summary.Rows == 0 {
		return summary, nil // nothing to be undone, and it may be tried again
	}
	if err := im.check(ctx, summary.Entry, kind, stage); err != nil {
		return Summary{}, err
	}
	return summary, im.add(ctx, s, summary.Entry, stage, progress.between(.5, 1))
}

// add makes the rows of a stage count. What fails half-way is undone at once,
// or by the next import when this process is killed.
func (im *Importer) add(ctx context.Context, s *sink, e Entry, stage string, progress Progress) error {
	if err := im.save(ctx, e, loading); err != nil {
		return err
	}
	err := im.db.AddStage(ctx, stage, e.Number, progress.steps())
	if err == nil {
		err = s.replay.FlushLedger(func(table string, input proto.Input) error {
			numbers := make(proto.ColUInt32, input[0].Data.Rows())
			for i := range numbers {
				numbers[i] = e.Number
			}
			return s.writer.Insert(ctx, table, append(input, proto.InputColumn{Name: "import", Data: &numbers}))
		})
	}
	if err == nil {
		err = im.save(ctx, e, done)
	}
	if err == nil {
		return nil
	}
	if undoErr := im.remove(context.WithoutCancel(ctx), e, nil); undoErr != nil {
		return errors.Join(err, fmt.Errorf("undo what was added: %w; the next import does it", undoErr))
	}
	return err
}

// check refuses rows that would make totals wrong: of a time whose raw flows
// were dropped, and of days that another meter's daily history stands for.
func (im *Importer) check(ctx context.Context, e Entry, kind, stage string) error {
	from, err := im.db.RawFrom(ctx)
	if err != nil {
		return err
	}
	if e.First.Before(from) {
		return fmt.Errorf("it begins on %s, but raw flows before %s have been dropped here, and to their totals nothing can be added for certain; import older files before raw flows are dropped, or into a database of their own (--data DIR)",
			e.First.Format(time.DateOnly), from.Format(time.DateOnly))
	}
	if isHistory(kind) {
		return nil
	}
	days, err := im.historyDays(ctx, stage)
	if err != nil || len(days) == 0 {
		return err
	}
	return fmt.Errorf("%s %s in it %s covered already by an imported daily history; undo that (flattraffic import --list, --undo N), import this file, then the history again: it leaves out days that have flows",
		plural(len(days), "day"), few(days), map[bool]string{true: "is", false: "are"}[len(days) == 1])
}

// Undo takes an import out again, to the byte.
func (im *Importer) Undo(ctx context.Context, number uint32, progress Progress) (Entry, error) {
	var e Entry
	err := im.db.WithImportLock(ctx, func(ctx context.Context) error {
		if err := im.recover(ctx); err != nil {
			return err
		}
		list, err := im.load(ctx)
		if err != nil {
			return err
		}
		for _, e = range list {
			if e.Number != number || e.State != done {
				continue
			}
			from, err := im.db.RawFrom(ctx)
			if err != nil {
				return err
			}
			if e.First.Before(from) {
				return fmt.Errorf("raw flows before %s have been dropped, and with them what this import added to the totals of that time; it can't be told apart any more", from.Format(time.DateOnly))
			}
			return im.remove(ctx, e, progress.between(0, 1))
		}
		return fmt.Errorf("there is no import %d; flattraffic import --list shows which there are", number)
	})
	if err != nil {
		return Entry{}, fmt.Errorf("undo import %d: %w", number, err)
	}
	return e, nil
}

// recover undoes what was cut off. The caller holds the import lock.
func (im *Importer) recover(ctx context.Context) error {
	list, err := im.load(ctx)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.State != loading && e.State != undoing {
			continue
		}
		im.deps.Log.Warn("an import was interrupted; what it added is taken out", "import", e.Number, "file", e.File)
		if err := im.remove(ctx, e, nil); err != nil {
			return fmt.Errorf("undo interrupted import %d: %w", e.Number, err)
		}
	}
	return nil
}

// Recover undoes imports that were cut off, for a service that starts.
func (im *Importer) Recover(ctx context.Context) error {
	list, err := im.load(ctx)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.State == loading || e.State == undoing {
			err := im.db.WithImportLock(ctx, im.recover)
			if errors.Is(err, schema.ErrImportRuns) {
				return nil // it is not cut off: it runs
			}
			return err
		}
	}
	return nil
}

func (im *Importer) remove(ctx context.Context, e Entry, progress Progress) error {
	if err := im.save(ctx, e, undoing); err != nil {
		return err
	}
	if err := im.db.RemoveImport(ctx, e.Number, e.First, e.Last, progress.between(0, 1).steps()); err != nil {
		return err
	}
	return im.save(ctx, e, undone)
}
