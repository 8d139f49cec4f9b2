package server_test

import (
	"testing"

	"maru.example/maru/tests/leaks"
	"maru.example/maru/tests/parallel"
)

func TestMain(m *testing.M) {
	parallel.AtLeast(8) // tokens that end, clients that do not read
	leaks.Main(m)
}
