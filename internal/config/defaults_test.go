package config_test

import (
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/config"
)

// The defaults of flags are text in struct tags; they are those that the packages have.
func TestDefaultsAreThoseOfThePackages(t *testing.T) {
	t.Parallel()
	s := config.Defaults()
	for name, pair := range map[string][2]any{
		"max-message":       {int64(s.MaxMessage), int64(maru.DefaultMessageBytes)},
		"backlog":           {int64(s.Backlog), int64(maru.DefaultBacklogBytes)},
		"backlog-messages":  {s.BacklogMessages, maru.DefaultBacklogMessages},
		"backlog-age":       {s.BacklogAge, config.Duration(maru.DefaultBacklogAge)},
		"ping-interval":     {s.PingInterval, config.Duration(maru.DefaultPingInterval)},
		"ping-timeout":      {s.PingTimeout, config.Duration(maru.DefaultPingTimeout)},
		"presence-grace":    {s.PresenceGrace, config.Duration(maru.DefaultPresenceGrace)},
		"presence-max-list": {s.PresenceMaxList, maru.DefaultPresenceNames},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v by default, and %v in the package", name, pair[0], pair[1])
		}
	}
}
