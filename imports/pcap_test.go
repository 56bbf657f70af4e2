package imports

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

var captured = time.Date(2026, 11, 1, 10, 0, 0, 123456789, time.UTC)

// datagram4 is an IPv4 packet with a UDP datagram.
func datagram4(payload string) []byte {
	ip := &layers.IPv4{Version: 4, TTL: 64, Id: 7, Protocol: layers.IPProtocolUDP, SrcIP: []byte{192, 168, 1, 1}, DstIP: []byte{192, 168, 1, 10}}
	return serialized(ip, layers.LayerTypeUDP, payload)
}

// datagram6 is the same over IPv6.
func datagram6(payload string) []byte {
	src, dst := netip.MustParseAddr("2001:db8::1").As16(), netip.MustParseAddr("2001:db8::10").As16()
	return serialized(&layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: src[:], DstIP: dst[:]}, layers.LayerTypeUDP, payload)
}

func serialized(ip gopacket.SerializableLayer, _ gopacket.LayerType, payload string) []byte {
	b := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true}
	if err := gopacket.SerializeLayers(b, opts, ip, &layers.UDP{SrcPort: 4000, DstPort: 2055}, gopacket.Payload(payload)); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func ethernet(kind uint16, rest []byte) []byte {
	return append(binary.BigEndian.AppendUint16(make([]byte, 12), kind), rest...)
}

// found is the outcome of a packet as text.
func found(c *capture, f frame) string {
	from, payload, err := c.datagram(f)
	switch {
	case err != nil:
		return err.Error()
	case payload == nil:
		return "none"
	}
	return fmt.Sprintf("%s %s", from, payload)
}

