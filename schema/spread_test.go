package schema_test

import (
	"math"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const quarterMs = 15 * 60 * 1000

// amount is bytes, packets and flows.
type amount [3]uint64

// share is the part of total that falls into the milliseconds [from, to) of a
// flow of the given length: what has passed by to, less what had by from, each
// rounded down. Done in big numbers, unlike the view.
func share(total uint64, from, to, length int64) uint64 {
	passed := func(at int64) *big.Int {
		n := new(big.Int).Mul(new(big.Int).SetUint64(total), big.NewInt(at))
		return n.Div(n, big.NewInt(length))
	}
	return new(big.Int).Sub(passed(to), passed(from)).Uint64()
}

// spread books a flow on the quarter hours it covers, keyed by their start in
// Unix seconds. A quarter hour with nothing has no row.
func spread(r row) map[int64]amount {
	first := r.end*1000 - int64(r.durationMs)
	length := max(int64(r.durationMs), 1)
	parts := map[int64]amount{}
	for quarter := first - first%quarterMs; quarter < first+length; quarter += quarterMs {
		from, to := max(quarter, first)-first, min(quarter+quarterMs, first+length)-first
		a := amount{share(r.bytes, from, to, length), share(r.packets, from, to, length), 0}
		if from == 0 {
			a[2] = 1
		}
		if a != (amount{}) {
			parts[quarter/1000] = a
		}
	}
	return parts
}

// genFlow draws a flow that ends within three weeks of from: of all lengths,
// on and off the edges of quarter hours, with counts up to the largest.
func genFlow(from time.Time) *rapid.Generator[row] {
	return rapid.Custom(func(t *rapid.T) row {
		r := flowAt(from.Format(time.RFC3339), "192.168.1.20")
		r.end += rapid.Int64Range(0, 21*86400).Draw(t, "end")
		r.durationMs = rapid.OneOf(
			rapid.Just(uint32(0)), rapid.Just(uint32(1)), rapid.Just(uint32(quarterMs)), rapid.Just(uint32(7*86_400_000)),
			rapid.Uint32Range(0, 60_000), rapid.Uint32Range(0, 3*quarterMs), rapid.Uint32Range(0, 7*86_400_000),
		).Draw(t, "duration")
		if rapid.Bool().Draw(t, "ends on an edge") {
			r.end -= r.end % 900
		}
		if rapid.Bool().Draw(t, "starts on an edge") {
			r.durationMs += uint32((r.end*1000 - int64(r.durationMs)) % quarterMs) //nolint:gosec // below a quarter hour
			r.durationMs = min(r.durationMs, 7*86_400_000)
		}
		counts := rapid.OneOf(rapid.SampledFrom([]uint64{0, 1, 2, 1 << 32, 1 << 63, math.MaxUint64}), rapid.Uint64())
		r.bytes, r.packets = counts.Draw(t, "bytes"), counts.Draw(t, "packets")
		r.direction = rapid.SampledFrom([]string{"received", "sent", "internal", "unmatched"}).Draw(t, "direction")
		return r
	})
}

// The views against a computation of its own kind. Each flow has a host of its
// own, so that its parts can be told from others.
func TestViewsSpreadExactly(t *testing.T) {
	const zone = "Asia/Kathmandu"
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	conn, _ := applied(t, zone)
	var hosts uint32
	rapid.Check(t, func(rt *rapid.T) {
		from := time.Date(2026, time.Month(rapid.IntRange(1, 12).Draw(rt, "month")), 1, 0, 0, 0, 0, time.UTC)
		rows := rapid.SliceOfN(genFlow(from), 1, 12).Draw(rt, "flows")
		first := hosts
		want := map[uint32]map[int64]amount{}
		wantDays := map[uint32]map[int64]amount{}
		for i := range rows {
			rows[i].host = numbered(hosts)
			want[hosts] = spread(rows[i])
			wantDays[hosts] = map[int64]amount{}
			for at, a := range want[hosts] {
				y, m, d := time.Unix(at, 0).In(loc).Date()
				day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()
				sum := wantDays[hosts][day]
				for k := range a {
					sum[k] += a[k]
				}
				wantDays[hosts][day] = sum
			}
			hosts++
		}
		insert(t, conn, rows)
		if diff := cmp.Diff(want, booked(t, conn, "usage_15m", "bucket", first, hosts)); diff != "" {
			rt.Fatalf("quarter hours (-want +got):\n%s", diff)
		}
		for _, table := range []string{"daily_host", "daily_host_protocol", "daily_peer"} {
			if diff := cmp.Diff(wantDays, booked(t, conn, table, "day", first, hosts)); diff != "" {
				rt.Fatalf("%s (-want +got):\n%s", table, diff)
			}
		}
	})
	verified(t, conn)
}

func numbered(n uint32) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfd, 12: byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) //nolint:gosec // its bytes
}

// booked reads what a rollup holds of the hosts [first, last).
func booked(t *testing.T, conn driver.Conn, table, clock string, first, last uint32) map[uint32]map[int64]amount {
	t.Helper()
	rows, err := conn.Query(t.Context(), "SELECT host, toInt64(toUnixTimestamp(toDateTime("+clock+", 'UTC'))), sum(received + sent + internal + unmatched), sum(packets), sum(flows) FROM "+table+
		" WHERE host >= ? AND host < ? GROUP BY 1, 2", numbered(first).String(), numbered(last).String())
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got := map[uint32]map[int64]amount{}
	for n := first; n < last; n++ {
		got[n] = map[int64]amount{}
	}
	for rows.Next() {
		var host netip.Addr
		var at int64
		var a amount
		if err := rows.Scan(&host, &at, &a[0], &a[1], &a[2]); err != nil {
			t.Fatal(err)
		}
		b := host.As16()
		got[uint32(b[12])<<24|uint32(b[13])<<16|uint32(b[14])<<8|uint32(b[15])][at] = a
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return got
}
