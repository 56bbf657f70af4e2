package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/crypto/argon2"
)

// Account is someone who may log in.
type Account struct {
	Name string
	Role string // Admin or Viewer
	hash string // argon2id, encoded with its parameters
}

// stamp changes with the password, so that a new password ends all sessions
// of the account. It tells nothing about the password.
func (a Account) stamp() string {
	sum := sha256.Sum256([]byte(a.hash))
	return hex.EncodeToString(sum[:12])
}

// The sizes a password and a name may have, in characters and bytes.
const (
	minPassword = 8
	maxPassword = 1000
	maxName     = 64
)

// CheckPassword says what is wrong with a new password, or nil.
func CheckPassword(password string) error {
	switch n := utf8.RuneCountInString(password); {
	case n < minPassword:
		return fmt.Errorf("the password is too short: take at least %d characters, a few words for example", minPassword)
	case len(password) > maxPassword:
		return fmt.Errorf("the password is too long: at most %d bytes", maxPassword)
	}
	return nil
}

// CheckAccountName says what is wrong with the name of a new account, or nil.
func CheckAccountName(name string) error {
	if name == "" {
		return errors.New("the account needs a name")
	}
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("._-@", r)
	}
	if len(name) > maxName || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("account names are up to %d characters of a–z, 0–9 and . _ - @", maxName)
	}
	return nil
}

// Accounts are kept in the table accounts. It is safe for concurrent use.
type Accounts struct {
	conn   driver.Conn
	preset string // the configured password of "admin", empty = none

	mu      sync.Mutex
	known   accountSet
	read    time.Time
	failure error     // of the last reading
	failed  time.Time // when
	applied bool      // preset is in the table

	work chan struct{}
}

// accountSet is all accounts by name.
type accountSet map[string]Account

func (set accountSet) hasAdmin() bool {
	return set.admins() > 0
}

func (set accountSet) admins() int {
	n := 0
	for _, a := range set {
		if a.Role == Admin {
			n++
		}
	}
	return n
}

// NewAccounts returns the accounts of a database.
func NewAccounts(conn driver.Conn) *Accounts {
	// Each hash takes 19 MiB for its time; two at once fit the smallest box.
	return &Accounts{conn: conn, work: make(chan struct{}, 2)}
}

// How long accounts read are taken as current, and a failure as lasting.
const (
	accountsFresh  = 2 * time.Second
	accountsFailed = time.Second
)

// current returns the accounts, at most two seconds old. While the database
// hangs one request at a time waits for it; those behind it share its failure.
func (s *Accounts) current(ctx context.Context) (accountSet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.known != nil && time.Since(s.read) < accountsFresh:
		return s.known, nil
	case s.failure != nil && time.Since(s.failed) < accountsFailed:
		return nil, s.failure
	}
	// One client that leaves must not be the failure of the others.
	ctx = context.WithoutCancel(ctx)
	s.failure = s.load(ctx)
	if s.failure == nil && s.preset != "" && !s.applied {
		s.failure = s.applyPreset(ctx)
	}
	if s.failure != nil {
		s.failed = time.Now()
		return nil, s.failure
	}
	return s.known, nil
}

// load reads the table. The caller holds mu.
func (s *Accounts) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	rows, err := s.conn.Query(ctx, statement("accounts"))
	if err != nil {
		return fmt.Errorf("read accounts: %w", err)
	}
	defer func() { _ = rows.Close() }()
	known := accountSet{}
	for rows.Next() {
		var a Account
		if err := rows.Scan(&a.Name, &a.Role, &a.hash); err != nil {
			return fmt.Errorf("read accounts: %w", err)
		}
		known[a.Name] = a
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read accounts: %w", err)
	}
	s.known, s.read = known, time.Now()
	return nil
}

// applyPreset makes the configured password the one of "admin". The hash stays
// when it already is, so that sessions survive a restart. The caller holds mu.
func (s *Accounts) applyPreset(ctx context.Context) error {
	if a, ok := s.known["admin"]; !ok || a.Role != Admin || !s.matches(a.hash, s.preset) {
		hash, err := s.hash(ctx, s.preset)
		if err != nil {
			return err
		}
		if err := s.write(ctx, Account{Name: "admin", Role: Admin, hash: hash}, false); err != nil {
			return err
		}
	}
	s.applied = true
	return nil
}

