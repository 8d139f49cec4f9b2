package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// command is a program in a directory of the module, with more in its environment.
func command(dir string, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = 10 * time.Second // for children that hold the output open
	return cmd
}

// output is what a program prints.
func output(dir string, env []string, name string, args ...string) (string, error) {
	cmd := command(dir, env, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, &stderr)
	}
	return string(out), nil
}

// do runs a program; what it prints belongs to the step.
func (j *job) do(dir string, env []string, name string, args ...string) error {
	cmd := command(dir, env, name, args...)
	cmd.Stdout, cmd.Stderr = &j.Buffer, &j.Buffer
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return nil
}

// test runs `go test` in a directory and counts its tests. Vet is a step of its own.
func (j *job) test(dir string, env []string, args ...string) error {
	cmd := command(dir, env, "go", append([]string{"test", "-json", "-vet=off"}, args...)...)
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w // one writer: the two are never written at the same time
	ended := make(chan error, 1)
	go func() {
		err := cmd.Run()
		w.Close()
		ended <- err
	}()
	g := goTests{out: &j.Buffer, count: j.count}
	if err := g.read(r); err != nil {
		return err
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("go test: %w", err)
	}
	return nil
}

// packages lists the packages in the directories, without those in the directories except.
func packages(in []string, except ...string) ([]string, error) {
	args := []string{"list"}
	for _, dir := range in {
		args = append(args, "./"+dir+"/...")
	}
	out, err := output(".", nil, "go", args...)
	if err != nil {
		return nil, err
	}
	module, err := output(".", nil, "go", "list", "-m")
	if err != nil {
		return nil, err
	}
	var all []string
	for pkg := range strings.FieldsSeq(out) {
		path := strings.TrimPrefix(pkg, strings.TrimSpace(module)+"/")
		if !within(path, except) {
			all = append(all, pkg)
		}
	}
	return all, nil
}

func within(path string, directories []string) bool {
	for _, dir := range directories {
		if path == dir || strings.HasPrefix(path, dir+"/") {
			return true
		}
	}
	return false
}
