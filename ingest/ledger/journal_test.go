package ledger_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/flattraffic/flattraffic/ingest/ledger"
)

// once is a table that stores each id once.
type once struct {
	table

	seen map[uuid.UUID]bool
}

func (o *once) insert(id uuid.UUID, name string, input proto.Input) error {
	if o.refuse == nil && o.seen[id] {
		return nil
	}
	err := o.table.insert(name, input)
	if err == nil {
		o.seen[id] = true
	}
	return err
}

func (o *once) datagrams() (n uint64) {
	for _, r := range o.rows {
		if r.Event == string(ledger.Datagrams) {
			n += r.Count
		}
	}
	return n
}

func journalFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func do(t *testing.T, what string, f func() error) {
	t.Helper()
	if err := f(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// A killed process loses what it counted since the last Save and nothing else,
// wherever it was killed; nothing counts twice.
func TestJournalOutlivesAKill(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, l *ledger.Ledger, j *ledger.Journal, o *once)
		want uint64
	}{
		{"after counting", func(*testing.T, *ledger.Ledger, *ledger.Journal, *once) {}, 0},
		{"after saving", func(t *testing.T, _ *ledger.Ledger, j *ledger.Journal, _ *once) {
			t.Helper()
			do(t, "save", j.Save)
		}, 10},
		{"after saving and counting", func(t *testing.T, l *ledger.Ledger, j *ledger.Journal, _ *once) {
			t.Helper()
			do(t, "save", j.Save)
			l.Count(router, at, ledger.Datagrams, 5)
		}, 10},
		{"after saving twice", func(t *testing.T, l *ledger.Ledger, j *ledger.Journal, _ *once) {
			t.Helper()
			do(t, "save", j.Save)
			l.Count(router, at, ledger.Datagrams, 5)
			do(t, "save", j.Save)
		}, 15},
		{"after delivering", func(t *testing.T, _ *ledger.Ledger, j *ledger.Journal, _ *once) {
			t.Helper()
			do(t, "flush", j.Flush)
		}, 10},
		{"after delivering and saving", func(t *testing.T, l *ledger.Ledger, j *ledger.Journal, _ *once) {
			t.Helper()
			do(t, "flush", j.Flush)
			l.Count(router, at, ledger.Datagrams, 5)
			do(t, "save", j.Save)
		}, 15},
		{"when delivery was refused", func(t *testing.T, l *ledger.Ledger, j *ledger.Journal, o *once) {
			t.Helper()
			o.refuse = errors.New("full")
			if err := j.Flush(); err == nil {
				t.Error("flush: no error")
			}
			o.refuse = nil
			l.Count(router, at, ledger.Datagrams, 5)
			do(t, "save", j.Save)
		}, 15},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, o := t.TempDir(), &once{seen: map[uuid.UUID]bool{}}
			l := ledger.New()
			j := ledger.NewJournal(l, dir, o.insert)
			do(t, "recover from nothing", j.Recover)
			l.Count(router, at, ledger.Datagrams, 10)
			tt.run(t, l, j, o)

			next := ledger.New()
			again := ledger.NewJournal(next, dir, o.insert)
			do(t, "recover", again.Recover)
			if files := journalFiles(t, dir); len(files) > 0 {
				t.Errorf("files are left: %v", files)
			}
			if got := o.datagrams(); got != tt.want {
				t.Errorf("%d datagrams are delivered, want %d", got, tt.want)
			}
			next.Count(router, at, ledger.Datagrams, 100)
			do(t, "flush", again.Flush)
			if got := o.datagrams(); got != tt.want+100 {
				t.Errorf("%d datagrams are delivered later, want %d", got, tt.want+100)
			}
		})
	}
}

// Killed between delivering and noting it, the counts are delivered again and
// count once.
func TestJournalKilledWhileDelivering(t *testing.T) {
	dir, o := t.TempDir(), &once{seen: map[uuid.UUID]bool{}}
	l := ledger.New()
	kept := t.TempDir()
	j := ledger.NewJournal(l, dir, func(id uuid.UUID, table string, input proto.Input) error {
		for _, f := range journalFiles(t, dir) { // as they are at the kill
			text, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(kept, filepath.Base(f)), text, 0o600); err != nil {
				return err
			}
		}
		return o.insert(id, table, input)
	})
	l.Count(router, at, ledger.Datagrams, 10)
	do(t, "flush", j.Flush)
	if len(journalFiles(t, kept)) != 1 {
		t.Fatalf("at the kill there are %v, want one file", journalFiles(t, kept))
	}
	do(t, "recover", ledger.NewJournal(ledger.New(), kept, o.insert).Recover)
	if got := o.datagrams(); got != 10 {
		t.Errorf("%d datagrams are delivered, want 10", got)
	}
}

// What cannot be delivered at the start is delivered later; a file that is no
// journal is said and does not stop the others.
func TestJournalRecoversLater(t *testing.T) {
	dir, o := t.TempDir(), &once{seen: map[uuid.UUID]bool{}}
	l := ledger.New()
	l.Count(router, at, ledger.Datagrams, 10)
	do(t, "save", ledger.NewJournal(l, dir, o.insert).Save)
	o.refuse = errors.New("full")
	next := ledger.New()
	j := ledger.NewJournal(next, dir, o.insert)
	if err := j.Recover(); err == nil {
		t.Error("recover: no error though nothing was delivered")
	}
	o.refuse = nil
	do(t, "flush", j.Flush)
	if diff := cmp.Diff(uint64(10), o.datagrams()); diff != "" {
		t.Errorf("datagrams delivered later: %s", diff)
	}
	if err := os.WriteFile(filepath.Join(dir, "ledger.000000000009"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ledger.NewJournal(next, dir, o.insert).Recover(); err == nil {
		t.Error("recover: no error for a file that is no journal")
	}
	if files := journalFiles(t, dir); len(files) > 0 {
		t.Errorf("files are left: %v", files)
	}
}
