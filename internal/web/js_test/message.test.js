import assert from "node:assert/strict";
import { test } from "node:test";
import { splitMessage } from "../assets/message.js";

const cases = {
  "the lecture's form": ["kim => hello", "", "kim", "hello"],
  "a space in front, as the lecture's client sends": [" kim => hello", "", "kim", "hello"],
  "only the first arrow splits": ["kim => a => b", "", "kim", "a => b"],
  "a signed-in name may hold an arrow": ["a => b => hi", "a => b", "a => b", "hi"],
  "somebody else's name": ["kim => hi", "lee", "kim", "hi"],
  "no arrow": ["just text", "", "", "just text"],
  "an arrow without spaces": ["x=>y", "", "", "x=>y"],
  "nothing before the arrow": [" => hello", "", "", " => hello"],
  "nothing after it": ["kim => ", "", "kim", ""],
  "several lines": ["kim => a\nb", "", "kim", "a\nb"],
  "an arrow in a later line": ["first\nkim => b", "", "", "first\nkim => b"],
  "32 characters, not bytes": ["마".repeat(32) + " => 안녕", "", "마".repeat(32), "안녕"],
  "too long to be a name": ["x".repeat(33) + " => y", "", "", "x".repeat(33) + " => y"],
  "characters outside the BMP": ["😀".repeat(32) + " => y", "", "😀".repeat(32), "y"],
  "characters that turn the direction": ["\u202ekim\u2067 => \u202ehi", "", "kim", "\u202ehi"],
  "empty": ["", "", "", ""],
};

for (const [situation, [text, user, name, message]] of Object.entries(cases)) {
  test(`splitting: ${situation}`, () => assert.deepEqual(splitMessage(text, user), { name, text: message }));
}
