package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/flattraffic/flattraffic/clickhouse"
)

// layout is what is remembered of a cluster.
type layout struct {
	Cluster string   `json:"cluster"`
	Shards  []string `json:"shards"` // host:port, in order
}

// locate returns the addresses of the shards in order: those of the servers'
// definition of the cluster, or the configured ones in their place. While no
// server answers, those remembered stand.
func locate(ctx context.Context, cfg Config) ([]string, error) {
	found, err := define(ctx, cfg)
	if err != nil {
		known, ok := recall(cfg)
		var network *net.OpError
		if !ok || !errors.As(err, &network) {
			return nil, err
		}
		found = known
	}
	if n := len(cfg.Hosts); n > 0 && n != len(found) {
		return nil, fmt.Errorf("--cluster-hosts names %d addresses, but cluster %s has %d shards; name one a shard, in order", n, cfg.Name, len(found))
	}
	if err == nil && cfg.Memory != "" {
		if err := remember(cfg, found); err != nil {
			return nil, err
		}
	}
	if len(cfg.Hosts) > 0 {
		return cfg.Hosts, nil
	}
	return found, nil
}

// define asks the server of the DSN for the shards.
func define(ctx context.Context, cfg Config) ([]string, error) {
	// The database need not be there yet, and this server need not be a shard.
	dsn, err := clickhouse.At(cfg.DSN, "", "system", nil)
	if err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	rows, err := conn.Query(ctx, query("layout"), cfg.Name)
	if err != nil {
		return nil, fmt.Errorf("read system.clusters: %w", err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var shard uint32
		var host string
		var port uint16
		if err := rows.Scan(&shard, &host, &port); err != nil {
			return nil, fmt.Errorf("read system.clusters: %w", err)
		}
		if int(shard) == len(list) {
			return nil, fmt.Errorf("shard %d of cluster %s has more than one replica, which FlatTraffic does not keep; define a cluster with one replica a shard (docs/scaling.md)", shard, cfg.Name)
		}
		list = append(list, net.JoinHostPort(host, strconv.Itoa(int(port))))
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read system.clusters: %w", err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("ClickHouse knows no cluster %s; name one that SELECT cluster FROM system.clusters shows, or define it in remote_servers (docs/scaling.md)", cfg.Name)
	}
	return list, nil
}

func recall(cfg Config) ([]string, bool) {
	text, err := os.ReadFile(cfg.Memory)
	if cfg.Memory == "" || err != nil {
		return nil, false
	}
	var l layout
	if json.Unmarshal(text, &l) != nil || l.Cluster != cfg.Name || len(l.Shards) == 0 {
		return nil, false
	}
	return l.Shards, true
}

func remember(cfg Config, shards []string) error {
	text, err := json.Marshal(layout{cfg.Name, shards})
	if err == nil {
		err = os.MkdirAll(filepath.Dir(cfg.Memory), 0o750)
	}
	if err == nil {
		err = os.WriteFile(cfg.Memory+".tmp", text, 0o600)
	}
	if err == nil {
		err = os.Rename(cfg.Memory+".tmp", cfg.Memory)
	}
	if err != nil {
		return fmt.Errorf("remember the shards of cluster %s: %w", cfg.Name, err)
	}
	return nil
}
