package clickhouse

import (
	"bufio"
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// guard stands between clients and the engine library. The library ends its
// whole process when a client's first packet is not to its liking: a wrong
// password, a misspelt database, a port scan. So the guard holds the ports
// that clients see, reads the first packet itself, refuses what the engine
// would stumble over, and passes everything else on untouched. It also keeps
// the ports while the engine starts again.
type guard struct {
	dir       engineDir
	log       *slog.Logger
	passwords map[string]string // by user
	tcp, http net.Listener

	engineTCP, engineHTTP atomic.Int64 // the engine's own ports, 0 = it does not answer
	slots                 chan struct{}
}

// Bounds on what clients may hold.
const (
	mostClients  = 200
	helloLimit   = 10 * time.Second
	mostHelloLen = 1 << 16 // bytes of one string of the first packet
)

// newGuard listens on the two ports of loopback.
func newGuard(dir engineDir, tcp, httpPort int, log *slog.Logger) (*guard, error) {
	g := &guard{dir: dir, log: log, passwords: map[string]string{}, slots: make(chan struct{}, mostClients)}
	for _, user := range []string{ownerUser, readerUser} {
		password, err := dir.password(user)
		if err != nil {
			return nil, explainDir(string(dir), err)
		}
		g.passwords[user] = password
	}
	var err error
	if g.tcp, err = net.Listen("tcp", loopback(tcp)); err != nil {
		return nil, fmt.Errorf("port %d of 127.0.0.1 is taken by another program (%w); stop it, or choose another port for the embedded engine", tcp, err)
	}
	if g.http, err = net.Listen("tcp", loopback(httpPort)); err != nil {
		g.tcp.Close()
		return nil, fmt.Errorf("port %d of 127.0.0.1 is taken by another program (%w); stop it, or choose another port for the embedded engine", httpPort, err)
	}
	return g, nil
}

// run serves until ctx is done.
func (g *guard) run(ctx context.Context) {
	var wg sync.WaitGroup
	server := &http.Server{Handler: g.proxy(), ReadHeaderTimeout: helloLimit, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	wg.Go(func() { _ = server.Serve(g.http) })
	wg.Go(func() { g.accept(ctx) })
	<-ctx.Done()
	g.tcp.Close()
	server.Close()
	wg.Wait()
}

// accept serves native clients, each in a goroutine of its own, and returns
// when all have ended.
func (g *guard) accept(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		client, err := g.tcp.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(10 * time.Millisecond) // out of file descriptors, say
			continue
		}
		select {
		case g.slots <- struct{}{}:
		default:
			client.Close()
			continue
		}
		wg.Go(func() {
			defer func() { <-g.slots }()
			defer client.Close()
			stop := context.AfterFunc(ctx, func() { client.Close() })
			defer stop()
			if err := g.serve(client); err != nil {
				g.log.Debug("client of the embedded engine refused", "client", client.RemoteAddr(), "error", err)
			}
		})
	}
}

// serve checks a client's first packet and connects it to the engine.
func (g *guard) serve(client net.Conn) error {
	if err := client.SetDeadline(time.Now().Add(helloLimit)); err != nil {
		return err
	}
	var first strings.Builder
	h, err := readHello(bufio.NewReader(io.TeeReader(client, &first)))
	if err != nil {
		return err
	}
	if refusal := g.check(h); refusal != nil {
		_, err := client.Write(refusal.packet())
		return errors.Join(refusal, err)
	}
	port := g.engineTCP.Load()
	if port == 0 {
		return errors.New("the engine does not answer")
	}
	engine, err := net.Dial("tcp", loopback(int(port)))
	if err != nil {
		return err
	}
	defer engine.Close()
	if _, err := io.WriteString(engine, first.String()); err != nil {
		return err
	}
	if err := client.SetDeadline(time.Time{}); err != nil {
		return err
	}
	splice(client, engine)
	return nil
}

// splice copies both ways until both are done.
func splice(a, b net.Conn) {
	var wg sync.WaitGroup
	pipe := func(to, from net.Conn) {
		_, err := io.Copy(to, from)
		if c, ok := to.(*net.TCPConn); ok && err == nil {
			_ = c.CloseWrite()
			return
		}
		a.Close()
		b.Close()
	}
	wg.Go(func() { pipe(a, b) })
	wg.Go(func() { pipe(b, a) })
	wg.Wait()
}

// hello is what a native client's first packet asks for.
type hello struct{ database, user, password string }

// readHello reads a native client's first packet.
func readHello(r *bufio.Reader) (hello, error) {
	kind, err := binary.ReadUvarint(r)
	if err != nil {
		return hello{}, fmt.Errorf("read first packet: %w", err)
	}
	if kind != 0 {
		return hello{}, fmt.Errorf("read first packet: its type is %d", kind)
	}
	var h hello
	var name string
	for _, field := range []any{&name, new(uint64), new(uint64), new(uint64), &h.database, &h.user, &h.password} {
		switch field := field.(type) {
		case *uint64:
			*field, err = binary.ReadUvarint(r)
		case *string:
			*field, err = readString(r)
		}
		if err != nil {
			return hello{}, fmt.Errorf("read first packet: %w", err)
		}
	}
	return h, nil
}

func readString(r *bufio.Reader) (string, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return "", err
	}
	if n > mostHelloLen {
		return "", fmt.Errorf("a string of %d bytes", n)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return string(b), err
}

// refusal is an exception in ClickHouse's terms.
type refusal struct {
	code    int32
	message string
}

func (r *refusal) Error() string { return r.message }

// packet writes the refusal as the native protocol's exception packet.
func (r *refusal) packet() []byte {
	const exceptionPacket = 2
	b := []byte{exceptionPacket}
	b = binary.LittleEndian.AppendUint32(b, uint32(r.code)) //nolint:gosec // codes are small
	for _, s := range []string{"DB::Exception", "DB::Exception: " + r.message, ""} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return append(b, 0) // no nested exception
}

// check refuses a first packet that the engine would refuse.
func (g *guard) check(h hello) *refusal {
	password, known := g.passwords[h.user]
	if subtle.ConstantTimeCompare([]byte(h.password), []byte(password)) != 1 || !known {
		return &refusal{codeAuthenticationFailed, h.user + ": Authentication failed: password is incorrect, or there is no user with such name. The passwords are in " + g.dir.Path("*.password")}
	}
	if h.database != "" && !g.hasDatabase(h.database) {
		return &refusal{codeUnknownDatabase, "Database " + h.database + " does not exist"}
	}
	return nil
}

// hasDatabase looks for a database where the engine keeps the list of them.
func (g *guard) hasDatabase(name string) bool {
	switch name {
	case "default", "system", "information_schema", "INFORMATION_SCHEMA":
		return true
	}
	_, err := os.Stat(g.dir.Path("data/metadata/" + escapeName(name) + ".sql"))
	return err == nil
}

// escapeName writes a name as the engine's file names have it.
func escapeName(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// proxy passes well-formed HTTP requests on.
func (g *guard) proxy() http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: loopback(int(g.engineHTTP.Load()))})
			r.Out.Host = r.In.Host
		},
		// An engine that is to end would wait for connections kept alive.
		Transport:     &http.Transport{DisableKeepAlives: true},
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "the embedded ClickHouse engine is starting; try again in a moment", http.StatusServiceUnavailable)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Otherwise the begin of an answer closes the request's body, on whose end
		// the transport may still wait: it gives up then, and half an answer is sent.
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			g.log.Debug("HTTP of the embedded engine answers only after the request", "error", err)
		}
		proxy.ServeHTTP(w, r)
	})
}
