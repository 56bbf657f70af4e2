package listen

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setReceiveBuffer asks for a receive buffer and returns what the kernel gave,
// in bytes of payload as it counts them. The first way passes the system's
// limit and needs CAP_NET_ADMIN.
func (s *socket) setReceiveBuffer(bytes int) (got int, err error) {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("set receive buffer: %w", err)
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) != nil {
			if inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, bytes); inner != nil {
				return
			}
		}
		got, inner = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	if err == nil {
		err = inner
	}
	if err != nil {
		return 0, fmt.Errorf("set receive buffer: %w", err)
	}
	return got / 2, nil // the kernel doubles what was asked for, to allow for its own needs
}

// countDrops makes the kernel send its drop counter along with datagrams.
func (s *socket) countDrops() error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("set SO_RXQ_OVFL: %w", err)
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	})
	if err == nil {
		err = inner
	}
	if err != nil {
		return fmt.Errorf("set SO_RXQ_OVFL: %w", err)
	}
	return nil
}

// dropsOf reads the drop counter from a datagram's control data: datagrams
// dropped since the socket was opened, up to when this one arrived.
func dropsOf(control []byte) (total uint32, ok bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_RXQ_OVFL && len(m.Data) >= 4 {
			return binary.NativeEndian.Uint32(m.Data), true
		}
	}
	return 0, false
}

// dropped asks for the drop counter as it is now (SO_MEMINFO, Linux 4.12).
func (s *socket) dropped() (total uint32, ok bool) {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	var memory [unix.SK_MEMINFO_VARS]uint32
	err = raw.Control(func(fd uintptr) {
		size := uint32(unsafe.Sizeof(memory))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&memory)), uintptr(unsafe.Pointer(&size)), 0)
		ok = errno == 0 && size == uint32(unsafe.Sizeof(memory))
	})
	return memory[unix.SK_MEMINFO_DROPS], ok && err == nil
}

func truncated(flags int) bool { return flags&unix.MSG_TRUNC != 0 }
