package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/decode"
	"github.com/flattraffic/flattraffic/site"
)

// settingsFile keeps the settings last read. A record is classified once, when
// it comes in: a restart while ClickHouse is away must not fall back to the
// default networks.
const settingsFile = "settings.json"

// rules are the user's settings that the ingest obeys.
type rules struct {
	Networks      []netip.Prefix  `json:"networks"`
	Exporters     []site.Exporter `json:"exporters"`
	AllowListOnly bool            `json:"allow_list_only"`
}

// policy is a snapshot of the rules, ready for use. It is immutable.
type policy struct {
	classifier *flow.Classifier
	exporters  map[netip.Addr]site.Exporter
	allowOnly  bool
	text       []byte // the rules as JSON, to see a change by
}

// newPolicy returns the policy of the rules; without rules, or without any
// network in them, the default networks are local.
func newPolicy(r *rules, services *flow.Services) *policy {
	if r == nil {
		r = &rules{}
	}
	networks := r.Networks
	if len(networks) == 0 {
		networks = flow.DefaultLocal()
	}
	p := &policy{
		classifier: flow.NewClassifier(networks, services),
		exporters:  make(map[netip.Addr]site.Exporter, len(r.Exporters)), allowOnly: r.AllowListOnly,
	}
	for _, e := range r.Exporters {
		p.exporters[e.Address.Unmap()] = e
	}
	return p
}

// refuses reports whether datagrams of an exporter are dropped.
func (p *policy) refuses(exporter netip.Addr) bool {
	e, known := p.exporters[exporter]
	return e.Blocked || p.allowOnly && !known
}

// decoding is what the decoder needs to know of an exporter.
func (p *policy) decoding(exporter netip.Addr) decode.ExporterSettings {
	e, known := p.exporters[exporter]
	return decode.ExporterSettings{Known: known, SamplingRate: e.SamplingRate, SumOutBytes: e.SumOutBytes}
}

// countRule says which records of an exporter count in the totals: of one that
// is not set, all.
func (p *policy) countRule(exporter netip.Addr) flow.CountRule {
	return p.exporters[exporter].CountRule()
}

// pollPolicy reads the settings and takes them over when they have changed.
func (in *Ingest) pollPolicy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	settings, err := in.deps.Settings(ctx)
	if err != nil {
		// Away or stopping: the settings last read stay in force. That ClickHouse
		// is away is said by whoever delivers to it.
		in.deps.Log.Debug("settings cannot be read", "error", err)
		return
	}
	r := rulesOf(settings)
	text, err := json.Marshal(r)
	if err != nil {
		in.deps.Log.Error("settings cannot be kept", "error", err)
		return
	}
	if bytes.Equal(text, in.policy.Load().text) {
		return
	}
	in.takeOver(&r, text)
	if err := writeFile(filepath.Join(in.dir, settingsFile), text); err != nil {
		in.deps.Log.Warn("settings cannot be kept for a restart without ClickHouse", "error", err)
	}
}

// recallPolicy takes over the settings of an earlier run.
func (in *Ingest) recallPolicy() {
	text, err := os.ReadFile(filepath.Join(in.dir, settingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var r rules
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		in.deps.Log.Warn("the settings of the last run cannot be read", "error", err)
		return
	}
	in.takeOver(&r, text)
}

// KnowsSettings reports whether an ingest has run on the data directory and
// left the settings it ran with, so that the next one can start without
// ClickHouse.
func KnowsSettings(dataDir string) bool {
	_, err := os.Stat(filepath.Join(dataDir, "ingest", settingsFile))
	return err == nil
}

func (in *Ingest) takeOver(r *rules, text []byte) {
	p := newPolicy(r, in.services)
	p.text = text
	in.policy.Store(p)
	in.deps.Log.Info("settings taken over", "networks", len(r.Networks), "exporters", len(r.Exporters), "allow_list_only", r.AllowListOnly)
}

// writeFile replaces a file whole.
func writeFile(path string, content []byte) error {
	partial := path + ".tmp"
	if err := os.WriteFile(partial, content, 0o640); err != nil { //nolint:gosec // the group may read it
		return err
	}
	return os.Rename(partial, path)
}
