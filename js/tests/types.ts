/**
 * The implementation is what types.d.ts declares, and a program in TypeScript gets
 * its types. Checked by tsc, never run.
 */
import * as client from "../maru.js";
import type * as declared from "../types.d.ts";

const Maru: typeof declared.Maru = client.Maru;
export const ErrorOf: typeof declared.MaruError = client.MaruError;
export const subscription: declared.Subscription = new Maru().subscribe("chat");

export async function program() {
  const maru = new Maru("wss://example.org", { token: async () => "…" });
  maru.addEventListener("state", ({ detail }) => detail.state === "open" && console.log(detail.user));
  const quotes = maru.subscribe("quotes", { deliver: "latest", maxHz: 5 });
  quotes.addEventListener("publication", ({ detail: { key, event, data } }) => console.log(key, event, data.price));
  quotes.addEventListener("gap", ({ detail: { from, to } }) => console.log(from, to));
  for await (const { gap, data } of quotes) console.log(gap?.reason, data);
  const { epoch, offset, replayed } = await maru.publish("chat", { hello: 1 }, { key: "k", event: "price", version: 3 });
  console.log(epoch, offset, replayed);
  // @ts-expect-error: no such mode
  maru.subscribe("chat", { deliver: "newest" });
  // @ts-expect-error: no such field
  quotes.addEventListener("publication", ({ detail }) => detail.price);
}
