//go:build !noengine

package clickhouse

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// runLibrary runs libchdb's command line in this process and returns when it
// ends. The arguments are those after the program's name.
func runLibrary(path string, args []string) error {
	lib, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("load engine library: %w", err)
	}
	var query func(argc int32, argv unsafe.Pointer) uintptr
	var queryError func(result uintptr) string
	for name, fn := range map[string]any{"chdb_query_cmdline": &query, "chdb_result_error": &queryError} {
		symbol, err := purego.Dlsym(lib, name)
		if err != nil {
			return fmt.Errorf("engine library %s: %w", path, err)
		}
		purego.RegisterFunc(fn, symbol)
	}
	// The engine keeps per-thread state, so that it stays on one thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	args = append([]string{"clickhouse"}, args...)
	argv := make([]*byte, len(args)+1)
	for i, arg := range args {
		argv[i] = &append([]byte(arg), 0)[0]
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	for _, p := range argv[:len(args)] {
		pin.Pin(p)
	}
	pin.Pin(&argv[0])
	if message := queryError(query(int32(len(args)), unsafe.Pointer(&argv[0]))); message != "" { //nolint:gosec // a handful of arguments
		return errors.New(message)
	}
	return nil
}
