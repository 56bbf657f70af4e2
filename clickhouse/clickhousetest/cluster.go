package clickhousetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ClusterName is the name that the engines of Cluster know their cluster by.
const ClusterName = "pair"

// password of the engines of clusters: one DSN is good for all but its port.
const password = "one-for-all-shards"

// Cluster starts engines for this test alone that are the shards of one
// cluster: each knows all of them by ClusterName, in order.
func Cluster(t testing.TB, shards int) []*Server {
	t.Helper()
	var servers []*Server
	for range shards {
		servers = append(servers, prepareShard(t))
	}
	define(servers)
	for _, s := range servers {
		s.runFor(t)
	}
	return servers
}

// Grow adds an engine to a cluster, as its last shard. The others are started
// anew for it.
func Grow(t testing.TB, servers []*Server) []*Server {
	t.Helper()
	added := prepareShard(t)
	servers = append(servers, added)
	define(servers)
	for _, s := range servers[:len(servers)-1] {
		s.Away(t)()
	}
	added.runFor(t)
	return servers
}

func prepareShard(t testing.TB) *Server {
	t.Helper()
	s, err := prepare("REMOTE ON *.*", "TABLE ENGINE ON Distributed")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.Dir, "clickhouse")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "flattraffic.password"), []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// define names the shards to each of them.
func define(servers []*Server) {
	var text strings.Builder
	for _, s := range servers {
		fmt.Fprintf(&text, "<shard><replica><host>127.0.0.1</host><port>%d</port><user>flattraffic</user><password>%s</password></replica></shard>",
			s.cfg.TCPPort, password)
	}
	for _, s := range servers {
		s.cfg.Extra = "<remote_servers><" + ClusterName + ">" + text.String() + "</" + ClusterName + "></remote_servers>"
	}
}
