//go:build noengine

package clickhouse

import "errors"

// runLibrary refuses: a program built with the tag noengine is static and
// cannot load libraries.
func runLibrary(string, []string) error {
	return errors.New("this build of FlatTraffic holds no engine; name a server with --clickhouse")
}
