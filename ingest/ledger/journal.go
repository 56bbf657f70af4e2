package ledger

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/uuid"
)

// InsertFunc stores rows of a table exactly once under an id, however often it
// is given the same id.
type InsertFunc func(id uuid.UUID, table string, input proto.Input) error

// journalPrefix begins the names of journal files; a number follows, the
// newest is the highest.
const journalPrefix = "ledger."

// Journal keeps on disk what the ledger counted and has not delivered yet, so
// that a killed process loses of its counts no more than of its flows. What it
// delivers has an id that is on disk before: delivered again after a kill it
// counts once. It is for one goroutine.
type Journal struct {
	ledger *Ledger
	dir    string
	insert InsertFunc

	id      uuid.UUID // of the next delivery
	number  uint64    // of the newest file
	file    string    // its path; empty = none
	written uint64    // changes of the ledger that it holds
}

// NewJournal returns a journal of a ledger in a directory.
func NewJournal(l *Ledger, dir string, insert InsertFunc) *Journal {
	return &Journal{ledger: l, dir: dir, insert: insert, id: uuid.New()}
}

// journal is a file's content.
type journal struct {
	ID     uuid.UUID `json:"id"`
	Counts []counted `json:"counts"`
}

type counted struct {
	Bucket   int64      `json:"bucket"` // Unix seconds
	Exporter netip.Addr `json:"exporter"`
	Event    Event      `json:"event"`
	Count    uint64     `json:"count"`
}

// Recover delivers what an earlier process left.
func (j *Journal) Recover() error {
	files, err := filepath.Glob(filepath.Join(j.dir, journalPrefix+"*"))
	if err != nil {
		return fmt.Errorf("look for the ledger's journal: %w", err)
	}
	var errs []error
	newest := ""
	for _, f := range files {
		if !strings.HasSuffix(f, ".tmp") && (newest == "" || cmp.Compare(f, newest) > 0) {
			newest = f
		}
	}
	if newest != "" {
		errs = append(errs, j.deliver(newest))
	}
	for _, f := range files {
		errs = append(errs, os.Remove(f))
	}
	return errors.Join(errs...)
}

// deliver hands over the counts of a file under their id. What is refused is
// counted anew.
func (j *Journal) deliver(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the ledger's journal: %w", err)
	}
	var was journal
	if err := json.Unmarshal(text, &was); err != nil {
		return fmt.Errorf("read the ledger's journal %s: %w", file, err)
	}
	left := New()
	for _, c := range was.Counts {
		left.counts[key{c.Bucket, c.Exporter, c.Event}] += c.Count
	}
	err = left.Flush(func(table string, input proto.Input) error { return j.insert(was.ID, table, input) })
	if err != nil {
		j.ledger.giveBack(left.counts)
	}
	return err
}

// Save writes down what was counted since the last delivery, when it changed.
func (j *Journal) Save() error {
	counts, changes := j.ledger.peek()
	if changes == j.written {
		return nil
	}
	content := journal{ID: j.id}
	for k, n := range counts {
		content.Counts = append(content.Counts, counted{k.bucket, k.exporter, k.event, n})
	}
	text, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("write the ledger's journal: %w", err)
	}
	// A file of its own each time: one that is gone again before the system
	// writes it out costs no writing to the disk.
	j.number++
	next := filepath.Join(j.dir, fmt.Sprintf("%s%012d", journalPrefix, j.number))
	err = os.WriteFile(next+".tmp", text, 0o640) //nolint:gosec // the group may read it
	if err == nil {
		err = os.Rename(next+".tmp", next)
	}
	if err != nil {
		return fmt.Errorf("write the ledger's journal: %w", err)
	}
	before := j.file
	j.file, j.written = next, changes
	return remove(before)
}

// Flush delivers what was counted. What is refused stays.
func (j *Journal) Flush() error {
	if err := j.Save(); err != nil { // so that the id is on disk
		return err
	}
	err := j.ledger.Flush(func(table string, input proto.Input) error { return j.insert(j.id, table, input) })
	if err != nil {
		return err
	}
	j.id = uuid.New()
	file := j.file
	j.file = ""
	return remove(file)
}

// remove removes a file that may be gone.
func remove(file string) error {
	if file == "" {
		return nil
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the ledger's journal: %w", err)
	}
	return nil
}
