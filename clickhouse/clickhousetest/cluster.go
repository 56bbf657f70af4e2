package clickhousetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flattraffic/flattraffic/clickhouse"
)

// ClusterName is the name that the engines of Cluster know their cluster by.
const ClusterName = "pair"

// Cluster starts engines for this test alone that are the shards of one
// cluster.
func Cluster(t testing.TB, shards int) []*Server {
	t.Helper()
	var servers []*Server
	for range shards {
		servers = append(servers, Engine(t))
	}
	Join(t, servers)
	return servers
}

// Join makes engines the shards of one cluster: each knows all of them by
// ClusterName, in order, and one DSN is good for all but its port. They are
// started anew for it.
func Join(t testing.TB, servers []*Server) {
	t.Helper()
	opts, err := clickhouse.ParseDSN(servers[0].DSN())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, s := range servers {
		fmt.Fprintf(&text, "<shard><replica><host>127.0.0.1</host><port>%d</port><user>%s</user><password>%s</password></replica></shard>",
			s.cfg.TCPPort, opts.Auth.Username, opts.Auth.Password)
	}
	for _, s := range servers {
		back := s.Away(t)
		s.cfg.Grants = []string{"REMOTE ON *.*", "TABLE ENGINE ON Distributed"}
		s.cfg.Extra = "<remote_servers><" + ClusterName + ">" + text.String() + "</" + ClusterName + "></remote_servers>"
		if err := os.WriteFile(filepath.Join(s.Dir, "clickhouse", opts.Auth.Username+".password"), []byte(opts.Auth.Password), 0o600); err != nil {
			t.Fatal(err)
		}
		back()
	}
}
