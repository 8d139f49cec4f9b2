package brokertest_test

import (
	"log/slog"
	"testing"

	"maru.example/maru"
	"maru.example/maru/broker/brokertest"
	"maru.example/maru/broker/memory"
	"maru.example/maru/server"
)

// An audited broker writes each publication to a log. It embeds a broker that does the
// rest, and so keeps its contract.
type audited struct {
	*memory.Broker
	log *slog.Logger
}

func (b *audited) Submit(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
	if err := p.Check(); err != nil {
		done(maru.Published{}, err) // p may be nil
		return
	}
	user, size := p.User, len(p.Data) // which belong to the broker below as soon as it has them
	b.Broker.Submit(channel, p, o, func(at maru.Published, err error) {
		b.log.Info("published", "channel", channel, "user", user, "bytes", size, "offset", at.Offset, "err", err)
		done(at, err)
	})
}

// openAudited is a maru.OpenBroker.
func openAudited(o maru.BrokerOptions) (maru.Broker, error) {
	o = o.WithDefaults()
	return &audited{memory.New(memory.Options{Retention: o.Retention, Sink: o.Sink}), o.Logger}, nil
}

// testAudited is TestAudited in the broker's own test file.
func testAudited(t *testing.T) {
	brokertest.Run(t, func(t *testing.T, o brokertest.Options) maru.Broker {
		b, err := openAudited(o.BrokerOptions)
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}

// A broker of a program's own is tested with Run, and given to a server as an option.
func ExampleRun() {
	_ = testAudited
	_, _ = server.New(server.Options{Broker: openAudited})
}
