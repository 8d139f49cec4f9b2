import assert from "node:assert/strict";
import { test } from "node:test";
import { parts } from "../assets/parts.js";

const text = (words) => ({ kind: "text", text: words });
const link = (words) => ({ kind: "link", text: words });

const cases = {
  "plain": ["hello", [text("hello")]],
  "empty": ["", []],
  "a link": ["see https://example.org/a?b=c#d now", [text("see "), link("https://example.org/a?b=c#d"), text(" now")]],
  "the end of a sentence": ["at http://localhost:3000.", [text("at "), link("http://localhost:3000"), text(".")]],
  "in brackets": ["(https://example.org/x)", [text("("), link("https://example.org/x"), text(")")]],
  "brackets in it": ["https://example.org/a_(b)", [link("https://example.org/a_(b)")]],
  "Korean after it": ["https://example.org 입니다", [link("https://example.org"), text(" 입니다")]],
  "two links": ["http://a http://b", [link("http://a"), text(" "), link("http://b")]],
  "no script": ["javascript:alert(1) data:text/html,x", [text("javascript:alert(1) data:text/html,x")]],
  "no host": ["http://", [text("http://")]],
  "within a word": ["xhttp://a", [text("xhttp://a")]],
  "markup ends it": ["http://a<b>", [link("http://a"), text("<b>")]],
  "code": ["use `a<b>` here", [text("use "), { kind: "code", text: "a<b>" }, text(" here")]],
  "a link in code is code": ["`http://a`", [{ kind: "code", text: "http://a" }]],
  "a block": ["look:\n```js\nlet a = 1;\n  b\n```\nthere", [text("look:\n"), { kind: "block", text: "let a = 1;\n  b" }, text("there")]],
  "a block on one line": ["```a b```", [{ kind: "block", text: "a b" }]],
  "backticks that do not end": ["a ` b ``` c", [text("a ` b ``` c")]],
};

for (const [situation, [written, want]] of Object.entries(cases)) {
  test(`marks: ${situation}`, () => assert.deepEqual(parts(written), want));
}

test("nothing is lost of a text without code", () => {
  const written = "a http://b.c/d, (http://e) http://f!? \n http://g";
  assert.equal(parts(written).map((part) => part.text).join(""), written);
});
