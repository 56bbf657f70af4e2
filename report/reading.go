package report

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"
	"sync"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// query is a statement as it is sent, and what it may read.
type query struct {
	what      string // for errors
	statement string
	params    ch.Parameters
	table     string
	in        reach
}

// name is the query's fingerprint while the tables hold what they do. known
// reports whether it tells other rows apart, so that the answer can be kept.
func (u query) name(h holdings) (name fingerprint, known bool) {
	sum := newHasher()
	sum.text(u.statement)
	for _, key := range slices.Sorted(maps.Keys(u.params)) {
		sum.text(key)
		sum.text(u.params[key])
	}
	sum.text("")
	known = h.describe(sum, u.table, u.in)
	return sum.fingerprint(), known
}

// hasher makes a fingerprint of texts, without a copy of what may be the
// addresses of years.
type hasher struct {
	hash.Hash

	room [1024]byte
}

func newHasher() *hasher { return &hasher{Hash: sha256.New()} }

// text adds a text and where it ends.
func (h *hasher) text(text string) {
	for n := 0; len(text) > 0; text = text[n:] {
		n = copy(h.room[:], text)
		h.Write(h.room[:n])
	}
	h.room[0] = 0
	h.Write(h.room[:1])
}

func (h *hasher) fingerprint() (name fingerprint) {
	h.Sum(name[:0])
	return name
}

// reading is what one report reads: every statement once, and none whose answer
// is known from an earlier report and has not changed.
type reading struct {
	tables []string // that are looked at

	mu    sync.Mutex
	held  holdings // when the report began, or last found that its parts do not agree
	asked map[fingerprint]*asked
	ran   []ran
	some  bool // a statement was sent
}

// asked is a statement that the report has asked.
type asked struct {
	done  chan struct{} // closed when it is answered
	sheet *sheet        // nil when there is an error, or the answer was not written down
}

// ran are statements whose answer, or what was made of it, may be kept.
type ran struct {
	name  func(holdings) (name fingerprint, known bool)
	was   fingerprint // when they were asked
	value any
	size  int // bytes, about
}

// begin looks what the tables hold, for the report that a request asks for.
func (r *Reports) begin(ctx context.Context, req Request) (*reading, error) {
	tables := tablesOf(req)
	held, err := r.look(ctx, tables)
	return &reading{tables: tables, held: held, asked: map[fingerprint]*asked{}}, err
}

// knows reports whether the parts of a table tell what it holds.
func (r *reading) knows(table string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.held.tables[table]
	return known
}

// renew looks anew, for statements to be asked again.
func (q *question) renew(ctx context.Context) error {
	held, err := q.look(ctx, q.reading.tables)
	if err != nil {
		return err
	}
	q.reading.mu.Lock()
	defer q.reading.mu.Unlock()
	q.reading.held, q.reading.asked = held, map[fingerprint]*asked{}
	return nil
}

// finish keeps the answers of statements whose rows are what they were before
// they were read. It reports whether the days of the daily tables are still
// those of a zone; they may have been exchanged meanwhile.
func (r *Reports) finish(ctx context.Context, read *reading, zone string) (bool, error) {
	now := read.held
	if read.some {
		var err error
		if now, err = r.look(ctx, read.tables); err != nil || now.zone != zone {
			return false, err
		}
	}
	for _, one := range read.ran {
		if name, known := one.name(now); known && name == one.was {
			r.answers.keep(name, one.value, one.size)
		}
	}
	return true, nil
}

// mayKeep notes what may be kept when the report is finished.
func (r *reading) mayKeep(one ran) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ran = append(r.ran, one)
}

// ask answers a query row by row: from what this report has asked already, from
// what an earlier one was answered, or from the tables.
func (q *question) ask(ctx context.Context, u query, scan func(scanner) error) error {
	read := q.reading
	read.mu.Lock()
	name, known := u.name(read.held)
	one, again := read.asked[name]
	if !again {
		one = &asked{done: make(chan struct{})}
		read.asked[name] = one
	}
	read.mu.Unlock()
	if again {
		select {
		case <-one.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if one.sheet == nil {
			_, err := q.send(ctx, u, scan)
			return err
		}
		return one.sheet.each(scan)
	}
	defer close(one.done)
	if known {
		if kept, ok := q.answers.get(name).(*sheet); ok {
			one.sheet = kept
			return kept.each(scan)
		}
	}
	var err error
	if one.sheet, err = q.send(ctx, u, scan); known && one.sheet != nil {
		read.mayKeep(ran{u.name, name, one.sheet, one.sheet.size})
	}
	return err
}

// send has ClickHouse answer a query. The sheet is nil when the answer was not
// written down.
func (q *question) send(ctx context.Context, u query, scan func(scanner) error) (*sheet, error) {
	select {
	case q.places <- struct{}{}:
		defer func() { <-q.places }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	q.reading.mu.Lock()
	q.reading.some = true
	q.reading.mu.Unlock()
	rows, err := q.conn.Query(ch.Context(ctx, ch.WithParameters(u.params)), u.statement)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", u.what, err)
	}
	defer rows.Close()
	record := &recorder{scanner: rows, sheet: &sheet{}}
	for rows.Next() {
		if err := scan(record); err != nil {
			return nil, fmt.Errorf("load %s: %w", u.what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("load %s: %w", u.what, err)
	}
	return record.sheet, nil
}

// each asks a statement of a source and hands every row to scan. more are
// further parameters.
func (q *question) each(ctx context.Context, what, statement string, s source, more map[string]string, scan func(scanner) error) error {
	return q.ask(ctx, s.query(what, statement, more), scan)
}

// query is a statement on the source, with further parameters.
func (s source) query(what, statement string, more map[string]string) query {
	statement = strings.NewReplacer(
		"{{table}}", s.table, "{{day}}", s.day, "{{counters}}", counters, "{{something}}", something, "{{booked}}", booked, "{{exempt}}", s.exempt,
		"{{where}}", strings.Join(s.where, " AND "),
	).Replace(statement)
	params := ch.Parameters(maps.Clone(s.params))
	maps.Copy(params, more)
	return query{what, statement, params, s.table, s.in}
}
