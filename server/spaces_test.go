package server_test

import (
	"fmt"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/server"
)

// Issue 15 §18: the number of namespaces in metrics is bounded, whatever clients invent and
// operators list. What has no label of its own is counted with the rest.
func TestNamespaceLabelsAreBounded(t *testing.T) {
	t.Parallel()
	o := roomy()
	for i := range 200 {
		o.Namespaces[fmt.Sprint("n", i)] = server.Namespace{Subscribe: maru.Anyone}
	}
	w := newWorld(t, o)
	for i := range 300 { // 100 of them are not listed
		if _, err := w.server.Publish(t.Context(), fmt.Sprintf("n%d:x", i), &maru.Publication{Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
	}
	labels, others := 0, ""
	for name, value := range scrape(t, w.server.Status()) {
		if strings.HasPrefix(name, "maru_namespace_publications_total{") {
			labels++
			if strings.Contains(name, "(other)") {
				others = value
			} else if value != "1" {
				t.Errorf("%s is %s", name, value)
			}
		}
	}
	if labels != 101 || others != "200" {
		t.Errorf("%d labels, and %s publications without one of their own", labels, others)
	}
}
