import assert from "node:assert/strict";
import { test } from "node:test";
import { World, jwt, settle } from "./fake.js";

test("two tabs share one connection, each with its own subscriptions and answers", async () => {
  const world = new World();
  const [a, b] = [world.tab(), world.tab()];
  const chats = [a.on("chat"), b.on("chat"), b.on("news")];
  await settle();
  await world.server.publish("chat", "hello");
  await world.server.publish("news", "today");
  await settle();
  assert.deepEqual(chats.map(({ seen }) => seen), [["hello"], ["hello"], ["today"]]);
  assert.equal(world.server.opened.length, 1);
  assert.equal((await a.maru.publish("chat", "1")).offset, 9);
  assert.equal((await b.maru.rpc("double", 2)), 2);
  assert.deepEqual([a.maru.state, b.maru.state], ["open", "open"]);

  a.maru.close();
  await settle();
  await world.server.publish("chat", "still");
  await settle();
  assert.deepEqual(chats[0].seen, ["hello", "1"]);
  assert.deepEqual(chats[1].seen, ["hello", "1", "still"]);
  b.maru.close();
  await settle();
  assert.equal(world.server.sockets.length, 0);
});

test("a tab that opens later gets the current state", async () => {
  const world = new World();
  world.server.welcome.user = "kim";
  world.tab();
  await settle();
  const late = world.tab();
  await settle();
  assert.deepEqual([late.maru.state, late.maru.user], ["open", "kim"]);
});

test("a tab that is gone without a word leaves nothing behind", async () => {
  const world = new World();
  const [a, b] = [world.tab(), world.tab()];
  a.on("chat");
  b.on("news");
  await settle();
  const [lock] = world.locks.names(); // a's
  world.locks.break(lock);
  await settle();
  assert.deepEqual(world.server.asked("unsubscribe"), [{ channel: "chat" }]);
  assert.equal(b.maru.state, "open");
});

test("different people do not share; the same one with a newer token does", async () => {
  const world = new World();
  const tab = (claims) => world.tab({ token: async () => jwt(claims) });
  const [kim, again, lee, lessKim, cookie] = [tab({ sub: "kim", exp: 1 }), tab({ sub: "kim", exp: 2, iat: 1, jti: "x" }), tab({ sub: "lee" }), tab({ sub: "kim", channels: [] }), world.tab()];
  const opaque = [world.tab({ token: () => "secret" }), world.tab({ token: () => "secret" })];
  await settle();
  assert.equal(world.server.opened.length, 6);
  assert.deepEqual([kim, again, lee, lessKim, cookie].map(({ maru }) => maru.user), ["kim", "kim", "lee", "kim", undefined]);
  assert.equal(world.workers.size, 4);
  assert.ok(opaque.every(({ maru }) => maru.state === "open"));
  assert.ok([...world.workers.keys()].every((name) => !name.includes("secret")));
});

test("another person in a tab moves that tab only", async () => {
  const world = new World();
  let who = "kim";
  const [stays, moves] = [world.tab({ token: () => jwt({ sub: "kim" }) }), world.tab({ token: () => jwt({ sub: who }) })];
  const { seen } = moves.on("chat");
  await settle();
  assert.equal(world.server.opened.length, 1);
  await world.server.publish("chat", "a");
  await settle();
  who = "lee";
  await moves.maru.reconnect();
  await settle();
  await world.server.publish("chat", "b");
  await settle();
  assert.deepEqual([stays.maru.user, moves.maru.user], ["kim", "lee"]);
  assert.deepEqual(seen, ["a", "b"]);

  who = "ahn"; // found out when the worker asks
  world.server.welcome.expires = new Date(world.time + 8_000).toISOString();
  await moves.maru.reconnect();
  who = "oh";
  await world.pass(7_000);
  assert.equal(moves.maru.user, "oh");
  assert.equal(stays.maru.user, "kim");
});

test("with cookies, reconnecting is for all tabs", async () => {
  const world = new World();
  const [a, b] = [world.tab(), world.tab()];
  await settle();
  world.server.welcome.user = "kim";
  await a.maru.reconnect();
  await settle();
  assert.deepEqual([a.maru.user, b.maru.user], ["kim", "kim"]);
  assert.equal(world.server.sockets.length, 1);
});

test("a token is asked of a tab that answers", async () => {
  const world = new World();
  let frozen = false;
  const token = () => jwt({ sub: "kim" });
  const answers = world.tab({ token });
  world.tab({ token: () => (frozen ? new Promise(() => {}) : token()) });
  await settle();
  frozen = true;
  world.server.end(4401, "token_expired");
  await world.pass(250);
  assert.equal(answers.maru.state, "connecting");
  await world.pass(15_000);
  assert.equal(answers.maru.state, "open");
});

test("without a worker that works, the page does by itself", async () => {
  for (const sharing of ["throws", "fails", "silent", "sandboxed"]) {
    const world = new World();
    world.sharing = sharing === "sandboxed" ? "throws" : sharing;
    if (sharing === "sandboxed") world.locks.request = async () => { throw new DOMException("sandboxed", "SecurityError"); };
    const { maru, on } = world.tab();
    const { seen } = on("chat", { last: 1 });
    const ack = maru.publish("chat", "a");
    await world.pass(sharing === "silent" ? 5_000 : 0);
    assert.equal(maru.state, "open", sharing);
    assert.equal((await ack).offset, 3);
    assert.deepEqual(seen, ["a"]);
    await world.pass(60_000);
    assert.equal(world.server.opened.length, 1);
  }
});

test("a worker that dies is noticed, and nothing is lost", async () => {
  for (const sign of ["its lock is free", "it does not answer"]) {
    const world = new World();
    if (sign === "it does not answer") world.locks = undefined; // not over plain HTTP
    world.tab(); // whose secret they share
    await settle();
    const tab = world.tab();
    const { seen } = tab.on("chat");
    await settle();
    await world.server.publish("chat", "a");
    world.server.mute.add("publish");
    const ack = tab.maru.publish("chat", "b");
    await settle();
    world.server.mute.clear();
    world.kill();
    await world.server.publish("chat", "c");
    if (world.locks) world.locks.break(world.locks.names()[1]);
    else tab.events.dispatchEvent(new Event("online"));
    await world.pass(world.locks ? 0 : 5_000);
    assert.equal((await ack).replayed, true);
    const secrets = world.server.log.filter(([name]) => name === "connect").map(([, body]) => body.secret);
    assert.ok(secrets.length > 1 && secrets.every((secret) => secret === secrets[0]), "one owner of the keys");
    await world.server.publish("chat", "d");
    assert.deepEqual(seen, ["a", "b", "c", "d"], sign);
  }
});
