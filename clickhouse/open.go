package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// The oldest ClickHouse that works: 24.8 brought what the views' exactly-once
// counting needs.
const minMajor, minMinor = 24, 8

// Codes of ClickHouse's exceptions that have a remedy of their own.
const (
	codeUnknownDatabase      = 81
	codeDatabaseAccessDenied = 291
	codeReadonly             = 164
	codeUnknownUser          = 192
	codeWrongPassword        = 193
	codeRequiredPassword     = 194
	codeNotEnoughPrivileges  = 497
	codeAuthenticationFailed = 516
)

// Open connects to the server of the DSN, checks that it answers and is new
// enough, and creates the DSN's database when it is missing. An error is one
// sentence for the user.
func Open(ctx context.Context, dsn string) (driver.Conn, error) {
	opts, err := ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	conn, err := open(ctx, opts)
	if hasCode(err, codeUnknownDatabase) {
		if err := createDatabase(ctx, opts); err != nil {
			return nil, err
		}
		conn, err = open(ctx, opts)
	}
	if err != nil {
		return nil, explain(opts, err)
	}
	return conn, nil
}

// Connect returns a connection to the server of the DSN that dials when it is
// first used: for who wants to start before the server does. The only errors
// are those of the DSN, one sentence for the user each.
func Connect(dsn string) (driver.Conn, error) {
	opts, err := ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	return ch.Open(opts)
}

func open(ctx context.Context, opts *ch.Options) (driver.Conn, error) {
	conn, err := ch.Open(opts)
	if err != nil {
		return nil, err
	}
	version, err := conn.ServerVersion()
	if err == nil {
		v := version.Version
		if v.Major < minMajor || v.Major == minMajor && v.Minor < minMinor {
			err = versionError{fmt.Sprintf("%d.%d", v.Major, v.Minor)}
		}
	}
	if errors.Is(err, ch.ErrUnsupportedServerRevision) {
		err = versionError{"too old to say"}
	}
	if err == nil {
		var one uint8
		err = conn.QueryRow(ctx, "SELECT 1").Scan(&one)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func createDatabase(ctx context.Context, opts *ch.Options) error {
	elsewhere := *opts
	elsewhere.Auth.Database = "default"
	elsewhere.Settings = maps.Clone(opts.Settings)
	conn, err := open(ctx, &elsewhere)
	if err != nil {
		return explain(&elsewhere, err)
	}
	defer conn.Close()
	if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quote(opts.Auth.Database)); err != nil {
		if hasCode(err, codeNotEnoughPrivileges) || hasCode(err, codeReadonly) {
			return fmt.Errorf("the ClickHouse database %s does not exist and user %s may not create it; create it as an administrator: CREATE DATABASE %s", opts.Auth.Database, opts.Auth.Username, quote(opts.Auth.Database))
		}
		return fmt.Errorf("create ClickHouse database %s: %w", opts.Auth.Database, err)
	}
	return nil
}

// versionError says that the server is too old.
type versionError struct{ version string }

func (e versionError) Error() string { return "server version " + e.version + " is too old" }

// explain turns the error of a first connection into a sentence with the
// remedy.
func explain(opts *ch.Options, err error) error {
	addr := strings.Join(opts.Addr, ", ")
	var old versionError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &old):
		return fmt.Errorf("the ClickHouse server at %s is version %s, but FlatTraffic needs %d.%d or newer; upgrade it, or leave --clickhouse away to use the embedded engine", addr, old.version, minMajor, minMinor)
	case hasCode(err, codeAuthenticationFailed), hasCode(err, codeUnknownUser), hasCode(err, codeWrongPassword), hasCode(err, codeRequiredPassword):
		return fmt.Errorf("ClickHouse at %s refuses user %s with this password; correct them in the DSN (%s)", addr, opts.Auth.Username, example)
	case hasCode(err, codeDatabaseAccessDenied), hasCode(err, codeNotEnoughPrivileges):
		return fmt.Errorf("ClickHouse at %s does not let user %s use database %s; as an administrator: GRANT ALL ON %s.* TO %s", addr, opts.Auth.Username, opts.Auth.Database, quote(opts.Auth.Database), opts.Auth.Username)
	case hasCode(err, codeReadonly):
		return fmt.Errorf("ClickHouse at %s lets user %s only read and change no setting; give the user a profile with readonly = 2 to look, or 0 to run FlatTraffic", addr, opts.Auth.Username)
	case strings.Contains(err.Error(), "unexpected packet"):
		return fmt.Errorf("what listens at %s does not speak ClickHouse's native protocol (is it the HTTP port?); the native port is usually 9000, or 9440 with ?secure=true", addr)
	case isException(err):
		return fmt.Errorf("ClickHouse at %s: %w", addr, err)
	}
	return fmt.Errorf("ClickHouse at %s cannot be reached (%w); start it, or correct host and port in the DSN", addr, errors.Unwrap(joined(err)))
}

// joined wraps the first of joined errors, so that the message names the cause
// once.
func joined(err error) error {
	if list, ok := err.(interface{ Unwrap() []error }); ok && len(list.Unwrap()) > 0 {
		err = list.Unwrap()[0]
	}
	return fmt.Errorf("%w", err)
}

func hasCode(err error, code int32) bool {
	var e *ch.Exception
	return errors.As(err, &e) && e.Code == code
}

func isException(err error) bool {
	var e *ch.Exception
	return errors.As(err, &e)
}

// quote writes an identifier for SQL.
func quote(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}
