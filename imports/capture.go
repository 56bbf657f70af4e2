package imports

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/flattraffic/flattraffic/ingest/decode"
)

// isCapture recognises pcap, of both byte orders and resolutions, and pcapng.
func isCapture(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	order, _ := byteOrder(head[:4], magicPcap, magicPcapNanos, magicPcapng)
	return order != nil
}

// capture reads the flow exports in a capture.
type capture struct {
	frames    frameReader
	fragments fragments
	sink      *sink
}

func readCapture(ctx context.Context, src *source, s *sink) error {
	content, err := src.content()
	if err != nil {
		return err
	}
	c := &capture{sink: s}
	if bytes.HasPrefix(src.head, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		if c.frames, err = newPcapng(content); err != nil {
			return fmt.Errorf("the head of the pcapng file is damaged: %w", err)
		}
	} else {
		if c.frames, err = newPcap(content); err != nil {
			return fmt.Errorf("the head of the pcap file is damaged: %w", err)
		}
	}
	return c.read(ctx)
}

func (c *capture) read(ctx context.Context) error {
	var last time.Time
	for number := 1; ; number++ {
		f, err := c.frames.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			at := "at its beginning"
			if !last.IsZero() {
				at = "after " + last.UTC().Format("2006-01-02 15:04:05.000")
			}
			return fmt.Errorf("packet %d, %s, can't be read (%w); the capture is damaged or was cut off: mend it, for example by tcpdump -r OLD -w NEW", number, at, err)
		}
		last = f.at
		if number%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := c.packet(ctx, f); err != nil {
			return err
		}
	}
}

// packet hands on the flow export that a packet carries, if it does.
func (c *capture) packet(ctx context.Context, f frame) error {
	if f.cut {
		c.sink.skip("packets cut by the capture's snap length (capture with tcpdump -s 0)", 1)
		return nil
	}
	from, payload, err := c.datagram(f)
	switch {
	case err != nil:
		c.sink.skip(err.Error(), 1)
		return nil
	case payload == nil:
		return nil
	case !isExport(payload):
		c.sink.skip("UDP datagrams that are no flow export", 1)
		return nil
	}
	return c.sink.datagram(ctx, from, f.at, payload)
}

// Reasons for which a packet is left out.
var (
	errFragments   = errors.New("IPv4 fragments that do not fit together")
	errIPv6Pieces  = errors.New("IPv6 fragments")
	errLinkUnknown = errors.New("packets of a kind of link that is not known (capture on Ethernet, or with tcpdump -i any)")
)

const protocolUDP = 17

// datagram finds the UDP datagram of a packet; nil when there is none, or not
// yet all of it.
func (c *capture) datagram(f frame) (from netip.Addr, payload []byte, err error) {
	ip, known := ipLayer(f.link, f.data)
	switch {
	case !known:
		return from, nil, errLinkUnknown
	case len(ip) == 0:
		return from, nil, nil
	case ip[0]>>4 == 4:
		return c.ipv4(ip, f.at)
	case ip[0]>>4 == 6:
		return ipv6(ip)
	}
	return from, nil, nil
}

// Link types of captures.
const (
	linkNull     = 0
	linkEthernet = 1
	linkRawBSD   = 12
	linkRawOther = 14
	linkRaw      = 101
	linkLoop     = 108
	linkCooked   = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkCooked2  = 276
)

// ipLayer strips what is before the IP layer.
func ipLayer(link uint16, b []byte) (ip []byte, known bool) {
	skip := 0
	switch link {
	case linkEthernet:
		return decode.IPLayer(b), true
	case linkRaw, linkRawBSD, linkRawOther, linkIPv4, linkIPv6:
	case linkNull, linkLoop:
		skip = 4
	case linkCooked:
		return cooked(b, 14, 16), true
	case linkCooked2:
		return cooked(b, 0, 20), true
	default:
		return nil, false
	}
	if len(b) < skip {
		return nil, true
	}
	return b[skip:], true
}

// cooked strips Linux's head of captures on any interface, and VLAN tags behind
// it. The protocol, an Ethernet type, is at one offset, the rest at another.
func cooked(b []byte, protocol, rest int) []byte {
	if len(b) < rest {
		return nil
	}
	frame := make([]byte, 12, 14+len(b)-rest) // as Ethernet would have it
	frame = append(frame, b[protocol:protocol+2]...)
	return decode.IPLayer(append(frame, b[rest:]...))
}

// ipv4 takes a packet apart and puts fragments together.
func (c *capture) ipv4(b []byte, at time.Time) (from netip.Addr, payload []byte, err error) {
	if len(b) < 20 {
		return from, nil, nil
	}
	from = netip.AddrFrom4([4]byte(b[12:16]))
	head, size := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if b[9] != protocolUDP || head < 20 {
		return from, nil, nil
	}
	if size == 0 { // left to the network card
		size = len(b)
	}
	if size < head || size > len(b) {
		return from, nil, nil
	}
	body := b[head:size] // behind it is Ethernet's padding
	flags := binary.BigEndian.Uint16(b[6:])
	if more, offset := flags&0x2000 != 0, int(flags&0x1fff)*8; more || offset > 0 {
		key := fragmentKey{from, netip.AddrFrom4([4]byte(b[16:20])), binary.BigEndian.Uint16(b[4:])}
		if body, err = c.fragments.add(key, offset, more, body, at); body == nil {
			return from, nil, err
		}
	}
	return from, udpPayload(body), nil
}

// ipv6 takes a packet apart.
func ipv6(b []byte) (from netip.Addr, payload []byte, err error) {
	if len(b) < 40 {
		return from, nil, nil
	}
	from = netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	next, body := b[6], b[40:]
	if size := int(binary.BigEndian.Uint16(b[4:])); size > 0 && size <= len(body) {
		body = body[:size]
	}
	for {
		switch next {
		case protocolUDP:
			return from, udpPayload(body), nil
		case 44:
			return from, nil, errIPv6Pieces
		case 0, 43, 60: // hop-by-hop, routing, destination
			if len(body) < 8 || len(body) < 8+8*int(body[1]) {
				return from, nil, nil
			}
			next, body = body[0], body[8+8*int(body[1]):]
		default:
			return from, nil, nil
		}
	}
}

// udpPayload is what a datagram carries; nil when it is cut.
func udpPayload(b []byte) []byte {
	if len(b) < 8 {
		return nil
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	if size < 8 || size > len(b) {
		return nil
	}
	return b[8:size]
}

// isExport tells flow exports from other datagrams by their first bytes.
func isExport(payload []byte) bool {
	if len(payload) < 4 {
		return false
	}
	if binary.BigEndian.Uint32(payload) == 5 {
		return true
	}
	switch binary.BigEndian.Uint16(payload) {
	case 5, 9, 10:
		return true
	}
	return false
}
