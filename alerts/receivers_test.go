package alerts

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// post is what a webhook got.
type post struct {
	header http.Header
	body   string
}

// receiver is a webhook that answers with a status.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []post
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, post{req.Header, string(body)})
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) posts() []post {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]post(nil), r.got...)
}

// letter is what a mail server got.
type letter struct {
	from string
	to   []string
	data string
}

// postOffice is a mail server that takes everything, or refuses receivers.
type postOffice struct {
	host   string
	port   int
	refuse bool

	mu  sync.Mutex
	got []letter
}

func newPostOffice(t *testing.T) *postOffice {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	host, port, _ := net.SplitHostPort(l.Addr().String())
	p := &postOffice{host: host}
	p.port, _ = strconv.Atoi(port)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.talk(conn)
		}
	}()
	return p
}

func (p *postOffice) letters() []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]letter(nil), p.got...)
}

// talk speaks as much SMTP as a sender needs.
func (p *postOffice) talk(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	say := func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }
	say("220 post.test ESMTP")
	var l letter
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(line); {
		case strings.HasPrefix(verb, "EHLO"):
			say("250-post.test\r\n250 8BITMIME")
		case strings.HasPrefix(verb, "MAIL FROM:"):
			l.from = between(line)
			say("250 fine")
		case strings.HasPrefix(verb, "RCPT TO:") && p.refuse:
			say("550 5.1.1 nobody of that name here")
		case strings.HasPrefix(verb, "RCPT TO:"):
			l.to = append(l.to, between(line))
			say("250 fine")
		case strings.HasPrefix(verb, "DATA"):
			say("354 go on")
			for {
				text, err := in.ReadString('\n')
				if err != nil || text == ".\r\n" {
					break
				}
				l.data += text
			}
			p.mu.Lock()
			p.got = append(p.got, l)
			p.mu.Unlock()
			l = letter{}
			say("250 taken")
		case strings.HasPrefix(verb, "QUIT"):
			say("221 bye")
			return
		default:
			say("250 fine")
		}
	}
}

func between(line string) string {
	_, rest, _ := strings.Cut(line, "<")
	address, _, _ := strings.Cut(rest, ">")
	return address
}
