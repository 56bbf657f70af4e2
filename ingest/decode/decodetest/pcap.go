// Package decodetest makes datagrams for tests: it reads them from captures and
// builds them of NetFlow v5, v9, IPFIX and sFlow.
package decodetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"
)

// Datagram is a UDP payload with its ends.
type Datagram struct {
	Time     time.Time // of capture
	Src, Dst netip.AddrPort
	Payload  []byte
}

// ReadPcap reads the UDP datagrams of a classic pcap file (Ethernet or Linux
// cooked, IPv4 or IPv6 without extension headers); other packets are left out.
func ReadPcap(path string) ([]Datagram, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read capture: %w", err)
	}
	if len(b) < 24 {
		return nil, errors.New("read capture: too short")
	}
	var order binary.ByteOrder = binary.LittleEndian
	nanos := time.Duration(1000)
	switch magic := binary.LittleEndian.Uint32(b); magic {
	case 0xa1b2c3d4:
	case 0xa1b23c4d:
		nanos = 1
	case 0xd4c3b2a1:
		order = binary.BigEndian
	default:
		return nil, fmt.Errorf("read capture: unknown magic %#x", magic)
	}
	link := order.Uint32(b[20:])
	var list []Datagram
	for b = b[24:]; len(b) >= 16; {
		at := time.Unix(int64(order.Uint32(b)), 0).Add(time.Duration(order.Uint32(b[4:])) * nanos)
		size := int(order.Uint32(b[8:]))
		if len(b) < 16+size {
			return nil, errors.New("read capture: cut packet")
		}
		if d, ok := udp(link, b[16:16+size]); ok {
			d.Time = at
			list = append(list, d)
		}
		b = b[16+size:]
	}
	return list, nil
}

// udp finds the UDP payload in a frame of a link type (1 Ethernet, 113 cooked,
// 101 raw IP).
func udp(link uint32, b []byte) (d Datagram, ok bool) {
	skip, known := map[uint32]int{1: 14, 113: 16, 101: 0}[link]
	if !known || len(b) < skip+20 {
		return d, false
	}
	b = b[skip:]
	var src, dst []byte
	switch {
	case b[0]>>4 == 4 && b[9] == 17:
		src, dst, b = b[12:16], b[16:20], b[int(b[0]&15)*4:]
	case b[0]>>4 == 6 && len(b) >= 40 && b[6] == 17:
		src, dst, b = b[8:24], b[24:40], b[40:]
	default:
		return d, false
	}
	if len(b) < 8 {
		return d, false
	}
	end := min(max(int(binary.BigEndian.Uint16(b[4:])), 8), len(b))
	s, _ := netip.AddrFromSlice(src)
	t, _ := netip.AddrFromSlice(dst)
	d.Src = netip.AddrPortFrom(s, binary.BigEndian.Uint16(b))
	d.Dst = netip.AddrPortFrom(t, binary.BigEndian.Uint16(b[2:]))
	d.Payload = b[8:end]
	return d, true
}
