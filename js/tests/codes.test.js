import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { World, settle } from "./fake.js";

/** The rows of docs/protocol.md §7: {code, close, back}. */
const rows = [...(await readFile(new URL("../../docs/protocol.md", import.meta.url), "utf8")).matchAll(/^\| `(\w+)` \| (\d{4}) \| ([^|]*) \|/gm)].map(
  ([, code, close, back]) => ({ code, close: Number(close), back }),
);
/** The errors that the server marks: the same command may succeed later (protocol.md §2, codes.go). */
const temporary = ["rate_limited", "slow", "storage_full", "unavailable", "overloaded", "too_many_connections", "shutting_down", "reconnect", "internal"];

// Issue 15 §5: a client ends for good only when the server says that a person must act.
test("after each close code the client does what the protocol says", async () => {
  assert.ok(rows.length >= 20, `${rows.length} rows`);
  for (const { code, close, back } of rows) {
    const world = new World();
    const { maru, on } = world.open();
    const { seen, subscription } = on("chat");
    await settle();
    world.server.end(close, code);
    await world.pass(back === "later" ? 1_999 : 0);
    assert.equal(maru.state, back === "no" ? "closed" : "waiting", code);
    assert.equal(maru.error.code, code);
    await world.pass(20_000);
    assert.equal(maru.state, back === "no" ? "closed" : "open", code);
    if (back === "no") maru.connect(); // the person has acted
    await settle();
    await world.server.publish("chat", "a");
    assert.deepEqual([subscription.state, seen], ["subscribed", ["a"]], code);
  }
});

test("after each error a subscription does what the protocol says", async () => {
  for (const { code, back } of rows) {
    for (const way of ["reply", "push"]) {
      const world = new World();
      const { on } = world.open();
      await settle();
      const error = { code, message: "m", temporary: temporary.includes(code) };
      if (way === "reply") world.server.errors.set("subscribe", error);
      let token = 0;
      const { seen } = on("chat", { token: () => `t${++token}` });
      await settle();
      if (way === "push") {
        world.server.sockets[0].subscribed.delete("chat");
        world.server.sockets[0].push("chat", { unsubscribed: error });
      }
      await world.pass(5_000);
      await world.server.publish("chat", "a");
      const again = error.temporary || code === "token_expired";
      assert.deepEqual(seen, again ? ["a"] : [`over ${code}`], `${code}, ${way}`);
    }
  }
});
