package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"maru.example/maru/internal/config"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // a correct call that failed
	exitUsage   = 2 // a mistake in the call
)

// surroundings are the parts of the process that a command uses.
type surroundings struct {
	args           []string // without the program's name
	env            []string // NAME=value
	stdin          io.Reader
	stdout, stderr io.Writer
	process        bool // they are those of the process itself: it has no other command

	sockets *sockets // see fromSystemd
}

func (s *surroundings) getenv(name string) string {
	for _, entry := range slices.Backward(s.env) {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value
		}
	}
	return ""
}

// commandLine is the whole grammar.
type commandLine struct {
	Serve       serveCmd         `cmd:"" help:"Run the server. Plain maru, without a command, does this too."`
	Publish     publishCmd       `cmd:"" help:"Publish to a channel of a running server."`
	Subscribe   subscribeCmd     `cmd:"" help:"Print the publications of channels as they come."`
	Token       tokenCmd         `cmd:"" help:"Make a token for a person, or an API key for a back end."`
	Check       checkCmd         `cmd:"" help:"Check a configuration file, flags and environment, and print what they allow."`
	Healthcheck healthcheckCmd   `cmd:"" help:"Exit with 0 if a server works; for images without a shell."`
	Backup      backupCmd        `cmd:"" help:"Copy the history of a running server into a file."`
	Restore     restoreCmd       `cmd:"" help:"Make a directory for --data from a backup."`
	Verify      verifyCmd        `cmd:"" help:"Check the directory of --data of a server that is not running."`
	Cluster     clusterCmd       `cmd:"" help:"List and remove the servers of a cluster (--cluster)."`
	Bench       benchCmd         `cmd:"" help:"Put load on a server and measure it."`
	Version     kong.VersionFlag `help:"Print the version and exit."`
}

const description = `A realtime push server for the web: a channel is a URL.

Plain maru is maru serve --demo: the hall on http://localhost:3000.`

// usageError is a mistake of the caller: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run is the program without its process. It returns the exit code.
func run(ctx context.Context, args []string, s *surroundings) int {
	var cli commandLine
	s.args = args
	args, cli.Serve.plain = words(args)
	line, err := parse(ctx, &cli, args, s)
	if err == nil && line != nil {
		err = line.Run()
	}
	if err == nil {
		return exitOK
	}
	usage, logged := errors.As(err, new(usageError)), errors.As(err, new(inLog))
	if !logged {
		for text := range strings.Lines(err.Error()) {
			fmt.Fprintf(s.stderr, "maru: %s\n", strings.TrimSuffix(text, "\n"))
		}
		if usage {
			fmt.Fprintf(s.stderr, "Run \"%s --help\" for usage.\n", name(line))
		}
	}
	if usage {
		return exitUsage
	}
	return exitFailure
}

// parse reads the words into cli. The context is nil if help or the version was printed and
// nothing is left to do.
func parse(ctx context.Context, cli *commandLine, words []string, s *surroundings) (*kong.Context, error) {
	printed := false
	parser, err := kong.New(cli,
		kong.Name("maru"),
		kong.Description(description),
		kong.Vars{"version": version(), "server": serverURL(s)},
		kong.ConfigureHelp(kong.HelpOptions{NoExpandSubcommands: true, Compact: true, WrapUpperBound: 100}),
		kong.Writers(s.stdout, s.stderr),
		kong.Exit(func(int) { printed = true }),
		kong.Bind(s),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		panic(err) // the grammar itself is wrong
	}
	line, err := parser.Parse(words)
	if printed {
		return nil, nil
	}
	var wrong *kong.ParseError
	if errors.As(err, &wrong) {
		return wrong.Context, usageError{meant(wrong)}
	}
	return line, err
}

var unknownFlag = regexp.MustCompile(`^unknown flag --?([\w-]+)`)

// meant replaces the parser's guess, by letters, at the flag of serve that a caller means.
func meant(err *kong.ParseError) error {
	flag := unknownFlag.FindStringSubmatch(err.Error())
	if flag == nil || config.Meant(flag[1]) == "" || err.Context.Selected() == nil || !hasFlag(err.Context.Selected(), config.Meant(flag[1])) {
		return err
	}
	return fmt.Errorf("%s, did you mean --%s 127.0.0.1:PORT?", flag[0], config.Meant(flag[1]))
}

func hasFlag(command *kong.Node, name string) bool {
	return slices.ContainsFunc(command.Flags, func(f *kong.Flag) bool { return f.Name == name })
}

// name is the command that was called, as a user types it.
func name(line *kong.Context) string {
	if line == nil || line.Selected() == nil {
		return "maru"
	}
	return line.Selected().FullPath()
}

// words completes the words of a command line: maru and maru --flag mean maru serve, and
// maru help COMMAND means maru COMMAND --help. plain reports whether there were no words.
func words(args []string) (full []string, plain bool) {
	switch {
	case len(args) == 0:
		return []string{"serve"}, true
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help"), false
	case args[0] == "-h", args[0] == "--help", args[0] == "--version", !strings.HasPrefix(args[0], "-"):
		return args, false
	}
	return append([]string{"serve"}, args...), true
}
