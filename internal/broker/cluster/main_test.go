package cluster_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("rapid.checks", "5") // each opens a broker, with streams of its own
	os.Exit(func() int {
		code := m.Run()
		if err := goleak.Find(); code == 0 && err != nil {
			os.Stderr.WriteString(err.Error())
			code = 1
		}
		return code
	}())
}
