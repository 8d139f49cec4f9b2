// A program with the client, in Node.js: node node.js URL. It exits by itself, with status 0.
import assert from "node:assert/strict";
import { Maru, MaruError } from "maru-client";

const [url] = process.argv.slice(2);
let options = {};
if (!globalThis.WebSocket) {
  // Node.js before 22: without the option the client is closed, and says what to do.
  const maru = new Maru(url);
  const chat = maru.subscribe("chat");
  const [{ detail }] = await new Promise((resolve) =>
    maru.addEventListener("state", (...event) => event[0].detail.state === "closed" && resolve(event)),
  );
  assert(detail.error instanceof MaruError);
  assert.equal(detail.error.code, "bad_request");
  assert.match(detail.error.message, /new Maru\(url, { WebSocket }\)/);
  await assert.rejects(maru.publish("chat", "x"), { code: "bad_request" });
  assert.equal(chat.state, "pending");
  options = { WebSocket: (await import("ws")).default };
}

const maru = new Maru(url, options);
const name = `node:${process.version}`;
const { offset } = await maru.publish(name, { hello: process.version });
for await (const { data, offset: at } of maru.subscribe(name, { last: 1 })) {
  assert.deepEqual(data, { hello: process.version });
  assert.equal(at, offset);
  break;
}

// Issue 15 §14: a value that JSON cannot carry is an error of one call, and does not end the process.
const cycle = {};
cycle.me = cycle;
for (const value of [1n, cycle, { toJSON() { throw new TypeError("no"); } }, () => 1, Symbol("x")]) {
  await assert.rejects(maru.publish(name, value), TypeError);
  await assert.rejects(maru.rpc("move", value), TypeError);
}
await maru.publish(name, new Uint16Array([1, 2]).subarray(1));
const { publications } = await maru.history(name, { limit: 1 });
assert.deepEqual(publications[0].data, Uint8Array.of(2, 0));

// More channels than one connection takes, before it is open.
const many = new Maru(url, options);
let missing = 300;
const all = new Promise((resolve) => {
  for (let i = 0; i < 300; i++) many.subscribe(`many:${i}`, { last: 1 }).addEventListener("publication", () => --missing || resolve());
});
for (let i = 0; i < 300; i++) maru.publish(`many:${i}`, i);
await all;
many.close();

// A WebSocket class that throws is a state, and an error that says so.
const refused = new Maru(url, { WebSocket: class { constructor() { throw new Error("not here"); } } });
await new Promise((resolve) => refused.addEventListener("state", ({ detail }) => detail.state === "closed" && resolve()));
assert.match(refused.error.message, /not here/);
assert.throws(() => new Maru(), TypeError); // there is no page whose origin it could be

maru.close();
assert.equal(maru.state, "closed");
console.log(process.version, globalThis.WebSocket ? "own WebSocket" : "ws");
