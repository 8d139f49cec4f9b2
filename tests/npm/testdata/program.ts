// Compiles with and without the library of the DOM.
import { Maru, MaruError, type Publication, type Subscription } from "maru-client";

declare const console: { log(...values: unknown[]): void };

const maru = new Maru("https://maru.example", { token: () => "…", timeout: 1_000 });
maru.addEventListener("state", ({ detail: { state, error } }) => console.log(state, error?.code), { once: true });

const chat: Subscription = maru.subscribe("chat", { last: 20, presence: true });
const show = ({ detail }: { detail: Publication }) => console.log(detail.user, detail.data);
chat.addEventListener("publication", show);
chat.removeEventListener("publication", show);
chat.addEventListener("gap", ({ type, detail: { from, to } }) => console.log(type, from, to));
chat.addEventListener("something", ({ type }) => console.log(type));
// @ts-expect-error: a publication has no price of its own
chat.addEventListener("publication", ({ detail }) => detail.price);
// @ts-expect-error: there is no such option
maru.subscribe("chat", { deliver: "newest" });

export async function run() {
  const { offset } = await maru.publish("chat", { hello: 1 }, { key: "k" });
  for await (const { gap, data } of chat) console.log(offset, gap?.reason, data);
  try {
    await maru.rpc("method");
  } catch (error) {
    if (error instanceof MaruError && error.temporary) maru.reconnect();
  }
}
