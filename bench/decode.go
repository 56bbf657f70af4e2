package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// decoders are the benchmarks of the second section.
var decoders = []struct{ pkg, name, what string }{
	{"./ingest/deliver", "Columns", "flattraffic: datagram → records → host's side → columns"},
	{"./ingest/decode", "NetFlow9", "flattraffic: datagram → records"},
	{"./ingest/decode", "Goflow2", "goflow2's decoder: datagram → fields"},
}

// measureDecode runs the decoders' benchmarks, on one core.
func measureDecode(ctx context.Context, _ *bench) (string, error) {
	var rows [][]string
	var ours float64
	for _, d := range decoders {
		out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^Benchmark"+d.name+"$", "-cpu", "1", "-benchtime", "5s", d.pkg).CombinedOutput()
		m := regexp.MustCompile(`(\d+) flows/s`).FindSubmatch(out)
		if err != nil || m == nil {
			return "", fmt.Errorf("%s: %w\n%s", d.name, err, out)
		}
		rate, _ := strconv.ParseFloat(string(m[1]), 64)
		if ours == 0 {
			ours = rate
		}
		rows = append(rows, []string{d.what, fmt.Sprintf("%.2f M", rate/1e6), fmt.Sprintf("%.2f", rate/ours)})
	}
	return "## Decoding\n\nNetFlow v9, 22 records of 22 fields a datagram, one core.\n\n" + table([]string{"what", "flows/s", "ratio"}, rows), nil
}
