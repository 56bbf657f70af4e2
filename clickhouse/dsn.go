package clickhouse

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// DefaultDatabase is the database used when a DSN names none.
const DefaultDatabase = "flattraffic"

// example is the form of DSN shown in messages.
const example = "clickhouse://user:password@host:9000/" + DefaultDatabase

// ParseDSN reads clickhouse://user:password@host:port/database?option=value
// into the options of a connection. An error is one sentence for the user; it
// never holds the password.
func ParseDSN(dsn string) (*ch.Options, error) {
	u, err := url.Parse(strings.TrimSpace(dsn))
	if err != nil {
		return nil, errors.New("the ClickHouse DSN is not a URL; write it as " + example + ", with special characters of the password as %XX")
	}
	if err := validDSN(u); err != nil {
		return nil, err
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/" + DefaultDatabase
	}
	opts, err := ch.ParseDSN(u.String())
	if err != nil {
		return nil, fmt.Errorf("an option of the ClickHouse DSN is not valid: %w", err)
	}
	if opts.Auth.Username == "" {
		opts.Auth.Username = "default"
	}
	if opts.Settings == nil {
		opts.Settings = ch.Settings{}
	}
	for name, value := range sessionSettings {
		if _, set := opts.Settings[name]; !set {
			opts.Settings[name] = value
		}
	}
	if opts.Compression == nil {
		opts.Compression = &ch.Compression{Method: ch.CompressionLZ4}
	}
	if opts.DialTimeout == 0 {
		opts.DialTimeout = 5 * time.Second
	}
	if !u.Query().Has("max_open_conns") {
		opts.MaxOpenConns = 16
	}
	if !u.Query().Has("max_idle_conns") {
		opts.MaxIdleConns = 8
	}
	opts.ClientInfo = ch.ClientInfo{Products: []struct{ Name, Version string }{{Name: "flattraffic"}}}
	return opts, nil
}

// sessionSettings hold for every connection. Batches carry their own id, so
// that the server must neither collect inserts by itself nor count a repeated
// one twice in a view's target.
var sessionSettings = ch.Settings{
	"async_insert": 0,
	"deduplicate_blocks_in_dependent_materialized_views": 1,
}

func validDSN(u *url.URL) error {
	switch u.Scheme {
	case "clickhouse":
	case "http", "https":
		return fmt.Errorf("the ClickHouse DSN begins with %s://, but FlatTraffic speaks the native protocol; write it as %s (the native port is 9000, or 9440 with ?secure=true)", u.Scheme, example)
	case "":
		return errors.New("the ClickHouse DSN has no scheme; write it as " + example)
	default:
		return fmt.Errorf("the ClickHouse DSN begins with %s:, which is not known; write it as %s", u.Scheme, example)
	}
	if u.Host == "" || strings.HasPrefix(u.Host, ":") {
		return errors.New("the ClickHouse DSN names no host; write it as " + example)
	}
	for host := range strings.SplitSeq(u.Host, ",") {
		name, port, err := net.SplitHostPort(host)
		if err != nil || port == "" {
			return fmt.Errorf("the ClickHouse DSN names no port for host %s; the native port is usually 9000, or 9440 with ?secure=true: write %s:9000", host, host)
		}
		if name == "" {
			return errors.New("the ClickHouse DSN names no host; write it as " + example)
		}
	}
	if strings.Contains(strings.Trim(u.Path, "/"), "/") {
		return fmt.Errorf("the ClickHouse DSN's path %s is not a database name; write it as %s", u.Path, example)
	}
	return nil
}

// At returns a DSN for another server, by its address host:port, or another
// database there, with the same user, password and options; empty = the same
// too. Further options are added.
func At(dsn, address, database string, options map[string]string) (string, error) {
	if _, err := ParseDSN(dsn); err != nil {
		return "", err
	}
	u, err := url.Parse(strings.TrimSpace(dsn))
	if err != nil {
		return "", err // cannot be: it was parsed above
	}
	if address != "" {
		u.Host = address
	}
	if database != "" {
		u.Path = "/" + database
	}
	values := u.Query()
	for name, value := range options {
		values.Set(name, value)
	}
	u.RawQuery = values.Encode()
	return u.String(), nil
}
