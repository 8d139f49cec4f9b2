package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"maru.example/maru"
	"maru.example/maru/internal/config"
	"maru.example/maru/server"
)

type checkCmd struct {
	File string `arg:"" optional:"" placeholder:"FILE" help:"Configuration file (default: --config, or the file in MARU_CONFIG)."`
	config.Serve

	beside []string // flags and variables that are set beside the file
	wrong  error    // what the file or the environment has
}

// Help is the text of --help beside the flags.
func (*checkCmd) Help() string {
	return `Prints every mistake with file and line, and exits with 1; or else prints what each namespace allows. ` +
		`The flags and the environment are those of maru serve, so maru check FILE --listen :3000 answers what maru serve would do with them.`
}

// BeforeResolve is called between the defaults and the flags.
func (c *checkCmd) BeforeResolve(line *kong.Context, s *surroundings) error {
	for _, option := range config.Options() {
		if option.InFile && s.getenv(option.Env) != "" {
			c.beside = append(c.beside, option.Env)
		}
	}
	files := 0
	for _, word := range line.Path {
		switch {
		case word.Positional != nil, word.Flag != nil && word.Flag.Name == "config":
			files++
		case word.Flag != nil && !slices.Contains(c.beside, "--"+word.Flag.Name):
			c.beside = append(c.beside, "--"+word.Flag.Name)
		}
	}
	if files > 1 {
		return usagef("more than one file: give FILE or --config")
	}
	c.wrong = load(&c.Serve, line, s.env)
	return nil
}

func (c *checkCmd) Run(ctx context.Context, s *surroundings) error {
	switch {
	case c.wrong != nil:
		return c.wrong
	case c.Config == "" && len(c.beside) == 0:
		return usagef("nothing to check: maru check FILE, or set MARU_CONFIG, or give flags of maru serve")
	}
	serve := serveCmd{Serve: c.Serve}
	if err := serve.Check(); err != nil {
		return err
	}
	if err := try(ctx, &serve); err != nil {
		if c.Config != "" {
			err = fmt.Errorf("%s: %w", c.Config, err)
		}
		return err
	}
	return describe(s.stdout, &serve.Serve, c.beside)
}

// try creates the server without a port and shuts it down: some mistakes are found only
// there.
func try(ctx context.Context, c *serveCmd) error {
	log := slog.New(slog.DiscardHandler)
	certificate, err := c.ownCertificate()
	if err != nil {
		return err
	}
	certificates := tlsConfig(certificate, nil)
	if len(c.ACMEDomain) > 0 {
		certificates = new(tls.Config) // asks no authority
	}
	o := c.options(log, certificates)
	if o.Access, err = c.access(); err != nil {
		return err
	}
	if err := c.natsServers().Check(); err != nil {
		return err
	}
	if c.Cluster != "" {
		if _, err := c.clusterNode(); err != nil {
			return err
		}
	}
	o.TokenKeySet = "" // makes no request
	// o.Broker is not set: a running server may be using the directory. Check has found namespaces that need it.
	for name, n := range o.Namespaces {
		n.Retention.Durability = maru.InMemory
		o.Namespaces[name] = n
	}
	live, err := server.New(o)
	if err != nil {
		return err
	}
	return live.Shutdown(ctx)
}

