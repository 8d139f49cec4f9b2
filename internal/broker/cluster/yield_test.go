package cluster_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
)

// A node that drains hands its namespaces over while all nodes publish: no publication fails, and each
// arrives once and in order. When all nodes drain, one of them still owns the namespace.
func TestYield(t *testing.T) {
	t.Parallel()
	all, got := nodes(t, time.Second)
	publish(t, all[0], "begin")
	for i, b := range all {
		if b.Owns("a") != (i == 0) {
			t.Fatalf("node %d: owner %v", i, b.Owns("a"))
		}
	}
	const n = 100
	var publishing sync.WaitGroup
	for i, b := range all {
		publishing.Go(func() {
			for k := range n {
				publish(t, b, fmt.Sprint(i, " ", k))
			}
		})
	}
	for i, b := range all {
		time.Sleep(20 * time.Millisecond)
		owned := b.Owns("a")
		if err := b.Yield(t.Context()); err != nil {
			t.Errorf("node %d: %v", i, err)
		}
		if b.Owns("a") && i < 2 {
			t.Errorf("node %d still owns the namespace (before: %v)", i, owned)
		}
	}
	publishing.Wait()
	publish(t, all[1], "end")
	owners := 0
	for i, b := range all {
		if b.Owns("a") {
			owners++
		}
		waitFor(t, "everything", func() bool { return len(got[i].texts()) >= 3*n+2 })
		texts := got[i].texts()
		if !slices.Equal(texts, got[0].texts()) || len(texts) != 3*n+2 {
			t.Errorf("node %d has %d publications, or others than node 0", i, len(texts))
		}
		for k := range all {
			var of []string
			for _, text := range texts {
				if text[:2] == fmt.Sprint(k, " ") {
					of = append(of, text[2:])
				}
			}
			if !slices.Equal(of, numbers(n)) {
				t.Errorf("node %d has of node %d: %v", i, k, of)
			}
		}
	}
	if owners != 1 {
		t.Errorf("%d nodes own the namespace", owners)
	}
}

// A node that is alone keeps what it owns, and one that drains takes nothing that is new.
func TestYieldAlone(t *testing.T) {
	t.Parallel()
	all, _ := nodes(t, 200*time.Millisecond)
	publish(t, all[0], "0")
	if err := all[1].Yield(t.Context()); err != nil {
		t.Error(err)
	}
	all[0].Close()
	publish(t, all[1], "1")
	if !all[2].Owns("a") {
		t.Error("the node that does not drain has not taken the namespace")
	}
	all[2].Kill()
	waitFor(t, "the only node to take the namespace", func() bool {
		_, err := maru.Publish(t.Context(), all[1], "a", &maru.Publication{Data: []byte("2")}, maru.PublishOptions{})
		return err == nil && all[1].Owns("a")
	})
}
