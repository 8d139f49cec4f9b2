import assert from "node:assert/strict";
import { test } from "node:test";
import { Names, hue, skeleton } from "../assets/names.js";

const alike = [
  ["kim", "Kim"],
  ["kim", "KIM "],
  ["kim", "k i m"],
  ["kim", "kіm"], // Cyrillic і
  ["admin", "аdmin"], // Cyrillic а
  ["paypal", "paypa1"],
  ["lee", "1ee"],
  ["lee", "Iee"],
  ["cafe", "café"],
  ["이순신", "이 순신"],
  ["이순신", "이순신".normalize("NFD")],
  ["kim", "ｋｉｍ"], // full width
];
for (const [one, other] of alike) {
  test(`${one} looks like ${other}`, () => assert.equal(skeleton(one), skeleton(other)));
}

test("different names look different", () => {
  assert.equal(new Set(["kim", "lee", "park", "이순신", "이순진", "김", "kin", "😀", "😎"].map(skeleton)).size, 9);
});

test("a name that people choose is never proven", () => {
  const names = new Names(false);
  names.meet("kim");
  assert.equal(names.verdict("kim", "kim"), "signed");
  assert.equal(names.verdict("", "kim"), "signed");
  assert.equal(names.verdict("lee", "kim"), "claims");
  assert.equal(names.verdict("kim", undefined), "impostor");
  assert.equal(names.verdict("Kim ", undefined), "impostor");
  assert.equal(names.verdict("lee", undefined), "unverified");
  assert.equal(names.verdict("", undefined), "unnamed");
  assert.equal(names.verdict("", "k1m"), "lookalike");
  assert.equal(names.verdict("", "park"), "signed");
});

test("a name from a token or the site's sign-in is proven", () => {
  const names = new Names(true);
  names.meet("kim");
  assert.equal(names.verdict("kim", "kim"), "proven");
  assert.equal(names.verdict("", "kim"), "proven");
  assert.equal(names.verdict("lee", "kim"), "claims");
  assert.equal(names.verdict("kim", undefined), "impostor");
});

test("a person keeps one colour", () => {
  assert.equal(hue("kim"), hue("kim"));
  assert.match(hue(""), /^hue-[0-7]$/);
  assert.ok(new Set([..."abcdefghijklmnop"].map(hue)).size > 4);
});
