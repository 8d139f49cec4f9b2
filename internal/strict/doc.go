// Package strict decodes JSON that comes from outside and that maru acts on: commands, claims,
// key sets, the bodies of requests and the answers of webhooks.
//
//	bytes ─→ Decode, DecodeKnown ─→ a struct with exact names
//	                             ╰→ its fields of type Raw: JSON that maru passes on as it is
//
// Two programs that read the same JSON must not see different values. encoding/json makes that
// possible: it matches names without case, takes the last of two equal names, and replaces what is
// not valid Unicode by U+FFFD. Here each of these is an error (RFC 7493 §2):
//
//   - a name that differs from the field's in any byte is another name, known or not;
//   - a name may be given once in an object;
//   - text must be valid UTF-8, without half a surrogate pair;
//   - a number must fit the field, and a value must have the field's type;
//   - values are nested at most 10,000 deep.
//
// null stands for an absent value. A Raw keeps its bytes, and only has to be JSON in UTF-8.
//
// EncodeHook and DecodeHook are for the opposite: a program's own values, by the rules of
// encoding/json, with something else in the place of some of them. They are here because the library
// that can do that is.
//
// The decoder is github.com/go-json-experiment/json, which is encoding/json/v2 for this version
// of Go (docs/design/0024-strict-json.md). No other package of the module imports it, and none
// that reads outside input uses the decoder of encoding/json, except for those in
// decoders_test.go; deps_test.go and decoders_test.go check that.
//
// Functions are safe for concurrent use.
package strict
