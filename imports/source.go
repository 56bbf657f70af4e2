package imports

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/flattraffic/flattraffic/site"
)

// Kinds of files, as the table imports names them.
const (
	kindCapture = "capture"
	kindNfdump  = "nfdump"
	kindCSV     = "csv"
	kindParquet = "parquet"
	kindGoflow2 = "goflow2"
	kindVnStat  = "vnstat"
	kindNlbwmon = "nlbwmon"
)

// isHistory says whether a kind holds days instead of flows.
func isHistory(kind string) bool { return kind == kindVnStat || kind == kindNlbwmon }

// source is an opened file.
type source struct {
	path     string
	file     *os.File
	size     int64
	packed   bool   // gzip
	hash     string // of the content, unpacked
	head     []byte // the first bytes of the content
	progress Progress
}

// headBytes is how much of a file is looked at to tell what it is.
const headBytes = 4096

// open opens a file and reads it once, for its hash.
func open(path string) (*source, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w; name a file that can be read", err)
	}
	s := &source{path: path, file: file}
	if err := s.identify(); err != nil {
		file.Close()
		return nil, err
	}
	return s, nil
}

func (s *source) identify() error {
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("read %s: %w", s.path, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file; name the files one by one", s.path)
	}
	s.size = info.Size()
	magic := make([]byte, 2)
	if n, _ := s.file.ReadAt(magic, 0); n == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		s.packed = true
	}
	r, err := s.content()
	if err != nil {
		return err
	}
	sum := sha256.New()
	head := &bytes.Buffer{}
	if _, err := io.Copy(io.MultiWriter(sum, &limited{head, headBytes}), r); err != nil {
		return fmt.Errorf("read %s: %w", s.path, gzipError(err))
	}
	s.hash, s.head = hex.EncodeToString(sum.Sum(nil)), head.Bytes()
	return nil
}

// gzipError names a cut file in words.
func gzipError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) {
		return fmt.Errorf("the compressed file is damaged or cut off (%w); copy it again", err)
	}
	return err
}

// content is the file's content, unpacked, from its beginning.
func (s *source) content() (io.Reader, error) {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read %s: %w", s.path, err)
	}
	buffered := bufio.NewReaderSize(&watched{s, 0}, 1<<18)
	if !s.packed {
		return buffered, nil
	}
	unpacked, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.path, gzipError(err))
	}
	return bufio.NewReaderSize(unpacked, 1<<18), nil
}

func (s *source) close() { s.file.Close() }

// watched reads the file and reports how far it is.
type watched struct {
	*source

	read int64
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.file.Read(p)
	w.read += int64(n)
	if w.progress != nil {
		w.progress(float64(w.read) / float64(max(w.size, 1)))
	}
	return n, err
}

// limited keeps the first bytes it is given.
type limited struct {
	to   *bytes.Buffer
	room int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.room)
	l.to.Write(p[:n])
	l.room -= n
	return len(p), nil
}

// readFunc reads a file into a sink.
type readFunc func(ctx context.Context, src *source, s *sink) error

// reader tells by the content what a file is.
func (im *Importer) reader(ctx context.Context, src *source, opts Options, settings *site.Settings) (kind string, read readFunc, err error) {
	head := bytes.TrimLeft(bytes.TrimPrefix(src.head, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case isCapture(src.head):
		return kindCapture, readCapture, nil
	case bytes.HasPrefix(src.head, []byte{0x0c, 0xa5}) || bytes.HasPrefix(src.head, []byte{0xa5, 0x0c}):
		return kindNfdump, readNfdump(opts), nil
	case bytes.HasPrefix(src.head, []byte("PAR1")):
		return kindParquet, readParquet(opts), nil
	case bytes.HasPrefix(head, []byte("{")) && bytes.Contains(head, []byte(`"vnstatversion"`)):
		read, err := im.readVnStat(ctx, opts, settings)
		return kindVnStat, read, err
	case bytes.HasPrefix(head, []byte("{")) && bytes.Contains(head, []byte(`"columns"`)):
		read, err := im.readNlbwmon(ctx, opts, settings)
		return kindNlbwmon, read, err
	case bytes.HasPrefix(head, []byte("{")):
		return kindGoflow2, readGoflow2(opts), nil
	case looksLikeTable(head):
		return kindCSV, readCSV(opts), nil
	case len(src.head) == 0:
		return "", nil, errors.New("the file is empty")
	}
	return "", nil, errors.New("it is none of what can be imported: a capture (pcap, pcapng), an nfcapd file, Parquet, goflow2's JSON, vnStat's or nlbwmon's JSON, or a table with column names in its first line; docs/import.md says what each must look like")
}
