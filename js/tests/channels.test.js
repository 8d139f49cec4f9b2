import assert from "node:assert/strict";
import { test } from "node:test";
import { World, settle, watch } from "./fake.js";

/** A server with a page that is connected to it. */
async function connected(options) {
  const world = new World();
  const page = world.open(options);
  await settle();
  return { world, page, server: world.server, maru: page.maru };
}

test("history first, then live", async () => {
  const { server, page } = await connected();
  for (const word of ["a", "b", "c"]) await server.publish("chat", word);
  const { subscription, seen } = page.on("chat", { last: 2 });
  const replays = [];
  subscription.addEventListener("publication", ({ detail }) => replays.push(detail.replay));
  await settle();
  await server.publish("chat", "live");
  assert.deepEqual(seen, ["b", "c", "live"]);
  assert.deepEqual(replays, [true, true, false]);
  assert.equal(subscription.state, "subscribed");
  assert.deepEqual(subscription.position, { epoch: "one", offset: 12 });
  assert.deepEqual(server.asked("subscribe"), [{ channel: "chat", last: 2 }]);
});

test("a publication has the event that its publisher has named, live and from the history (issue 16)", async () => {
  const { server, page, maru } = await connected();
  const early = page.on("chat").subscription;
  const events = [];
  early.addEventListener("publication", ({ detail }) => events.push(detail.event));
  await settle();
  await maru.publish("chat", 1, { event: "price" });
  await maru.publish("chat", "a");
  const late = page.maru.subscribe("chat", { last: 2 });
  late.addEventListener("publication", ({ detail }) => events.push(detail.event));
  await settle();
  assert.deepEqual(events, ["price", undefined, "price", undefined]);
  const { publications } = await maru.history("chat");
  assert.deepEqual(publications.map(({ event }) => event), ["price", undefined]);
  assert.deepEqual(server.asked("publish").map(({ event }) => event), ["price", undefined]);
});

test("subscribed before there is a connection", async () => {
  const world = new World();
  world.server.up = false;
  const page = world.open();
  const { seen } = page.on("chat");
  await settle();
  world.server.up = true;
  world.server.opened[0].accept();
  await settle();
  await world.server.publish("chat", "a");
  assert.deepEqual(seen, ["a"]);
});

test("after a drop everything comes once, in order", async () => {
  const { world, server, page } = await connected();
  const chat = page.on("chat");
  const empty = page.on("empty");
  await settle();
  await server.publish("chat", "a");
  server.end();
  await server.publish("chat", "missed");
  await server.publish("empty", "first");
  await world.pass(250);
  await server.publish("chat", "b");
  assert.deepEqual(chat.seen, ["a", "missed", "b"]);
  assert.deepEqual(empty.seen, ["first"]);
});

test("a drop in the middle of the replay, or before the reply, loses nothing", async () => {
  for (const after of [0, 1, 2]) {
    const { world, server, page } = await connected();
    for (const word of ["a", "b", "c"]) await server.publish("chat", word);
    const { subscription, seen } = page.on("chat", { last: 3 });
    subscription.addEventListener("publication", () => seen.length === after && server.end());
    if (after === 0) server.mute.add("subscribe");
    await settle();
    if (after === 0) server.end();
    server.mute.clear();
    await world.pass(250);
    await server.publish("chat", "d");
    await settle();
    assert.deepEqual(seen, ["a", "b", "c", "d"], `after ${after}`);
  }
});

test("a publication that arrives twice is dispatched once", async () => {
  const { server, page } = await connected();
  const { seen } = page.on("chat");
  await settle();
  const publication = await server.publish("chat", "a");
  server.sockets[0].push("chat", { publication });
  await settle();
  assert.deepEqual(seen, ["a"]);
});

test("transient publications have no offset and are dispatched", async () => {
  const { server, page } = await connected();
  const { subscription, seen } = page.on("chat");
  await settle();
  await server.publish("chat", "a");
  await server.publish("chat", "typing", { transient: true });
  await server.publish("chat", "typing", { transient: true });
  assert.deepEqual(seen, ["a", "typing", "typing"]);
  assert.equal(subscription.position.offset, 3);
});

