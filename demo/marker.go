package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// marker is the setting that says what the demo has written. It is stored
// before the first row that a report can see, and removed after the last.
type marker struct {
	Complete    bool      `json:"complete"`
	Profile     Profile   `json:"profile"`
	Years       float64   `json:"years"`
	Seed        uint64    `json:"seed"`
	From        time.Time `json:"from"`
	Until       time.Time `json:"until"`
	FlowsPerDay int       `json:"flows_per_day"`
	SettingsAt  time.Time `json:"settings_at"` // changed_at of the settings it wrote
}

// loadMarker returns the marker, nil when the database holds nothing of the
// demo.
func loadMarker(ctx context.Context, conn driver.Conn) (*marker, error) {
	rows, err := conn.Query(ctx, query("load_marker"))
	if err != nil {
		return nil, fmt.Errorf("look for the demo: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("look for the demo: %w", err)
		}
		return nil, nil //nolint:nilnil // no marker is no error
	}
	var text string
	if err := rows.Scan(&text); err != nil {
		return nil, fmt.Errorf("look for the demo: %w", err)
	}
	var m marker
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return nil, fmt.Errorf("read what the demo says of itself: %w", err)
	}
	return &m, nil
}

func (m *marker) save(ctx context.Context, conn driver.Conn) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("mark the demo: %w", err)
	}
	if err := conn.Exec(ctx, query("save_marker"), string(text), time.Now().UTC()); err != nil {
		return fmt.Errorf("mark the demo: %w", err)
	}
	return nil
}

// options are those the demo was written with.
func (m *marker) options() Options {
	return Options{Years: m.Years, Seed: m.Seed, Profile: m.Profile, Until: m.Until, FlowsPerDay: m.FlowsPerDay}
}
