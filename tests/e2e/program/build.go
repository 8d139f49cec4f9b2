package program

import (
	"fmt"
	"os/exec"
)

// Build compiles packages of the module in the directory root, such as
// "./cmd/maru", into dir. Each program is named as its package's directory,
// and has no symbols, as what is released.
func Build(root, dir string, packages ...string) error {
	build := exec.Command("go", append([]string{"build", "-ldflags=-s -w", "-o", dir + "/"}, packages...)...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %v: %w\n%s", packages, err, out)
	}
	return nil
}
