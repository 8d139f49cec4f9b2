package cluster_test

import (
	"flag"
	"testing"

	"maru.example/maru/tests/leaks"
)

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("rapid.checks", "5") // each opens a broker, with streams of its own
	leaks.Main(m)
}
