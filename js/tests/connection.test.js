import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff, comeBack } from "../codes.js";
import { Maru } from "../maru.js";
import { World, jwt, settle } from "./fake.js";

test("the delay grows to 20 s and is anything below that", () => {
  const highest = [0, 1, 2, 3, 4, 5, 6, 100].map((attempt) => backoff(attempt, () => 1));
  assert.deepEqual(highest, [500, 1000, 2000, 4000, 8000, 16000, 20000, 20000]);
  assert.equal(backoff(100, () => 0), 0);
  assert.equal(backoff(2, () => 0.25), 500);
});

test("close codes say whether to come back", () => {
  for (const code of [1000, 1001, 1005, 1006, 1007, 1009, 1011, 1013, 4000, 4205, 4401, 4408, 4429, 4499]) assert.ok(comeBack(code), code);
  for (const code of [1008, 4500, 4501, 4503, 4999]) assert.ok(!comeBack(code), code);
});

test("it connects, and says who one is", async () => {
  const world = new World();
  world.server.welcome.user = "kim";
  const { maru, states } = world.open();
  await settle();
  assert.deepEqual(states, ["connecting", "open"]);
  assert.equal(maru.user, "kim");
  assert.equal(world.server.opened[0].url, "ws://host/");
});

test("its secret stays the same over its connections, and another client has another", async () => {
  const world = new World();
  world.open();
  await settle();
  world.server.end();
  await world.pass(1_000);
  await settle();
  world.open();
  await settle();
  const secrets = world.server.log.filter(([name]) => name === "connect").map(([, body]) => body.secret);
  assert.equal(secrets.length, 3);
  assert.match(secrets[0], /^[0-9a-z]{16,32}$/);
  assert.equal(secrets[1], secrets[0]);
  assert.notEqual(secrets[2], secrets[0]);
});

test("each failure waits longer, and a steady connection forgets them", async () => {
  const world = new World();
  const { maru } = world.open();
  await settle();
  await world.pass(6_000);
  world.server.up = false;
  world.server.end();
  for (const delay of [250, 500, 1000, 2000]) {
    await settle();
    assert.equal(maru.state, "waiting");
    const before = world.server.opened.length;
    await world.pass(delay - 1);
    assert.equal(world.server.opened.length, before, `not before ${delay} ms`);
    await world.pass(1);
    assert.equal(world.server.opened.length, before + 1);
    world.server.opened.at(-1).end();
  }
  world.server.up = true;
  await world.pass(4_000);
  assert.equal(maru.state, "open");
  await world.pass(5_000);
  world.server.end();
  await world.pass(250);
  assert.equal(maru.state, "open");
});

test("a server that accepts and hangs up does not reset the delay", async () => {
  const world = new World();
  const { maru } = world.open();
  await settle();
  for (const delay of [250, 500, 1000]) {
    assert.equal(maru.state, "open");
    world.server.end();
    await world.pass(delay - 1);
    assert.equal(maru.state, "waiting");
    await world.pass(1);
  }
});

test("a handshake or a connect without an answer is given up", async () => {
  for (const part of ["handshake", "connect"]) {
    const world = new World();
    if (part === "handshake") world.server.up = false;
    else world.server.mute.add("connect");
    const { maru } = world.open();
    await world.pass(14_999);
    assert.equal(maru.state, "connecting");
    await world.pass(1);
    assert.equal(maru.state, "waiting");
    assert.ok(world.server.opened[0].closed);
  }
});

test("later is later", async () => {
  const world = new World();
  const { maru } = world.open();
  await settle();
  world.server.end(1013, "overloaded");
  await world.pass(1_999);
  assert.equal(maru.state, "waiting");
  assert.equal(maru.error.code, "overloaded");
  await world.pass(1);
  assert.equal(maru.state, "open");
});

test("the server says when to come back, and nothing is earlier", async () => {
  const world = new World();
  const tab = world.open();
  await settle();
  world.server.sockets[0].deliver({ reconnect: { after: 7_000 } });
  world.server.end(1001, "shutting_down");
  await world.pass(3_000);
  tab.events.dispatchEvent(new Event("online"));
  await world.pass(3_999);
  assert.equal(world.server.opened.length, 1);
  await world.pass(1);
  assert.equal(tab.maru.state, "open");
});

