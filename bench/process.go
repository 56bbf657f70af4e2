package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program that is measured, with its children.
type process struct {
	cmd  *exec.Cmd
	out  *os.File
	done chan struct{} // closed when it has ended
	err  error         // how it ended
}

// start runs a program; what it says goes to a file named after it.
func (b *bench) start(ctx context.Context, name string, args ...string) (*process, error) {
	out, err := os.Create(filepath.Join(b.work, filepath.Base(name)+".log"))
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, name, args...), out: out, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = time.Minute
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop ends the program and waits for it.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	<-p.done
	err := p.err
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() < 0 {
		err = nil // ended by the signal
	}
	return errors.Join(err, p.out.Close())
}

// family lists the process ids of a program and its children.
func (p *process) family() []int {
	pids := []int{p.cmd.Process.Pid}
	for i := 0; i < len(pids); i++ {
		// A child is listed with the thread that started it.
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[i]))
		for _, list := range lists {
			text, err := os.ReadFile(list)
			if err != nil {
				continue // the thread has ended
			}
			for field := range strings.FieldsSeq(string(text)) {
				if pid, err := strconv.Atoi(field); err == nil {
					pids = append(pids, pid)
				}
			}
		}
	}
	return pids
}

// cpuOf is the processor time a process has used.
func cpuOf(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on every Linux
}

// memoryOf is the resident memory of a process, in bytes.
func memoryOf(pid int) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kB, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kB << 10
		}
	}
	return 0
}

// usage is what processes used while they were watched.
type usage struct {
	cpu []time.Duration // by process
	rss []int64         // the most, by process
}

// watch samples processes until the returned function is called.
func watch(pids []int) (stop func() usage) {
	var mu sync.Mutex
	u := usage{cpu: make([]time.Duration, len(pids)), rss: make([]int64, len(pids))}
	for i, pid := range pids {
		u.cpu[i] = -cpuOf(pid)
	}
	sample := func() {
		mu.Lock()
		defer mu.Unlock()
		for i, pid := range pids {
			u.rss[i] = max(u.rss[i], memoryOf(pid))
		}
	}
	ended := make(chan struct{})
	go func() {
		for {
			sample()
			select {
			case <-ended:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return func() usage {
		close(ended)
		sample()
		mu.Lock()
		defer mu.Unlock()
		for i, pid := range pids {
			u.cpu[i] += cpuOf(pid)
		}
		return u
	}
}

// freePort is a port of loopback nobody uses, of tcp or udp.
func freePort(network string) (int, error) {
	if network == "udp" {
		c, err := net.ListenPacket(network, "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).Port, nil //nolint:forcetypeassert // a UDP socket has no other
	}
	l, err := net.Listen(network, "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil //nolint:forcetypeassert // nor has a TCP one
}

// house is flattraffic up on a data directory.
type house struct {
	*process
	b    *bench
	data string
	url  string
	flow string        // UDP address for flows
	took time.Duration // from the start to the first page
}

// up starts the program and waits for its first page.
func (b *bench) up(ctx context.Context, data string) (*house, error) {
	web, err := freePort("tcp")
	if err != nil {
		return nil, err
	}
	udp, err := freePort("udp")
	if err != nil {
		return nil, err
	}
	sflow, err := freePort("udp")
	if err != nil {
		return nil, err
	}
	h := &house{b: b, data: data, url: fmt.Sprintf("http://127.0.0.1:%d", web), flow: fmt.Sprintf("127.0.0.1:%d", udp)}
	began := time.Now()
	h.process, err = b.start(ctx, b.binary, "up", "--data", data, "--zone", zone,
		"--listen-http", strings.TrimPrefix(h.url, "http://"), "--listen-netflow", h.flow, "--listen-sflow", fmt.Sprintf("127.0.0.1:%d", sflow))
	if err != nil {
		return nil, err
	}
	for {
		if _, err := h.get(ctx, "/"); err == nil {
			h.took = time.Since(began)
			return h, nil
		}
		if time.Since(began) > 2*time.Minute || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("no page came within %s", time.Since(began).Round(time.Second)), h.stop())
		}
		select {
		case <-h.done:
			text, _ := os.ReadFile(h.out.Name())
			return nil, fmt.Errorf("flattraffic up ended: %s", text)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// get asks for a page and reads it whole.
func (h *house) get(ctx context.Context, path string) (time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+path, nil)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	n, err := bufio.NewReader(response.Body).WriteTo(discard{})
	if err != nil {
		return 0, err
	}
	if response.StatusCode != http.StatusOK || n == 0 {
		return 0, fmt.Errorf("GET %s: %s", path, response.Status)
	}
	return time.Since(began), nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
