package server

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/go-chi/chi/v5/middleware"
)

// contentPolicy allows what the pages ship and nothing else: no inline script
// or style, no other origin, no framing.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

func securityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// allowedNames are the host names the interface may be opened by. A page of a
// stranger whose name is re-pointed at this machine (DNS rebinding) sends its
// own name; nobody outside can own localhost, a bare host name or one of the
// suffixes of local networks.
func allowedNames(hostname string, configured []string) map[string]bool {
	names := map[string]bool{"localhost": true}
	if hostname = strings.ToLower(strings.TrimSuffix(hostname, ".")); hostname != "" {
		names[hostname] = true
		short, _, _ := strings.Cut(hostname, ".")
		for _, suffix := range []string{"", ".local", ".lan", ".home.arpa", ".internal"} {
			names[short+suffix] = true
		}
	}
	for _, name := range configured {
		names[strings.ToLower(strings.TrimSuffix(hostName(name), "."))] = true
	}
	return names
}

// hostName returns the host of a Host header: without port and brackets.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// checkHost refuses names that are not ours. IP addresses are fine: a name
// that was re-pointed never turns into one.
func (s *Server) checkHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.ToLower(strings.TrimSuffix(hostName(r.Host), "."))
		if _, err := netip.ParseAddr(name); err == nil || s.hosts[name] || r.URL.Path == "/healthz" {
			next.ServeHTTP(w, r)
			return
		}
		writeText(w, http.StatusMisdirectedRequest, "FlatTraffic does not answer to this name. Open it by its IP address, or allow the name with --allowed-hosts.")
	})
}

// refuseCrossOrigin is the guard against forged requests: a browser says where
// a request that changes something comes from, and only our own pages may send
// one.
func (s *Server) refuseCrossOrigin(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusForbidden, "This form was sent from another site, so nothing was changed. Open FlatTraffic itself and try again there.")
	}))
	return guard.Handler(next)
}

// maxBody is more than any form of ours needs, in bytes.
const maxBody = 256 << 10

func limitBody(next http.Handler) http.Handler {
	return http.MaxBytesHandler(next, maxBody)
}

func compress(next http.Handler) http.Handler {
	return middleware.Compress(5, "text/html", "text/csv", "application/json", "application/problem+json")(next)
}

// deadline bounds every request, and so every query it makes.
func (s *Server) deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// peer is the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

func (s *Server) trusted(a netip.Addr) bool {
	for _, p := range s.cfg.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// client is the address of the reader: the peer, or what trusted proxies say
// about it. Only the end of X-Forwarded-For was written by proxies we trust.
func (s *Server) client(r *http.Request) netip.Addr {
	a := peer(r)
	said := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(said) - 1; i >= 0 && s.trusted(a); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(said[i]))
		if err != nil {
			break
		}
		a = next.Unmap().WithZone("")
	}
	return a
}

// secure reports whether the reader's connection is encrypted.
func (s *Server) secure(r *http.Request) bool {
	return r.TLS != nil || s.trusted(peer(r)) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// local reports whether the reader sits at this machine: both ends of the
// connection and the name asked for are loopback, and no proxy is in between.
func local(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"} {
		if len(r.Header.Values(name)) > 0 {
			return false
		}
	}
	// No browser speaks HTTP/1.0; a proxy that was not told otherwise does, and
	// may say nothing of whom it speaks for.
	if a := peer(r); !a.IsLoopback() || !r.ProtoAtLeast(1, 1) {
		return false
	}
	name := strings.ToLower(strings.TrimSuffix(hostName(r.Host), "."))
	if name == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && a.Unmap().IsLoopback()
}
