// Elements from plain values. Text becomes text nodes, never markup; the page's policy (trusted types) would refuse anything else.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((one) => one !== null && one !== undefined && one !== false).map((one) => (one instanceof Node ? one : visible(String(one)))));
  return element;
}

// Characters that turn the order of what follows (U+202E and its kin) are shown as what they are: "gpj.exe" never looks like "exe.jpg".
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;
export const visible = (text) => text.replace(TURNS, (one) => `\\u${one.charCodeAt(0).toString(16)}`);

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const FOCUSED = "a, button, input, select, summary, [tabindex]";
const keyOf = (one) => one.getAttribute("data-key") || one.getAttribute("href") || one.id || one.getAttribute("aria-label") || one.parentElement.getAttribute("data-key") || one.textContent;

// What has the focus in a place, so that what is drawn there next has it: the same key, and among several of one key the same number.
function focusIn(place) {
  const active = document.activeElement;
  if (!active || active === place || !place.contains(active)) return () => {};
  const key = keyOf(active), alike = () => [...place.querySelectorAll(FOCUSED)].filter((one) => keyOf(one) === key);
  const number = alike().indexOf(active);
  return () => { const found = alike(); if (found.length) found[Math.min(Math.max(number, 0), found.length - 1)].focus({ preventScroll: true }); };
}

// Where regions that scroll stood, by their names.
function scrolledIn(place) {
  const regions = () => [...place.querySelectorAll("[aria-label][tabindex]")];
  const stood = new Map(regions().filter((one) => one.scrollTop || one.scrollLeft).map((one) => [one.getAttribute("aria-label"), [one.scrollLeft, one.scrollTop]]));
  return () => { if (stood.size) for (const one of regions()) if (stood.has(one.getAttribute("aria-label"))) one.scrollTo(...stood.get(one.getAttribute("aria-label"))); };
}

// Replace the content of a place only when it differs: what is focused or selected stays so.
export function put(place, ...children) {
  const next = h("div", null, ...children);
  if (place.childNodes.length === next.childNodes.length && [...next.childNodes].every((one, at) => one.isEqualNode(place.childNodes[at]))) return false;
  const refocus = focusIn(place), rescroll = scrolledIn(place);
  place.replaceChildren(...next.childNodes);
  refocus();
  rescroll();
  return true;
}

// What is opened stays open when its surroundings are drawn anew. `loaded` is called when it opens.
const opened = new Set();
export const fold = (key, summary, content, loaded) => h("details", { open: opened.has(key), "data-key": key, ontoggle: (event) => {
  if (!event.target.open) opened.delete(key);
  else { opened.add(key); if (loaded) loaded(); }
} }, h("summary", null, summary), content);
export const redraw = () => window.dispatchEvent(new Event("redraw"));

export const word = (condition, text) => h("span", { class: `word ${condition}` }, text || condition);
export const link = (...parts) => "#/" + parts.map(encodeURIComponent).join("/");

export function size(bytes) {
  let at = 0;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  while (bytes >= 1024 && at < units.length - 1) { bytes /= 1024; at += 1; }
  return `${bytes >= 100 || at === 0 ? bytes.toFixed(0) : bytes.toFixed(1)} ${units[at]}`;
}

export const count = (number, one) => `${number} ${one}${number === 1 ? "" : "s"}`;
export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString();
export const moment = (value) => { const at = new Date(value); return Number.isNaN(at.getTime()) || at.getFullYear() < 1980 ? "" : at.toLocaleString(); };

// A name that would push the other columns out of sight is broken into lines.
const isLong = (cell) => String(cell instanceof Node ? cell.textContent : cell).length > 48;

// Where there is no room a row becomes a block of lines, each with its head before it (style.css): the roles say that it is a table still.
export function table(caption, heads, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, h("table", { class: "rows", role: "table" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map((one) => h("th", { scope: "col", role: "columnheader" }, one)))),
    h("tbody", { role: "rowgroup" }, rows.map((row) => h("tr", { role: "row" }, row.map((cell, at) => h("td", { role: "cell", "data-head": heads[at] || null, class: at === 0 && isLong(cell) ? "long" : null }, cell)))))));
}

export async function ask(path, parameters) {
  const answer = await fetch(`${path}?${new URLSearchParams(parameters || {})}`);
  if (answer.status === 403) throw new Error(await answer.text());
  return answer.json();
}

export function stream(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters || {})) for (const one of [value].flat()) query.append(name, one);
  return new WebSocket(`ws://${location.host}${path}?${query}`);
}
