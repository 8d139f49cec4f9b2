package program

import (
	"os"
	"testing"
)

// OwnStep reports whether this process is to run the tests that take a browser, bundlers, proxies
// or whole builds, and minutes. Only make test runs them, which sets E2E in the environment.
func OwnStep() bool { return os.Getenv("E2E") != "" }

// OnlyInOwnStep skips such a test where it is not to run.
func OnlyInOwnStep(t *testing.T) {
	t.Helper()
	if !OwnStep() {
		t.Skip("it takes a browser, bundlers, proxies or whole builds: make test runs it, and so does go test with E2E=1 in the environment")
	}
}

// InOwnStep is OnlyInOwnStep for a test that runs beside others.
func InOwnStep(t *testing.T) {
	t.Helper()
	OnlyInOwnStep(t)
	t.Parallel()
}
