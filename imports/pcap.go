package imports

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// frame is one packet of a capture.
type frame struct {
	link uint16 // link type
	at   time.Time
	data []byte // valid until the next is read
	cut  bool   // the capture holds the packet's beginning only
}

// frameReader reads the packets of a capture, and io.EOF after the last.
type frameReader interface {
	next() (frame, error)
}

const (
	magicPcap      = 0xa1b2c3d4 // times in microseconds
	magicPcapNanos = 0xa1b23c4d
	magicPcapng    = 0x0a0d0d0a
	magicOrder     = 0x1a2b3c4d // of a pcapng section: says the byte order
	maxFrame       = 1 << 20    // bytes of a packet; more is damage
	maxBlock       = 16 << 20   // bytes of a pcapng block
)

// byteOrder says in which order a number is a magic.
func byteOrder(b []byte, magics ...uint32) (order binary.ByteOrder, magic uint32) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, m := range magics {
			if order.Uint32(b) == m {
				return order, m
			}
		}
	}
	return nil, 0
}

// pcap reads the classic form.
type pcap struct {
	r     io.Reader
	order binary.ByteOrder
	link  uint16
	unit  time.Duration // of the fraction of a second
	data  []byte
}

// newPcap reads the head of a file.
func newPcap(r io.Reader) (*pcap, error) {
	var head [24]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	p := &pcap{r: r, unit: time.Microsecond}
	var magic uint32
	if p.order, magic = byteOrder(head[:4], magicPcap, magicPcapNanos); p.order == nil {
		return nil, errors.New("it has another magic number")
	}
	if magic == magicPcapNanos {
		p.unit = time.Nanosecond
	}
	p.link = uint16(p.order.Uint32(head[20:])) // above are bits of the frame check sequence
	return p, nil
}

func (p *pcap) next() (frame, error) {
	var head [16]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		return frame{}, err // io.EOF between packets
	}
	size, whole := p.order.Uint32(head[8:]), p.order.Uint32(head[12:])
	if size > maxFrame {
		return frame{}, fmt.Errorf("it claims to have %d bytes", size)
	}
	var err error
	if p.data, err = readBytes(p.r, p.data, int(size)); err != nil {
		return frame{}, err
	}
	at := time.Unix(int64(p.order.Uint32(head[0:])), int64(p.order.Uint32(head[4:]))*int64(p.unit))
	return frame{link: p.link, at: at, data: p.data, cut: size < whole}, nil
}

