package decode

import (
	"encoding/binary"
	"testing"

	"github.com/flattraffic/flattraffic/ingest/decode/decodetest"
)

// sampledIPBytes sums the lengths that the IP headers in the flow samples of a
// capture state, times the sampling rate. It is written apart from the decoder
// so that the two can disagree.
func sampledIPBytes(t testing.TB, path string) uint64 {
	t.Helper()
	datagrams, err := decodetest.ReadPcap(path)
	if err != nil {
		t.Fatal(err)
	}
	var total uint64
	for _, d := range datagrams {
		words := d.Payload
		word := func(at int) int {
			if at+4 > len(words) {
				return 0
			}
			return int(binary.BigEndian.Uint32(words[at:]))
		}
		at := 28 // after an IPv4 agent
		if word(4) == 2 {
			at = 40
		}
		for samples := word(at - 4); samples > 0 && at+8 <= len(words); samples-- {
			format, size := word(at), word(at+4)
			rate, first := word(at+16), at+40
			if format == 3 {
				rate, first = word(at+20), at+52
			}
			if format == 1 || format == 3 {
				for record := first; record+8 <= at+8+size && record+8 <= len(words); record += 8 + word(record+4) {
					if word(record) == 1 {
						total += uint64(rate) * ipLength(words[record+24:])
					}
				}
			}
			at += 8 + size
		}
	}
	return total
}

// ipLength finds the IP header behind an Ethernet header with any VLAN tags.
func ipLength(frame []byte) uint64 {
	for at := 12; at+8 < len(frame); at += 4 {
		switch binary.BigEndian.Uint16(frame[at:]) {
		case 0x0800:
			return uint64(binary.BigEndian.Uint16(frame[at+4:]))
		case 0x86dd:
			return uint64(binary.BigEndian.Uint16(frame[at+6:])) + 40
		case 0x8100, 0x88a8:
			continue
		}
		return 0
	}
	return 0
}
