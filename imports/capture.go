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

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/ip4defrag"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// isCapture recognises pcap, of both byte orders and resolutions, and pcapng.
func isCapture(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	switch binary.BigEndian.Uint32(head) {
	case 0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1, 0x0a0d0d0a:
		return true
	}
	return false
}

// packetReader is what both forms of captures are read by.
type packetReader interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
}

// capture reads the flow exports in a capture.
type capture struct {
	packets   packetReader
	linkType  func(gopacket.CaptureInfo) layers.LinkType
	fragments *ip4defrag.IPv4Defragmenter
	sink      *sink
}

func readCapture(ctx context.Context, src *source, s *sink) error {
	content, err := src.content()
	if err != nil {
		return err
	}
	c := &capture{fragments: ip4defrag.NewIPv4Defragmenter(), sink: s}
	if bytes.HasPrefix(src.head, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		ng, err := pcapgo.NewNgReader(content, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return fmt.Errorf("the head of the pcapng file is damaged: %w", err)
		}
		c.packets, c.linkType = ng, func(info gopacket.CaptureInfo) layers.LinkType {
			if i, err := ng.Interface(info.InterfaceIndex); err == nil {
				return i.LinkType
			}
			return ng.LinkType()
		}
	} else {
		classic, err := pcapgo.NewReader(content)
		if err != nil {
			return fmt.Errorf("the head of the pcap file is damaged: %w", err)
		}
		c.packets, c.linkType = classic, func(gopacket.CaptureInfo) layers.LinkType { return classic.LinkType() }
	}
	return c.read(ctx)
}

func (c *capture) read(ctx context.Context) error {
	var last time.Time
	for number := 1; ; number++ {
		data, info, err := c.packets.ReadPacketData()
		if errors.Is(err, io.EOF) && len(data) == 0 {
			return nil
		}
		if err != nil {
			at := "at its beginning"
			if !last.IsZero() {
				at = "after " + last.UTC().Format("2006-01-02 15:04:05.000")
			}
			return fmt.Errorf("packet %d, %s, can't be read (%w); the capture is damaged or was cut off: mend it, for example by tcpdump -r OLD -w NEW", number, at, err)
		}
		last = info.Timestamp
		if number%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := c.packet(ctx, data, info); err != nil {
			return err
		}
	}
}

// packet hands on the flow export that a packet carries, if it does.
func (c *capture) packet(ctx context.Context, data []byte, info gopacket.CaptureInfo) error {
	if info.CaptureLength < info.Length {
		c.sink.skip("packets cut by the capture's snap length (capture with tcpdump -s 0)", 1)
		return nil
	}
	p := gopacket.NewPacket(data, c.linkType(info), gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	from, udp, err := c.datagram(p, info.Timestamp)
	switch {
	case err != nil:
		c.sink.skip("IPv4 fragments that do not fit together", 1)
		return nil
	case udp == nil:
		return nil
	case !isExport(udp.Payload):
		c.sink.skip("UDP datagrams that are no flow export", 1)
		return nil
	}
	return c.sink.datagram(ctx, from, info.Timestamp, udp.Payload)
}

// datagram finds the UDP datagram of a packet; nil when there is none, or not
// yet all of it.
func (c *capture) datagram(p gopacket.Packet, at time.Time) (from netip.Addr, udp *layers.UDP, err error) {
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		from, _ = netip.AddrFromSlice(ip.SrcIP)
		whole, err := c.fragments.DefragIPv4WithTimestamp(ip, at)
		if err != nil {
			return from, nil, err
		}
		if whole == nil {
			return from, nil, nil
		}
		if whole != ip && whole.Protocol == layers.IPProtocolUDP {
			udp := &layers.UDP{}
			if err := udp.DecodeFromBytes(whole.Payload, gopacket.NilDecodeFeedback); err != nil {
				return from, nil, err
			}
			return from, udp, nil
		}
	case *layers.IPv6:
		from, _ = netip.AddrFromSlice(ip.SrcIP)
		if p.Layer(layers.LayerTypeIPv6Fragment) != nil {
			c.sink.skip("IPv6 fragments", 1)
			return from, nil, nil
		}
	default:
		return from, nil, nil
	}
	udp, _ = p.TransportLayer().(*layers.UDP)
	return from.Unmap(), udp, nil
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
