// Command flattraffic tells who used the data, and whether it will last until
// the renewal day.
package main

import (
	"os"
	_ "time/tzdata" // zones on machines that have none, such as an empty container

	"github.com/flattraffic/flattraffic/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
