package calls_test

import (
	"testing"

	"maru.example/maru/tests/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m) }
