package config_test

import (
	"strings"
	"testing"

	"maru.example/maru/internal/config"
)

// Kubernetes makes variables for a Service called maru, or maru-NAME; they are nobody's
// mistake. Names and values that it does not make still are.
func TestEnvironmentOfKubernetes(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{
		"MARU_SERVICE_HOST=10.0.0.7",
		"MARU_SERVICE_PORT=3000",
		"MARU_SERVICE_PORT_HTTP_METRICS=9090",
		"MARU_PORT=tcp://10.0.0.7:3000",
		"MARU_PORT_3000_TCP=tcp://10.0.0.7:3000",
		"MARU_PORT_3000_TCP_PROTO=tcp",
		"MARU_PORT_3000_TCP_PORT=3000",
		"MARU_PORT_3000_TCP_ADDR=10.0.0.7",
		"MARU_PORT_53_UDP=udp://[fd00::7]:53",
		"MARU_METRICS_SERVICE_HOST=10.0.0.8",
		"MARU_METRICS_PORT=tcp://10.0.0.8:9090",
		"MARU_METRICS_PORT_9090_TCP_ADDR=10.0.0.8",
	} {
		if err := config.Defaults().Load("", []string{entry}); err != nil {
			t.Errorf("%s: %v", entry, err)
		}
	}
	for entry, want := range map[string]string{
		"MARU_PORT=3000":             "MARU_LISTEN=127.0.0.1:3000",
		"MARU_ADDRESS=:3000":         "MARU_LISTEN=127.0.0.1:3000",
		"MARU_PORTS=tcp://10.0.0.7":  "MARU_PORTS",
		"MARU_SERVICE=10.0.0.7":      "MARU_SERVICE",
		"MARU_PORT_3000_TCP=3000":    "MARU_PORT_3000_TCP",
		"MARU_PORT_X_TCP_ADDR=1":     "MARU_PORT_X_TCP_ADDR",
		"MARU_SERVICE_HOSTS=1.2.3.4": "MARU_SERVICE_HOSTS",
	} {
		if err := config.Defaults().Load("", []string{entry}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s in it", entry, err, want)
		}
	}
}

// No option's variable may look like one of Kubernetes, which is ignored.
func TestNoOptionIsTakenForKubernetes(t *testing.T) {
	t.Parallel()
	for _, o := range config.Options() {
		for _, value := range []string{"", "tcp://10.0.0.7:3000"} {
			if config.OfKubernetes(o.Env, value) {
				t.Errorf("%s=%s would be ignored", o.Env, value)
			}
		}
		if config.Meant(o.Name) != "" {
			t.Errorf("%s is an option, and another is suggested for it", o.Name)
		}
	}
}

// The words of other programs for an address are answered with ours.
func TestMeant(t *testing.T) {
	t.Parallel()
	err := config.Defaults().Load(write(t, "\nport = 3000\n"), nil)
	if err == nil || !strings.Contains(err.Error(), ":2: ") || !strings.Contains(err.Error(), "listen = [") {
		t.Error(err)
	}
	err = config.Defaults().Load(write(t, "[namespaces.a]\nport = 3000\n"), nil)
	if err == nil || strings.Contains(err.Error(), "listen") {
		t.Error(err)
	}
}