test("a gap has the range that is no longer kept", async () => {
  const { world, server, page } = await connected();
  server.keep = 2;
  const { seen } = page.on("chat");
  await settle();
  await server.publish("chat", "a"); // 3
  server.end(4408, "slow");
  for (const word of ["b", "c", "d", "e"]) await server.publish("chat", word); // 6, 9 are gone
  await world.pass(250);
  assert.deepEqual(seen, ["a", "gap 4-9", "d", "e"]);
});

test("a new history is a gap, and its retained publications arrive", async () => {
  const { world, server, page } = await connected();
  const { seen, subscription } = page.on("chat");
  await settle();
  await server.publish("chat", "old");
  server.restart("two");
  await server.publish("chat", "new");
  await world.pass(250);
  await server.publish("chat", "newer");
  assert.deepEqual(seen, ["old", "gap", "new", "newer"]);
  assert.deepEqual(subscription.position, { epoch: "two", offset: 6 });
});

test("without permission to read the history, missed publications are a gap", async () => {
  const { world, server, page } = await connected();
  const carryOut = server.carryOut.bind(server);
  server.carryOut = (socket, name, body) =>
    name === "history" || (name === "subscribe" && (body.since || body.last))
      ? { error: { code: "not_allowed", message: "" } }
      : carryOut(socket, name, body);
  const { seen } = page.on("chat");
  await settle();
  await server.publish("chat", "a"); // 3
  server.end();
  await world.pass(250);
  assert.deepEqual(seen, ["a"], "nothing was missed");
  server.end();
  await server.publish("chat", "b");
  await world.pass(500);
  await server.publish("chat", "c");
  assert.deepEqual(seen, ["a", "gap 4-6", "c"]);
  const later = page.on("chat", { since: "one:3" });
  const refused = page.on("chat", { last: 2 });
  await settle();
  await server.publish("chat", "d");
  assert.deepEqual(later.seen, ["gap 4-9", "d"]);
  assert.deepEqual(refused.seen, ["over not_allowed"]);
  server.restart("two");
  await world.pass(1_000);
  assert.deepEqual(seen, ["a", "gap 4-6", "c", "d", "gap"]);
});

test("deliver latest: of each key only what is newer", async () => {
  const { world, server, page } = await connected();
  for (const [key, data] of [["A", "A1"], ["B", "B1"], ["A", "A2"]]) await server.publish("quotes", data, { key });
  const { seen } = page.on("quotes", { deliver: "latest", maxHz: 5, last: 1 });
  await settle();
  assert.deepEqual(server.asked("subscribe"), [{ channel: "quotes", last: 1, deliver: "latest", max_hz: 5 }]);
  assert.deepEqual(seen, ["B1", "A2"]);
  server.end();
  await server.publish("quotes", "B2", { key: "B" });
  await world.pass(250); // the replay has A2 again
  assert.deepEqual(seen, ["B1", "A2", "B2"]);
  server.restart("two");
  await server.publish("quotes", "A3", { key: "A" }); // its offset is lower than that of A2
  await world.pass(500);
  assert.deepEqual(seen, ["B1", "A2", "B2", "A3"]);
});

test("of ever new keys only the latest are remembered", async () => {
  const { server, page } = await connected();
  const { seen } = page.on("orders", { deliver: "latest" });
  await settle();
  const first = await server.publish("orders", "first", { key: "first" });
  for (let i = 0; i < 10_000; i++) server.sockets[0].push("orders", { publication: { offset: 100 + i, kind: "text", data: "", key: `${i}` } });
  await settle();
  server.sockets[0].push("orders", { publication: first }); // forgotten
  server.sockets[0].push("orders", { publication: { offset: 101, kind: "text", data: "old", key: "1" } }); // not forgotten
  await settle();
  assert.equal(seen.length, 10_002);
  assert.equal(seen.at(-1), "first");
});

