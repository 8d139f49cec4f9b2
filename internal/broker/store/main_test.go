package store_test

import (
	"os"
	"testing"

	"maru.example/maru/tests/parallel"
)

func TestMain(m *testing.M) {
	parallel.AtLeast(8) // they wait for the disk
	os.Exit(m.Run())
}
