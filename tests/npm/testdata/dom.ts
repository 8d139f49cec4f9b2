// Compiles with the library of the DOM: its types and ours fit together.
import { Maru, type Gap } from "maru-client";
import "./program.js";

const maru = new Maru(new URL("/live/", location.href));
const target: EventTarget = maru;
const chat: EventTarget = maru.subscribe("chat");
maru.subscribe("chat").addEventListener("gap", (event: CustomEvent<Gap>) => event.preventDefault(), { signal: new AbortController().signal });
maru.subscribe("chat").addEventListener("gap", (event: Event) => console.log(event.timeStamp));
export { chat, target };
