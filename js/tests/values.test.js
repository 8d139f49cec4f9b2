import assert from "node:assert/strict";
import { test } from "node:test";
import { World, settle } from "./fake.js";

const cycle = {};
cycle.me = cycle;

/** Values that JSON cannot carry (issue 15 §14). */
const values = {
  BigInt: 1n,
  "BigInt within": { deep: [{ id: 10n }] },
  cycle,
  "toJSON that throws": {
    toJSON() {
      throw new TypeError("no");
    },
  },
  "toJSON without a result": { toJSON() {} },
  function: () => 1,
  symbol: Symbol("x"),
};

/** JSON.stringify leaves it out of an object. */
function leavesNoTrace(value) {
  try {
    return JSON.stringify(value) === undefined;
  } catch {
    return false;
  }
}

/** Collects the errors that no program could catch: they end a Node.js process. */
function uncaught(t) {
  const seen = [];
  const on = (error) => seen.push(error);
  for (const type of ["uncaughtException", "unhandledRejection"]) {
    process.on(type, on);
    t.after(() => process.off(type, on));
  }
  return seen;
}

test("a value that JSON cannot carry is an error of that call, and of nothing else", async (t) => {
  const seen = uncaught(t);
  for (const [name, value] of Object.entries({ ...values, undefined })) {
    for (const when of ["open", "connecting", "closed"]) {
      for (const kind of ["alone", "shared"]) {
        const world = new World();
        const { maru } = kind === "alone" ? world.open() : world.tab();
        if (when === "open") await settle();
        if (when === "closed") maru.close();
        const errors = [];
        const calls = [maru.publish("chat", value), maru.publish("chat", value, { transient: true })];
        if (value !== undefined) calls.push(maru.rpc("move", value));
        if (!leavesNoTrace(value)) calls.push(maru.history("chat", { limit: value }), maru.publish("chat", 1, { key: value }));
        for (const call of calls) call.catch((error) => errors.push(error));
        for (let i = 0; i < 3; i++) await null; // at once
        assert.equal(errors.length, calls.length, `${name}, ${when}`);
        assert.ok(errors.every((error) => error instanceof TypeError), `${name}, ${when}: ${errors}`);
        if (when === "closed") continue;
        assert.equal((await maru.publish("chat", "good")).channel, "chat", `${name}, ${when}`);
        world.server.end();
        await world.pass(40_000);
        assert.equal((await maru.publish("chat", "still good")).channel, "chat");
        assert.deepEqual(world.server.log.filter(([command, { data }]) => command === "publish" && data === undefined), []);
        maru.close();
        await settle();
      }
    }
  }
  assert.deepEqual(seen, []);
});

test("so it is with a subscription and with tokens", async (t) => {
  const seen = uncaught(t);
  for (const kind of ["alone", "shared"]) {
    for (const [name, value] of Object.entries(values)) {
      const world = new World();
      const page = kind === "alone" ? world.open() : world.tab();
      for (const options of [{ maxHz: value }, { since: value }, { token: value }]) {
        try {
          page.maru.subscribe("poison", options);
        } catch (error) {
          assert.ok(error instanceof TypeError, `${name}: ${error}`);
        }
      }
      try {
        page.maru.subscribe(value);
      } catch (error) {
        assert.ok(error instanceof TypeError, `${name}: ${error}`);
      }
      page.on("token", { token: async () => value });
      const { seen: good } = page.on("good");
      await settle();
      await world.server.publish("good", "a");
      await settle();
      assert.deepEqual(good, ["a"], name);
      page.maru.close();

      const other = new World();
      const { maru } = (kind === "alone" ? other.open : other.tab).call(other, { token: async () => value });
      await other.pass(30_000);
      assert.ok(maru.state === "open" || (maru.state === "waiting" && maru.error), `${name}: ${maru.state}`);
      maru.close();
    }
  }
  await settle();
  assert.deepEqual(seen, []);
});

test("functions of the program that fail with anything are tried again", async (t) => {
  const seen = uncaught(t);
  for (const reason of [undefined, null, "away", 7, { code: "ENOTFOUND", message: "away" }, new Error("away")]) {
    for (const what of ["token", "prepare"]) {
      const world = new World();
      let fails = true;
      const { maru } = world.open({ [what]: () => (fails ? Promise.reject(reason) : undefined) });
      const asked = world.open();
      const { seen: good } = asked.on("chat", { token: () => (fails ? Promise.reject(reason) : "t") });
      await world.pass(5_000);
      assert.deepEqual([maru.state, good], ["waiting", []]);
      assert.ok(maru.error.message);
      fails = false;
      await world.pass(20_000);
      await world.server.publish("chat", "a");
      assert.deepEqual([maru.state, good], ["open", ["a"]]);
    }
  }
  assert.deepEqual(seen, []);
});

test("what is sent is what the value was when the program called", async () => {
  const world = new World();
  world.server.up = false;
  const { maru } = world.open();
  const move = { to: 1 };
  const done = maru.publish("chat", move);
  move.to = 2;
  await settle();
  world.server.opened[0].accept();
  await done;
  assert.deepEqual(world.server.asked("publish")[0].data, { to: 1 });
});

test("typed arrays, views and buffers are bytes", async () => {
  const world = new World();
  const { maru } = world.open();
  const buffer = Uint8Array.of(9, 0, 255, 1, 2, 9).buffer;
  for (const [data, want] of [
    [Uint8Array.of(0, 255), "AP8="],
    [new Uint8Array(buffer, 1, 2), "AP8="],
    [new DataView(buffer, 1, 3), "AP8B"],
    [new Uint16Array(buffer, 2, 1), "/wE="],
    [new Uint8ClampedArray([300]), "/w=="],
    [new Float64Array(1), "AAAAAAAAAAA="],
    [new BigInt64Array([-1n]), "//////////8="],
    [buffer, "CQD/AQIJ"],
    [Buffer.from("hi"), "aGk="],
    [new Uint8Array(0), ""],
    [new Uint8Array(100_000).subarray(0, 1), "AA=="],
  ]) {
    await maru.publish("chat", data, { kind: "json" });
    const { data: sent, kind } = world.server.asked("publish").at(-1);
    assert.deepEqual([kind, sent], ["binary", want], data.constructor.name);
  }
});

test("where the WebSocket class is missing, no class, or throws, the client is closed and says so", async (t) => {
  const seen = uncaught(t);
  class Forbidden {
    constructor() {
      throw new DOMException("insecure", "SecurityError");
    }
  }
  for (const [WebSocket, options] of [[undefined, {}], [Forbidden, {}], [{}, {}], [Forbidden, { token: async () => "t" }], [Forbidden, { prepare: async () => {} }]]) {
    const world = new World();
    const env = world.tabEnv();
    if (!WebSocket) env.open = () => { throw "there is none"; };
    const { Maru } = await import("../maru.js");
    const maru = new Maru("http://host/", { share: false, WebSocket, ...options }, env);
    const waits = maru.publish("chat", "x").catch(({ code }) => code);
    const chat = maru.subscribe("chat");
    await settle();
    await settle();
    assert.deepEqual([maru.state, maru.error?.code, chat.state], ["closed", "bad_request", "pending"]);
    assert.equal(await waits, "bad_request");
    await assert.rejects(maru.publish("chat", "x"), { code: "bad_request" });
    await world.pass(60_000);
    assert.equal(maru.state, "closed");
  }
  assert.deepEqual(seen, []);
});
