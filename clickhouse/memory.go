package clickhouse

import (
	"os"
	"strconv"
	"strings"
)

// mostMemory is the engine's default limit where memory is plenty, in bytes.
const mostMemory = 1_200_000_000

// leastMemory is what the engine needs to work at all, in bytes.
const leastMemory = 400_000_000

// defaultMemoryLimit returns 40 % of what this process may have, in bytes, and
// no more than mostMemory.
func defaultMemoryLimit() uint64 {
	have := uint64(mostMemory * 10)
	for _, limit := range []uint64{
		memTotal("/proc/meminfo"),
		memoryLimitFile("/sys/fs/cgroup/memory.max"),
		memoryLimitFile("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
	} {
		if limit > 0 {
			have = min(have, limit)
		}
	}
	return max(leastMemory, min(mostMemory, have/10*4))
}

// memTotal reads the machine's memory in bytes, 0 when it is not known.
func memTotal(path string) uint64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kib * 1024
		}
	}
	return 0
}

// memoryLimitFile reads a control group's limit in bytes, 0 when there is
// none.
func memoryLimitFile(path string) uint64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	limit, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0 // "max"
	}
	return limit
}