test("refused for good: it stops, says why, and begins again only by hand", async () => {
  for (const [code, reason, word] of [[1008, "not_allowed", "not_allowed"], [4503, "revoked", "revoked"], [4500, "", "4500"], [4501, "bad_token", "bad_token"]]) {
    const world = new World();
    const tab = world.open();
    await settle();
    world.server.end(code, reason);
    await world.pass(60_000);
    assert.equal(tab.states.at(-1), `closed ${word}`);
    await assert.rejects(tab.maru.publish("a", "x"), { code: word });
    tab.events.dispatchEvent(new Event("online"));
    await settle();
    assert.equal(world.server.opened.length, 1);
    tab.maru.connect();
    await settle();
    assert.equal(tab.maru.state, "open");
  }
});

test("a server that does not speak maru.v1 gets no command, and may be replaced by one that does", async () => {
  const world = new World();
  world.server.subprotocol = "";
  const { maru } = world.open();
  await settle();
  assert.equal(maru.state, "waiting");
  assert.equal(maru.error.code, "bad_request");
  assert.match(maru.error.message, /ws:\/\/host\/ does not speak maru\.v1/);
  assert.deepEqual(world.server.log, []);
  world.server.subprotocol = "maru.v1";
  await world.pass(250);
  assert.equal(maru.state, "open");
});

test("silence is met with a ping, and a ping without an answer with a new connection", async () => {
  const world = new World();
  const { maru } = world.open();
  await settle();
  await world.pass(30_000);
  assert.equal(world.server.asked("ping").length, 1);
  assert.equal(maru.state, "open");
  world.server.mute.add("ping");
  await world.pass(39_000);
  assert.equal(maru.state, "open");
  assert.equal(world.server.opened.length, 2);
});

test("after sleep it asks at once, and does not wait long", async () => {
  const world = new World();
  const { maru } = world.open();
  await settle();
  await world.pass(6_000);
  world.server.mute.add("ping"); // a dead connection that nobody has closed
  await world.sleep(3_600_000);
  await world.pass(5_000);
  assert.equal(world.server.asked("ping").length, 1);
  assert.equal(maru.state, "open");
  await world.pass(4_250);
  assert.equal(world.server.opened.length, 2);
  assert.equal(maru.state, "open");
});

test("a person who comes back, or a network that does, is a reason to look at once", async () => {
  for (const event of ["online", "offline", "visibilitychange"]) {
    const world = new World();
    const tab = world.open();
    await settle();
    tab.events.dispatchEvent(new Event(event));
    await settle();
    assert.equal(world.server.asked("ping").length, 1, event);
    world.server.mute.add("ping");
    tab.events.dispatchEvent(new Event(event));
    await world.pass(4_000);
    assert.equal(tab.maru.state, "waiting", event);
    tab.events.dispatchEvent(new Event(event));
    await settle();
    assert.equal(tab.maru.state, "open", event);
  }
});

test("without a network it seldom tries, and at once when there is one", async () => {
  const world = new World();
  const tab = world.open();
  await settle();
  world.online = false;
  world.server.up = false;
  world.server.end();
  await world.pass(19_999);
  assert.equal(world.server.opened.length, 1);
  world.online = world.server.up = true;
  tab.events.dispatchEvent(new Event("online"));
  await settle();
  assert.equal(tab.maru.state, "open");
});

test("closed by hand stays closed, and releases everything", async () => {
  const world = new World();
  const tab = world.open();
  await settle();
  const waiting = assert.rejects(tab.maru.rpc("never"), { code: "disconnected" });
  world.server.mute.add("rpc");
  tab.maru.close();
  await waiting;
  assert.equal(tab.maru.state, "closed");
  await settle();
  assert.ok(world.server.opened[0].closed);
  assert.equal(world.timers.size, 0);
  tab.events.dispatchEvent(new Event("online"));
  await world.pass(60_000);
  assert.equal(world.server.opened.length, 1);
  await assert.rejects(tab.maru.history("a"), { code: "disconnected" });
});