func describe(w io.Writer, c *config.Serve, beside []string) error {
	switch {
	case c.Config == "":
		fmt.Fprintf(w, "Without a configuration file, %s is valid.\n\n", strings.Join(beside, ", "))
	case len(beside) > 0:
		fmt.Fprintf(w, "%s is valid together with %s, which the file does not decide.\n\n", c.Config, strings.Join(beside, ", "))
	default:
		fmt.Fprintf(w, "%s is valid.\n\n", c.Config)
	}
	if c.Namespaces == nil {
		_, err := fmt.Fprintln(w, "There are no namespaces: everybody who may connect may do everything (open mode).")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAMESPACE\tSUBSCRIBE\tPUBLISH\tHISTORY\tPRESENCE\tRPC\tKEPT PER CHANNEL\tPER NAMESPACE")
	for _, name := range slices.Sorted(maps.Keys(c.Namespaces)) {
		n := c.Namespaces[name]
		r := c.Retention(n)
		kept, all := "nothing", "-"
		if r.Publications > 0 {
			kept, all = fmt.Sprintf("%d for %s", r.Publications, short(r.Age)), fmt.Sprintf("%v, %v", config.Bytes(r.Bytes), r.Durability)
		}
		fmt.Fprintf(t, "%s\t%v\t%v\t%v\t%v\t%v\t%s\t%s\n", name, n.Subscribe, n.Publish, n.History, n.Presence, n.RPC, kept, all)
	}
	if _, listed := c.Namespaces[maru.DefaultNamespace]; listed {
		fmt.Fprintln(t, "all others\tas default")
	} else {
		fmt.Fprintln(t, "all others\tnobody\tnobody\tnobody\tnobody\tnobody")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if example := exampleOf(c); example != "" {
		fmt.Fprintf(w, "\nA namespace has the channels and methods with its name and a colon: %[1]s:1 is in %[1]s, and the channel %[1]s is in default.\n", example)
	}
	for _, doubt := range doubts(c) {
		if _, err := fmt.Fprintf(w, "\nnote: %s\n", doubt); err != nil {
			return err
		}
	}
	return nil
}

// exampleOf is the first listed namespace that is not the default one, or "".
func exampleOf(c *config.Serve) string {
	for _, name := range slices.Sorted(maps.Keys(c.Namespaces)) {
		if name != maru.DefaultNamespace {
			return name
		}
	}
	return ""
}

// doubts are notes about settings that are valid but probably not intended.
func doubts(c *config.Serve) (all []string) {
	named := make(map[maru.Rule][]string)
	for _, name := range slices.Sorted(maps.Keys(c.Namespaces)) {
		n := c.Namespaces[name]
		for _, rule := range []maru.Rule{maru.SignedIn, maru.Own, maru.ByToken, maru.ServerOnly} {
			if slices.Contains([]maru.Rule{n.Subscribe, n.Publish, n.History, n.Presence, n.RPC}, rule) {
				named[rule] = append(named[rule], name)
			}
		}
		if n.Subscribe != maru.Nobody && n.History == maru.Nobody {
			all = append(all, fmt.Sprintf("%s: subscribers cannot recover missed publications, because the rule history is nobody", name))
		}
	}
	if callers := slices.ContainsFunc(slices.Collect(maps.Values(c.Namespaces)), func(n config.Namespace) bool { return n.RPC != maru.Nobody }); c.RPCWebhook != "" && !callers {
		all = append(all, "rpc-webhook: nobody may call a method, because no namespace has a rule rpc (a method without : is in the namespace default)")
	}
	if c.CookieSameSite == "none" && len(c.Origin) == 0 {
		all = append(all, "cookie-same-site: none changes nothing without origin, because pages of other sites may not connect")
	}
	tokens := len(c.TokenKey) > 0 || c.TokenKeySet != ""
	backend := c.ConnectWebhook != "" || len(c.APIKey) > 0 // an API key can make tickets
	if people := append(slices.Clone(named[maru.SignedIn]), named[maru.Own]...); len(people) > 0 && !tokens && !backend && !c.Nicknames {
		all = append(all, fmt.Sprintf("%s: the rules need signed-in people, but nobody can sign in: set token-key, token-key-set, api-key, connect-webhook or nicknames", list(people)))
	}
	if len(named[maru.Own]) > 0 && c.Nicknames {
		all = append(all, fmt.Sprintf("%s: the rule own gives channels to whoever takes the nickname first, because nicknames are on", list(named[maru.Own])))
	}
	if len(named[maru.ByToken]) > 0 && !tokens && !backend {
		all = append(all, fmt.Sprintf("%s: the rule token needs tokens, but there are none: set token-key, token-key-set, api-key or connect-webhook", list(named[maru.ByToken])))
	}
	if len(named[maru.ServerOnly]) > 0 && len(c.APIKey) == 0 {
		all = append(all, fmt.Sprintf("%s: the rule server needs an API key, but there is none: set api-key (maru token --api-key)", list(named[maru.ServerOnly])))
	}
	return all
}

func list(names []string) string {
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// short is a duration without its zeros.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
