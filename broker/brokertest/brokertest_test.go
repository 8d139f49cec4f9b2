package brokertest_test

import "testing"

// The example passes the suite.
func TestAudited(t *testing.T) {
	t.Parallel()
	testAudited(t)
}
