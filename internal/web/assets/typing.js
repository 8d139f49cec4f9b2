/**
 * Shows who is writing. Such a notice is transient: it is not kept, and it is sent in a channel
 * of its own, so that programs that read the messages do not receive it.
 */
import { access, allows, channel, find, say } from "./page.js";

/** How often this page says that its user is writing, and for how long others show it, in ms. */
const EVERY = 3_000;
const FOR = 5_000;
/** The maximum number of names that are shown, and of characters in a name. */
const MOST_NAMES = 3;
const LONGEST_NAME = 32;

/**
 * @param {import("./maru.js").Maru} maru
 * @param {HTMLTextAreaElement | null} field
 * @param {() => string} name of this user
 * @returns {(name: string) => void} that person has written: nothing more to show
 */
export function showTyping(maru, field, name) {
  const line = find("typing");
  /** @type {Map<string, number>} when each notice ends */
  const writers = new Map();
  const show = () => {
    const now = Date.now();
    for (const [writer, end] of writers) if (end <= now) writers.delete(writer);
    const names = [...writers.keys()].slice(0, MOST_NAMES).join(", ");
    line.textContent = names && say(writers.size > MOST_NAMES ? "typingMany" : "typing", { names });
  };
  const place = `${channel}-typing`;
  maru.subscribe(place).addEventListener("publication", ({ detail: { data, user } }) => {
    const writer = user ?? (typeof data?.name === "string" ? data.name.slice(0, LONGEST_NAME) : "");
    if (!writer || writer === name()) return;
    writers.delete(writer);
    if (data.typing) writers.set(writer, Date.now() + FOR);
    show();
    if (data.typing) setTimeout(show, FOR + 10);
  });
  if (field) sayTyping(maru, field, place, name);
  return (writer) => writers.delete(writer) && show();
}

/**
 * @param {import("./maru.js").Maru} maru
 * @param {HTMLTextAreaElement} field
 * @param {string} place
 * @param {() => string} name
 */
function sayTyping(maru, field, place, name) {
  let next = 0;
  const tell = (/** @type {boolean} */ typing) => {
    next = typing ? Date.now() + EVERY : 0;
    if (maru.state !== "open" || !allows(access.publish, maru.user)) return;
    maru.publish(place, { typing, name: maru.user ? undefined : name() }, { transient: true }).catch(() => {});
  };
  field.addEventListener("input", () => {
    if (!field.value) {
      if (next) tell(false);
    } else if (Date.now() >= next) tell(true);
  });
  field.addEventListener("sent", () => (next = 0)); // the message itself ends the notice
}
