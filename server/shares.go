package server

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// shareLink is a read-only link to the figures of a person, or of everyone.
type shareLink struct {
	ID      string // stable, no secret
	Person  string // empty = everyone
	Created time.Time
	Expires time.Time // 1970 = never
}

// shareStore keeps share links in the table share_links, by the hash of their
// token: who reads the table cannot make the link of it.
type shareStore struct{ conn driver.Conn }

// create makes a link and returns its token, which is nowhere kept. The zero
// time means that it never ends.
func (s *shareStore) create(ctx context.Context, person string, expires time.Time) (token string, err error) {
	token = strings.ToLower(rand.Text()) // 130 bits
	at := int64(0)
	if !expires.IsZero() {
		at = expires.Unix()
	}
	ctx, cancel := with(ctx, clickhouse.Parameters{
		"link": strings.ToLower(rand.Text()[:12]), "token": hashToken(token), "person": person, "expires": strconv.FormatInt(at, 10),
	})
	defer cancel()
	if err := s.conn.Exec(ctx, statement("write_share")); err != nil {
		return "", fmt.Errorf("store a share link: %w", err)
	}
	return token, nil
}

// revoke ends a link at once.
func (s *shareStore) revoke(ctx context.Context, id string) error {
	ctx, cancel := with(ctx, clickhouse.Parameters{"link": id})
	defer cancel()
	if err := s.conn.Exec(ctx, statement("revoke_share")); err != nil {
		return fmt.Errorf("revoke a share link: %w", err)
	}
	return nil
}

// find returns the link of a token; false when there is none, or it was
// revoked or has ended.
func (s *shareStore) find(ctx context.Context, token string, now time.Time) (shareLink, bool, error) {
	ctx, cancel := with(ctx, clickhouse.Parameters{"token": hashToken(token), "now": strconv.FormatInt(now.Unix(), 10)})
	defer cancel()
	var l shareLink
	err := s.conn.QueryRow(ctx, statement("find_share")).Scan(&l.ID, &l.Person, &l.Created, &l.Expires)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return shareLink{}, false, nil
	case err != nil:
		return shareLink{}, false, fmt.Errorf("find a share link: %w", err)
	}
	return l, true, nil
}

// list returns the links in force, the oldest first.
func (s *shareStore) list(ctx context.Context, now time.Time) ([]shareLink, error) {
	ctx, cancel := with(ctx, clickhouse.Parameters{"now": strconv.FormatInt(now.Unix(), 10)})
	defer cancel()
	rows, err := s.conn.Query(ctx, statement("shares"))
	if err != nil {
		return nil, fmt.Errorf("list share links: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var list []shareLink
	for rows.Next() {
		var l shareLink
		if err := rows.Scan(&l.ID, &l.Person, &l.Created, &l.Expires); err != nil {
			return nil, fmt.Errorf("list share links: %w", err)
		}
		list = append(list, l)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list share links: %w", err)
	}
	return list, nil
}
