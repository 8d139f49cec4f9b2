package cluster_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestKubernetesProcesses starts what kubernetes.yaml describes: three servers of maru with its options and
// its configuration, on addresses of this machine. One is killed and
// comes back with its volume, and one is drained.
func TestKubernetesProcesses(t *testing.T) {
	t.Parallel()
	m := kubernetes(t)
	c := m.set.Spec.Template.Spec.Containers[0]
	n := int(*m.set.Spec.Replicas)
	free := addresses(t, 3*n)
	config := strings.NewReplacer(`drain = "30s"`, `drain = "3s"`, "sha256:"+strings.Repeat("0", 64), apiKeyHash(), "10.0.0.0/8", "127.0.0.1").Replace(m.config.Data["maru.toml"])
	secret := write(t, "secret", strings.Repeat("0123456789abcdef", 4)+"\n")
	by := []string{"/etc/maru/maru.toml", write(t, "maru.toml", config), "/etc/maru-cluster/secret", secret}
	for i := range n {
		by = append(by, fmt.Sprintf("maru-%d.%s:6222", i, m.set.Spec.ServiceName), free[3*i])
	}
	var nodes []*process
	var starts []func() *process
	for i := range n {
		// What is different on one machine comes first: a replacer takes the first that fits.
		here := append([]string{"=:6222", "=" + free[3*i], "=:3000", "=" + free[3*i+1], "=:9090", "=" + free[3*i+2], "/var/lib/maru", t.TempDir()}, by...)
		var args []string
		for _, arg := range c.Args {
			args = append(args, strings.NewReplacer(here...).Replace(arg))
		}
		starts = append(starts, func() *process { return start(t, nil, program(t, "maru"), args...) })
		nodes = append(nodes, starts[i]())
	}
	ready := func(i int) {
		waitFor(t, "readiness", func() bool { return status("http://"+free[3*i+2]+c.ReadinessProbe.HTTPGet.Path) == 200 })
		if s := status("http://" + free[3*i+2] + c.LivenessProbe.HTTPGet.Path); s != 200 {
			t.Errorf("the probe of a server that lives is answered with %d", s)
		}
	}
	for i := range n {
		ready(i)
	}
	// Readers are at the node that stays: there is no balancer here.
	channel := "http://" + free[1] + "/channels/news:today"
	var readers []*reader
	for range 3 {
		readers = append(readers, follow(t, channel))
	}
	exercise(t, channel, readers, nodes[1], func() { starts[1](); ready(1) }, nodes[2])
}