test("after unsubscribe nothing arrives, and the channel can be subscribed again at once", async () => {
  const { server, page } = await connected();
  const first = page.on("chat");
  await settle();
  await server.publish("chat", "a");
  first.subscription.unsubscribe();
  const second = page.on("chat");
  await settle();
  await server.publish("chat", "b");
  assert.deepEqual(first.seen, ["a", "over undefined"]);
  assert.deepEqual(second.seen, ["b"]);
  second.subscription.unsubscribe();
  await settle();
  await server.publish("chat", "c");
  assert.deepEqual(server.log.map(([name]) => name), ["connect", "subscribe", "unsubscribe", "subscribe", "unsubscribe"]);
  assert.deepEqual(second.seen, ["b", "over undefined"]);
});

test("subscribed and unsubscribed while connecting", async () => {
  const world = new World();
  world.server.up = false;
  const page = world.open();
  const { subscription } = page.on("chat");
  const kept = page.on("news");
  await settle();
  subscription.unsubscribe();
  await settle();
  world.server.opened[0].accept();
  await settle();
  await world.server.publish("news", "a");
  assert.deepEqual(kept.seen, ["a"]);
  assert.deepEqual(world.server.log.map(([name]) => name), ["connect", "subscribe"]);
});

test("a subscription that is refused is over; one that fails for now is tried again", async () => {
  const { world, server, page } = await connected();
  server.errors.set("subscribe", { code: "not_allowed", message: "not for you" });
  const refused = page.on("secret");
  await settle();
  assert.deepEqual(refused.seen, ["over not_allowed"]);
  assert.equal(refused.subscription.state, "ended");

  for (const error of [{ code: "unavailable" }, { code: "slow" }, { code: "not_found" }]) {
    server.errors.set("subscribe", { message: "", temporary: true, ...error });
    const { seen, subscription } = page.on(`chat ${error.code}`);
    const errors = [];
    subscription.addEventListener("error", ({ detail }) => errors.push(detail.code));
    await world.pass(250);
    await server.publish(`chat ${error.code}`, "a");
    assert.deepEqual(seen, ["a"]);
    assert.deepEqual(errors, [error.code]);
  }
});

test("the server ends a subscription: for good, or until there is a new token", async () => {
  const { world, server, page } = await connected();
  const end = (channel, code) => {
    server.sockets[0].subscribed.delete(channel);
    server.sockets[0].push(channel, { unsubscribed: { code, message: "" } });
  };
  const lost = page.on("a");
  let made = 0;
  let away = false;
  const token = async () => {
    if (away) throw new Error("away");
    return `t${++made}`;
  };
  const kept = page.on("b", { token });
  const errors = [];
  kept.subscription.addEventListener("error", ({ detail }) => errors.push(detail.code));
  await settle();
  end("a", "not_allowed");
  await server.publish("b", "one");
  end("b", "token_expired");
  await server.publish("b", "two");
  await settle();
  assert.deepEqual(server.asked("subscribe").map(({ token }) => token), [undefined, "t1", "t2"], "at once");
  await server.publish("b", "three");
  assert.deepEqual(lost.seen, ["over not_allowed"]);
  assert.deepEqual(kept.seen, ["one", "two", "three"]);
  assert.deepEqual(errors, [], "a renewed token is no error (issue 15 §14)");

  server.errors.set("subscribe", { code: "token_expired", message: "" }); // the new token is of no use
  end("b", "token_expired");
  await settle();
  assert.deepEqual([made, errors], [3, ["token_expired"]]);
  away = true;
  await world.pass(500);
  assert.deepEqual(errors, ["token_expired", "unavailable"]);
  away = false;
  await world.pass(2_000);
  await server.publish("b", "four");
  assert.equal(kept.seen.at(-1), "four");
});

