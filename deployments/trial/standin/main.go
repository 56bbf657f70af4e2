// Command clickhouse-server stands in for ClickHouse's own server in the trial
// of the compose files, where no registry can be reached: it runs the embedded
// engine with the arguments, ports and configuration files of the official
// image.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/flattraffic/flattraffic/clickhouse"
)

// library is where the image has the engine.
const library = "/engine/libchdb.so"

// bootUser is what the engine, which is ClickHouse's local program underneath,
// logs in as to be told to listen.
const bootUser = `<default>
      <no_password/>
      <networks><ip>127.0.0.1</ip></networks>
      <grants>
        <query>GRANT SYSTEM LISTEN ON *.*</query>
        <query>GRANT CREATE DATABASE ON flattraffic.*</query>
        <query>GRANT CREATE TABLE, SELECT ON default.table</query>
        <query>GRANT TABLE ENGINE ON File</query>
      </grants>
    </default>`

func main() {
	config := flag.String("config-file", "/etc/clickhouse-server/config.xml", "configuration `FILE`")
	flag.Parse()
	if err := prepare(filepath.Dir(*config)); err != nil {
		log.Fatal(err)
	}
	os.Args = []string{
		os.Args[0],
		"--config-file=" + *config, "--path=/var/lib/clickhouse/", "--tcp_port=9000", "--http_port=8123", "--listen_host=0.0.0.0",
		"--input-format=LineAsString", "--structure=line String",
		// A client that asks for a database that is not there ends the
		// library, though no real server.
		"--query=CREATE DATABASE IF NOT EXISTS flattraffic; SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; SELECT * FROM table FORMAT Null",
	}
	clickhouse.EngineChild()
}

// prepare makes this process an engine child whose stdin ends at a SIGTERM,
// and gives the users a user to boot as.
func prepare(dir string) error {
	users, err := os.ReadFile(filepath.Join(dir, "users.d", "flattraffic.xml"))
	if err != nil {
		return err
	}
	text := strings.Replace(string(users), `<default remove="remove"/>`, bootUser, 1)
	if err := os.WriteFile("/tmp/users.xml", []byte(text), 0o600); err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	if err := unix.Dup2(int(r.Fd()), 0); err != nil { //nolint:gosec // a file descriptor
		return fmt.Errorf("put pipe on stdin: %w", err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		w.Close()
	}()
	return os.Setenv("FLATTRAFFIC_ENGINE_CHILD", "library:"+library)
}
