package server

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/alexedwards/scs/v2"
)

// sessionLifetime is how long a login lasts.
const sessionLifetime = 30 * 24 * time.Hour

// cookieName is the name of the session cookie.
const cookieName = "flattraffic"

func newSessions(store *sessionStore) *scs.SessionManager {
	m := scs.New()
	m.Lifetime = sessionLifetime
	m.Store = store
	m.Codec = jsonCodec{}
	m.Cookie.Name = cookieName
	return m
}

// loadSession returns a context that holds the session of the request. A
// request without a cookie gets an empty one that is never stored.
func (s *Server) loadSession(r *http.Request) (context.Context, error) {
	token := ""
	if c, err := r.Cookie(cookieName); err == nil && len(c.Value) <= 128 {
		token = c.Value
	}
	ctx, err := s.sessions.Load(r.Context(), token)
	if err != nil {
		return nil, fmt.Errorf("read the session: %w", err)
	}
	return ctx, nil
}

// signIn starts a session under a new token: one that was planted before the
// login is worth nothing after it.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, a Account) error {
	ctx := r.Context()
	if err := s.sessions.RenewToken(ctx); err != nil {
		return fmt.Errorf("renew the session: %w", err)
	}
	s.sessions.Put(ctx, "account", a.Name)
	s.sessions.Put(ctx, "stamp", a.stamp())
	token, expires, err := s.sessions.Commit(ctx)
	if err != nil {
		return fmt.Errorf("store the session: %w", err)
	}
	s.setCookie(w, r, token, expires)
	return nil
}

// signOut ends the session.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := s.sessions.Destroy(r.Context()); err != nil {
		return fmt.Errorf("end the session: %w", err)
	}
	s.setCookie(w, r, "", time.Time{})
	return nil
}

func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, token string, expires time.Time) {
	c := &http.Cookie{
		Name: cookieName, Value: token, Path: "/", Expires: expires,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.secure(r),
	}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
	w.Header().Set("Cache-Control", "no-store")
}

// jsonCodec keeps session data as a JSON object, so that SQL can find the
// sessions of an account.
type jsonCodec struct{}

type sessionData struct {
	Deadline time.Time `json:"deadline"`
	Account  string    `json:"account"`
	Stamp    string    `json:"stamp"`
}

// Encode implements scs.Codec.
func (jsonCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	d := sessionData{Deadline: deadline}
	d.Account, _ = values["account"].(string)
	d.Stamp, _ = values["stamp"].(string)
	return json.Marshal(d)
}

// Decode implements scs.Codec.
func (jsonCodec) Decode(b []byte) (time.Time, map[string]any, error) {
	var d sessionData
	if err := json.Unmarshal(b, &d); err != nil {
		return time.Time{}, nil, fmt.Errorf("read session data: %w", err)
	}
	return d.Deadline, map[string]any{"account": d.Account, "stamp": d.Stamp}, nil
}

// sessionStore keeps sessions in the table sessions, by the hash of the token:
// who reads the table cannot take a session over.
type sessionStore struct{ conn driver.Conn }

var errNoContext = errors.New("session store used without a context")

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// FindCtx implements scs.CtxStore.
func (s *sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	ctx, cancel := with(ctx, clickhouse.Parameters{"token": hashToken(token)})
	defer cancel()
	var data string
	err := s.conn.QueryRow(ctx, statement("find_session")).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return []byte(data), err == nil, err
}

// CommitCtx implements scs.CtxStore.
func (s *sessionStore) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	ctx, cancel := with(ctx, clickhouse.Parameters{
		"token": hashToken(token), "data": string(b), "expires": strconv.FormatInt(expiry.Unix(), 10),
	})
	defer cancel()
	return s.conn.Exec(ctx, statement("commit_session"))
}

// DeleteCtx implements scs.CtxStore. A deleted session stays, marked, until it
// would have ended.
func (s *sessionStore) DeleteCtx(ctx context.Context, token string) error {
	ctx, cancel := with(ctx, clickhouse.Parameters{"token": hashToken(token)})
	defer cancel()
	return s.conn.Exec(ctx, statement("delete_session"))
}

// deleteOthers ends all sessions of an account but the one with this token.
func (s *sessionStore) deleteOthers(ctx context.Context, account, token string) error {
	ctx, cancel := with(ctx, clickhouse.Parameters{"account": account, "keep": hashToken(token)})
	defer cancel()
	return s.conn.Exec(ctx, statement("delete_other_sessions"))
}

// count returns how many sessions of an account are open.
func (s *sessionStore) count(ctx context.Context, account string) (uint64, error) {
	ctx, cancel := with(ctx, clickhouse.Parameters{"account": account})
	defer cancel()
	var n uint64
	err := s.conn.QueryRow(ctx, statement("count_sessions")).Scan(&n)
	return n, err
}

// Find implements scs.Store; never called, FindCtx is.
func (s *sessionStore) Find(string) ([]byte, bool, error) { return nil, false, errNoContext }

// Commit implements scs.Store; never called, CommitCtx is.
func (s *sessionStore) Commit(string, []byte, time.Time) error { return errNoContext }

// Delete implements scs.Store; never called, DeleteCtx is.
func (s *sessionStore) Delete(string) error { return errNoContext }