test("presence: whole, then changes; what does not fit is asked for", async () => {
  const { server, page } = await connected();
  const here = (version, ...users) => ({ version, count: users.length, anonymous: 0, users: users.map((user) => ({ user, connections: 1 })) });
  server.presence.set("chat", here(1, "kim"));
  const { subscription, people } = page.on("chat", { presence: true });
  await settle();
  const push = (presence) => server.sockets[0].push("chat", { presence });
  push({ version: 2, prev: 1, joined: ["lee"], left: [], count: 2 });
  push({ version: 3, prev: 2, joined: ["ahn"], left: ["kim"], count: 2 });
  await settle();
  assert.deepEqual(people, ["kim", "kim lee +lee", "ahn lee +ahn -kim"]);
  assert.deepEqual(subscription.presence.users, ["ahn", "lee"]);

  server.presence.set("chat", here(7, "ahn", "oh"));
  push({ version: 6, prev: 5, joined: ["oh"], left: [], count: 3 });
  push({ version: 7, prev: 6, joined: [], left: ["lee"], count: 2 });
  await settle();
  assert.equal(people.at(-1), "ahn oh +oh -lee");
  assert.equal(server.asked("presence").length, 1);
  push({ version: 7, prev: 6, joined: [], left: ["lee"], count: 2 }); // late
  await settle();
  assert.equal(people.length, 4);

  push({ version: 8, prev: 7, count: 201 }); // too many to name
  await settle();
  assert.equal(people.at(-1), "201");
  server.presence.set("chat", here(9, "ahn", "oh", "yu"));
  push({ version: 9, prev: 8, joined: [], left: ["ko"], count: 3 });
  await settle();
  assert.equal(people.at(-1), "ahn oh yu");
});

test("presence: a whole list that cannot be had now is asked for again", async () => {
  const { world, server, page } = await connected();
  const here = (version, user) => ({ version, count: 1, anonymous: 0, users: [{ user, connections: 1 }] });
  server.presence.set("chat", here(1, "kim"));
  const { people } = page.on("chat", { presence: true });
  await settle();
  server.presence.set("chat", here(3, "oh"));
  server.errors.set("presence", { code: "unavailable", message: "", temporary: true });
  server.sockets[0].push("chat", { presence: { version: 3, prev: 2, joined: ["oh"], left: [], count: 1 } });
  await settle();
  assert.deepEqual(people, ["kim"]);
  await world.pass(500);
  assert.equal(people.at(-1), "oh +oh -kim");
  assert.equal(server.asked("presence").length, 2);
});

test("publishing: acks, keys, kinds", async () => {
  const { server, maru } = await connected();
  assert.deepEqual(await maru.publish("chat", "a"), { channel: "chat", epoch: "one", offset: 3 });
  await maru.publish("chat", { price: 1 }, { key: "K", event: "price", version: 4, idempotencyKey: "mine" });
  await maru.publish("chat", Uint8Array.of(0, 255), {});
  await maru.publish("chat", "now", { transient: true });
  const [a, b, c, d] = server.asked("publish");
  assert.match(a.idempotency_key, /^\w{10,}-\d+$/);
  assert.deepEqual(b, { channel: "chat", data: { price: 1 }, key: "K", event: "price", version: 4, idempotency_key: "mine" });
  assert.deepEqual([c.kind, c.data], ["binary", "AP8="]);
  assert.deepEqual(d, { channel: "chat", data: "now", transient: true });
  assert.notEqual(a.idempotency_key, c.idempotency_key);
  await assert.rejects(maru.publish("chat", "x".repeat(10_000)), { code: "too_large" });
  server.errors.set("publish", { code: "rate_limited", message: "slow down", temporary: true });
  await assert.rejects(maru.publish("chat", "x"), { code: "rate_limited", message: "slow down", temporary: true });
});

