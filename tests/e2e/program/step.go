package program

import (
	"os"
	"testing"
)

// OwnStep reports whether this process is to run the tests that take a browser,
// bundlers or proxies, and minutes. They are a step of their own of make test, which sets E2E in the
// environment.
func OwnStep() bool { return os.Getenv("E2E") != "" }

// InOwnStep runs such a test beside others. It skips the test where it is not to run.
func InOwnStep(t *testing.T) {
	t.Helper()
	if !OwnStep() {
		t.Skip("it takes browsers or proxies, and minutes: make e2e runs it, and so does E2E=1 go test ./tests/e2e ./tests/npm ./tests/proxies")
	}
	t.Parallel()
}
