package alerts

import (
	"context"
	"time"

	"github.com/flattraffic/flattraffic/site"
)

// way is how a message goes out.
type way struct {
	name string // mail or webhook
	send func(ctx context.Context, m Message) error
}

// sendTimeout bounds one delivery.
const sendTimeout = 20 * time.Second

// ways are those that are set.
func ways(settings site.Alerts, secrets site.Secrets, now func() time.Time) []way {
	var list []way
	if settings.Mail.Host != "" {
		list = append(list, way{"mail", mailer{settings.Mail, secrets.MailPassword, now}.send})
	}
	if settings.Hook.On && secrets.HookURL != "" { // a file of settings has no secrets
		list = append(list, way{"webhook", newHook(settings.Hook, secrets).send})
	}
	return list
}