test("what was sent into a drop is sent again, and is there once", async () => {
  const { world, server, maru, page } = await connected();
  const { seen } = page.on("chat");
  await settle();
  server.mute.add("publish"); // carried out, but the ack is lost
  const acks = [maru.publish("chat", "one"), maru.publish("chat", "two")];
  await settle();
  server.end();
  server.mute.clear();
  acks.push(maru.publish("chat", "three")); // while there is no connection
  await world.pass(250);
  assert.deepEqual((await Promise.all(acks)).map(({ offset, replayed }) => [offset, replayed]), [[3, true], [6, true], [9, undefined]]);
  assert.deepEqual(seen, ["one", "two", "three"]);
});

test("waiting is bounded", async () => {
  const { world, server, maru } = await connected({ timeout: 5_000 });
  server.up = false;
  server.end();
  await settle();
  const late = assert.rejects(maru.publish("chat", "a"), { code: "timeout", temporary: true });
  const sooner = assert.rejects(maru.history("chat", { timeout: 1_000 }), { code: "timeout" });
  await world.pass(1_000);
  await sooner;
  await world.pass(4_000);
  await late;
  server.up = true;
  await world.pass(60_000);
  assert.deepEqual(server.asked("publish"), []); // not after all
  server.up = false;
  server.end();
  await settle();
  const many = Array.from({ length: 1_001 }, () => maru.publish("chat", "x").catch(({ code }) => code));
  await world.pass(0);
  assert.equal(await many[1_000], "slow");
  maru.close();
  assert.equal(await many[0], "disconnected");
});

test("what may not be done twice is not", async () => {
  const { world, server, maru } = await connected();
  server.mute.add("rpc");
  const lost = assert.rejects(maru.rpc("move", 1), { code: "disconnected" });
  await settle();
  server.end();
  await lost;
  await assert.rejects(maru.publish("chat", "typing", { transient: true }), { code: "disconnected" });
  server.mute.clear();
  const waits = maru.rpc("move", { to: 2 }); // not sent yet
  await world.pass(250);
  assert.deepEqual(await waits, { to: 2 });
  assert.deepEqual(server.asked("rpc").length, 2);
});

test("what the connection was closed for is not sent again", async () => {
  const { world, server, maru, page } = await connected();
  page.on("chat");
  await settle();
  server.mute.add("publish").add("history");
  const refused = assert.rejects(maru.publish("chat", "a"), { code: "too_large" });
  const later = page.on("chat", { since: "one:0" });
  await settle();
  server.end(1009, "too_large");
  await refused;
  server.mute.clear();
  await world.pass(250);
  assert.equal(maru.state, "open");
  assert.equal(server.asked("publish").length, 1);
  await server.publish("chat", "b");
  await settle();
  assert.deepEqual(later.seen, ["a", "b"]); // a subscription on its way goes on
});

test("history and presence on demand", async () => {
  const { server, maru } = await connected();
  await server.publish("chat", "a");
  await server.publish("chat", "AP8=", { kind: "binary" });
  const { epoch, offset, publications } = await maru.history("chat", { since: { epoch: "one", offset: 0 } });
  assert.deepEqual([epoch, offset, publications[0].data], ["one", 6, "a"]);
  assert.deepEqual(publications[1].data, Uint8Array.of(0, 255));
  const older = await maru.history("chat", { before: { epoch, offset: publications[1].offset }, limit: 1 });
  assert.deepEqual(older.publications.map(({ data }) => data), ["a"]);
  server.presence.set("chat", { version: 1, count: 0, anonymous: 2, users: [] });
  assert.equal((await maru.presence("chat")).anonymous, 2);
});

test("a loop over a subscription gets publications and gaps, and ends with it", async () => {
  const { world, server, maru } = await connected();
  server.keep = 1;
  const chat = maru.subscribe("chat", { last: 1 });
  const got = [];
  const loop = (async () => {
    for await (const { gap, data } of chat) got.push(gap?.reason ?? data);
  })();
  await settle();
  await server.publish("chat", "a");
  await server.publish("chat", "b");
  await settle();
  server.end();
  await server.publish("chat", "c");
  await server.publish("chat", "d");
  await world.pass(250);
  assert.deepEqual(got, ["a", "b", "expired", "d"]);
  await server.publish("chat", "e");
  chat.unsubscribe();
  await loop;
  assert.deepEqual(got, ["a", "b", "expired", "d", "e"]);

  const refused = maru.subscribe("other");
  const broken = assert.rejects(refused[Symbol.asyncIterator]().next(), { code: "not_allowed" });
  await settle();
  server.sockets[0].push("other", { unsubscribed: { code: "not_allowed" } });
  await broken;
});

