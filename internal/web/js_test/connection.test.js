import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff, comeBack } from "../assets/connection.js";
import { FakeChannel, answer, settle, watch } from "./fake.js";

test("the delay grows to 30 s and is anything below that", () => {
  const highest = [0, 1, 2, 3, 4, 5, 6, 7, 100].map((attempt) => backoff(attempt, () => 1));
  assert.deepEqual(highest, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  assert.equal(backoff(100, () => 0), 0);
  assert.equal(backoff(2, () => 0.25), 500);
});

test("close codes say whether to come back", () => {
  for (const code of [1000, 1001, 1005, 1006, 1009, 1011, 1013, 4000, 4401, 4408, 4410, 4499]) assert.ok(comeBack(code), code);
  for (const code of [1008, 4500, 4503, 4999]) assert.ok(!comeBack(code), code);
});

test("history first, then what came since, then live", async () => {
  const channel = new FakeChannel();
  for (const word of ["a", "b", "c"]) channel.publish(word);
  const view = watch(channel, {}, { limit: 2 });
  view.connection.connect();
  await settle();
  channel.publish("between");
  view.socket().accept();
  channel.publish("live");
  assert.deepEqual(view.seen, ["(b)", "(c)", "between", "live"]);
  assert.deepEqual(view.states, ["connecting", "open"]);
  assert.equal(view.socket().url, "ws://host/channels/hall?as=publication&since=one:9");
});

test("an empty channel starts at its head", async () => {
  const channel = new FakeChannel();
  const view = watch(channel);
  await view.live();
  channel.publish("first");
  assert.deepEqual(view.seen, ["first"]);
});


test("after a drop everything comes once, in order", async () => {
  const channel = new FakeChannel();
  const view = watch(channel);
  await view.live();
  channel.publish("a");
  view.socket().end(1006);
  channel.publish("missed");
  await view.pass(250); // half of the first delay
  channel.publish("between");
  view.socket().accept();
  channel.publish("b");
  assert.deepEqual(view.seen, ["a", "missed", "between", "b"]);
  assert.deepEqual(view.states, ["connecting", "open", "waiting", "connecting", "open"]);
});

test("a publication that comes twice is shown once", async () => {
  const channel = new FakeChannel();
  const view = watch(channel);
  await view.live();
  channel.publish("a");
  view.socket().deliver(channel.publications[0]);
  assert.deepEqual(view.seen, ["a"]);
});

test("an old socket is not listened to", async () => {
  const channel = new FakeChannel();
  const view = watch(channel);
  await view.live();
  const old = view.socket();
  view.connection.connect();
  await settle();
  assert.ok(old.closed);
  old.deliver({ offset: 999, kind: "text", data: "ghost", time: "" });
  old.end(4503, "revoked");
  view.socket().accept();
  channel.publish("real");
  assert.deepEqual(view.seen, ["real"]);
  assert.equal(view.connection.state, "open");
});

test("history that began anew is marked, and what is retained is shown", async () => {
  const channel = new FakeChannel();
  const view = watch(channel);
  await view.live();
  channel.publish("old");
  channel.restart("two");
  channel.publish("new");
  await view.pass(250);
  view.socket().accept();
  channel.publish("newer");
  assert.deepEqual(view.seen, ["old", "gap", "new", "newer"]);
});

test("what is no longer kept is told with its range", async () => {
  const channel = new FakeChannel();
  channel.keep = 2;
  const view = watch(channel);
  await view.live();
  channel.publish("a"); // 3
  view.socket().end(1013);
  for (const word of ["b", "c", "d", "e"]) channel.publish(word); // 6, 9 are gone
  await view.pass(250);
  view.socket().accept();
  assert.deepEqual(view.seen, ["a", "gap 4-9", "d", "e"]);
});

test("a gap between history and handshake goes round again", async () => {
  const channel = new FakeChannel();
  channel.keep = 1;
  const view = watch(channel);
  view.connection.connect();
  await settle();
  channel.publish("a");
  channel.publish("b");
  view.socket().accept(); // closes with 4410
  assert.equal(view.connection.state, "waiting");
  await view.pass(250);
  view.socket().accept();
  channel.publish("c");
  assert.deepEqual(view.seen, ["gap 1-3", "b", "c"]);
});

test("a position beyond the head of the same epoch shows nothing twice", async () => {
  const channel = new FakeChannel();
  const view = watch(channel);
  await view.live();
  channel.publish("a");
  channel.publish("b");
  view.socket().end(1006);
  channel.publications.pop(); // the server lost its last one
  channel.head = 3;
  await view.pass(250);
  view.socket().accept();
  channel.publish("c");
  assert.deepEqual(view.seen, ["a", "b", "gap", "c"]);
});

test("a list cut at its limit continues on the socket", async () => {
  const channel = new FakeChannel();
  const view = watch(channel);
  await view.live();
  view.socket().end(1006);
  for (let i = 0; i < 700; i++) channel.publish(i);
  await view.pass(250);
  assert.equal(view.seen.length, 500);
  view.socket().accept();
  assert.deepEqual(view.seen, Array.from({ length: 700 }, (_, i) => i));
});

test("each failure waits longer, and a steady connection forgets them", async () => {
  const channel = new FakeChannel();
  channel.trouble = [new Error("refused"), answer(503, {}), answer(429, {}), new Error("refused")];
  const view = watch(channel);
  view.connection.connect();
  await settle();
  for (const delay of [250, 500, 1000, 2000]) {
    assert.equal(view.connection.state, "waiting");
    const before = channel.requests.length;
    await view.pass(delay - 1);
    assert.equal(channel.requests.length, before, `not before ${delay} ms`);
    await view.pass(1);
    assert.equal(channel.requests.length, before + 1);
  }
  view.socket().accept();
  await view.pass(5000);
  view.socket().end(1006);
  await view.pass(250);
  assert.equal(view.connection.state, "connecting");
});

test("a server that accepts and hangs up does not reset the delay", async () => {
  const view = watch(new FakeChannel());
  await view.live();
  for (const delay of [250, 500, 1000]) {
    view.socket().end(1006);
    await view.pass(delay - 1);
    assert.equal(view.connection.state, "waiting");
    await view.pass(1);
    view.socket().accept();
  }
});

test("a handshake without an answer is given up", async () => {
  const view = watch(new FakeChannel());
  view.connection.connect();
  await settle();
  await view.pass(15_000);
  assert.equal(view.connection.state, "waiting");
  assert.ok(view.opened[0].closed);
});

test("waking does not wait", async () => {
  const channel = new FakeChannel();
  channel.trouble = [new Error("refused")];
  const view = watch(channel);
  view.connection.connect();
  await settle();
  view.connection.wake();
  await settle();
  view.socket().accept();
  assert.equal(view.connection.state, "open");
  view.connection.wake();
  assert.equal(view.opened.length, 1, "an open connection is left alone");
});

test("closed by hand stays closed, whatever is under way", async () => {
  const channel = new FakeChannel();
  const view = watch(channel);
  view.connection.connect();
  view.connection.disconnect();
  await settle();
  assert.equal(view.opened.length, 0, "during the history");
  await view.live();
  view.connection.disconnect();
  assert.ok(view.socket().closed);
  view.connection.wake();
  await view.pass(60_000);
  assert.equal(view.connection.state, "closed");
  assert.equal(view.opened.length, 1);
  assert.equal(view.connection.send("x"), false);
});

test("connecting again by hand recovers what was missed", async () => {
  const channel = new FakeChannel();
  const view = watch(channel);
  await view.live();
  channel.publish("a");
  view.connection.disconnect();
  view.socket().end(1000);
  channel.publish("b");
  await view.live();
  assert.deepEqual(view.seen, ["a", "b"]);
});

test("refused for good: it stops and says why", async () => {
  const cases = [
    { code: 1008, reason: "not_allowed", state: "closed not_allowed" },
    { code: 4503, reason: "revoked", state: "closed revoked" },
    { code: 4500, reason: "", state: "closed 4500" },
  ];
  for (const { code, reason, state } of cases) {
    const refused = [];
    const view = watch(new FakeChannel(), { onRefused: (code) => refused.push(code) });
    await view.live();
    view.socket().end(code, reason);
    await view.pass(60_000);
    assert.equal(view.states.at(-1), state);
    assert.deepEqual(refused, [code]);
    assert.equal(view.opened.length, 1);
  }
});

test("history that is refused is not asked for again", async () => {
  const channel = new FakeChannel();
  channel.trouble = [answer(403, { error: { code: "not_allowed", message: "not for you" } })];
  const view = watch(channel);
  view.connection.connect();
  await settle();
  await view.pass(60_000);
  assert.deepEqual(view.states, ["connecting", "closed not for you"]);
  assert.equal(channel.requests.length, 1);
});

test("each attempt is prepared, and fails with its preparation", async () => {
  const channel = new FakeChannel();
  let prepared = 0;
  const view = watch(channel, {
    prepare: async () => {
      if (++prepared === 1) throw new Error("no session service");
    },
  });
  view.connection.connect();
  await settle();
  assert.equal(view.connection.state, "waiting");
  assert.equal(channel.requests.length, 0);
  await view.pass(250);
  view.socket().accept();
  assert.equal(prepared, 2);
  assert.equal(view.connection.state, "open");
});

test("a message that was sent into a drop is told as lost, once", async () => {
  const channel = new FakeChannel();
  const view = watch(channel);
  await view.live();
  view.connection.send("arrived, echo missed");
  view.connection.send("swallowed");
  channel.sockets = [];
  channel.publish("arrived, echo missed");
  view.socket().end(1006);
  await view.pass(250);
  view.socket().accept();
  view.socket().end(1006);
  await view.pass(500);
  view.socket().accept();
  assert.deepEqual(view.seen, ["arrived, echo missed", "lost swallowed"]);
});

test("a message without echo shows that the connection is dead", async () => {
  const channel = new FakeChannel();
  const view = watch(channel);
  await view.live();
  view.connection.send("echoed");
  channel.publish("echoed");
  await view.pass(60_000);
  assert.equal(view.opened.length, 1);

  channel.sockets = []; // nothing arrives any more, and nobody closes
  view.connection.send("into the dark");
  await view.pass(14_999);
  assert.equal(view.opened.length, 1);
  await view.pass(1);
  assert.equal(view.opened.length, 2);
  assert.deepEqual(view.seen, ["echoed", "lost into the dark"]);
});
