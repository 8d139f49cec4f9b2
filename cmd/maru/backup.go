package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

type backupCmd struct {
	File string `arg:"" placeholder:"FILE" help:"The file to make. It must not exist."`

	remote
}

// Help is the text of --help beside the flags.
func (*backupCmd) Help() string {
	return `The server needs --data, and the token must be an API key. The copy is what was stored at one moment; publishing goes on. ` +
		`The file has a check, which maru restore uses.`
}

// Run writes to a file beside the one that was asked for, so that a backup that breaks off is
// not taken for a whole one.
func (c *backupCmd) Run(ctx context.Context, s *surroundings) error {
	if exists(c.File) {
		return usagef("%s exists; give another name", c.File)
	}
	base, err := c.base()
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/admin/backup", nil)
	if err != nil {
		return usagef("--server: %w", err)
	}
	resp, err := client.Do(request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refused(resp)
	}
	n, err := saveBackup(c.File, resp.Body)
	if err != nil {
		return fmt.Errorf("the backup broke off: %w", err)
	}
	_, err = fmt.Fprintf(s.stdout, "%s has %d bytes\n", c.File, n)
	return err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// saveBackup writes a file, which has its name only when it is complete. It replaces none.
func saveBackup(path string, from io.Reader) (int64, error) {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".partial-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name())
	n, err := io.Copy(file, from)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return n, err
	}
	if exists(path) {
		return n, fmt.Errorf("%s was made by another process in the meantime", path)
	}
	return n, os.Rename(file.Name(), path)
}