test("two subscriptions to one channel in one page, each with its own past", async () => {
  const { world, server, page } = await connected();
  for (const word of ["a", "b", "c"]) await server.publish("chat", word);
  const one = page.on("chat", { last: 1 });
  const two = page.on("chat", { last: 2 });
  const three = page.on("chat", { since: "one:0" });
  const four = page.on("chat");
  await settle();
  await server.publish("chat", "d");
  assert.deepEqual(one.seen, ["c", "d"]);
  assert.deepEqual(two.seen, ["b", "c", "d"]);
  assert.deepEqual(three.seen, ["a", "b", "c", "d"]);
  assert.deepEqual(four.seen, ["d"]);
  assert.equal(server.asked("subscribe").length, 1);
  server.end();
  await server.publish("chat", "e");
  await world.pass(250);
  for (const { seen } of [one, two, three, four]) assert.deepEqual(seen.slice(-2), ["d", "e"]);
  for (const { subscription } of [one, two, three]) subscription.unsubscribe();
  await settle();
  assert.equal(server.asked("unsubscribe").length, 0);
  four.subscription.unsubscribe();
  await settle();
  assert.equal(server.asked("unsubscribe").length, 1);
});

test("coming later while others publish: no hole, no double", async () => {
  const { world, server, page } = await connected();
  const first = page.on("chat");
  await settle();
  await server.publish("chat", "a");
  server.mute.add("history");
  const later = page.on("chat", { since: "one:0" });
  await settle();
  await server.publish("chat", "b");
  await server.publish("chat", "typing", { transient: true });
  server.end(); // its history is lost
  server.mute.clear();
  await server.publish("chat", "c");
  await world.pass(250);
  await server.publish("chat", "d");
  await settle();
  assert.deepEqual(first.seen, ["a", "b", "typing", "c", "d"]);
  assert.deepEqual(later.seen, ["a", "b", "c", "d"]);

  for (let i = 0; i < 2_500; i++) server.put("long", i);
  page.on("long");
  await settle();
  const all = page.on("long", { since: "one:0" });
  await settle();
  await server.publish("long", "end");
  await settle();
  assert.equal(all.seen.length, 2_501);
  assert.ok(all.seen.slice(0, 2_500).every((n, i) => n === i));
});

test("closed and connected again by hand: everything comes", async () => {
  const { world, server, page } = await connected();
  const { seen } = page.on("chat");
  await settle();
  await server.publish("chat", "a");
  page.maru.close();
  await server.publish("chat", "b");
  await world.pass(1_000);
  page.maru.connect();
  await settle();
  await server.publish("chat", "c");
  assert.deepEqual(seen, ["a", "b", "c"]);
});

test("a page that the browser keeps aside leaves, and goes on when it is back", async () => {
  const { world, server, page } = await connected();
  page.events.dispatchEvent(new Event("pageshow")); // when it was loaded
  const { seen } = page.on("chat");
  await settle();
  assert.equal(server.opened.length, 1);
  await server.publish("chat", "a");
  page.events.dispatchEvent(new Event("pagehide"));
  await settle();
  assert.equal(server.sockets.length, 0);
  await server.publish("chat", "b");
  page.events.dispatchEvent(new Event("pageshow"));
  await world.pass(0);
  assert.deepEqual(seen, ["a", "b"]);
});

