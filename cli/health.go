package cli

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	cli "github.com/urfave/cli/v2"
)

func (p *program) healthCommand() *cli.Command {
	return &cli.Command{
		Name:  "health",
		Usage: "ask a running server or ingest whether it is ready (for container health checks); exit 1 if not",
		Flags: append(flags(only("listen-http")),
			&cli.StringFlag{Name: "url", Usage: "`URL` to ask (default: /readyz at --listen-http)"}),
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			e, err := loadConfig(c)
			if err != nil {
				return err
			}
			url := c.String("url")
			if url == "" {
				url = "http://" + dialable(e.ListenHTTP) + "/readyz"
			}
			req, err := http.NewRequestWithContext(c.Context, http.MethodGet, url, nil)
			if err != nil {
				return usageError{err}
			}
			resp, err := (&http.Client{Timeout: 5 * time.Second}).Do(req)
			if err != nil {
				return fmt.Errorf("nothing answers at %s; is it running? (%w)", url, err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
			if err != nil {
				return fmt.Errorf("read the answer of %s: %w", url, err)
			}
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("not ready: %s", strings.TrimSpace(string(body)))
			}
			fmt.Fprintln(p.stdout, "ready")
			return nil
		},
	}
}
