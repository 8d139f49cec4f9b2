package cluster_test

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// manifests are the objects of kubernetes.yaml.
type manifests struct {
	config   corev1.ConfigMap
	services map[string]*corev1.Service
	budget   policyv1.PodDisruptionBudget
	set      appsv1.StatefulSet
}

// kubernetes decodes kubernetes.yaml into the types of the API. Unknown and repeated fields are errors.
func kubernetes(t *testing.T) *manifests {
	t.Helper()
	m := &manifests{services: make(map[string]*corev1.Service)}
	for i, text := range strings.Split(read(t, "kubernetes.yaml"), "\n---\n") {
		var kind struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
			t.Fatal(err)
		}
		var to any
		switch kind.APIVersion + " " + kind.Kind {
		case "v1 ConfigMap":
			to = &m.config
		case "v1 Service":
			to = new(corev1.Service)
		case "policy/v1 PodDisruptionBudget":
			to = &m.budget
		case "apps/v1 StatefulSet":
			to = &m.set
		default:
			t.Fatalf("document %d is of an unknown kind: %+v", i, kind)
		}
		if err := yaml.UnmarshalStrict([]byte(text), to); err != nil {
			t.Errorf("%s: %v", kind.Kind, err)
		}
		if s, is := to.(*corev1.Service); is {
			m.services[s.Name] = s
		}
	}
	return m
}

// TestKubernetesManifests: the objects fit together.
func TestKubernetesManifests(t *testing.T) {
	t.Parallel()
	m := kubernetes(t)
	pod := m.set.Spec.Template
	labels := pod.Labels["app"]
	for name, app := range map[string]string{
		"the set": m.set.Spec.Selector.MatchLabels["app"], "the budget": m.budget.Spec.Selector.MatchLabels["app"],
		"the service": m.services["maru"].Spec.Selector["app"], "the names": m.services[m.set.Spec.ServiceName].Spec.Selector["app"],
	} {
		if app != labels || app == "" {
			t.Errorf("%s selects %q, and pods are %q", name, app, labels)
		}
	}
	if s := m.services[m.set.Spec.ServiceName].Spec; s.ClusterIP != corev1.ClusterIPNone || !s.PublishNotReadyAddresses {
		t.Error("servers that are not ready would not find each other")
	}
	if *m.set.Spec.Replicas-int32(m.budget.Spec.MaxUnavailable.IntValue()) < *m.set.Spec.Replicas/2+1 {
		t.Error("the budget allows the loss of the majority")
	}
	if m.set.Spec.PodManagementPolicy != appsv1.ParallelPodManagement {
		t.Error("the first server would wait for others that wait for it")
	}
	if anti := pod.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution; len(anti) != 1 || anti[0].LabelSelector.MatchLabels["app"] != labels {
		t.Error("two servers may be on one machine")
	}
	c := pod.Spec.Containers[0]
	ports := make(map[string]int32)
	for _, p := range c.Ports {
		ports[p.Name] = p.ContainerPort
	}
	for name, port := range map[string]string{
		"readiness": c.ReadinessProbe.HTTPGet.Port.String(), "liveness": c.LivenessProbe.HTTPGet.Port.String(), "startup": c.StartupProbe.HTTPGet.Port.String(),
		"service": m.services["maru"].Spec.Ports[0].TargetPort.String(), "names": m.services["maru-nodes"].Spec.Ports[0].TargetPort.String(),
	} {
		if ports[port] == 0 {
			t.Errorf("%s is of port %s, which the container has not", name, port)
		}
	}
	timesFit(t, m)
	mountsFit(t, m)
}

// timesFit checks that a pod has the time for what it does before it ends.
func timesFit(t *testing.T, m *manifests) {
	pod := m.set.Spec.Template.Spec
	_, rest, _ := strings.Cut(m.config.Data["maru.toml"], `drain = "`)
	text, _, _ := strings.Cut(rest, `"`)
	drain, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	before := time.Duration(pod.Containers[0].Lifecycle.PreStop.Sleep.Seconds) * time.Second
	if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace < before+drain+20*time.Second {
		t.Errorf("a pod has %v to end, %v before SIGTERM and %v to drain", grace, before, drain)
	}
}

// mountsFit checks that each volume is there, and each file that an argument names is on one.
func mountsFit(t *testing.T, m *manifests) {
	pod := m.set.Spec.Template.Spec
	volumes := map[string]bool{m.set.Spec.VolumeClaimTemplates[0].Name: true}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
	}
	for _, mount := range pod.Containers[0].VolumeMounts {
		if !volumes[mount.Name] {
			t.Errorf("there is no volume %s", mount.Name)
		}
	}
	for _, arg := range pod.Containers[0].Args {
		_, path, _ := strings.Cut(arg, "=")
		if !strings.HasPrefix(path, "/") {
			continue
		}
		mounted := false
		for _, mount := range pod.Containers[0].VolumeMounts {
			mounted = mounted || strings.HasPrefix(path, mount.MountPath+"/")
		}
		if !mounted {
			t.Errorf("%s is on no volume", arg)
		}
	}
}
