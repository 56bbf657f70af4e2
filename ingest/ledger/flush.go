package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/ClickHouse/ch-go/proto"
)

// Flush hands all counts to insert as rows of the table ledger. When insert
// refuses them they stay, and go with the next flush.
func (l *Ledger) Flush(insert func(table string, input proto.Input) error) error {
	counts := l.take()
	if len(counts) == 0 {
		return nil
	}
	var (
		buckets   proto.ColDateTime
		exporters proto.ColIPv6
		events    proto.ColStr
		numbers   proto.ColUInt64
	)
	for _, k := range slices.SortedFunc(maps.Keys(counts), compareKeys) {
		buckets.AppendRaw(proto.DateTime(k.bucket))
		exporters = append(exporters, k.exporter.As16())
		events.Append(string(k.event))
		numbers = append(numbers, counts[k])
	}
	err := insert("ledger", proto.Input{
		{Name: "bucket", Data: &buckets},
		{Name: "exporter", Data: &exporters},
		{Name: "event", Data: &events},
		{Name: "count", Data: &numbers},
	})
	if err != nil {
		l.giveBack(counts)
		return fmt.Errorf("flush ledger: %w", err)
	}
	return nil
}

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.bucket, b.bucket), a.exporter.Compare(b.exporter), cmp.Compare(a.event, b.event))
}
