package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/flattraffic/flattraffic/flow"
	"github.com/flattraffic/flattraffic/ingest/decode"
)

// plainCommand makes this program the decoder of the plain path.
const plainCommand = "plain-decoder"

// plainTable is what one would make by hand.
const plainTable = `CREATE TABLE plain (received UInt32, start UInt32, end UInt32, src String, dst String, src_port UInt16, dst_port UInt16,
	protocol UInt8, bytes UInt64, packets UInt64, in_if UInt32, out_if UInt32) ENGINE = MergeTree ORDER BY (end, src)`

// plainRow is a flow as a line of JSON.
type plainRow struct {
	Received int64  `json:"received"`
	Start    int64  `json:"start"`
	End      int64  `json:"end"`
	Src      string `json:"src"`
	Dst      string `json:"dst"`
	SrcPort  uint16 `json:"src_port"`
	DstPort  uint16 `json:"dst_port"`
	Protocol uint8  `json:"protocol"`
	Bytes    uint64 `json:"bytes"`
	Packets  uint64 `json:"packets"`
	InIf     uint32 `json:"in_if"`
	OutIf    uint32 `json:"out_if"`
}

// plain reads datagrams and prints their flows as JSON until ctx is done.
func plain(ctx context.Context, address string) error {
	packets, err := new(net.ListenConfig).ListenPacket(ctx, "udp", address)
	if err != nil {
		return err
	}
	conn := packets.(*net.UDPConn) //nolint:forcetypeassert // network udp gives nothing else
	if err := conn.SetReadBuffer(32 << 20); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	lines := json.NewEncoder(out)
	decoder := decode.New(decode.Config{})
	buffer := make([]byte, 1<<16)
	var records []flow.Record
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return nil //nolint:nilerr // the end of the run closes the socket
		}
		records = decoder.Decode(records[:0], netip.AddrFrom16(from.Addr().As16()), time.Now(), buffer[:n])
		for i := range records {
			r := &records[i]
			err := lines.Encode(plainRow{
				r.ReceivedMs / 1000, r.StartMs / 1000, r.EndMs / 1000, r.Src.String(), r.Dst.String(), r.SrcPort, r.DstPort,
				r.Protocol, r.Bytes, r.Packets, r.InIf, r.OutIf,
			})
			if err != nil {
				return err
			}
		}
	}
}
