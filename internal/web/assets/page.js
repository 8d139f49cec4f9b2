/**
 * The data that the server has embedded in this page, and helpers for its elements.
 */

/** @typedef {"anyone"|"user"|"own"|"token"|"server"|"nobody"} Rule  see docs/rules.md */

/** @type {{lang: string, url: string, channel: string, proven: boolean, access: Record<"publish"|"history"|"presence", Rule>, text: Record<string, string>}} */
const handed = JSON.parse(find("page").textContent ?? "");

export const lang = handed.lang;
export const channel = handed.channel;
/** The rules of the channel. */
export const access = handed.access;
/** Whether the names of signed-in people are more than a choice of their own. */
export const proven = handed.proven;
/** The address of the server. This module is below it at assets/page.js, under any prefix. */
export const server = new URL("..", import.meta.url);
/** The address for programs: without the slash at the end, unless there is a prefix. */
export const address = server.pathname === "/" ? server.origin : server.href;
/** The address of the channel. */
export const channelURL = new URL(handed.url, server).href;

/**
 * The text for key in the page's language, with {placeholders} filled in.
 *
 * @param {string} key
 * @param {Record<string, string|number>} [values]
 */
export function say(key, values = {}) {
  const words = handed.text[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}

/**
 * An error in the page's language, or as the server has written it.
 *
 * @param {{code: string, message: string}} error
 */
export function reason({ code, message }) {
  return handed.text[`because_${code}`] ?? message;
}

/**
 * The element with that id.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function find(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element #${id}`);
  return element;
}

/**
 * Reports whether a rule may allow something to this user. Only the server knows about tokens.
 *
 * @param {Rule} rule
 * @param {string} [user]
 */
export function allows(rule, user) {
  if (rule === "user") return user !== undefined;
  if (rule === "own") return user !== undefined && user === channel.split(":")[1];
  return rule === "anyone" || rule === "token";
}

/**
 * Reports whether a rule is closed to people, whoever they are.
 *
 * @param {Rule} rule
 */
export const closed = (rule) => rule === "nobody" || rule === "server";

/** @param {string} id */
export const input = (id) => /** @type {HTMLInputElement} */ (find(id));

/**
 * Makes an element. Strings become text nodes and are never parsed as markup.
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

/**
 * Uses localStorage or sessionStorage. They throw where storage is full or forbidden: then
 * nothing is remembered.
 *
 * @template T
 * @param {() => T} use
 * @returns {T | undefined}
 */
export function storage(use) {
  try {
    return use();
  } catch {
    return undefined;
  }
}

const numbers = new Intl.NumberFormat(lang);
/** @param {number} n */
export const number = (n) => numbers.format(n);

/**
 * Shows an error message, or hides it ("").
 *
 * @param {string} text
 */
export function notice(text) {
  const line = find("notice");
  line.textContent = text;
  line.hidden = !text;
}

/**
 * Fills the elements with data-snippet="name", if the page has any.
 *
 * @param {string} name
 * @param {string} text
 */
export function snippet(name, text) {
  for (const element of document.querySelectorAll(`[data-snippet="${name}"]`)) element.textContent = text;
}

/**
 * The address in quotes for a shell. The server has escaped any ' in it.
 *
 * @param {string} url
 */
export const quoted = (url) => `'${url}'`;
