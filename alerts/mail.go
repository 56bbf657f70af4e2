package alerts

import (
	"context"
	"fmt"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/flattraffic/flattraffic/site"
)

// mailer sends text mail over a mail server.
type mailer struct {
	site.Mail
	password string
	now      func() time.Time
}

func (m mailer) send(ctx context.Context, message Message) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	letter := mail.NewMsg()
	if err := letter.From(m.From); err != nil {
		return fmt.Errorf("the sender %q is not an address: %w", m.From, err)
	}
	if err := letter.To(m.To...); err != nil {
		return fmt.Errorf("one of the receivers is not an address: %w", err)
	}
	letter.Subject(message.Subject)
	letter.SetDateWithValue(m.now())
	letter.SetMessageID()
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // nobody's holiday note answers it
	letter.SetBodyString(mail.TypeTextPlain, message.Text)
	client, err := mail.NewClient(m.Host, m.options()...)
	if err != nil {
		return fmt.Errorf("use the mail server %s: %w", m.Host, err)
	}
	if err := client.DialAndSendWithContext(ctx, letter); err != nil {
		return fmt.Errorf("send by the mail server %s:%d: %w", m.Host, m.Port, err)
	}
	return nil
}

// options say how the server is spoken to. A password never goes over a line
// that is not encrypted, except to this machine itself.
func (m mailer) options() []mail.Option {
	options := []mail.Option{mail.WithPort(m.Port), mail.WithTimeout(sendTimeout), mail.WithoutNoop()}
	switch m.Security {
	case "tls":
		options = append(options, mail.WithSSL())
	case "none":
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if m.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.User), mail.WithPassword(m.password))
	}
	return options
}
