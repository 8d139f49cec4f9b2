package server_test

import (
	"testing"

	"go.uber.org/goleak"

	"maru.example/maru/tests/parallel"
)

func TestMain(m *testing.M) {
	parallel.AtLeast(8) // tokens that end, clients that do not read
	goleak.VerifyTestMain(m)
}
