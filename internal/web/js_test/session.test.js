import assert from "node:assert/strict";
import { test } from "node:test";
import { Session } from "../assets/session.js";
import { answer } from "./fake.js";

/** A server with one session at most, and a browser's store. */
function setup({ user = "", taken = [], remembered = "" } = {}) {
  const server = { user, taken, requests: [], down: false };
  const store = new Map(remembered ? [["maru.signed-in", remembered]] : []);
  const session = new Session(
    async (url, { method, body }) => {
      server.requests.push(method);
      if (server.down) return answer(503, { error: { code: "shutting_down", message: "come back" } });
      if (method === "GET") return server.user ? answer(200, { user: server.user }) : answer(404, {});
      if (method === "DELETE") return (server.user = ""), answer(204);
      const { nickname } = JSON.parse(body);
      if (server.taken.includes(nickname)) {
        server.onTaken?.();
        return answer(409, { error: { code: "taken", message: "held by somebody" } });
      }
      server.user = nickname.trim();
      return answer(201, { user: server.user });
    },
    {
      getItem: (key) => store.get(key) ?? null,
      setItem: (key, value) => store.set(key, value),
      removeItem: (key) => store.delete(key),
    },
  );
  return { server, store, session };
}

test("a known person is known again", async () => {
  const { session, server } = setup({ user: "kim" });
  assert.equal(await session.resume(), "");
  assert.equal(session.user, "kim");
  assert.deepEqual(server.requests, ["GET"]);
});

test("an anonymous person stays anonymous", async () => {
  const { session, server } = setup();
  assert.equal(await session.resume(), "");
  assert.equal(session.user, "");
  assert.deepEqual(server.requests, ["GET"]);
});

test("after a restart of the server the person signs in again unasked", async () => {
  const { session, server } = setup();
  await session.signIn("kim");
  server.user = "";
  assert.equal(await session.resume(), "");
  assert.equal(session.user, "kim");
});

test("taken meanwhile: reported once, then anonymous", async () => {
  const { session, store } = setup({ remembered: "kim", taken: ["kim"] });
  assert.equal(await session.resume(), "kim");
  assert.equal(session.user, "");
  assert.equal(store.size, 0);
  assert.equal(await session.resume(), "");
});

test("taken by another tab of the same browser is no loss", async () => {
  const { session, server, store } = setup({ remembered: "kim", taken: ["kim"] });
  server.onTaken = () => (server.user = "kim");
  assert.equal(await session.resume(), "");
  assert.equal(session.user, "kim");
  assert.equal(store.size, 1);
});

test("signing in answers what is wrong", async () => {
  const { session } = setup({ taken: ["kim"] });
  assert.deepEqual(await session.signIn("kim"), { ok: false, code: "taken", reason: "held by somebody" });
  assert.equal(session.user, "");
  assert.deepEqual(await session.signIn(" lee "), { ok: true });
  assert.equal(session.user, "lee");
});

test("a server that is away forgets nobody", async () => {
  const { session, server, store } = setup({ remembered: "kim" });
  server.down = true;
  await assert.rejects(session.resume());
  await assert.rejects(session.signIn("kim"));
  assert.equal(store.size, 1);
});

test("signed out is not signed in again", async () => {
  const { session, store } = setup();
  await session.signIn("kim");
  await session.signOut();
  assert.equal(session.user, "");
  assert.equal(store.size, 0);
  assert.equal(await session.resume(), "");
  assert.equal(session.user, "");
});
