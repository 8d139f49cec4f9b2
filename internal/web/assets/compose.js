/**
 * The form in which the user writes a message.
 */
import { access, allows, channel, find, notice, number, proven, say, storage } from "./page.js";

/** The size limit of a message, in bytes. It is the default of the server. */
const MAX_MESSAGE_BYTES = 1 << 20;
/** How long a phone's page stays folded after the field has lost the focus: a tap must not miss its target, in ms. */
const UNFOLD = 300;
const DRAFT = `maru.draft:${channel}`;

/**
 * Publishes the message on Enter or by the button. Shift+Enter is a new line. Where nobody may
 * write, the page has no form.
 *
 * @param {import("./maru.js").Maru} maru
 * @param {import("./outbox.js").Outbox} outbox
 * @param {(message: string) => string} wire makes the text to publish
 */
export function compose(maru, outbox, wire) {
  if (!document.getElementById("compose")) return;
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
    if (!outbox.add(written, message)) return;
    notice("");
    field.value = "";
    field.dispatchEvent(new Event("sent"));
    field.focus();
  });
  keepDraft(field, outbox);
  foldWhileWriting(field);
  const permit = () => {
    const may = maru.state !== "open" || allows(access.publish, maru.user);
    form.hidden = !may;
    find("reader").hidden = may;
    find("reader").textContent = say(access.publish === "own" ? "ownersOnly" : proven ? "membersOnly" : "signInFirst");
  };
  maru.addEventListener("state", permit);
  permit();
  if (!matchMedia("(pointer: coarse)").matches && document.activeElement === document.body) field.focus();
}

/**
 * What was written, and not sent yet, is there again after a reload.
 *
 * @param {HTMLTextAreaElement} field
 * @param {import("./outbox.js").Outbox} outbox
 */
function keepDraft(field, outbox) {
  field.value ||= storage(() => sessionStorage.getItem(DRAFT)) ?? "";
  addEventListener("pagehide", () => {
    const draft = [...outbox.unsent, field.value].filter(Boolean).join("\n");
    storage(() => (draft ? sessionStorage.setItem(DRAFT, draft) : sessionStorage.removeItem(DRAFT)));
  });
}

/**
 * The style sheet folds away what a small screen has no room for beside its keyboard.
 *
 * @param {HTMLElement} field
 */
function foldWhileWriting(field) {
  const { classList } = document.body;
  field.addEventListener("focus", () => classList.add("writing"));
  field.addEventListener("blur", () => setTimeout(() => document.activeElement !== field && classList.remove("writing"), UNFOLD));
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
