/**
 * The field in which a message is written.
 */
import { MAX_MESSAGE_BYTES } from "./connection.js";
import { toEnd } from "./log.js";
import { find, notice, number, say } from "./page.js";

const waits = say("notConnected");

/**
 * Sends what is written: by Enter (Shift+Enter is a new line) or the button.
 *
 * @param {import("./connection.js").Connection} connection
 * @param {(message: string) => string} wire makes the message what goes out
 */
export function compose(connection, wire) {
  const form = /** @type {HTMLFormElement} */ (find("compose"));
  const field = /** @type {HTMLTextAreaElement} */ (find("message"));

  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || composing(event)) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!field.value.trim()) return;
    const message = wire(field.value);
    const bytes = new TextEncoder().encode(message).length;
    if (bytes > MAX_MESSAGE_BYTES) return notice(say("tooLarge", { n: number(bytes) }));
    if (!connection.send(message)) return notice(waits);
    notice("");
    field.value = "";
    field.focus();
    toEnd();
  });
}

/** Connected again: what waits can be sent. */
export function mayWrite() {
  if (find("notice").textContent === waits) notice("");
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
