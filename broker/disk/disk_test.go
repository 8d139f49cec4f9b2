package disk_test

import (
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/broker/brokertest"
	"maru.example/maru/broker/disk"
)

// The suite needs nothing but what is public.
func TestBroker(t *testing.T) {
	t.Parallel()
	brokertest.Run(t, func(t *testing.T, o brokertest.Options) maru.Broker {
		b, err := disk.Dir(t.TempDir())(o.BrokerOptions)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}, brokertest.RealTime())
}

// A directory that cannot be opened gives no broker, and an error that names it.
func TestInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := disk.Dir(dir)(maru.BrokerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if second, err := disk.Dir(dir)(maru.BrokerOptions{}); second != nil || err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a directory that is in use: %v, %v", second, err)
	}
}
