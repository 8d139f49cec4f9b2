package api

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/strict"
)

var errNoCluster = maru.NewError(maru.CodeNotFound, "this server is not one of a cluster of servers of maru alone (docs/cluster.md)")

// A member is a maru.Member as clients see it.
type member struct {
	Name          string  `json:"name"`
	This          bool    `json:"this,omitempty"`
	Leads         bool    `json:"leads,omitempty"`
	State         string  `json:"state"` // current, behind or away
	SilentSeconds float64 `json:"silent_seconds,omitempty"`
}

// serveCluster answers GET /admin/cluster with the members of the cluster. It needs an API key, in open
// mode too.
func (a *API) serveCluster(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet) {
		return
	}
	if _, err := a.mayCluster(r); err != nil {
		a.fail(w, r, err)
		return
	}
	all, err := a.Members.Members(r.Context())
	if err != nil {
		a.fail(w, r, err)
		return
	}
	answer := struct {
		Members []member `json:"members"`
	}{Members: make([]member, 0, len(all))}
	for _, m := range all {
		one := member{Name: m.Name, This: m.This, Leads: m.Leads, State: "behind"}
		if m.Current {
			one.State = "current"
		}
		if m.Away {
			one.State, one.SilentSeconds = "away", m.Silent.Seconds()
		}
		answer.Members = append(answer.Members, one)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(answer)
}

// maxRemoveBytes bounds the body of serveRemove.
const maxRemoveBytes = 4 << 10

// serveRemove answers POST /admin/cluster/remove, {"name":…}, when that member is removed.
func (a *API) serveRemove(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodPost) {
		return
	}
	key, err := a.mayCluster(r)
	var body struct {
		Name string `json:"name"`
	}
	if err == nil {
		err = readRemoval(w, r, &body)
	}
	if err == nil {
		err = a.Members.RemoveMember(r.Context(), body.Name)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.admission.Log.LogAttrs(r.Context(), slog.LevelInfo, "a node was removed from the cluster", slog.String("name", body.Name), slog.String("key", key))
	w.WriteHeader(http.StatusNoContent)
}

func readRemoval(w http.ResponseWriter, r *http.Request, v any) error {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRemoveBytes))
	if err != nil {
		return maru.NewError(maru.CodeBadRequest, "the body did not arrive completely, or is larger than 4 KiB")
	}
	if err := strict.Decode(data, v); err != nil {
		return maru.NewError(maru.CodeBadRequest, `the body must be {"name":"…"}: `+err.Error())
	}
	return nil
}

// mayCluster returns the API key of a request about the cluster.
func (a *API) mayCluster(r *http.Request) (key string, err error) {
	who, err := a.admission.Authenticator.Identify(r, "")
	switch {
	case err != nil:
		return "", err
	case !who.Server():
		return "", auth.ErrBackEndsOnly
	case a.Members == nil:
		return "", errNoCluster
	}
	return who.Grant.Key, nil
}
