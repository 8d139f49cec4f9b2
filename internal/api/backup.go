package api

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/response"
)

// backupWrite is how long a client may take to receive a part of a backup.
const backupWrite = 30 * time.Second

var (
	errNoBackup   = maru.NewError(maru.CodeNotFound, "this server stores no history that could be backed up (docs/operating.md)")
	errBackupBusy = maru.NewError(maru.CodeUnavailable, "another backup is being made; try again when it has ended")
)

// serveBackup answers POST /admin/backup with everything that the broker stores. It needs an
// API key, in open mode too. There is one backup at a time. An answer that breaks off is no
// backup, which the reader notices by its check.
func (a *API) serveBackup(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodPost) {
		return
	}
	who, err := a.admission.Authenticator.Identify(r, "")
	switch {
	case err != nil:
	case !who.Server():
		err = auth.ErrBackEndsOnly
	case a.Backup == nil:
		err = errNoBackup
	case !a.backups.TryLock():
		err = errBackupBusy
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	defer a.backups.Unlock()
	out := &backupWriter{w: w, control: response.Deadlines(w)}
	err = a.Backup(r.Context(), out)
	switch {
	case err == nil:
		a.admission.Log.LogAttrs(r.Context(), slog.LevelInfo, "a backup was made", slog.String("key", who.Grant.Key))
	case !out.begun:
		a.fail(w, r, err)
	default:
		a.admission.Log.LogAttrs(r.Context(), slog.LevelWarn, "a backup was broken off", slog.String("key", who.Grant.Key), slog.Any("err", err))
		panic(http.ErrAbortHandler)
	}
}

// backupWriter begins the answer with the first bytes, so that an error before them can be
// answered.
type backupWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (b *backupWriter) Write(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		b.w.Header().Set("Content-Type", "application/octet-stream")
		b.w.Header().Set("Cache-Control", "no-store")
		b.w.WriteHeader(http.StatusOK)
	}
	if err := b.control.SetWriteDeadline(time.Now().Add(backupWrite)); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return 0, err
	}
	return b.w.Write(p)
}