// List returns the accounts by name, without their hashes.
func (s *Accounts) List(ctx context.Context) ([]Account, error) {
	known, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	var list []Account
	for _, name := range slices.Sorted(maps.Keys(known)) {
		list = append(list, Account{Name: name, Role: known[name].Role})
	}
	return list, nil
}

// Set makes an account, or gives an existing one this role and password. All
// its sessions end.
func (s *Accounts) Set(ctx context.Context, name, role, password string) error {
	if err := CheckAccountName(name); err != nil {
		return err
	}
	if err := CheckPassword(password); err != nil {
		return err
	}
	if role != Admin && role != Viewer {
		return fmt.Errorf("unknown role %q: admin or viewer", role)
	}
	hash, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(ctx, Account{Name: name, Role: role, hash: hash}, false)
}

var errLastAdmin = &Problem{Status: http.StatusConflict, Title: "Not removed", Detail: "The last admin cannot be removed; make another account an admin first."}

// Delete removes an account.
func (s *Accounts) Delete(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return err
	}
	a, ok := s.known[name]
	if !ok {
		return nil
	}
	if a.Role == Admin && s.known.admins() == 1 {
		return errLastAdmin
	}
	return s.write(ctx, a, true)
}

// write adds a version of an account and reads all back. The caller holds mu.
func (s *Accounts) write(ctx context.Context, a Account, deleted bool) error {
	wctx, cancel := with(ctx, clickhouse.Parameters{
		"account": a.Name, "role": a.Role, "password": a.hash, "deleted": strconv.FormatBool(deleted),
	})
	defer cancel()
	if err := s.conn.Exec(wctx, statement("write_account")); err != nil {
		return fmt.Errorf("write account %s: %w", a.Name, err)
	}
	return s.load(ctx)
}

// Verify returns the account of a name and password. An unknown name takes as
// long as a wrong password.
func (s *Accounts) Verify(ctx context.Context, name, password string) (Account, bool, error) {
	known, err := s.current(ctx)
	if err != nil {
		return Account{}, false, err
	}
	a, ok := known[name]
	hash := a.hash
	if !ok {
		hash = nobody
	}
	select {
	case s.work <- struct{}{}:
		defer func() { <-s.work }()
	case <-ctx.Done():
		return Account{}, false, fmt.Errorf("check the password: %w", ctx.Err())
	}
	match := s.matches(hash, password)
	return a, match && ok, nil
}

// nobody is the hash that unknown names are checked against: of a password
// that was thrown away.
const nobody = "$argon2id$v=19$m=19456,t=2,p=1$b4xX2UI3S0hE1pQd6aYw8A$5dJm0pWb0c3gE7q3z1o9yK4mTn2hVvRr8sLxQeUuAaI"

// The parameters of new hashes: 19 MiB, 2 passes.
const (
	hashMemory = 19 * 1024 // KiB
	hashPasses = 2
	hashLength = 32
)

func (s *Accounts) hash(ctx context.Context, password string) (string, error) {
	select {
	case s.work <- struct{}{}:
		defer func() { <-s.work }()
	case <-ctx.Done():
		return "", fmt.Errorf("hash the password: %w", ctx.Err())
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // It ends the program when the system has no randomness.
	key := argon2.IDKey([]byte(password), salt, hashPasses, hashMemory, 1, hashLength)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashPasses, 1,
		b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// matches reports whether the password is the one of the hash. A hash that was
// not written by us matches nothing.
func (s *Accounts) matches(hash, password string) bool {
	h, ok := parseHash(hash)
	if !ok || len(password) > maxPassword {
		return false
	}
	got := argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(got, h.key) == 1
}

// parsedHash is an encoded hash in parts.
type parsedHash struct {
	memory, passes uint32 // KiB, rounds
	threads        uint8
	salt, key      []byte
}

// parseHash reads an encoded hash. Parameters that would take too much memory
// or time are refused.
func parseHash(text string) (h parsedHash, ok bool) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return h, false
	}
	var version int
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return h, false
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); err != nil {
		return h, false
	}
	if h.memory > 1<<18 || h.passes == 0 || h.passes > 16 || h.threads == 0 {
		return h, false
	}
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	h.key, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	return h, err1 == nil && err2 == nil && len(h.key) >= 16
}
