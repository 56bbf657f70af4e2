package docs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// grafanaType is the data source that the dashboards are made for.
const grafanaType = "grafana-clickhouse-datasource"

// dashboard is what Grafana reads of a dashboard's file; unknown keys are its
// own affair.
type dashboard struct {
	Title         string
	UID           string
	SchemaVersion int
	Templating    struct {
		List []struct {
			Name, Type, Query string
		}
	}
	Panels []struct {
		ID          int
		Type        string
		Title       string
		Datasource  datasource
		GridPos     struct{ X, Y, W, H int }
		FieldConfig struct {
			Defaults struct{ Unit string }
		}
		Targets []struct {
			RefID      string
			Datasource datasource
			EditorType string
			QueryType  string
			Format     *int
			RawSQL     string `json:"rawSql"`
		}
	}
}

type datasource struct{ Type, UID string }

// macros are what the data source puts for its macros, and the dashboards'
// variables, in a query over the last 30 days.
var macros = strings.NewReplacer(
	"$__fromTime", "toDateTime(now() - INTERVAL 30 DAY)", "$__toTime", "toDateTime(now())",
	"$__timeFilter(bucket)", "bucket >= toDateTime(now() - INTERVAL 30 DAY) AND bucket <= toDateTime(now())",
	"$host", "192.168.1.20", "$zone", "Pacific/Auckland",
)

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("../deployments/grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("dashboards %v: %v", files, err)
	}
	all := map[string]dashboard{}
	for _, file := range files {
		var d dashboard
		if err := json.Unmarshal([]byte(read(t, file)), &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[filepath.Base(file)] = d
	}
	return all
}

// Each panel asks the way the data source understands: SQL from the editor for
// SQL, as a time series with a column time or as a table.
func TestDashboardsAreWellMade(t *testing.T) {
	uids := map[string]bool{}
	for file, d := range dashboards(t) {
		if d.Title == "" || d.UID == "" || uids[d.UID] || d.SchemaVersion < 30 {
			t.Errorf("%s: title %q, uid %q, schema %d", file, d.Title, d.UID, d.SchemaVersion)
		}
		uids[d.UID] = true
		if v := d.Templating.List; len(v) == 0 || v[0].Name != "source" || v[0].Type != "datasource" || v[0].Query != grafanaType {
			t.Errorf("%s: its first variable is not the choice of the data source: %+v", file, v)
		}
		want := datasource{grafanaType, "${source}"}
		ids := map[int]bool{}
		for _, p := range d.Panels {
			if ids[p.ID] || p.Title == "" || p.FieldConfig.Defaults.Unit == "" || p.GridPos.W < 1 || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.H < 1 {
				t.Errorf("%s, panel %d %q: id taken, or no title, unit or place: %+v", file, p.ID, p.Title, p.GridPos)
			}
			ids[p.ID] = true
			if p.Datasource != want || len(p.Targets) == 0 {
				t.Errorf("%s, panel %q: data source %+v, %d queries", file, p.Title, p.Datasource, len(p.Targets))
			}
			for _, q := range p.Targets {
				series := p.Type == "timeseries"
				kind, format := "table", 1
				if series {
					kind, format = "timeseries", 0
				}
				if q.Datasource != want || q.RefID == "" || q.EditorType != "sql" || q.QueryType != kind || q.Format == nil || *q.Format != format {
					t.Errorf("%s, panel %q: query %+v, want one of type %s and format %d", file, p.Title, q, kind, format)
				}
				if series && !strings.Contains(q.RawSQL, " AS time") {
					t.Errorf("%s, panel %q has no column time", file, p.Title)
				}
			}
		}
	}
}

// Each query of the dashboards runs as the user reader and finds something.
func TestDashboardsRun(t *testing.T) {
	reader, _ := readable(t)
	for file, d := range dashboards(t) {
		queries := map[string]string{}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				queries[p.Title+" "+q.RefID] = q.RawSQL
			}
		}
		for _, v := range d.Templating.List {
			if v.Type == "query" {
				queries["variable "+v.Name] = v.Query
			}
		}
		for name, query := range queries {
			t.Run(file+"/"+name, func(t *testing.T) {
				text := macros.Replace(query)
				if strings.Contains(text, "$") {
					t.Fatalf("a macro or variable is not known:\n%s", text)
				}
				rows, err := reader.Query(t.Context(), text)
				if err != nil {
					t.Fatalf("%s\n%v", text, err)
				}
				defer rows.Close()
				if !rows.Next() && !strings.Contains(query, "exporter_state") && !strings.Contains(query, "'records'") {
					t.Errorf("finds nothing:\n%s", text)
				}
				if err := rows.Err(); err != nil {
					t.Errorf("%s\n%v", text, err)
				}
				if name == "variable zone" {
					var zone string
					if err := rows.Scan(&zone); err != nil || zone != macros.Replace("$zone") {
						t.Errorf("the zone of the days: got %q, %v, want %q", zone, err, macros.Replace("$zone"))
					}
				}
			})
		}
	}
}

// The provisioning names the same data source, and the user that only reads.
func TestGrafanaProvisioning(t *testing.T) {
	parse := func(path string, to any) {
		t.Helper()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		decoder := yaml.NewDecoder(f)
		decoder.KnownFields(true)
		if err := decoder.Decode(to); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access string
			JSONData                map[string]any    `yaml:"jsonData"`
			SecureJSONData          map[string]string `yaml:"secureJsonData"`
		}
	}
	parse("../deployments/grafana/provisioning/datasources/flattraffic.yaml", &sources)
	if len(sources.Datasources) != 1 || sources.APIVersion != 1 {
		t.Fatalf("got %+v, want one data source", sources)
	}
	s := sources.Datasources[0]
	if s.Type != grafanaType || s.JSONData["username"] != "reader" || s.JSONData["defaultDatabase"] != "flattraffic" || !strings.HasPrefix(s.SecureJSONData["password"], "$") {
		t.Errorf("data source %+v", s)
	}
	var providers struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Type, Folder string
			DisableDeletion    bool `yaml:"disableDeletion"`
			AllowUIUpdates     bool `yaml:"allowUiUpdates"`
			Options            struct{ Path string }
		}
	}
	parse("../deployments/grafana/provisioning/dashboards/flattraffic.yaml", &providers)
	if len(providers.Providers) != 1 || providers.Providers[0].Type != "file" || !strings.Contains(read(t, "../deployments/grafana/README.md"), providers.Providers[0].Options.Path) {
		t.Errorf("providers %+v; the README names where dashboards go", providers)
	}
}
