/**
 * The field in which a message is written.
 */
import { addMarker, toEnd } from "./log.js";
import { channel, find, notice, number, say } from "./page.js";

/** The largest message the server takes, in bytes. */
const MAX_MESSAGE_BYTES = 1 << 20;

const waits = say("notConnected");

/**
 * Publishes what is written: by Enter (Shift+Enter is a new line) or the button.
 *
 * @param {import("./maru.js").Maru} maru
 * @param {(message: string) => string} wire makes the message what goes out
 */
export function compose(maru, wire) {
  const form = /** @type {HTMLFormElement} */ (find("compose"));
  const field = /** @type {HTMLTextAreaElement} */ (find("message"));

  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || composing(event)) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const written = field.value;
    if (!written.trim()) return;
    const message = wire(written);
    const bytes = new TextEncoder().encode(message).length;
    if (bytes > MAX_MESSAGE_BYTES) return notice(say("tooLarge", { n: number(bytes) }));
    if (!document.body.classList.contains("ready")) return notice(waits);
    maru.publish(channel, message).catch((error) => {
      // It may be there or not; or it is not, and may be written anew.
      if (error.code === "disconnected" || error.code === "timeout") return addMarker(say("lost", { text: written }));
      notice(say("refused", { reason: error.message }));
      field.value ||= written;
    });
    notice("");
    field.value = "";
    field.focus();
    toEnd();
  });
  maru.addEventListener("state", () => {
    if (maru.state === "open" && find("notice").textContent === waits) notice(""); // what waits can be sent
  });
}

/**
 * Whether the key belongs to an input method: there Enter ends a syllable (as in
 * Korean), not the message. Safari says so only by the key code.
 *
 * @param {KeyboardEvent} event
 */
function composing(event) {
  return event.isComposing || event.keyCode === 229;
}
