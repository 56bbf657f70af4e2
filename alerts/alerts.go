// Package alerts speaks up, once, when a cap comes near, a router falls silent
// or figures are incomplete: by mail and by webhook.
package alerts

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/flattraffic/flattraffic/report"
	"github.com/flattraffic/flattraffic/site"
)

const (
	// interval is how often it is looked whether there is something to say.
	interval = 2 * time.Minute
	// settling lets the ingest and the tables come up first.
	settling = 20 * time.Second
)

// Deps are what the alerts stand on.
type Deps struct {
	Conn    driver.Conn
	Reports interface {
		Run(ctx context.Context, req report.Request) (*report.Result, error)
	}
	Settings func(ctx context.Context) (*site.Settings, error)
	Secrets  func(ctx context.Context) (site.Secrets, error)
	Now      func() time.Time
	Log      *slog.Logger
}

// Alerts look at the figures and speak.
type Alerts struct {
	Deps
	state *state
}

// New returns alerts that do nothing yet.
func New(deps Deps) *Alerts {
	return &Alerts{Deps: deps, state: &state{conn: deps.Conn, now: deps.Now, server: rand.Text()}}
}

// Run looks again and again until ctx ends. What goes wrong is logged and tried
// again; it stops nothing else.
func (a *Alerts) Run(ctx context.Context) error {
	wait := settling
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = interval
		if err := a.Check(ctx); err != nil && ctx.Err() == nil {
			a.Log.Warn("alerts not checked", "error", err)
		}
	}
}

// Check looks once, and sends what is to be said and was not said yet.
func (a *Alerts) Check(ctx context.Context) error {
	settings, err := a.Settings(ctx)
	if err != nil {
		return fmt.Errorf("load settings: %w", err)
	}
	if !settings.Alerts.Ways() {
		return nil
	}
	messages, err := a.collect(ctx, settings)
	if len(messages) == 0 {
		return err
	}
	secrets, serr := a.Secrets(ctx)
	if serr != nil {
		return errors.Join(err, serr)
	}
	for _, way := range ways(settings.Alerts, secrets, a.Now) {
		for _, m := range messages {
			err = errors.Join(err, a.speak(ctx, way, m))
		}
	}
	return err
}

// speak sends one message one way, unless it was sent already or another
// program is about to.
func (a *Alerts) speak(ctx context.Context, way way, m Message) error {
	id := way.name + "/" + m.Key
	attempt, mine, err := a.state.claim(ctx, id, m.Subject)
	if err != nil || !mine {
		return err
	}
	if m.Quiet {
		return a.state.record(ctx, id, attempt, sent, m.Subject, "")
	}
	if err := way.send(ctx, m); err != nil {
		a.Log.Warn("alert did not get through", "way", way.name, "attempt", attempt, "error", err)
		return a.state.record(ctx, id, attempt, failed, m.Subject, err.Error())
	}
	a.Log.Info("alert sent", "way", way.name, "alert", m.Key)
	return a.state.record(ctx, id, attempt, sent, m.Subject, "")
}

// Test sends a message by every way that is set; it says which did not work.
func (a *Alerts) Test(ctx context.Context, settings site.Alerts, secrets site.Secrets) error {
	m := Message{
		Kind: "test", Subject: "FlatTraffic: a test",
		Text: "This is how FlatTraffic will tell you when a cap comes near. Nothing has happened.\n", At: a.Now(),
	}
	list := ways(settings, secrets, a.Now)
	if len(list) == 0 {
		return errors.New("no way is set: give a mail server or a webhook first")
	}
	var errs []error
	for _, way := range list {
		if err := way.send(ctx, m); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", way.name, err))
		}
	}
	return errors.Join(errs...)
}

// Recent returns the newest alerts, the newest first.
func (a *Alerts) Recent(ctx context.Context) ([]Sent, error) { return a.state.recent(ctx) }
