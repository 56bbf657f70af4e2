package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// intro begins the document.
func (b *bench) intro(w *strings.Builder) {
	fmt.Fprintf(w, `# Benchmarks

Written by %s on %s: %d processors (%s), %s of memory, on which
everything ran together: what sends, what is measured, and its ClickHouse. The
machine was to have nothing else to do; its load just before was %s.
Figures of one run, not the best of many.
`, "`make bench`", time.Now().UTC().Format("2 January 2006"), runtime.NumCPU(), processor(), memory(), load())
}

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}

func memory() string {
	text, _ := os.ReadFile("/proc/meminfo")
	var kB float64
	_, _ = fmt.Sscanf(string(text), "MemTotal: %f", &kB)
	return fmt.Sprintf("%.0f GB", kB*1024/1e9)
}

func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// table writes rows under a header; every column but the first is numbers.
func table(header []string, rows [][]string) string {
	var w strings.Builder
	line := func(cells []string) { fmt.Fprintf(&w, "| %s |\n", strings.Join(cells, " | ")) }
	line(header)
	marks := make([]string, len(header))
	for i := range marks {
		marks[i] = "---:"
	}
	marks[0] = "---"
	line(marks)
	for _, r := range rows {
		line(r)
	}
	return w.String()
}

func ms(d time.Duration) string {
	switch v := float64(d) / 1e6; {
	case d == 0:
		return "–"
	case v >= 10_000:
		return fmt.Sprintf("%.0f s", v/1000)
	case v >= 100:
		return fmt.Sprintf("%.0f ms", v)
	default:
		return fmt.Sprintf("%.1f ms", v)
	}
}

func mega(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

// times is how often a fits in b.
func times(a, b time.Duration) string {
	if a == 0 || b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f ×", float64(b)/float64(a))
}

// percentile of measured times; they are sorted.
func percentile(all []time.Duration, p float64) time.Duration {
	slices.Sort(all)
	return all[min(int(p*float64(len(all))), len(all)-1)]
}
