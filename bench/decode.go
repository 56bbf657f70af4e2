package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// decoders are the benchmarks of the second section, and the columns of its
// table.
var decoders = []struct{ pkg, name, what string }{
	{"./ingest/deliver", "Columns", "datagram → columns"},
	{"./ingest/decode", "Records", "datagram → records only"},
	{"./ingest/decode", "Goflow2", "goflow2's decoder: datagram → fields"},
}

// decodeProtocols are the protocols they are run for.
var decodeProtocols = []string{"NetFlow5", "NetFlow9", "IPFIX", "SFlow"}

// measureDecode runs the decoders' benchmarks, on one core.
func measureDecode(ctx context.Context, _ *bench) (string, error) {
	rates := map[string]float64{}
	for _, d := range decoders {
		out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^Benchmark"+d.name+"$", "-cpu", "1", "-benchtime", "3s", d.pkg).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s: %w\n%s", d.name, err, out)
		}
		for _, m := range regexp.MustCompile(`(?m)^Benchmark(\S+)\s.* (\d+) flows/s`).FindAllSubmatch(out, -1) {
			rates[string(m[1])], _ = strconv.ParseFloat(string(m[2]), 64)
		}
	}
	header := []string{"flows a second of processor time"}
	for _, d := range decoders {
		header = append(header, d.what)
	}
	var rows [][]string
	for _, protocol := range decodeProtocols {
		row := []string{protocol}
		ours := rates[decoders[0].name+"/"+protocol]
		for _, d := range decoders {
			rate := rates[d.name+"/"+protocol]
			if rate == 0 {
				return "", fmt.Errorf("the benchmark %s says no figure for %s", d.name, protocol)
			}
			row = append(row, fmt.Sprintf("%.2f M (%.2f)", rate/1e6, rate/ours))
		}
		rows = append(rows, row)
	}
	return "## Decoding\n\nDifferent flows of a household, one core: 22 records of 22 fields a datagram in NetFlow v9 and IPFIX, " +
		"30 records in NetFlow v5, 7 sampled headers in sFlow. Columns are those of a batch: decoded, told from the host's side, appended. " +
		"In brackets the ratio to that.\n\n" + table(header, rows), nil
}
