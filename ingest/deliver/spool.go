package deliver

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Endings of file names in the spool directory. The name before the ending is
// the batch's place in the order.
const (
	endingUnsent  = ".batch"   // never sent
	endingSent    = ".sent"    // sent at least once: ClickHouse may hold all or a part of it
	endingAcked   = ".acked"   // acknowledged after an earlier try was not: to be verified
	endingPartial = ".tmp"     // being written
	endingCorrupt = ".corrupt" // set aside
)

// spool is a directory of batch files. It is for one goroutine at a time,
// except where a method says otherwise.
type spool struct {
	dir string
	log *slog.Logger
}

// spooled is a file found in the directory.
type spooled struct {
	header

	name string // file name
	size int64  // bytes
}

// state is how far the batch has come.
func (f *spooled) state() state {
	switch filepath.Ext(f.name) {
	case endingSent:
		return sent
	case endingAcked:
		return acked
	}
	return unsent
}

// open lists the batches an earlier process left, oldest first. Unfinished
// files are removed: their batch was never sealed. A file that is not a batch
// is set aside.
func (s *spool) open() ([]spooled, error) {
	entries, err := os.ReadDir(s.dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("read spool directory: %w", err)
	}
	var found []spooled
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case endingPartial:
			if err := os.Remove(s.path(e.Name())); err != nil {
				return nil, fmt.Errorf("remove unfinished spool file: %w", err)
			}
		case endingUnsent, endingSent, endingAcked:
			f, err := s.inspect(e.Name())
			if err != nil {
				s.setAside(e.Name(), err)
				continue
			}
			found = append(found, f)
		}
	}
	if found, err = s.removeReplaced(found); err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b spooled) int { return strings.Compare(a.name, b.name) })
	return found, nil
}

// removeReplaced removes the files whose rows another one holds: the process
// that joined them had not come to it.
func (s *spool) removeReplaced(found []spooled) ([]spooled, error) {
	replaced := map[string]bool{}
	for _, f := range found {
		for _, name := range f.Replaces {
			replaced[name] = true
		}
	}
	var kept []spooled
	for _, f := range found {
		if !replaced[f.name] {
			kept = append(kept, f)
			continue
		}
		if err := s.remove(f.name); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

func (s *spool) path(name string) string { return filepath.Join(s.dir, name) }

// inspect reads the header of a file.
func (s *spool) inspect(name string) (spooled, error) {
	f, err := os.Open(s.path(name))
	if err != nil {
		return spooled{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return spooled{}, err
	}
	start, err := io.ReadAll(io.LimitReader(f, maxHeader))
	if err != nil {
		return spooled{}, err
	}
	h, _, err := splitHeader(start)
	return spooled{header: h, name: name, size: info.Size()}, err
}

// write stores a file under a name that sorts by its order. The file appears
// whole or not at all. With durable it survives a power cut.
func (s *spool) write(order string, line, body []byte, durable bool) (string, error) {
	partial, name := s.path(order+endingPartial), order+endingUnsent
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o640)
	if err != nil {
		return "", fmt.Errorf("create spool file: %w", err)
	}
	_, err = f.Write(line)
	if err == nil {
		_, err = f.Write(body)
	}
	if err == nil && durable {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(partial, s.path(name))
	}
	if err != nil {
		os.Remove(partial) // best effort; the next start removes it
		return "", fmt.Errorf("write spool file: %w", err)
	}
	if durable {
		return name, s.syncDir()
	}
	return name, nil
}

// keep forces a file that was written without durable to the disk.
func (s *spool) keep(name string) error {
	f, err := os.Open(s.path(name))
	if err != nil {
		return fmt.Errorf("sync spool file: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync spool file: %w", err)
	}
	return s.syncDir()
}

func (s *spool) syncDir() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return fmt.Errorf("sync spool directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync spool directory: %w", err)
	}
	return nil
}

// mark renames a file to the state its batch is in and returns the new name.
func (s *spool) mark(name string, to state) (string, error) {
	ending := map[state]string{unsent: endingUnsent, sent: endingSent, acked: endingAcked}[to]
	renamed := strings.TrimSuffix(name, filepath.Ext(name)) + ending
	if err := os.Rename(s.path(name), s.path(renamed)); err != nil {
		return name, fmt.Errorf("rename spool file: %w", err)
	}
	return renamed, nil
}

// load reads a batch back.
func (s *spool) load(name string) (*batch, error) {
	content, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: the file is gone", errCorrupt)
	}
	if err != nil {
		return nil, fmt.Errorf("read spool file: %w", err)
	}
	return decode(content)
}

func (s *spool) remove(name string) error {
	if err := os.Remove(s.path(name)); err != nil {
		return fmt.Errorf("remove spool file: %w", err)
	}
	return nil
}

// setAside keeps a file that cannot be read for a person to look at, out of
// the way of the others.
func (s *spool) setAside(name string, cause error) {
	err := os.Rename(s.path(name), s.path(name+endingCorrupt))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	s.log.Error("a spool file cannot be read; its rows are lost, the file is kept with the ending "+endingCorrupt,
		"file", s.path(name), "error", errors.Join(cause, err))
}