test("subscriptions to a channel with other options do not change each other", async () => {
  const { server, page } = await connected();
  for (const [key, data] of [["A", "A1"], ["A", "A2"]]) await server.publish("quotes", data, { key });
  const all = page.on("quotes", { last: 9 });
  const latest = page.on("quotes", { deliver: "latest", last: 1 });
  await settle();
  await server.publish("quotes", "A3", { key: "A" });
  assert.deepEqual(all.seen, ["A1", "A2", "A3"]);
  assert.deepEqual(latest.seen, ["A2", "A3"]);
  assert.equal(server.sockets.length, 2);
  latest.subscription.unsubscribe();
  await settle();
  assert.equal(server.sockets.length, 1);
});

// Issue 15 §14: the limit is known when the connection is open, and may be another one each time.
test("more channels than one connection takes, whenever they are subscribed", async () => {
  const names = Array.from({ length: 300 }, (_, i) => `c${i}`);
  const sockets = (server) => server.sockets.map(({ subscribed }) => subscribed.size).sort((a, b) => b - a);
  for (const when of ["before the connection is open", "afterwards"]) {
    const world = new World();
    const { server } = world;
    const page = world.open();
    if (when === "afterwards") await settle();
    const channels = names.map((name) => page.on(name));
    await settle();
    assert.deepEqual(sockets(server), [128, 128, 44], when);
    for (const name of names) server.put(name, "a");
    await settle();
    server.welcome.max_channels = 200;
    server.end();
    for (const name of names) server.put(name, "missed");
    await world.pass(250);
    assert.ok(sockets(server).every((n) => n <= 200));
    server.welcome.max_channels = 50;
    server.end();
    await world.pass(500);
    assert.deepEqual(sockets(server), [50, 50, 50, 50, 50, 50], when);
    for (const name of names) server.put(name, "b");
    await settle();
    for (const { seen } of channels) assert.deepEqual(seen, ["a", "missed", "b"], when);
    for (const { subscription } of channels.slice(1)) subscription.unsubscribe();
    await settle();
    assert.ok(server.sockets.length <= 2, "connections without channels are closed");
    page.maru.close();
    await settle();
    assert.equal(server.sockets.length, 0);
  }
});

test("moving to another connection keeps what each listener asked for", async () => {
  const world = new World();
  const { server } = world;
  server.welcome.max_channels = 1;
  for (const word of ["a", "b", "c"]) server.put("chat", word);
  const page = world.open();
  page.on("first");
  const [one, two] = [page.on("chat", { last: 1 }), page.on("chat", { last: 2 })];
  const other = page.on("chat", { deliver: "latest" });
  two.subscription.unsubscribe();
  const three = page.on("chat", { since: "one:0" });
  await settle();
  await server.publish("chat", "d");
  assert.deepEqual([one.seen, two.seen, three.seen, other.seen], [["c", "d"], ["over undefined"], ["a", "b", "c", "d"], ["d"]]);
  assert.equal(server.sockets.length, 3);
});

// Issue 15 §5: "not now" is never "never".
test("a later listener whose past cannot be had now gets it afterwards", async () => {
  const { world, server, page } = await connected();
  await server.publish("chat", "a");
  page.on("chat");
  await settle();
  server.errors.set("history", { code: "unavailable", message: "", temporary: true });
  const { subscription, seen } = page.on("chat", { last: 5 });
  const errors = [];
  subscription.addEventListener("error", ({ detail }) => errors.push(detail.code));
  await settle();
  await server.publish("chat", "b");
  await world.pass(250);
  await server.publish("chat", "c");
  assert.deepEqual([seen, errors], [["a", "b", "c"], ["unavailable"]]);
});

