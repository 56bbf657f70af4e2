//go:build !linux

package listen

import "fmt"

// setReceiveBuffer asks for a receive buffer. Systems other than Linux do not
// say what they gave through this interface.
func (s *socket) setReceiveBuffer(bytes int) (got int, err error) {
	if err := s.conn.SetReadBuffer(bytes); err != nil {
		return 0, fmt.Errorf("set receive buffer: %w", err)
	}
	return bytes, nil
}

// countDrops does nothing: only Linux counts what a socket dropped.
func (s *socket) countDrops() error { return nil }

func dropsOf([]byte) (total uint32, ok bool) { return 0, false }

func (s *socket) dropped() (total uint32, ok bool) { return 0, false }

func truncated(int) bool { return false }
