package alerts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/flattraffic/flattraffic/site"
)

// hook posts to a web address: text the way ntfy takes it, or JSON.
type hook struct {
	site.Hook
	url, token string
	client     *http.Client
}

// errLinkLocal refuses addresses of the link: among them are those at which
// clouds hand out the machine's credentials.
var errLinkLocal = errors.New("the address is of the link itself (169.254.0.0/16, fe80::/10) or of many, and nothing is sent there; name another one")

// newHook guards what goes out: it follows no redirect, uses no proxy, ends in
// time and keeps off link-local addresses, whatever a name resolves to. Private
// addresses are allowed, for a push service is often in the house.
func newHook(h site.Hook, secrets site.Secrets) hook {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if a := at.Addr().Unmap(); a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
			return errLinkLocal
		}
		return nil
	}}
	return hook{h, secrets.HookURL, secrets.HookToken, &http.Client{
		Timeout:       sendTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, DisableKeepAlives: true, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: sendTimeout, MaxResponseHeaderBytes: 64 << 10,
		},
	}}
}

func (h hook) send(ctx context.Context, m Message) error {
	body, contentType := []byte(m.Text), "text/plain; charset=utf-8"
	if h.Format == "json" {
		var err error
		if body, err = json.Marshal(document(m)); err != nil {
			return fmt.Errorf("write the alert as JSON: %w", err)
		}
		contentType = "application/json"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("the address of the webhook is not understood; enter it again")
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("User-Agent", "FlatTraffic")
	if h.Format != "json" {
		request.Header.Set("Title", mime.BEncoding.Encode("utf-8", m.Subject))
		request.Header.Set("Tags", "bar_chart")
		if m.Kind == "threshold" && m.Percent >= 100 {
			request.Header.Set("Priority", "high")
		}
	}
	if h.token != "" {
		request.Header.Set("Authorization", "Bearer "+h.token)
	}
	response, err := h.client.Do(request)
	if err != nil {
		return withoutAddress(err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // what it says is of no use
	switch code := response.StatusCode; {
	case code >= 300 && code < 400:
		return fmt.Errorf("the webhook answered %s and points elsewhere; redirects are not followed, so enter the address it ends at", response.Status)
	case code < 200 || code >= 400:
		return fmt.Errorf("the webhook answered %s; check its address and token", response.Status)
	}
	return nil
}

// withoutAddress keeps the address, which is a secret, out of logs and tables.
func withoutAddress(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	if errors.Is(err, errLinkLocal) {
		return errLinkLocal
	}
	return fmt.Errorf("reach the webhook: %w", err)
}

// The JSON of a webhook.
type hookDocument struct {
	Kind    string     `json:"kind"`
	Subject string     `json:"subject"`
	Text    string     `json:"text"`
	At      time.Time  `json:"at"`
	Line    string     `json:"line,omitempty"`
	Start   *time.Time `json:"start,omitempty"`
	End     *time.Time `json:"end,omitempty"`
	Used    *uint64    `json:"used,omitempty"`
	Cap     *uint64    `json:"cap,omitempty"`
	Percent int        `json:"percent,omitempty"`
}

func document(m Message) hookDocument {
	d := hookDocument{Kind: m.Kind, Subject: m.Subject, Text: strings.TrimSpace(m.Text), At: m.At, Line: m.Line, Percent: m.Percent}
	if m.Line != "" {
		d.Start, d.End, d.Used, d.Cap = &m.Start, &m.End, &m.Used, &m.Cap
	}
	return d
}
