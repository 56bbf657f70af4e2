package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// EngineVariable is the environment variable that names the engine library.
const EngineVariable = "FLATTRAFFIC_ENGINE"

// program is what the engine's child process runs.
type program struct {
	kind string // "library" or "binary"
	path string
}

// findProgram looks for an engine: the given library; a clickhouse binary on
// PATH that is new enough; the library named by the environment; the library
// beside this program.
func findProgram(ctx context.Context, library string, log *slog.Logger) (program, error) {
	if library != "" {
		return libraryAt(library)
	}
	if path, ok := findBinary(ctx, log); ok {
		return program{"binary", path}, nil
	}
	if library = os.Getenv(EngineVariable); library != "" {
		return libraryAt(library)
	}
	exe, err := os.Executable()
	if err != nil {
		return program{}, fmt.Errorf("find this program's file: %w", err)
	}
	if exe, err = filepath.EvalSymlinks(exe); err != nil {
		return program{}, fmt.Errorf("find this program's file: %w", err)
	}
	return libraryAt(filepath.Join(filepath.Dir(exe), "engine", "libchdb.so"))
}

func libraryAt(path string) (program, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return program{}, fmt.Errorf("find engine library %s: %w", path, err)
	}
	info, err := os.Stat(abs)
	if err == nil && info.IsDir() {
		err = errors.New("it is a directory")
	}
	if err != nil {
		return program{}, fmt.Errorf("the embedded ClickHouse engine is not at %s; fetch it with make engine, say where libchdb.so is with %s, or name a server with --clickhouse", abs, EngineVariable)
	}
	return program{"library", abs}, nil
}

var versionPattern = regexp.MustCompile(`version (\d+)\.(\d+)`)

// findBinary looks for a clickhouse binary on PATH. Debian's package is years
// too old for the views; one like it is passed over.
func findBinary(ctx context.Context, log *slog.Logger) (string, bool) {
	path, err := exec.LookPath("clickhouse")
	if err != nil {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, args := range [][]string{{"local", "--version"}, {"--version"}} {
		out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
		m := versionPattern.FindSubmatch(out)
		if err != nil || m == nil {
			continue
		}
		major, _ := strconv.Atoi(string(m[1]))
		minor, _ := strconv.Atoi(string(m[2]))
		if major > minMajor || major == minMajor && minor >= minMinor {
			return path, true
		}
		log.Debug("clickhouse binary on PATH is too old", "path", path, "major", major, "minor", minor)
		return "", false
	}
	log.Debug("clickhouse binary on PATH does not say its version", "path", path)
	return "", false
}