// readBytes fills a buffer, which it makes larger when it must. What ends
// within is cut off.
func readBytes(r io.Reader, b []byte, size int) ([]byte, error) {
	if cap(b) < size {
		b = make([]byte, size)
	}
	b = b[:size]
	_, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// Types of pcapng blocks that are read; others are passed.
const (
	blockInterface = 1
	blockPacketOld = 2
	blockSimple    = 3
	blockPacket    = 6
)

// Options of an interface.
const (
	optionEnd        = 0
	optionResolution = 9
	optionOffset     = 14
)

// pcapng reads the newer form: sections of blocks, each section with a byte
// order and interfaces of its own.
type pcapng struct {
	r          io.Reader
	order      binary.ByteOrder
	interfaces []captureInterface
	body       []byte
}

// captureInterface is where packets of a section were captured.
type captureInterface struct {
	link   uint16
	units  uint64 // of time in a second
	offset int64  // seconds to be added to times
}

// newPcapng reads the head of the first section.
func newPcapng(r io.Reader) (*pcapng, error) {
	p := &pcapng{r: r, order: binary.LittleEndian}
	kind, err := p.block()
	if err == nil && kind != magicPcapng {
		err = errors.New("it has another magic number")
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return p, err
}

// block reads the next block into body. A new section is taken over.
func (p *pcapng) block() (kind uint32, err error) {
	var head [12]byte
	if _, err := io.ReadFull(p.r, head[:8]); err != nil {
		return 0, err // io.EOF between blocks
	}
	kind = p.order.Uint32(head[:4])
	done := 8
	if kind == magicPcapng { // the same in both orders
		if _, err := io.ReadFull(p.r, head[8:]); err != nil {
			return 0, io.ErrUnexpectedEOF
		}
		if p.order, _ = byteOrder(head[8:], magicOrder); p.order == nil {
			return 0, errors.New("a section has no byte order")
		}
		p.interfaces, done = nil, 12
	}
	size := p.order.Uint32(head[4:8])
	if size < uint32(done)+4 || size > maxBlock || size%4 != 0 {
		return 0, fmt.Errorf("a block claims to have %d bytes", size)
	}
	if p.body, err = readBytes(p.r, p.body, int(size)-done); err != nil {
		return 0, err
	}
	end := len(p.body) - 4
	if p.order.Uint32(p.body[end:]) != size {
		return 0, errors.New("a block ends with another length than it began with")
	}
	p.body = p.body[:end]
	return kind, nil
}

func (p *pcapng) next() (frame, error) {
	for {
		kind, err := p.block()
		if err != nil {
			return frame{}, err
		}
		switch kind {
		case blockInterface:
			err = p.addInterface()
		case blockPacket, blockPacketOld:
			return p.packet(kind)
		case blockSimple:
			err = errors.New("it has no time (a simple packet block)")
		}
		if err != nil {
			return frame{}, err
		}
	}
}

func (p *pcapng) addInterface() error {
	if len(p.body) < 8 {
		return errors.New("the description of an interface is cut")
	}
	i := captureInterface{link: p.order.Uint16(p.body), units: 1e6}
	for options := p.body[8:]; len(options) >= 4; {
		code, size := p.order.Uint16(options), int(p.order.Uint16(options[2:]))
		if code == optionEnd {
			break
		}
		padded := (size + 3) &^ 3
		if len(options) < 4+padded {
			return errors.New("an option of an interface is cut")
		}
		value := options[4 : 4+size]
		switch {
		case code == optionResolution && size == 1:
			units, err := resolution(value[0])
			if err != nil {
				return err
			}
			i.units = units
		case code == optionOffset && size == 8:
			i.offset = int64(p.order.Uint64(value))
		}
		options = options[4+padded:]
	}
	p.interfaces = append(p.interfaces, i)
	return nil
}

// resolution is the units of time in a second: a power of ten, or of two.
func resolution(b byte) (uint64, error) {
	power := int(b & 0x7f)
	switch {
	case b&0x80 == 0 && power <= 18:
		return uint64(math.Pow10(power)), nil
	case b&0x80 != 0 && power < 60:
		return 1 << power, nil
	}
	return 0, fmt.Errorf("an interface has times of resolution %#x", b)
}

func (p *pcapng) packet(kind uint32) (frame, error) {
	if len(p.body) < 20 {
		return frame{}, errors.New("the head of its block is cut")
	}
	number := p.order.Uint32(p.body)
	if kind == blockPacketOld {
		number = uint32(p.order.Uint16(p.body))
	}
	if int64(number) >= int64(len(p.interfaces)) {
		return frame{}, fmt.Errorf("it came by interface %d, which is not described", number)
	}
	size, whole := p.order.Uint32(p.body[12:]), p.order.Uint32(p.body[16:])
	if int64(size) > int64(len(p.body)-20) {
		return frame{}, fmt.Errorf("it claims to have %d bytes, more than its block", size)
	}
	i := p.interfaces[number]
	units := uint64(p.order.Uint32(p.body[4:]))<<32 | uint64(p.order.Uint32(p.body[8:]))
	fraction := float64(units%i.units) / float64(i.units) * 1e9
	if i.units <= 1e9 && 1e9%i.units == 0 {
		fraction = float64(units % i.units * (1e9 / i.units)) // exact
	}
	at := time.Unix(int64(units/i.units)+i.offset, int64(fraction))
	return frame{link: i.link, at: at, data: p.body[20 : 20+size], cut: size < whole}, nil
}
