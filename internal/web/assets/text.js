/**
 * What people write: plain text in which links and code are marked.
 */
import { make } from "./page.js";
import { parts } from "./parts.js";

/**
 * The text as an element, in which links open a new page that cannot reach this one.
 *
 * @param {string} text
 */
export function richText(text) {
  const element = make("div", "text");
  for (const { kind, text: words } of parts(text)) {
    if (kind === "text") element.append(words);
    else if (kind === "block") element.append(make("pre", "block", make("code", "", words)));
    else if (kind === "code") element.append(make("code", "", words));
    else element.append(link(words));
  }
  return element;
}

/** @param {string} address */
function link(address) {
  const element = /** @type {HTMLAnchorElement} */ (make("a", "", address));
  element.href = address;
  element.target = "_blank";
  element.rel = "noopener noreferrer nofollow ugc";
  return element;
}
