/**
 * The form in which the user writes a message.
 */
import { addMarker, toEnd } from "./log.js";
import { channel, find, notice, number, say } from "./page.js";

/** The size limit of a message, in bytes. It is the default of the server. */
const MAX_MESSAGE_BYTES = 1 << 20;

const waits = say("notConnected");

/**
 * Publishes the message on Enter or by the button. Shift+Enter is a new line.
 *
 * @param {import("./maru.js").Maru} maru
 * @param {(message: string) => string} wire makes the text to publish
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
      // Unknown whether it was published, or not published: then the user may send it again.
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
    if (maru.state === "open" && find("notice").textContent === waits) notice(""); // the message can be sent now
  });
}

/**
 * Reports whether the key belongs to an input method. Enter then ends a syllable (as in
 * Korean) and not the message. Safari reports it by the key code only.
 *
 * @param {KeyboardEvent} event
 */
function composing(event) {
  return event.isComposing || event.keyCode === 229;
}
