/**
 * What the server handed to this page, and small helpers for its elements.
 */

/** @type {{lang: string, url: string, channel: string, text: Record<string, string>}} */
const handed = JSON.parse(find("page").textContent ?? "");

export const lang = handed.lang;
export const channel = handed.channel;
/** The channel's own address. */
export const channelURL = new URL(handed.url, location.href).href;

/**
 * The words for key in the page's language, {places} filled.
 *
 * @param {string} key
 * @param {Record<string, string|number>} [values]
 */
export function say(key, values = {}) {
  const words = handed.text[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}

/**
 * The element with that id.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function find(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no #${id}`);
  return element;
}

/** @param {string} id */
export const input = (id) => /** @type {HTMLInputElement} */ (find(id));

/**
 * A new element. Text is only ever text: nothing here reads markup.
 *
 * @param {string} tag
 * @param {string} className
 * @param {...(Node|string)} content
 */
export function make(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

const numbers = new Intl.NumberFormat(lang);
/** @param {number} n */
export const number = (n) => numbers.format(n);

/**
 * Shows a line of what went wrong, or hides it ("").
 *
 * @param {string} text
 */
export function notice(text) {
  const line = find("notice");
  line.textContent = text;
  line.hidden = !text;
}

/**
 * Fills the element for data-snippet="name"; pages have it or not.
 *
 * @param {string} name
 * @param {string} text
 */
export function snippet(name, text) {
  for (const element of document.querySelectorAll(`[data-snippet="${name}"]`)) element.textContent = text;
}

/**
 * The address as a word for a shell. The server has escaped any ' in it.
 *
 * @param {string} url
 */
export const quoted = (url) => `'${url}'`;