func TestDatagram(t *testing.T) {
	v4, v6 := datagram4("flows"), datagram6("flows")
	vlan := append([]byte{0, 12, 0x08, 0}, v4...)
	cookedHead := func(size, at int, kind uint16) []byte {
		b := make([]byte, size)
		binary.BigEndian.PutUint16(b[at:], kind)
		return b
	}
	extended := bytes.Clone(v6)
	extended[6] = 60
	binary.BigEndian.PutUint16(extended[4:], uint16(len(v6)-40+8))
	extended = append(extended[:40:40], append([]byte{17, 0, 1, 4, 0, 0, 0, 0}, v6[40:]...)...)
	piece6 := bytes.Clone(v6)
	piece6[6] = 44
	tcp := bytes.Clone(v4)
	tcp[9] = 6
	const from4, from6 = "192.168.1.1 flows", "2001:db8::1 flows"
	for name, tt := range map[string]struct {
		link uint16
		data []byte
		want string
	}{
		"ethernet":             {linkEthernet, ethernet(0x0800, v4), from4},
		"ethernet padded":      {linkEthernet, append(ethernet(0x0800, v4), 0, 0, 0, 0), from4},
		"ethernet, VLAN":       {linkEthernet, ethernet(0x8100, vlan), from4},
		"ethernet, two VLANs":  {linkEthernet, ethernet(0x88a8, append([]byte{0, 1, 0x81, 0}, vlan...)), from4},
		"ethernet, IPv6":       {linkEthernet, ethernet(0x86dd, v6), from6},
		"ethernet, ARP":        {linkEthernet, ethernet(0x0806, make([]byte, 28)), "none"},
		"ethernet, cut":        {linkEthernet, ethernet(0x0800, v4[:12]), "none"},
		"raw":                  {linkRaw, v4, from4},
		"raw, IPv6":            {linkIPv6, v6, from6},
		"loopback":             {linkNull, append([]byte{2, 0, 0, 0}, v4...), from4},
		"loopback of OpenBSD":  {linkLoop, append([]byte{0, 0, 0, 24}, v6...), from6},
		"cooked":               {linkCooked, append(cookedHead(16, 14, 0x0800), v4...), from4},
		"cooked, VLAN":         {linkCooked, append(cookedHead(16, 14, 0x8100), vlan...), from4},
		"cooked, version 2":    {linkCooked2, append(cookedHead(20, 0, 0x86dd), v6...), from6},
		"IPv6, extended":       {linkRaw, extended, from6},
		"IPv6, fragment":       {linkRaw, piece6, "IPv6 fragments"},
		"TCP":                  {linkRaw, tcp, "none"},
		"nothing":              {linkRaw, nil, "none"},
		"UDP longer than IPv4": {linkRaw, append(append(bytes.Clone(v4[:24]), 0, 99), v4[26:]...), "none"},
		"another link":         {147, v4, errLinkUnknown.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			if got := found(&capture{}, frame{link: tt.link, at: captured, data: tt.data}); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// fragmented cuts a packet's body into fragments.
func fragmented(packet []byte, at ...int) [][]byte {
	var out [][]byte
	body := packet[20:]
	for i, from := range at {
		to, more := len(body), uint16(0)
		if i+1 < len(at) {
			to, more = at[i+1], 0x2000
		}
		piece := append(bytes.Clone(packet[:20]), body[from:to]...)
		binary.BigEndian.PutUint16(piece[2:], uint16(len(piece)))
		binary.BigEndian.PutUint16(piece[6:], more|uint16(from/8))
		out = append(out, piece)
	}
	return out
}

func TestFragments(t *testing.T) {
	packet := datagram4("a datagram that is longer than the way it goes")
	p := fragmented(packet, 0, 16, 32)
	const whole = "192.168.1.1 a datagram that is longer than the way it goes"
	long := fragmented(packet, 0, 24)[0]
	for name, tt := range map[string]struct {
		packets [][]byte
		pause   time.Duration
		want    []string
	}{
		"in order":      {p, 0, []string{"none", "none", whole}},
		"backwards":     {[][]byte{p[2], p[1], p[0]}, 0, []string{"none", "none", whole}},
		"one twice":     {[][]byte{p[0], p[0], p[1], p[2]}, 0, []string{"none", "none", "none", whole}},
		"one missing":   {[][]byte{p[0], p[2]}, 0, []string{"none", "none"}},
		"overlapping":   {[][]byte{long, p[1], p[2]}, 0, []string{"none", "IPv4 fragments that do not fit together", "none"}},
		"beyond an end": {[][]byte{p[2], append(fragmented(packet, 0, 16)[0][:6:6], append([]byte{0x20, 8}, p[1][8:]...)...)}, 0, []string{"none", "IPv4 fragments that do not fit together"}},
		"too late":      {p, 20 * time.Second, []string{"none", "none", "none"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &capture{}
			var got []string
			for i, b := range tt.packets {
				got = append(got, found(c, frame{link: linkRaw, at: captured.Add(time.Duration(i) * tt.pause), data: b}))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("packets (-want +got):\n%s", diff)
			}
		})
	}
}

// Fragments whose rest never comes are held up to a bound.
func TestFragmentsAreBounded(t *testing.T) {
	var f fragments
	for id := range 10_000 {
		if _, err := f.add(fragmentKey{id: uint16(id)}, 0, true, make([]byte, 8), captured); err != nil {
			t.Fatal(err)
		}
		if len(f.waiting) > maxIncomplete {
			t.Fatalf("%d datagrams wait, want at most %d", len(f.waiting), maxIncomplete)
		}
	}
}

// oracle reads a capture with gopacket, another reader.
func oracle(t *testing.T, content []byte) (out []frame) {
	t.Helper()
	var read func() ([]byte, gopacket.CaptureInfo, error)
	var link func(gopacket.CaptureInfo) layers.LinkType
	if bytes.HasPrefix(content, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		ng, err := pcapgo.NewNgReader(bytes.NewReader(content), pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			t.Fatal(err)
		}
		read, link = ng.ReadPacketData, func(info gopacket.CaptureInfo) layers.LinkType {
			i, err := ng.Interface(info.InterfaceIndex)
			if err != nil {
				t.Fatal(err)
			}
			return i.LinkType
		}
	} else {
		classic, err := pcapgo.NewReader(bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		read, link = classic.ReadPacketData, func(gopacket.CaptureInfo) layers.LinkType { return classic.LinkType() }
	}
	for {
		data, info, err := read()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, frame{link: uint16(link(info)), at: info.Timestamp.UTC(), data: data, cut: info.CaptureLength < info.Length})
	}
}

// frames reads a capture with our reader.
func frames(content []byte) (out []frame, err error) {
	var r frameReader
	if bytes.HasPrefix(content, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		r, err = newPcapng(bytes.NewReader(content))
	} else {
		r, err = newPcap(bytes.NewReader(content))
	}
	for err == nil {
		var f frame
		if f, err = r.next(); err == nil {
			f.at, f.data = f.at.UTC(), bytes.Clone(f.data)
			out = append(out, f)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return out, err
}

// written is a capture in both byte orders and resolutions, and as pcapng with
// two interfaces.
func written(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	packets := [][]byte{ethernet(0x0800, datagram4("one")), ethernet(0x86dd, datagram6("three")), ethernet(0x0806, make([]byte, 27))}
	for name, magic := range map[string]uint32{"micro": magicPcap, "nano": magicPcapNanos} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			b := order.AppendUint32(nil, magic)
			b = order.AppendUint16(order.AppendUint16(b, 2), 4)
			b = order.AppendUint32(order.AppendUint32(order.AppendUint32(order.AppendUint32(b, 0), 0), 65535), linkEthernet)
			for i, p := range packets {
				fraction := uint32(captured.Nanosecond())
				if magic == magicPcap {
					fraction /= 1000
				}
				b = order.AppendUint32(order.AppendUint32(b, uint32(captured.Unix())), fraction)
				b = append(order.AppendUint32(order.AppendUint32(b, uint32(len(p))), uint32(len(p)+i%2)), p...)
			}
			out[fmt.Sprint(name, " ", order)] = b
		}
	}
	var ng bytes.Buffer
	w, err := pcapgo.NewNgWriterInterface(&ng, pcapgo.NgInterface{Name: "lan", LinkType: layers.LinkTypeEthernet, TimestampResolution: 9}, pcapgo.DefaultNgWriterOptions)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddInterface(pcapgo.NgInterface{Name: "any", LinkType: layers.LinkTypeRaw, TimestampResolution: 6, TimestampOffset: 3600, Comment: "odd"}); err != nil {
		t.Fatal(err)
	}
	for i, p := range append(packets, datagram4("raw")) {
		info := gopacket.CaptureInfo{Timestamp: captured.Add(time.Duration(i) * time.Millisecond), CaptureLength: len(p), Length: len(p) + i%2, InterfaceIndex: i / 3}
		if err := w.WritePacket(info, p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	out["pcapng"] = ng.Bytes()
	out["pcapng, two sections"] = append(bytes.Clone(ng.Bytes()), ng.Bytes()...)
	return out
}

// Our reader and another agree on every packet of what we write and of the
// corpus, when it is there.
func TestReadersAgree(t *testing.T) {
	captures := written(t)
	files, err := filepath.Glob("../../shared/corpus/*/*.pcap*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(file, ".gz") {
			captures[filepath.Base(file)] = content
		}
	}
	for name, content := range captures {
		want := oracle(t, content)
		got, err := frames(content)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		same := func(a, b frame) bool {
			return a.link == b.link && a.at.Equal(b.at) && a.cut == b.cut && bytes.Equal(a.data, b.data)
		}
		if !slices.EqualFunc(want, got, same) {
			t.Errorf("%s (-gopacket +ours):\n%s", name, cmp.Diff(want, got, cmp.AllowUnexported(frame{})))
		}
		c := &capture{}
		for _, f := range got {
			if want, got := payloadOf(f), found(c, f); want != got && !strings.Contains(got, "fragments") {
				t.Errorf("%s: datagram (-gopacket +ours):\n%s", name, cmp.Diff(want, got))
			}
		}
	}
	t.Logf("%d captures agree", len(captures))
}

// payloadOf is what gopacket finds in a packet.
func payloadOf(f frame) string {
	p := gopacket.NewPacket(f.data, layers.LinkType(f.link), gopacket.Default)
	udp, ok := p.TransportLayer().(*layers.UDP)
	if !ok || len(udp.Payload) == 0 && udp.Length != 8 {
		return "none"
	}
	from, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Src().Raw())
	return fmt.Sprintf("%s %s", from.Unmap(), udp.Payload)
}

// Whatever a file holds, reading it ends, and no packet comes out that is not
// in it.
func FuzzCapture(f *testing.F) {
	for _, content := range written(f) {
		f.Add(content)
		f.Add(content[:len(content)-5])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := frames(content)
		if err != nil && err.Error() == "" {
			t.Error("an error without a word")
		}
		size := 0
		c := &capture{}
		for _, one := range got {
			size += len(one.data)
			found(c, one)
		}
		if size > len(content) {
			t.Errorf("packets of %d bytes in a file of %d", size, len(content))
		}
	})
}

// What comes out of a capture that was cut off is what was before the cut.
func TestCutAnywhere(t *testing.T) {
	for name, content := range written(t) {
		all, err := frames(content)
		if err != nil {
			t.Fatal(err)
		}
		for size := range len(content) {
			got, err := frames(content[:size])
			if len(got) >= len(all) {
				t.Fatalf("%s cut to %d bytes: got %d packets, %v", name, size, len(got), err)
			}
			if diff := cmp.Diff(all[:len(got)], got, cmp.AllowUnexported(frame{})); len(got) > 0 && diff != "" {
				t.Fatalf("%s cut to %d bytes (-whole +cut):\n%s", name, size, diff)
			}
		}
	}
}
