//go:build noparquet

package imports

import (
	"context"
	"errors"
)

// readParquet says that Parquet was left out, as it is of the container image:
// it would make it a tenth larger.
func readParquet(Options) readFunc {
	return func(context.Context, *source, *sink) error {
		return errors.New("this build (that of the container image) does not read Parquet; import it with the program of the packages and --clickhouse, or write it as CSV, which is imported as well")
	}
}
