package clickhouse

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// engineDir is the engine's folder inside the data directory.
//
//	clickhouse/
//	  lock                  flock: held while an engine runs
//	  state.json            pid and ports of the running engine; also there after an unclean stop
//	  ports.json            ports used last, tried first next time
//	  flattraffic.password  password of the user that owns everything
//	  reader.password       password of the user that only reads
//	  config.xml users.xml  written at each start
//	  engine.log            its log, bounded in size
//	  stderr.log            what it says else, bounded too; stderr.last.log of the run before
//	  data/                 ClickHouse's own files
type engineDir string

// Path returns the path of a file in the folder.
func (d engineDir) Path(name string) string { return filepath.Join(string(d), name) }

// state is what state.json holds.
type state struct {
	PID  int `json:"pid"` // of the program that runs the engine
	TCP  int `json:"tcp"`
	HTTP int `json:"http"`
}

// The engine's users.
const (
	ownerUser  = "flattraffic"
	readerUser = "reader"
)

// create makes the folder and everything in it that must last.
func (d engineDir) create() error {
	if err := os.MkdirAll(d.Path("data"), 0o700); err != nil {
		return explainDir(string(d), err)
	}
	for _, user := range []string{ownerUser, readerUser} {
		if err := d.createPassword(user); err != nil {
			return explainDir(string(d), err)
		}
	}
	return nil
}

func (d engineDir) createPassword(user string) error {
	password, err := d.password(user)
	if err == nil && password != "" {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	random := make([]byte, 24)
	_, _ = rand.Read(random) // never fails
	return writeFile(d.Path(user+".password"), []byte(base64.RawURLEncoding.EncodeToString(random)+"\n"))
}

func (d engineDir) password(user string) (string, error) {
	b, err := os.ReadFile(d.Path(user + ".password"))
	return strings.TrimSpace(string(b)), err
}

// dsn returns the DSN of a user on a TCP port of loopback.
func (d engineDir) dsn(user string, tcp int) (string, error) {
	password, err := d.password(user)
	if err != nil {
		return "", err
	}
	u := url.URL{Scheme: "clickhouse", User: url.UserPassword(user, password), Host: loopback(tcp), Path: "/" + DefaultDatabase}
	return u.String(), nil
}

// lock takes the folder for this process. The returned file is handed to the
// engine too, so that the lock lasts until both have ended.
func (d engineDir) lock() (*os.File, error) {
	f, err := os.OpenFile(d.Path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, explainDir(string(d), err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("lock %s: %w", d.Path("lock"), err)
	}
	return f, nil
}

var errLocked = errors.New("locked")

// readState returns the state file's content; ok is false when there is none.
func (d engineDir) readState() (s state, ok bool) {
	b, err := os.ReadFile(d.Path("state.json"))
	return s, err == nil && json.Unmarshal(b, &s) == nil
}

func (d engineDir) writeState(s state) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := writeFile(d.Path("ports.json"), b); err != nil {
		return explainDir(string(d), err)
	}
	return explainDir(string(d), writeFile(d.Path("state.json"), b))
}

// readPorts returns the ports of the engine that ran here last, or zeros.
func (d engineDir) readPorts() (tcp, http int) {
	var s state
	b, err := os.ReadFile(d.Path("ports.json"))
	if err != nil || json.Unmarshal(b, &s) != nil {
		return 0, 0
	}
	return s.TCP, s.HTTP
}

// writeFile replaces a file at once, readable by its owner only.
func writeFile(path string, content []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// explainDir turns an error about the data directory into a sentence with the
// remedy.
func explainDir(dir string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the data directory %s cannot be read and written by this user (%w); give it to the user with chown -R, or choose another with --data", dir, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the data directory %s is on a read-only file system; choose another with --data", dir)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the disk of the data directory %s is full; make room, or choose another with --data", dir)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return fmt.Errorf("the data directory %s cannot be made because a file is in its way (%w); choose another with --data", dir, err)
	}
	return fmt.Errorf("the data directory %s cannot be used: %w", dir, err)
}

// Running is an embedded engine that runs now, in this program or another.
type Running struct {
	PID       int    // of the program that runs it
	TCPAddr   string // host:port of the native protocol
	HTTPAddr  string // host:port of the HTTP protocol
	DSN       string // of the user that owns everything
	ReaderDSN string // of the user that only reads
}

// FindRunning returns the embedded engine that runs on a data directory; ok is
// false when none does or this user may not read the directory.
func FindRunning(dataDir string) (r Running, ok bool) {
	dir := engineDir(filepath.Join(dataDir, "clickhouse"))
	s, ok := dir.readState()
	if !ok {
		return Running{}, false
	}
	f, err := os.OpenFile(dir.Path("lock"), os.O_RDWR, 0)
	if err != nil {
		return Running{}, false
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		return Running{}, false
	}
	r = Running{PID: s.PID, TCPAddr: loopback(s.TCP), HTTPAddr: loopback(s.HTTP)}
	if r.DSN, err = dir.dsn(ownerUser, s.TCP); err != nil {
		return Running{}, false
	}
	if r.ReaderDSN, err = dir.dsn(readerUser, s.TCP); err != nil {
		return Running{}, false
	}
	return r, true
}