test("each attempt is prepared, and fails with its preparation", async () => {
  const world = new World();
  let prepared = 0;
  const { maru } = world.open({
    prepare: async () => {
      if (++prepared === 1) throw new Error("no session service");
    },
  });
  await settle();
  assert.equal(maru.state, "waiting");
  assert.equal(world.server.opened.length, 0);
  await world.pass(250);
  assert.equal(maru.state, "open");
  assert.equal(prepared, 2);
});

test("a token is kept over reconnects, refreshed in time, and replaced when it has expired", async () => {
  const world = new World();
  let made = 0;
  const expires = (seconds) => new Date(world.time + seconds * 1000).toISOString();
  world.server.welcome.expires = expires(120);
  const { maru } = world.open({ token: async () => `token ${++made}` });
  await settle();
  assert.equal(maru.user, "token 1");
  world.server.end();
  await world.pass(250);
  assert.equal(world.server.asked("connect").at(-1).token, "token 1");

  world.server.refreshed = { expires: expires(600) };
  await world.pass(90_000);
  assert.deepEqual(world.server.asked("refresh"), [{ token: "token 2" }]);
  delete world.server.welcome.expires;
  world.server.end(4401, "token_expired");
  await world.pass(250);
  assert.equal(maru.state, "open");
  assert.equal(world.server.asked("connect").at(-1).token, "token 3");
});

test("a refresh that fails is tried again", async () => {
  const world = new World();
  let made = 0;
  world.server.welcome.expires = new Date(world.time + 120_000).toISOString();
  const { maru } = world.open({
    token: async () => {
      if (++made === 2) throw new Error("away");
      return `token ${made}`;
    },
  });
  const errors = [];
  maru.addEventListener("error", ({ detail }) => errors.push(detail.message));
  await world.pass(119_000);
  assert.deepEqual(errors, ["away"]);
  assert.deepEqual(world.server.asked("refresh"), [{ token: "token 3" }]);
});

test("an invalid token is replaced once", async () => {
  const world = new World();
  let made = 0;
  const { maru } = world.open({ token: () => `token ${++made}` });
  await settle();
  world.server.end(4501, "bad_token"); // its key is gone
  await world.pass(250);
  assert.equal(maru.state, "open");
  world.server.connect = (socket) => (socket.end(4501, "bad_token"), {});
  world.server.end();
  await world.pass(60_000);
  assert.equal(maru.state, "closed");
  assert.equal(maru.error.code, "bad_token");
  assert.equal(made, 3);
});

test("a client whose rights have changed comes back with a new token", async () => {
  for (const token of [true, false]) {
    const world = new World();
    let made = 0;
    const { maru } = world.open(token ? { token: () => `token ${++made}` } : {});
    await settle();
    world.server.end(4205, "reconnect");
    await world.pass(500);
    assert.equal(maru.state, "open");
    assert.equal(world.server.asked("connect").length, 2);
    assert.equal(world.server.asked("connect").at(-1).token, token ? "token 2" : undefined);
  }
});

test("a token that cannot be had yet is asked for again", async () => {
  const world = new World();
  let asked = 0;
  const tab = world.open({
    token: async () => {
      if (++asked < 3) throw new Error("away");
      return jwt({ sub: "kim" });
    },
  });
  await settle();
  assert.equal(tab.maru.state, "waiting");
  assert.equal(tab.maru.error.message, "away");
  await world.pass(749);
  assert.equal(tab.maru.state, "waiting");
  await world.pass(1);
  assert.equal(tab.maru.user, "kim");
});

test("where no WebSocket can be opened the client is closed, and says why", async () => {
  const world = new World();
  const env = { ...world.tabEnv(), open: () => { throw new Error("not supported here"); } };
  const maru = new Maru("http://host/", { share: false }, env);
  await settle();
  assert.equal(maru.state, "closed");
  assert.equal(maru.error.code, "bad_request");
  assert.match(maru.error.message, /ws:\/\/host\/: Error: not supported here/);
  await assert.rejects(maru.publish("chat", "a"), { code: "bad_request" });
  env.open = world.env().open;
  maru.connect();
  await settle();
  assert.equal(maru.state, "open");
});
