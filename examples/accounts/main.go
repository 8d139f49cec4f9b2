// Accounts is a chat for people with accounts. The program keeps them in SQLite, with a
// sign-in of its own. Its hooks identify people for maru and decide what they may do. Run it
// in this directory: go run .
package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"embed"
	"errors"
	"flag"
	"html/template"
	"log"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"maru.example/maru"
	"maru.example/maru/server"
	_ "modernc.org/sqlite"
)

const schema = `
CREATE TABLE IF NOT EXISTS people (name TEXT PRIMARY KEY, salt BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (token BLOB PRIMARY KEY, name TEXT NOT NULL, expires INTEGER NOT NULL)`
const lifetime = 30 * 24 * time.Hour // of a session

//go:embed page.html
var files embed.FS
var page = template.Must(template.ParseFS(files, "page.html"))

type site struct {
	db   *sql.DB
	live *server.Server
}

func open(file string) (s *site, err error) {
	s = new(site)
	if s.db, err = sql.Open("sqlite", file); err == nil {
		s.db.SetMaxOpenConns(1) // SQLite has one writer
		_, err = s.db.Exec(schema)
	}
	if err == nil {
		s.live, err = server.New(server.Options{Loopback: true, Hooks: server.Hooks{Identify: s.identify, Allow: allow}})
	}
	return s, err
}

// identify is called at each handshake, and finds the person of the cookie.
func (s *site) identify(r *http.Request, _ string) (who server.Caller, err error) {
	cookie, err := r.Cookie("session")
	if err != nil {
		return who, nil // anonymous
	}
	var expires int64
	if err = s.db.QueryRowContext(r.Context(), `SELECT name, expires FROM sessions WHERE token = ? AND expires > ?`,
		digest(cookie.Value), time.Now().Unix()).Scan(&who.User, &expires); errors.Is(err, sql.ErrNoRows) {
		return who, nil
	}
	who.Expires = time.Unix(expires, 0) // live connections end with the session
	return who, err
}

// allow is called for each subscription, publication and request for history.
func allow(_ context.Context, who server.Caller, _ server.Action, channel string) error {
	if who.User == "" || channel != "chat" {
		return maru.NewError(maru.CodeNotAllowed, "the only channel is chat, and it is for signed-in people")
	}
	return nil
}

func (s *site) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		who, err := s.identify(r, "")
		show(w, who.User, err)
	})
	mux.HandleFunc("POST /sign-in", s.enter)
	mux.HandleFunc("POST /sign-out", s.leave)
	mux.Handle("/assets/", s.live)
	mux.Handle("/live/", http.StripPrefix("/live", s.live))
	return http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, 64<<10))
}

// enter signs in with a name and a password. A new name makes a new account.
func (s *site) enter(w http.ResponseWriter, r *http.Request) {
	name, password := strings.TrimSpace(strings.ToValidUTF8(r.PostFormValue("name"), "")), r.PostFormValue("password")
	salt, token, want := []byte(rand.Text()), rand.Text(), []byte(nil)
	var err error = maru.NewError(maru.CodeBadRequest, "A name must have 1 to 32 letters, and a password 8 or more.")
	if name != "" && utf8.RuneCountInString(name) <= 32 && utf8.RuneCountInString(password) >= 8 {
		err = s.db.QueryRow(`INSERT INTO people VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET name = name RETURNING salt, hash`,
			name, salt, hash(password, salt)).Scan(&salt, &want)
	}
	if err == nil && subtle.ConstantTimeCompare(hash(password, salt), want) != 1 {
		err = maru.NewError(maru.CodeTaken, "This name is taken, and the password is wrong.")
	}
	if err == nil {
		_, err = s.db.Exec(`INSERT INTO sessions VALUES (?, ?, ?)`, digest(token), name, time.Now().Add(lifetime).Unix())
	}
	if err != nil {
		show(w, "", err)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "session", Value: token, MaxAge: int(lifetime.Seconds()), HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// leave ends all sessions of the person, with their live connections.
func (s *site) leave(w http.ResponseWriter, r *http.Request) {
	who, err := s.identify(r, "")
	if err == nil && who.User != "" {
		_, err = s.db.Exec(`DELETE FROM sessions WHERE name = ?`, who.User)
		s.live.Disconnect(server.Target{User: who.User})
	}
	show(w, "", err)
}

func show(w http.ResponseWriter, user string, err error) {
	var said *maru.Error
	if err != nil {
		said = maru.ErrorOf(err) // an error that is not a *maru.Error becomes "internal error"
		log.Print(err)
		w.WriteHeader(said.Code.Status())
	}
	page.Execute(w, map[string]any{"User": user, "Error": said})
}

func digest(token string) []byte { d := sha256.Sum256([]byte(token)); return d[:] }
func hash(password string, salt []byte) []byte {
	key, err := pbkdf2.Key(sha256.New, password, salt, 600_000, 32)
	if err != nil {
		panic(err) // never for these lengths
	}
	return key
}

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	file := flag.String("db", "chat.db", "file of the database")
	flag.Parse()
	s, err := open(*file)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err, "; choose another address with --listen")
	}
	log.Printf("chat on http://%s", listener.Addr())
	log.Fatal(http.Serve(listener, s.handler()))
}
