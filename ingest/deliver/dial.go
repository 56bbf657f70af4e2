package deliver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sort"
	"time"

	"github.com/ClickHouse/ch-go"

	"github.com/flattraffic/flattraffic/clickhouse"
)

// DialFunc connects to ClickHouse.
type DialFunc func(ctx context.Context) (*ch.Client, error)

// readTimeout is how long ClickHouse may be silent before a connection is
// given up. A large insert can take some seconds without a word.
const readTimeout = time.Minute

// compression is none within one machine, where it costs more than the bytes
// it saves and needs a copy of the batch.
func compression(addresses []string) ch.Compression {
	for _, a := range addresses {
		host, _, err := net.SplitHostPort(a)
		if ip, bad := netip.ParseAddr(host); err != nil || bad != nil || !ip.IsLoopback() {
			return ch.CompressionLZ4
		}
	}
	return ch.CompressionDisabled
}

// Dialer returns a DialFunc for a DSN. Of several hosts the first that answers
// is taken.
func Dialer(dsn string) (DialFunc, error) {
	parsed, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	opts := ch.Options{
		Database: parsed.Auth.Database, User: parsed.Auth.Username, Password: parsed.Auth.Password,
		TLS: parsed.TLS, Compression: compression(parsed.Addr), ClientName: "flattraffic",
		DialTimeout: parsed.DialTimeout, HandshakeTimeout: 2 * parsed.DialTimeout, ReadTimeout: readTimeout,
	}
	for name, value := range parsed.Settings {
		opts.Settings = append(opts.Settings, ch.Setting{Key: name, Value: fmt.Sprint(value)})
	}
	sort.Slice(opts.Settings, func(i, j int) bool { return opts.Settings[i].Key < opts.Settings[j].Key })
	return func(ctx context.Context) (*ch.Client, error) {
		var errs []error
		for _, addr := range parsed.Addr {
			opts := opts
			opts.Address = addr
			client, err := ch.Dial(ctx, opts)
			if err == nil {
				return client, nil
			}
			errs = append(errs, fmt.Errorf("connect to ClickHouse at %s: %w", addr, err))
		}
		return nil, errors.Join(errs...)
	}, nil
}
