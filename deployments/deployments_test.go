// Package deployments_test checks what cannot be compiled: that the image, the
// compose files and their example settings fit the program and each other.
package deployments_test

import (
	"debug/elf"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// found returns the first group of all matches, sorted and each once.
func found(pattern, text string) []string {
	set := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		set[m[1]] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// program builds flattraffic as the Dockerfile does.
func program(t *testing.T) string {
	t.Helper()
	file := read(t, "docker/Dockerfile")
	without := found(`ARG WITHOUT=(\S+)`, file)
	if len(without) != 1 {
		t.Fatalf("the Dockerfile leaves out %v, want one list", without)
	}
	tags := found(`-tags (\S+)`, strings.ReplaceAll(file, "$WITHOUT", without[0]))
	if len(tags) != 1 {
		t.Fatalf("the Dockerfile builds with tags %v, want one list of them", tags)
	}
	path := filepath.Join(t.TempDir(), "flattraffic")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-tags", tags[0], "-ldflags", "-s -w", "-o", path, "../cli/flattraffic")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build as in the Dockerfile: %v\n%s", err, out)
	}
	return path
}

// The image is empty but for the program, so the program must need no loader
// and no library, and must know every setting that compose.yaml gives it.
func TestProgramFitsImage(t *testing.T) {
	path := program(t)
	// With the certificates beside it the image stays below 30 MB.
	const limit = 29_750_000
	if info, err := os.Stat(path); err != nil || info.Size() > limit {
		t.Errorf("the program has %d bytes (%v), want at most %d", info.Size(), err, limit)
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("the program needs %v (%v), want a static one", libraries, err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program needs a loader, want a static one")
		}
	}

	show, err := exec.CommandContext(t.Context(), path, "config", "show").Output()
	if err != nil {
		t.Fatalf("config show: %v", err)
	}
	var known []string
	for _, key := range found(`(?m)^([a-z-]+) = `, string(show)) {
		known = append(known, "FLATTRAFFIC_"+strings.ToUpper(strings.ReplaceAll(key, "-", "_")))
	}
	for _, file := range []string{"compose/compose.yaml", "compose/compose.bridge.yaml", "docker/Dockerfile"} {
		for _, name := range found(`(?m)^(?:ENV)? +(FLATTRAFFIC_[A-Z_]+)[:=]`, read(t, file)) {
			if name == "FLATTRAFFIC_CLICKHOUSE_MEMORY" { // for ClickHouse
				continue
			}
			if !slices.Contains(known, strings.TrimSuffix(name, "_FILE")) {
				t.Errorf("%s sets %s, which the program does not know", file, name)
			}
		}
	}
}

// The builder gets every package that the program is made of.
func TestNothingNeededIsIgnored(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.Dir}}{{end}}", "../cli/flattraffic").Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	needed := map[string]bool{}
	for dir := range strings.Lines(string(out)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(dir), root+string(filepath.Separator)); ok {
			top, _, _ := strings.Cut(path, string(filepath.Separator))
			needed[top] = true
		}
	}
	if len(needed) < 5 {
		t.Fatalf("the program seems to be made of %v only", needed)
	}
	for line := range strings.Lines(read(t, "docker/Dockerfile.dockerignore")) {
		if needed[strings.TrimSpace(line)] {
			t.Errorf("%s is ignored but needed", strings.TrimSpace(line))
		}
	}
}

// Every knob is in the example, with the default that holds.
func TestExampleNamesEveryKnob(t *testing.T) {
	defaults := map[string]string{}
	for _, file := range []string{"compose/compose.yaml", "compose/compose.bridge.yaml"} {
		for _, m := range regexp.MustCompile(`\$\{([A-Z_]+):-([^}]*)\}`).FindAllStringSubmatch(read(t, file), -1) {
			defaults[m[1]] = m[2]
		}
		if bare := found(`\$\{([A-Z_]+)\}`, read(t, file)); len(bare) > 0 {
			t.Errorf("%s uses %v without a default", file, bare)
		}
	}
	example := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^#([A-Z_]+)=(.*)$`).FindAllStringSubmatch(read(t, "compose/.env.example"), -1) {
		example[m[1]] = m[2]
	}
	if diff := cmp.Diff(defaults, example); diff != "" {
		t.Errorf("knobs (-compose +.env.example):\n%s", diff)
	}
}

