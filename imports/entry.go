package imports

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/flow"
)

// The statements, each in a file of its own.
var (
	//go:embed sql/load.sql
	loadSQL string
	//go:embed sql/save.sql
	saveSQL string
	//go:embed sql/history_days.sql
	historyDaysSQL string
	//go:embed sql/stage_days.sql
	stageDaysSQL string
	//go:embed sql/used_days.sql
	usedDaysSQL string
)

// Entry is one import, a row of the table imports.
type Entry struct {
	Number      uint32
	File        string // without its directory
	Hash        string // SHA-256 of the content, unpacked
	Kind        string
	Rows        uint64 // of flows
	Skipped     uint64 // records left out
	Bytes       uint64 // of all rows, times the sampling rate
	First, Last time.Time
	State       State
	Started     time.Time
}

// State is how far an import has come. The values are those of imports.state.
type State int8

// The states of an import.
const (
	loading State = 1
	done    State = 2
	undoing State = 3
	undone  State = 4
)

// List returns the imports that count now, oldest first.
func (im *Importer) List(ctx context.Context) ([]Entry, error) {
	all, err := im.load(ctx)
	var list []Entry
	for _, e := range all {
		if e.State == done {
			list = append(list, e)
		}
	}
	return list, err
}

// load returns all imports there ever were, by number.
func (im *Importer) load(ctx context.Context) ([]Entry, error) {
	rows, err := im.db.Home.Query(ctx, loadSQL)
	if err != nil {
		return nil, fmt.Errorf("read table imports: %w", err)
	}
	defer rows.Close()
	var list []Entry
	for rows.Next() {
		var e Entry
		var state int8
		if err := rows.Scan(&e.Number, &e.File, &e.Hash, &e.Kind, &e.Rows, &e.Skipped, &e.Bytes, &e.First, &e.Last, &state, &e.Started); err != nil {
			return nil, fmt.Errorf("read table imports: %w", err)
		}
		e.State = State(state)
		list = append(list, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read table imports: %w", err)
	}
	return list, nil
}

// next is the number after all that were ever used.
func next(list []Entry) uint32 {
	var highest uint32
	for _, e := range list {
		highest = max(highest, e.Number)
	}
	return highest + 1
}

// save writes an import's row with another state.
func (im *Importer) save(ctx context.Context, e Entry, state State) error {
	batch, err := im.db.Home.PrepareBatch(ctx, saveSQL)
	if err != nil {
		return fmt.Errorf("note import %d: %w", e.Number, err)
	}
	defer batch.Close()
	// Every state is later than the one before, also when the clock was set back.
	at := e.Started.Add(time.Duration(state) * time.Millisecond).Truncate(time.Millisecond)
	if now := im.deps.Now().UTC(); now.After(at) {
		at = now.Truncate(time.Millisecond).Add(time.Duration(state) * time.Millisecond)
	}
	err = batch.Append(e.Number, e.File, e.Hash, e.Kind, e.Rows, e.Skipped, e.Bytes, e.First, e.Last, int8(state), e.Started, at)
	if err == nil {
		err = batch.Send()
	}
	if err != nil {
		return fmt.Errorf("note import %d: %w", e.Number, err)
	}
	return nil
}

// historyDays lists the days of a stage that an imported daily history covers.
func (im *Importer) historyDays(ctx context.Context, stage string) ([]string, error) {
	zone, err := im.db.Zone(ctx)
	if err != nil {
		return nil, err
	}
	staged := map[string]bool{}
	inZone := ch.Context(ctx, ch.WithParameters(ch.Parameters{"zone": zone}))
	for _, s := range im.db.Shards {
		days, err := column(inZone, s.Conn, strings.ReplaceAll(stageDaysSQL, "{{stage}}", stage))
		if err != nil {
			return nil, err
		}
		for _, d := range days {
			staged[d] = true
		}
	}
	params := ch.Parameters{"exporters": "['" + flow.VnStatHistory().String() + "','" + flow.NlbwmonHistory().String() + "']"}
	days, err := column(ch.Context(ctx, ch.WithParameters(params)), im.db.All, historyDaysSQL)
	return slices.DeleteFunc(days, func(d string) bool { return !staged[d] }), err
}

// usedDays are the local days that have usage already.
func (im *Importer) usedDays(ctx context.Context) (map[string]bool, error) {
	list, err := column(ctx, im.db.All, usedDaysSQL)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, d := range list {
		used[d] = true
	}
	return used, nil
}

// column returns the one column of texts a query yields.
func column(ctx context.Context, conn driver.Conn, sql string) ([]string, error) {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("look for days with flows: %w", err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, fmt.Errorf("look for days with flows: %w", err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for days with flows: %w", err)
	}
	return list, nil
}
