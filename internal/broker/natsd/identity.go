package natsd

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	nodeFile    = "node"
	removedFile = "removed"
	storeDir    = "cluster"
	diskStore   = "store" // that of a single machine: package store
)

// identity returns the name of the node that a directory is, and gives a new directory one.
func identity(dir, cluster string) (name string, err error) {
	if _, err := os.Stat(filepath.Join(dir, diskStore)); err == nil {
		return "", fmt.Errorf("%s has the history of a single machine; use another directory, and copy this one into the cluster with maru restore", dir)
	}
	if _, err := os.Stat(filepath.Join(dir, removedFile)); err == nil {
		return "", fmt.Errorf("the node of %s was removed from its cluster; use an empty directory", dir)
	}
	text, err := os.ReadFile(filepath.Join(dir, nodeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return newIdentity(dir, cluster)
	}
	if err != nil {
		return "", err
	}
	name, of, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	switch {
	case name == "" || of == "" || strings.ContainsAny(name, " .*>"):
		return "", fmt.Errorf("%s is damaged; use an empty directory, and remove this node from the cluster", filepath.Join(dir, nodeFile))
	case of != cluster:
		return "", fmt.Errorf("%s belongs to the cluster %q, not to %q", dir, of, cluster)
	}
	return name, nil
}

func newIdentity(dir, cluster string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, storeDir)); err == nil {
		return "", fmt.Errorf("%s has the data of a node without its name, the file %s; use an empty directory", dir, nodeFile)
	}
	host, _ := os.Hostname()
	name := hostPart(host) + "-" + strings.ToLower(rand.Text()[:6])
	return name, writeFile(filepath.Join(dir, nodeFile), name+"\n"+cluster+"\n")
}

// hostPart is what people should recognise a node by.
func hostPart(host string) string {
	host, _, _ = strings.Cut(host, ".")
	host = strings.Map(func(r rune) rune {
		if r < 0x80 && IsName(string(r)) {
			return r
		}
		return '-'
	}, host)
	if host == "" {
		return "node"
	}
	return host[:min(len(host), 32)]
}

// writeFile writes a file that is there in full or not at all, also after a loss of power.
func writeFile(path, text string) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
