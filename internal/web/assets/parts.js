/**
 * Splits what people write at its marks: links and code.
 */

/** A block between two lines of three backticks, code between two backticks, or a link. */
const MARKS = /```(?:[\w+-]*\n)?([\s\S]+?)\n?```\n?|(?<!`)`([^`\n]+)`(?!`)|(\bhttps?:\/\/[^\s<>"'`]+)/g;
/** What ends a sentence does not belong to the link before it. */
const TAIL = /[.,:;!?…、。)\]}]+$/;

/** @typedef {{kind: "text"|"block"|"code"|"link", text: string}} Part */

/**
 * Splits a text at its marks.
 *
 * @param {string} text
 * @returns {Part[]}
 */
export function parts(text) {
  /** @type {Part[]} */
  const all = [];
  let end = 0;
  const add = (/** @type {Part["kind"]} */ kind, /** @type {string} */ words) => words && all.push({ kind, text: words });
  for (const { 0: whole, 1: block, 2: code, 3: link, index } of text.matchAll(MARKS)) {
    add("text", text.slice(end, index));
    end = index + whole.length;
    if (block !== undefined) add("block", block);
    else if (code !== undefined) add("code", code);
    else {
      const address = trimmed(link);
      add(isAddress(address) ? "link" : "text", address);
      end -= link.length - address.length;
    }
  }
  add("text", text.slice(end));
  return all;
}

/**
 * The link without what ends the sentence. A closing bracket that was opened in it stays.
 *
 * @param {string} link
 */
function trimmed(link) {
  const tail = TAIL.exec(link)?.[0] ?? "";
  const address = link.slice(0, link.length - tail.length);
  return tail.startsWith(")") && address.includes("(") ? `${address})` : address;
}

/** @param {string} address */
function isAddress(address) {
  return URL.canParse(address);
}
