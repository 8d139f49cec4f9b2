package config

import (
	"bytes"
	"errors"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// statement is a key with its value, or the head of a table.
type statement struct {
	key  string // dotted
	line int
}

// statementsOf lists the statements of a valid TOML document.
func statementsOf(document []byte) (all []statement) {
	var parser unstable.Parser
	parser.Reset(document)
	var table []string
	for parser.NextExpression() {
		e := parser.Expression()
		var path []string
		line := 0
		for keys := e.Key(); keys.Next(); {
			if line == 0 {
				line = parser.Shape(keys.Node().Raw).Start.Line
			}
			path = append(path, string(keys.Node().Data))
		}
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = path
		case unstable.KeyValue:
			path = append(append([]string{}, table...), path...)
		}
		all = append(all, statement{strings.Join(path, "."), line})
	}
	return all
}

// linesOf is the first line of each key and each table.
func linesOf(document []byte) map[string]int {
	lines := make(map[string]int)
	for _, s := range statementsOf(document) {
		if lines[s.key] == 0 {
			lines[s.key] = s.line
		}
	}
	return lines
}

// blame finds the statement that cannot be decoded into a Serve. The library does not give
// the place of errors from UnmarshalText. The statement is the last one of the shortest
// beginning of the document that cannot be decoded.
func blame(document []byte) (s statement, found bool) {
	all := statementsOf(document)
	i := sort.Search(len(all), func(i int) bool {
		end := len(document)
		if i+1 < len(all) {
			end = startOf(document, all[i+1].line)
		}
		err := toml.Unmarshal(document[:end], new(Serve))
		return err != nil && !errors.As(err, new(*toml.DecodeError))
	})
	if i == len(all) {
		return statement{}, false
	}
	return all[i], true
}

// startOf is the index of the first byte of a line; lines count from 1.
func startOf(document []byte, line int) (at int) {
	for ; line > 1; line-- {
		at += bytes.IndexByte(document[at:], '\n') + 1
	}
	return at
}
