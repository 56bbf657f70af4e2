package site

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// The statements, each in a file of its own.
var (
	//go:embed sql/insert_devices.sql
	insertDevicesSQL string
	//go:embed sql/insert_exporters.sql
	insertExportersSQL string
	//go:embed sql/insert_networks.sql
	insertNetworksSQL string
	//go:embed sql/insert_people.sql
	insertPeopleSQL string
	//go:embed sql/insert_plans.sql
	insertPlansSQL string
	//go:embed sql/insert_secrets.sql
	insertSecretsSQL string
	//go:embed sql/insert_settings.sql
	insertSettingsSQL string
	//go:embed sql/last_change.sql
	lastChangeSQL string
	//go:embed sql/load_bills.sql
	loadBillsSQL string
	//go:embed sql/load_devices.sql
	loadDevicesSQL string
	//go:embed sql/load_display.sql
	loadDisplaySQL string
	//go:embed sql/load_exporters.sql
	loadExportersSQL string
	//go:embed sql/load_networks.sql
	loadNetworksSQL string
	//go:embed sql/load_people.sql
	loadPeopleSQL string
	//go:embed sql/load_secrets.sql
	loadSecretsSQL string
	//go:embed sql/load_plans.sql
	loadPlansSQL string
	//go:embed sql/version.sql
	versionSQL string
)

const (
	// timeout bounds each reading and each saving.
	timeout = 10 * time.Second
	// maxAge is how old the snapshot of Current may be.
	maxAge = 5 * time.Second
)

// Store reads and writes the settings. It is safe for concurrent use.
type Store struct {
	conn driver.Conn
	zone *time.Location

	saving sync.Mutex // one change at a time, so that a check holds until its write

	mu      sync.Mutex
	current *Settings
	loaded  time.Time
	version string // of the tables when current was read; empty = not known
}

// NewStore returns a store on the connection's database. zone is the zone of
// the plan until the user has chosen one; see LocalZone.
func NewStore(conn driver.Conn, zone *time.Location) *Store {
	return &Store{conn: conn, zone: zone}
}

// Current returns a snapshot that is at most five seconds old, and not older
// than the last change made through this store.
func (s *Store) Current(ctx context.Context) (*Settings, error) {
	s.mu.Lock()
	current, loaded := s.current, s.loaded
	s.mu.Unlock()
	if current != nil && time.Since(loaded) < maxAge {
		return current, nil
	}
	return s.Fresh(ctx)
}

// Fresh returns a snapshot that is not older than the call. It reads the
// settings again only when they have changed.
func (s *Store) Fresh(ctx context.Context) (*Settings, error) {
	s.mu.Lock()
	current, version := s.current, s.version
	s.mu.Unlock()
	began := time.Now()
	if current == nil || version == "" || s.stands(ctx) != version {
		return s.Load(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == current && s.loaded.Before(began) { // nothing was saved meanwhile
		s.loaded = began
	}
	return current, nil
}

// stands names the version that the tables of the settings have; empty when
// that cannot be told, as for a user who may not see the tables' parts.
func (s *Store) stands(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	version, err := VersionOf(ctx, s.conn, "plans", "networks", "exporters", "settings", "devices", "people")
	if err != nil {
		return ""
	}
	return version
}

// VersionOf names the content of small tables of the database: as long as it is
// the same, so is what a statement reads of them. It may change without a
// change of the content.
func VersionOf(ctx context.Context, conn driver.Conn, tables ...string) (string, error) {
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"tables": "['" + strings.Join(tables, "','") + "']"}))
	var version string
	if err := conn.QueryRow(ctx, versionSQL).Scan(&version); err != nil {
		return "", fmt.Errorf("read the version of %s: %w", strings.Join(tables, ", "), err)
	}
	return version, nil
}

// row is one version of an entry, as the columns of its insert statement
// without changed_at.
type row []any

// change is the rows to write with one insert statement.
type change struct {
	what      string // for errors: plans
	statement string
	rows      []row
}

// write stores new versions of entries, all with one changed_at that is later
// than every one stored, so that they win also within one millisecond and
// after the clock was set back. The caller holds s.saving.
func (s *Store) write(ctx context.Context, changes ...change) error {
	defer s.forget()
	var last time.Time
	if err := s.conn.QueryRow(ctx, lastChangeSQL).Scan(&last); err != nil {
		return fmt.Errorf("read time of last change: %w", err)
	}
	at := time.Now().UTC().Truncate(time.Millisecond)
	if !at.After(last) {
		at = last.Add(time.Millisecond)
	}
	for _, c := range changes {
		if len(c.rows) == 0 {
			continue
		}
		if err := s.insert(ctx, c, at); err != nil {
			return fmt.Errorf("save %s: %w", c.what, err)
		}
	}
	return nil
}

func (s *Store) insert(ctx context.Context, c change, at time.Time) error {
	batch, err := s.conn.PrepareBatch(ctx, c.statement)
	if err != nil {
		return err
	}
	defer batch.Close()
	for _, r := range c.rows {
		if err := batch.Append(append(r, at)...); err != nil {
			return err
		}
	}
	return batch.Send()
}

// forget makes the next Current load again.
func (s *Store) forget() {
	s.mu.Lock()
	s.current = nil
	s.mu.Unlock()
}

func (s *Store) remember(settings *Settings, at time.Time, version string) {
	s.mu.Lock()
	s.current, s.loaded, s.version = settings, at, version
	s.mu.Unlock()
}
