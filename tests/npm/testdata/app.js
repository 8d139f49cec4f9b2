// A page with the client. The address has the server: ?maru=http://…
import { Maru } from "maru-client";

globalThis.received = [];
globalThis.maru = new Maru(new URLSearchParams(location.search).get("maru"));
const chat = maru.subscribe("chat", { last: 10 });
chat.addEventListener("publication", ({ detail }) => received.push(detail.data));
