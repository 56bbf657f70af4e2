package clickhouse

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemoryFiles(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, text string
		read       func(string) uint64
		want       uint64
	}{
		{"meminfo", "MemFree:  1 kB\nMemTotal:        1014812 kB\n", memTotal, 1014812 << 10},
		{"meminfo without total", "MemFree:  1 kB\n", memTotal, 0},
		{"limit", "536870912\n", memoryLimitFile, 536870912},
		{"no limit", "max\n", memoryLimitFile, 0},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := c.read(path); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
	if got := memTotal(filepath.Join(dir, "absent")); got != 0 {
		t.Errorf("absent file: got %d, want 0", got)
	}
	if got := defaultMemoryLimit(); got < leastMemory || got > mostMemory {
		t.Errorf("default limit: got %d, want %d to %d", got, leastMemory, mostMemory)
	}
}
