package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // it was understood, and failed
	exitUsage   = 2 // it was called wrongly
)

// surroundings are what a command has of the process it runs in.
type surroundings struct {
	args           []string // without the program's name
	env            []string // NAME=value
	stdin          io.Reader
	stdout, stderr io.Writer
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
	Serve     serveCmd         `cmd:"" help:"Run the server (also what plain maru does)."`
	Publish   publishCmd       `cmd:"" help:"Publish to a channel of a running server."`
	Subscribe subscribeCmd     `cmd:"" help:"Print what is published in channels, as it comes."`
	Token     tokenCmd         `cmd:"" help:"Make a token for somebody, or an API key for a back end."`
	Check     checkCmd         `cmd:"" help:"Check a configuration file and say what it allows."`
	Bench     benchCmd         `cmd:"" help:"Load a server and measure it."`
	Version   kong.VersionFlag `help:"Print the version and end."`
}

const description = `A realtime push server for the web: a channel is a URL.

Plain maru is maru serve --demo: the hall on http://localhost:3000.`

// usageError is a mistake of whoever called: exit code 2.
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
	for text := range strings.Lines(err.Error()) {
		fmt.Fprintf(s.stderr, "maru: %s\n", strings.TrimSuffix(text, "\n"))
	}
	if !errors.As(err, new(usageError)) {
		return exitFailure
	}
	fmt.Fprintf(s.stderr, "Run \"%s --help\" for how to call it.\n", name(line))
	return exitUsage
}

// parse reads the words into cli. The context is nil where nothing is left to
// be done: help or the version was printed.
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
		return wrong.Context, usageError{err}
	}
	return line, err
}

// name is the command that was called, as one would type it.
func name(line *kong.Context) string {
	if line == nil || line.Selected() == nil {
		return "maru.example/maru"
	}
	return line.Selected().FullPath()
}

// words makes the words of a command line complete: maru and maru --flag mean
// maru serve, maru help COMMAND means maru COMMAND --help. It tells whether the
// command was left out.
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