// What a secret's file is called is said in three places.
func TestSecretsAreMade(t *testing.T) {
	want := found(`\./secrets/([a-z_]+)`, read(t, "compose/compose.yaml"))
	got := found(`(?m)^\s*keep ([a-z_]+) `, read(t, "compose/init.sh"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("secrets (-compose.yaml +init.sh):\n%s", diff)
	}
}

func TestInitKeepsSecrets(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"init.sh", ".env.example"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(read(t, "compose/"+name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func() map[string]string {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), "sh", filepath.Join(dir, "init.sh")).CombinedOutput(); err != nil {
			t.Fatalf("init.sh: %v\n%s", err, out)
		}
		files, err := filepath.Glob(filepath.Join(dir, "secrets", "*"))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, f := range files {
			got[filepath.Base(f)] = read(t, f)
		}
		return got
	}
	first := run()
	if got := len(first["admin_password"]); got != 48 {
		t.Errorf("the password of admin has %d characters, want 48", got)
	}
	if first["clickhouse_password"] == first["reader_password"] {
		t.Error("two passwords are the same")
	}
	want := "clickhouse://flattraffic:" + first["clickhouse_password"] + "@clickhouse:9000/flattraffic"
	if got := first["clickhouse_dsn_host"]; got != want {
		t.Errorf("DSN %q, want %q", got, want)
	}
	if diff := cmp.Diff(first, run()); diff != "" {
		t.Errorf("the second run changed secrets (-first +second):\n%s", diff)
	}

	env := filepath.Join(dir, ".env")
	if err := os.WriteFile(env, []byte(read(t, env)+"\nCLICKHOUSE_PORT=9100\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run()["clickhouse_dsn_host"]; got != strings.Replace(want, ":9000/", ":9100/", 1) {
		t.Errorf("DSN %q with another port", got)
	}
	info, err := os.Stat(filepath.Join(dir, "secrets"))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("the folder of secrets has mode %o, want 700", got)
	}
}

func TestClickHouseConfigIsWellFormed(t *testing.T) {
	for _, file := range []string{"compose/clickhouse/config.xml", "compose/clickhouse/users.xml"} {
		d := xml.NewDecoder(strings.NewReader(read(t, file)))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
	}
}

// Nothing but the pages and the flow ports is open to the network, and every
// container is hardened.
func TestComposeIsClosed(t *testing.T) {
	text := read(t, "compose/compose.yaml")
	ports := found(`(?m)^\s+- (\S*:\d+(?:/udp)?)$`, text)
	want := []string{"${FLATTRAFFIC_WEB:-8080}:8080", "${GRAFANA_WEB:-127.0.0.1:3000}:3000", "127.0.0.1:${CLICKHOUSE_PORT:-9000}:9000"}
	if diff := cmp.Diff(want, ports); diff != "" {
		t.Errorf("published ports (-want +got):\n%s", diff)
	}
	for _, line := range []string{"read_only: true", "cap_drop: [ALL]", `security_opt: ["no-new-privileges:true"]`} {
		if !strings.Contains(text, line) {
			t.Errorf("compose.yaml lacks %s", line)
		}
	}
	services := regexp.MustCompile(`(?ms)^services:\n(.*?)^\S`).FindStringSubmatch(text)
	for _, service := range regexp.MustCompile(`(?m)^  [a-z]+:\n(.*)\n`).FindAllStringSubmatch(services[1], -1) {
		if first := strings.TrimSpace(service[1]); first != "<<: *hardened" && first != "<<: *flattraffic" {
			t.Errorf("a service begins with %q, not with the hardening", first)
		}
	}
	if n := strings.Count(services[1], "<<: *hardened") + strings.Count(services[1], "<<: *flattraffic"); n != 6 {
		t.Errorf("%d of 6 services are hardened", n)
	}
}

// With docker compose at hand, it has the last word.
func TestComposeAccepts(t *testing.T) {
	docker, err := exec.LookPath("docker")
	if err != nil || exec.CommandContext(t.Context(), docker, "compose", "version").Run() != nil {
		t.Skip("docker compose is not installed")
	}
	for _, files := range [][]string{{"compose.yaml"}, {"compose.yaml", "compose.bridge.yaml"}} {
		args := []string{"compose"}
		for _, f := range files {
			args = append(args, "-f", filepath.Join("compose", f))
		}
		if out, err := exec.CommandContext(t.Context(), docker, append(args, "config", "-q")...).CombinedOutput(); err != nil {
			t.Errorf("docker compose config with %v: %v\n%s", files, err, out)
		}
	}
}
