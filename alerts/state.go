package alerts

import (
	"context"
	"embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// statement returns an embedded statement; the names are constants here.
func statement(name string) string {
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic("alerts: no statement " + name)
	}
	return strings.TrimSpace(string(text))
}

func query(ctx context.Context, conn driver.Conn, name string, params map[string]string) (driver.Rows, error) {
	return conn.Query(ch.Context(ctx, ch.WithParameters(ch.Parameters(params))), statement(name))
}

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// state is the table alerts: what was said, and who is about to say what.
type state struct {
	conn   driver.Conn
	now    func() time.Time
	server string // tells the programs apart that run on one database
}

// The states of an attempt.
const (
	claimed = "claimed"
	sent    = "sent"
	failed  = "failed"
)

const (
	// timeout bounds each statement.
	timeout = 10 * time.Second
	// abandoned is when a claim is old enough to be of a program that died
	// before it said what came of it.
	abandoned = 15 * time.Minute
	// maxAttempts bounds how often something is tried.
	maxAttempts = 40
)

// attempt is what is known of one attempt.
type attempt struct {
	number       uint16
	owner        string
	sent, failed bool
	last         time.Time
}

// claim takes the next attempt to say something for this program. It is not
// ours when it was said, when another program is at it, or when it is not time
// yet to try again. Two programs cannot both get it: both insert under the same
// deduplication token, of which the database keeps one.
func (s *state) claim(ctx context.Context, id, subject string) (number uint16, mine bool, err error) {
	attempts, err := s.attempts(ctx, id)
	if err != nil {
		return 0, false, err
	}
	number, due := next(attempts, s.now())
	for try := 0; due && try < 3; try++ {
		if err := s.insert(ctx, id, number, claimed, subject, ""); err != nil {
			return 0, false, err
		}
		if attempts, err = s.attempts(ctx, id); err != nil {
			return 0, false, err
		}
		for _, a := range attempts {
			if a.number == number {
				return number, a.owner == s.server, nil
			}
		}
		number++ // the token is known but its row was never stored: the database was killed between the two
	}
	return number, false, nil
}

// next is the attempt to make now, if any is due. After a failure the wait
// doubles, from a minute to six hours.
func next(attempts []attempt, now time.Time) (number uint16, due bool) {
	if len(attempts) == 0 {
		return 1, true
	}
	for _, a := range attempts {
		if a.sent {
			return 0, false
		}
	}
	last := attempts[len(attempts)-1]
	wait := abandoned
	if last.failed {
		wait = min(time.Minute<<min(last.number-1, 10), 6*time.Hour)
	}
	return last.number + 1, last.number < maxAttempts && now.Sub(last.last) >= wait
}

func (s *state) attempts(ctx context.Context, id string) ([]attempt, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	rows, err := query(ctx, s.conn, "attempts", map[string]string{"alert": id})
	if err != nil {
		return nil, fmt.Errorf("load attempts of an alert: %w", err)
	}
	defer rows.Close()
	var list []attempt
	for rows.Next() {
		var a attempt
		var last uint32
		if err := rows.Scan(&a.number, &a.owner, &a.sent, &a.failed, &last); err != nil {
			return nil, fmt.Errorf("load attempts of an alert: %w", err)
		}
		a.last = time.Unix(int64(last), 0)
		list = append(list, a)
	}
	return list, rows.Err()
}

// record notes what came of an attempt.
func (s *state) record(ctx context.Context, id string, number uint16, what, subject, problem string) error {
	return s.insert(ctx, id, number, what, subject, problem)
}

func (s *state) insert(ctx context.Context, id string, number uint16, what, subject, problem string) error {
	// What came of it must be noted even when the program is told to stop.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	ctx = ch.Context(ctx, ch.WithSettings(ch.Settings{
		"insert_deduplicate": 1, "insert_deduplication_token": "alert " + id + " " + strconv.Itoa(int(number)) + " " + what,
	}))
	batch, err := s.conn.PrepareBatch(ctx, statement("claim"))
	if err != nil {
		return fmt.Errorf("note an alert: %w", err)
	}
	defer batch.Close()
	if err := batch.Append(id, number, s.server, what, subject, problem); err != nil {
		return fmt.Errorf("note an alert: %w", err)
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("note an alert: %w", err)
	}
	return nil
}

// Sent is an alert that was sent, or not.
type Sent struct {
	Way     string // mail or webhook
	Subject string
	State   string // claimed, sent or failed
	Problem string
	At      time.Time
}

// keptShown is how far back alerts are listed.
const keptShown = 92 * 24 * time.Hour

func (s *state) recent(ctx context.Context) ([]Sent, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	rows, err := query(ctx, s.conn, "recent", map[string]string{"since": unix(s.now().Add(-keptShown))})
	if err != nil {
		return nil, fmt.Errorf("load alerts: %w", err)
	}
	defer rows.Close()
	var list []Sent
	for rows.Next() {
		var one Sent
		if err := rows.Scan(&one.Way, &one.Subject, &one.State, &one.Problem, &one.At); err != nil {
			return nil, fmt.Errorf("load alerts: %w", err)
		}
		one.Way, _, _ = strings.Cut(one.Way, "/")
		list = append(list, one)
	}
	return list, rows.Err()
}
