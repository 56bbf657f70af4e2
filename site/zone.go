package site

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// LocalZone returns the time zone of this machine under its IANA name, which
// time.Local does not have and ClickHouse needs: from the environment variable
// TZ, /etc/timezone or the link /etc/localtime. It is UTC when none of them
// names a zone.
func LocalZone() *time.Location {
	candidates := []string{strings.TrimPrefix(os.Getenv("TZ"), ":")}
	if text, err := os.ReadFile("/etc/timezone"); err == nil {
		candidates = append(candidates, strings.TrimSpace(string(text)))
	}
	if target, err := filepath.EvalSymlinks("/etc/localtime"); err == nil {
		if _, name, ok := strings.Cut(target, "/zoneinfo/"); ok {
			candidates = append(candidates, strings.TrimPrefix(name, "posix/"))
		}
	}
	for _, name := range candidates {
		if zone, err := loadZone(name); err == nil {
			return zone
		}
	}
	return time.UTC
}

// loadZone is time.LoadLocation for names that ClickHouse knows too.
func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" || strings.HasPrefix(name, "/") {
		return nil, errNoZone
	}
	return time.LoadLocation(name)
}
