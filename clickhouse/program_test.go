package clickhouse

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindProgram(t *testing.T) {
	dir := t.TempDir()
	library := filepath.Join(dir, "libchdb.so")
	if err := os.WriteFile(library, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, version, environment, given string
		want                              program
	}{
		{"new binary", "ClickHouse local version 25.3.2.39 (official build).", library, "", program{"binary", filepath.Join(dir, "clickhouse")}},
		{"oldest binary that will do", "ClickHouse local version 24.8.1.1 (official build).", library, "", program{"binary", filepath.Join(dir, "clickhouse")}},
		{"binary just too old", "ClickHouse local version 24.7.9.9 (official build).", library, "", program{"library", library}},
		{"Debian's binary", "ClickHouse client version 18.16.1.", library, "", program{"library", library}},
		{"something else of that name", "hello", library, "", program{"library", library}},
		{"library given", "ClickHouse local version 25.3.2.39.", "", library, program{"library", library}},
	} {
		t.Run(c.name, func(t *testing.T) {
			script := fmt.Sprintf("#!/bin/sh\necho '%s'\n", c.version)
			if err := os.WriteFile(filepath.Join(dir, "clickhouse"), []byte(script), 0o700); err != nil { //nolint:gosec // it is run
				t.Fatal(err)
			}
			t.Setenv("PATH", dir+":/usr/bin:/bin")
			t.Setenv(EngineVariable, c.environment)
			got, err := findProgram(t.Context(), c.given, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestFindProgramMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(EngineVariable, "")
	_, err := findProgram(t.Context(), "", slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "make engine") || !strings.Contains(err.Error(), "libchdb.so") {
		t.Errorf("got %v, want a sentence with make engine", err)
	}
}
