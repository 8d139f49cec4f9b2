package cluster_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// compose loads compose.yaml as docker compose does: against the schema, with variables.
func compose(t *testing.T) *types.Project {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{"compose.yaml"}, cli.WithEnv([]string{"SITE=localhost", "MARU_API_KEY=" + apiKeyHash()}))
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// of returns the services with an image that begins so, by name.
func of(p *types.Project, image string) (all []types.ServiceConfig) {
	for _, name := range p.ServiceNames() {
		if s := p.Services[name]; strings.HasPrefix(s.Image, image) {
			all = append(all, s)
		}
	}
	return all
}

// replaced is a text with the names of services replaced by addresses.
func replaced(text string, by map[string]string) string {
	var pairs []string
	for name, address := range by {
		pairs = append(pairs, name, address)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func TestComposeFile(t *testing.T) {
	t.Parallel()
	p := compose(t)
	maru, nats := of(p, "maru"), of(p, "nats:")
	if len(maru) != 3 || len(nats) != 3 || len(of(p, "caddy:")) != 1 {
		t.Fatalf("services: %v", p.ServiceNames())
	}
	for _, s := range maru {
		i := slices.Index(s.Command, "--drain")
		drain, err := time.ParseDuration(s.Command[i+1])
		if i < 0 || err != nil || time.Duration(*s.StopGracePeriod) < drain+20*time.Second {
			t.Errorf("%s: %v to stop, and %v for the drain; %v", s.Name, s.StopGracePeriod, drain, err)
		}
	}
	volumes := make(map[string]string)
	for _, s := range nats {
		for _, v := range s.Volumes {
			if v.Target == "/data" && volumes[v.Source] != "" {
				t.Errorf("%s and %s share %s", s.Name, volumes[v.Source], v.Source)
			}
			volumes[v.Source] = s.Name
		}
	}
	proxy := p.Services["caddy"].Networks["front"].Ipv4Address
	if trusted := *maru[0].Environment["MARU_TRUSTED_PROXY"]; trusted != proxy || proxy == "" {
		t.Errorf("Caddy is %s, and maru trusts %s", proxy, trusted)
	}
}

// TestComposeProcesses starts what compose.yaml describes: three servers of NATS, three of maru and Caddy,
// with the same files and options, on addresses of this machine. One of maru is killed, and one drained.
func TestComposeProcesses(t *testing.T) {
	t.Parallel()
	p := compose(t)
	by := make(map[string]string)
	nats, maru := of(p, "nats:"), of(p, "maru")
	free := addresses(t, 16)
	next := func() string { at := free[0]; free = free[1:]; return at }
	for _, s := range nats {
		by[s.Name+":4222"], by[s.Name+":6222"], by[s.Name+":8222"] = next(), next(), next()
	}
	for _, s := range maru {
		by[s.Name+":3000"], by[s.Name+":9090"] = next(), next()
	}
	site := next()

	for _, s := range nats {
		config := replaced(read(t, "nats.conf"), by)
		config = strings.NewReplacer("0.0.0.0:4222", by[s.Name+":4222"], "0.0.0.0:6222", by[s.Name+":6222"], "127.0.0.1:8222", by[s.Name+":8222"], "/data", t.TempDir()).Replace(config)
		start(t, env(s), program(t, "nats-server"), "--config", write(t, "nats.conf", config))
	}
	for _, s := range nats {
		waitFor(t, "health of "+s.Name, func() bool { return status("http://"+by[s.Name+":8222"]+"/healthz") == 200 })
	}
	nodes := make(map[string]*process)
	for _, s := range maru {
		nodes[s.Name] = start(t, env(s, "MARU_NATS", replaced(*s.Environment["MARU_NATS"], by), "MARU_TRUSTED_PROXY", "127.0.0.1"),
			program(t, "maru"), local(s.Command, by[s.Name+":3000"], by[s.Name+":9090"], "3s")...)
	}
	start(t, []string{"SITE=http://" + site}, "caddy", "run", "--adapter", "caddyfile", "--config", write(t, "Caddyfile", "{\nadmin off\n}\n"+replaced(read(t, "Caddyfile"), by)))
	for _, s := range maru {
		waitFor(t, "readiness of "+s.Name, func() bool { return status("http://"+by[s.Name+":9090"]+"/readyz") == 200 })
	}
	waitFor(t, "answer of Caddy", func() bool { return status("http://"+site+"/readyz") == 200 })
	channel := "http://" + site + "/channels/news:today"
	var readers []*reader
	for range 6 {
		readers = append(readers, follow(t, channel))
	}
	exercise(t, channel, readers, nodes["maru1"], func() {}, nodes["maru2"])
}

// exercise publishes around the death of a node, its return, and the drain of another one. Readers get all
// of it.
func exercise(t *testing.T, channel string, readers []*reader, killed *process, back func(), drained *process) {
	get := func(want ...string) {
		t.Helper()
		for _, r := range readers {
			waitFor(t, "reader with "+strings.Join(want, ", "), func() bool { return r.has(want...) })
		}
	}
	for _, r := range readers {
		waitFor(t, "connection of a reader", r.isConnected)
	}
	publish(t, channel, "one")
	get("one")
	killed.kill()
	publish(t, channel, "two")
	get("one", "two")
	back()
	if took := drained.stop(t); took > 20*time.Second {
		t.Errorf("the drain took %v", took)
	}
	publish(t, channel, "three")
	get("one", "two", "three")
}

// local are the arguments of a container on this machine: other addresses, the file of this directory and a
// shorter drain.
func local(command []string, listen, metrics, drain string) []string {
	args := slices.Clone(command)
	for i, arg := range args {
		switch arg {
		case ":3000":
			args[i] = listen
		case ":9090":
			args[i] = metrics
		case "/etc/maru/maru.toml":
			args[i] = "maru.toml"
		case "30s":
			args[i] = drain
		}
	}
	return args
}

// env is the environment of a service, with other values.
func env(s types.ServiceConfig, others ...string) (all []string) {
	for name, value := range s.Environment {
		if value == nil {
			continue
		}
		v := *value
		for i := 0; i < len(others); i += 2 {
			if others[i] == name {
				v = others[i+1]
			}
		}
		all = append(all, name+"="+v)
	}
	return all
}
