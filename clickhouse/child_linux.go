package clickhouse

import (
	"os/exec"
	"runtime"
	"syscall"
)

// dieWithParent asks the kernel to end the command when this process is
// killed. The kernel watches the thread that starts the command, so that the
// calling goroutine keeps its thread for good.
func dieWithParent(cmd *exec.Cmd) {
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
