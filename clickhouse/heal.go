package clickhouse

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// healDeduplicationLogs mends what a killed engine leaves behind. The engine
// notes the id of a block in its table's deduplication log before the block's
// part becomes visible; when it is killed between the two, it would take the
// repeated block for one it has and swallow it. Each such phantom gets a line
// that drops it, so that the repeated block is counted. The engine must not
// run. It returns the number of phantoms.
func healDeduplicationLogs(data string) (int, error) {
	logs, err := filepath.Glob(filepath.Join(data, "store", "*", "*", "deduplication_logs"))
	if err != nil {
		return 0, err
	}
	healed := 0
	var errs []error
	for _, dir := range logs {
		n, err := healTable(filepath.Dir(dir))
		healed += n
		if err != nil {
			errs = append(errs, fmt.Errorf("mend deduplication log %s: %w", dir, err))
		}
	}
	return healed, errors.Join(errs...)
}

// partRange is the partition and the block numbers a part's name says:
// PARTITION_MIN_MAX_LEVEL, or with _MUTATION after it.
type partRange struct {
	partition string
	min, max  int
}

func parsePart(name string) (partRange, bool) {
	f := strings.Split(name, "_")
	if len(f) < 4 || len(f) > 5 {
		return partRange{}, false
	}
	numbers := make([]int, 0, 4)
	for _, s := range f[1:] {
		n, err := strconv.Atoi(s)
		if err != nil {
			return partRange{}, false
		}
		numbers = append(numbers, n)
	}
	return partRange{f[0], numbers[0], numbers[1]}, true
}

// healTable mends the logs of one table's folder.
func healTable(table string) (int, error) {
	parts, err := tableParts(table)
	if err != nil {
		return 0, err
	}
	logs, err := deduplicationLogs(table)
	if err != nil || len(logs) == 0 {
		return 0, err
	}
	noted, err := notedBlocks(logs)
	if err != nil {
		return 0, err
	}
	var drops strings.Builder
	n := 0
	for _, b := range noted {
		want, ok := parsePart(b.part)
		if !ok || slices.ContainsFunc(parts, func(have partRange) bool {
			return have.partition == want.partition && have.min <= want.min && want.max <= have.max
		}) {
			continue
		}
		fmt.Fprintf(&drops, "%s\t%s\t%s\n", operationDrop, b.part, b.id)
		n++
	}
	if n == 0 {
		return 0, nil
	}
	return n, appendLines(logs[len(logs)-1], drops.String())
}

// tableParts lists the parts that are whole: their folders have their final
// name.
func tableParts(table string) ([]partRange, error) {
	entries, err := os.ReadDir(table)
	if err != nil {
		return nil, err
	}
	var parts []partRange
	for _, e := range entries {
		if r, ok := parsePart(e.Name()); ok && e.IsDir() {
			parts = append(parts, r)
		}
	}
	return parts, nil
}

// deduplicationLogs lists the log files, oldest first.
func deduplicationLogs(table string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(table, "deduplication_logs", "deduplication_log_*.txt"))
	if err != nil {
		return nil, err
	}
	number := func(path string) int {
		s := strings.TrimPrefix(filepath.Base(path), "deduplication_log_")
		n, _ := strconv.Atoi(strings.TrimSuffix(s, ".txt"))
		return n
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(number(a), number(b)) })
	return files, nil
}

// Operations of a deduplication log, one a line: operation, part, block id.
const (
	operationAdd  = "1"
	operationDrop = "2"
)

type notedBlock struct{ part, id string }

// notedBlocks returns the blocks that the logs, read in order, still hold.
func notedBlocks(logs []string) ([]notedBlock, error) {
	var order []string
	live := map[string]notedBlock{}
	for _, path := range logs {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			c := strings.Split(lines.Text(), "\t")
			if len(c) != 3 {
				continue // a line cut off by the kill
			}
			if c[0] == operationDrop {
				delete(live, c[2])
				continue
			}
			if c[0] == operationAdd {
				live[c[2]] = notedBlock{part: c[1], id: c[2]}
				order = append(order, c[2])
			}
		}
		if err := errors.Join(lines.Err(), f.Close()); err != nil {
			return nil, err
		}
	}
	var noted []notedBlock
	for _, id := range order {
		if b, ok := live[id]; ok {
			noted = append(noted, b)
			delete(live, id)
		}
	}
	return noted, nil
}

// appendLines adds lines to a log whose last line may have been cut off.
func appendLines(path, lines string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		lines = "\n" + lines
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(lines)
	return errors.Join(err, f.Sync(), f.Close())
}