// Issue 15 §14: delivery begins with the first listener.
test("a listener that comes late gets what came before", async () => {
  const late = async (options, word) => {
    const { world, server, maru } = await connected();
    for (const data of ["1", "2", "3"]) await server.publish("chat", data);
    const subscription = maru.subscribe("chat", options);
    await settle();
    await server.publish("chat", "4");
    if (word) await word(world, server);
    const { seen } = watch(subscription);
    await settle();
    const second = watch(subscription);
    await server.publish("chat", "5");
    assert.deepEqual(second.seen, ["5"], "only the first one");
    return { seen, server };
  };
  const drop = async (world, server) => {
    server.end();
    await world.pass(250);
  };
  const lose = async (world, server) => {
    server.keep = 1;
    await server.publish("chat", "4b");
  };
  for (const [options, word, want] of [
    [{}, undefined, "4 5"],
    [{ last: 2 }, undefined, "2 3 4 5"],
    [{ since: "one:3" }, undefined, "2 3 4 5"],
    [{ last: 2 }, drop, "2 3 4 5"],
    [{ last: 2 }, lose, "gap 6-12 4b 5"],
    [{ since: "two:3" }, undefined, "gap 1 2 3 4 5"],
  ]) {
    const { seen } = await late(options, word);
    assert.equal(seen.join(" "), want, JSON.stringify([options, word?.name]));
  }
  const { server, maru } = await connected();
  const quiet = maru.subscribe("chat", { presence: true });
  await settle();
  watch(quiet);
  await settle();
  assert.equal(server.asked("history").length, 0, "nothing was missed");
});

test("leaving a loop ends the subscription, however it is left", async () => {
  for (const leave of ["break", "throw", "return"]) {
    const { server, maru } = await connected();
    const chat = maru.subscribe("chat", { last: 2 });
    await server.publish("chat", "a");
    await server.publish("chat", "b");
    const got = [];
    const loop = async () => {
      for await (const { data } of chat) {
        got.push(data);
        if (leave === "break") break;
        if (leave === "throw") throw new Error("left");
        return;
      }
    };
    await loop().catch(({ message }) => assert.equal(message, "left"));
    await settle();
    assert.deepEqual([got, chat.state], [["a"], "ended"], leave);
    assert.deepEqual(server.asked("unsubscribe"), [{ channel: "chat" }]);
    for await (const item of chat) assert.fail(`${item.data} of an ended subscription`);
  }
});

test("a loop that is too slow fails, and its subscription ends", async () => {
  const { server, maru } = await connected();
  const chat = maru.subscribe("chat");
  const got = [];
  const loop = (async () => {
    for await (const { data } of chat) {
      got.push(data);
      if (got.length === 1) for (let i = 1; i <= 10_001; i++) server.put("chat", i);
      await settle();
    }
  })();
  const failed = assert.rejects(loop, { code: "slow" });
  await settle();
  server.put("chat", 0);
  await failed;
  assert.equal(got.length, 10_001);
  assert.equal(chat.state, "ended");
});

// Issue 14 §14: what is sent is what the program has said, so that the server can refuse it.
test("half a surrogate pair reaches the server, and its error the caller", async () => {
  const { server, maru, page } = await connected();
  for (const half of ["k\ud800", "\udc00k", "\ud83d\ud83d\ude00"]) {
    for (const [name, call, body] of [
      ["publish", () => maru.publish(half, "x", { idempotencyKey: "1" }), { channel: half, data: "x", idempotency_key: "1" }],
      ["publish", () => maru.publish("chat", half, { idempotencyKey: half, key: half }), { channel: "chat", data: half, key: half, idempotency_key: half }],
      ["history", () => maru.history(half), { channel: half }],
      ["presence", () => maru.presence(half), { channel: half }],
      ["rpc", () => maru.rpc(half, half), { method: half, data: half }],
    ]) {
      server.errors.set(name, { code: "bad_request", message: "half a surrogate pair" });
      await assert.rejects(call(), { name: "MaruError", code: "bad_request", temporary: false });
      assert.deepEqual(server.asked(name).at(-1), body);
    }
    server.errors.set("subscribe", { code: "bad_channel", message: "half a surrogate pair" });
    const { subscription } = page.on(half);
    const ended = new Promise((resolve) => subscription.addEventListener("unsubscribed", ({ detail }) => resolve(detail.code)));
    assert.equal(await ended, "bad_channel");
  }
});
