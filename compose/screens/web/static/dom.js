// Elements from plain values. Text becomes text nodes, never markup; the page's policy (trusted types) would refuse anything else.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// Replace the content of a place only when it differs: what is focused or selected stays so.
export function put(place, ...children) {
  const next = h("div", null, ...children);
  if (place.childNodes.length === next.childNodes.length && [...next.childNodes].every((one, at) => one.isEqualNode(place.childNodes[at]))) return false;
  const active = place.contains(document.activeElement) ? document.activeElement : null;
  const key = active && (active.getAttribute("data-key") || active.getAttribute("href") || active.textContent);
  place.replaceChildren(...next.childNodes);
  if (key) {
    for (const one of place.querySelectorAll("a, button, input, select")) {
      if ((one.getAttribute("data-key") || one.getAttribute("href") || one.textContent) === key) { one.focus(); break; }
    }
  }
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

export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString();
export const moment = (value) => { const at = new Date(value); return Number.isNaN(at.getTime()) || at.getFullYear() < 1980 ? "" : at.toLocaleString(); };

// Where there is no room a row becomes a block of lines, each with its head before it (style.css): the roles say that it is a table still.
export function table(caption, heads, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, h("table", { class: "rows", role: "table" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map((one) => h("th", { scope: "col", role: "columnheader" }, one)))),
    h("tbody", { role: "rowgroup" }, rows.map((row) => h("tr", { role: "row" }, row.map((cell, at) => h("td", { role: "cell", "data-head": heads[at] || null }, cell)))))));
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
