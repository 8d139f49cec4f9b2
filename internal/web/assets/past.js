/**
 * Loads older messages when the user scrolls up, page by page, to the beginning.
 */
import { above, addPast, firstPosition } from "./log.js";
import { access, allows, channel, find, reason, say } from "./page.js";

/** How many messages one page of the history has. */
const PAGE = 50;
/** How near to the top the next page is loaded, in pixels. */
const NEAR = 400;

/**
 * @typedef {import("./types.d.ts").Publication} Publication
 * @typedef {[HTMLElement, import("./log.js").Facts]} Shown
 */

const log = find("log");
const past = find("past");
const older = find("older");
const beginning = find("beginning");

/**
 * @param {import("./maru.js").Maru} maru
 * @param {(publication: Publication, position: string | undefined) => Shown} render
 */
export function loadPast(maru, render) {
  let busy = false;
  let done = false;
  /** Loads one page, and shows what is before it. */
  const load = async () => {
    const before = firstPosition();
    if (busy || done || !before || !allows(access.history, maru.user)) return;
    busy = true;
    show(say("loading"), false);
    try {
      const { epoch, publications, gap } = await maru.history(channel, { before, limit: PAGE });
      done = publications.length < PAGE;
      const messages = publications.map((/** @type {Publication} */ publication) => render(publication, `${epoch}:${publication.offset}`));
      show(done ? say(gap ? "olderGone" : "beginning") : "", !done, messages);
      busy = false;
      requestAnimationFrame(() => log.scrollTop < NEAR && load()); // the screen is not full yet
    } catch (error) {
      busy = false;
      show(say("olderFailed", { reason: reason(/** @type {any} */ (error)) }), true);
    }
  };
  // While the first messages come in, the list grows and follows its end: that is no scrolling up.
  let settled = false;
  const near = () => settled && log.scrollTop < NEAR && load();
  log.addEventListener("scroll", near);
  // In the next frame the list is at its end.
  log.addEventListener("settled", () => {
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        settled = true;
        near();
      }),
    );
  });
  log.addEventListener("trimmed", () => {
    done = false;
    show("", true);
  });
  older.addEventListener("click", load);
}

/**
 * @param {string} text
 * @param {boolean} more whether the button is shown
 * @param {Shown[]} [messages] that were loaded
 */
function show(text, more, messages = []) {
  above(() => {
    past.hidden = false;
    beginning.textContent = text;
    // A button that disappears loses the focus.
    if (!more && document.activeElement === older) log.focus();
    older.hidden = !more;
    addPast(messages);
  });
}
