package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"

	"maru.example/maru/internal/config"
	"maru.example/maru/server"
)

// reloading applies the access part of the configuration file again at each SIGHUP, and reads the
// files of certificates, until stop is called. It is not used without such files: SIGHUP then ends
// the program, as when its terminal is closed.
func (r *reloader) reloading() (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range hangups {
			r.s.notify(reloading, r.log)
			r.reload()
			r.s.notify(ready, r.log)
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}

// reloader applies the configuration of the process again. It belongs to one goroutine.
type reloader struct {
	live    *server.Server
	s       *surroundings
	log     *slog.Logger
	started *config.Serve // what the server was started with
	loaded  *config.Serve // what was applied last
	access  server.Access // of loaded
}

// reload applies what can be applied, and logs what changed and what needs a restart. A
// change that needs one is reported at each reload until then.
func (r *reloader) reload() {
	to, access, err := configured(r.s)
	if err == nil {
		err = r.live.Reload(access)
	} else {
		r.live.ReloadFailed(err)
	}
	if err != nil {
		r.log.LogAttrs(context.Background(), slog.LevelError, r.what()+" not reloaded: it is not valid, and the previous settings stay in force",
			r.file(slog.Any("err", err))...)
		return
	}
	var changed, waiting []string
	for _, change := range r.loaded.Changes(to) {
		if !change.Restart {
			changed = append(changed, change.String())
		}
	}
	for _, change := range r.started.Changes(to) {
		if change.Restart {
			waiting = append(waiting, change.String())
		}
	}
	if reflect.DeepEqual(r.loaded.TokenKey, to.TokenKey) && !reflect.DeepEqual(r.access.TokenKeys, access.TokenKeys) {
		changed = append(changed, "token-key: other keys in the files")
	}
	r.loaded, r.access = to, access
	if len(changed) == 0 {
		changed = []string{"nothing"}
	}
	r.log.LogAttrs(context.Background(), slog.LevelInfo, r.what()+" reloaded", r.file(slog.String("changed", strings.Join(changed, "; ")))...)
	if len(waiting) > 0 {
		r.log.Warn("settings that need a restart were not applied", slog.String("settings", strings.Join(waiting, "; ")))
	}
}

// what is read again. Without a configuration file these are the files that the command line names.
func (r *reloader) what() string {
	if r.started.Config == "" {
		return "command line"
	}
	return "configuration file"
}

// configured reads the whole command line again, so that flags and environment still win over
// the file.
func configured(s *surroundings) (*config.Serve, server.Access, error) {
	var cli commandLine
	args, plain := words(s.args)
	cli.Serve.plain = plain
	if _, err := parse(context.Background(), &cli, args, s); err != nil {
		return nil, server.Access{}, err
	}
	access, err := cli.Serve.access()
	return &cli.Serve.Serve, access, err
}

// file is the configuration file, if there is one, before another attribute of a line.
func (r *reloader) file(more slog.Attr) []slog.Attr {
	if r.started.Config == "" {
		return []slog.Attr{more}
	}
	return []slog.Attr{slog.String("file", r.started.Config), more}
}
