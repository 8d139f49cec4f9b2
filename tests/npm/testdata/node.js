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
maru.close();
assert.equal(maru.state, "closed");
console.log(process.version, globalThis.WebSocket ? "own WebSocket" : "ws");
