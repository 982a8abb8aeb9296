// The live graph and the timeline, as the server has laid them out.

import { h, link, s } from "./dom.js";

const fitting = (text, most = 29) => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);

export function graph(project, found) {
  const boxes = found.boxes.map((box) => s("a", { href: link("p", project, "s", box.name), class: `${box.condition}${box.blamed ? " blamed" : ""}`, "aria-label": `${box.name}: ${box.lines.join(", ")}`, "data-service": box.name },
    s("rect", { class: "box", x: box.x, y: box.y, width: box.width, height: box.height, rx: 6 }),
    s("text", { class: "name", x: box.x + box.width / 2, y: box.y + 22, "text-anchor": "middle" }, s("title", null, box.name), fitting(box.name, 23)),
    box.lines.map((line, at) => s("text", { x: box.x + box.width / 2, y: box.y + 38 + 16 * at, "text-anchor": "middle" }, s("title", null, line), fitting(line)))));
  const routes = found.routes.map((one) => [
    s("path", { d: one.path, class: `route${one.required ? "" : " optional"}${one.blamed ? " blamed" : ""}`, "marker-end": "url(#arrow)" }, s("title", null, one.title)),
    s("text", { class: "label", x: one.x, y: one.y }, one.label)]);
  return h("div", { class: "graph scroll", tabindex: "0", role: "region", "aria-label": "Graph of services" },
    s("svg", { width: found.width, height: found.height, viewBox: `0 0 ${found.width} ${found.height}`, role: "group" },
      s("defs", null, s("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" }, s("path", { class: "arrow", d: "M0 0 8 4 0 8z" }))),
      routes, boxes));
}

export function timeline(bars) {
  const end = Math.max(1, ...bars.map((one) => Math.max(one.created, one.started || 0, one.ready || 0)));
  const wide = 640, left = 160, row = 22, x = (at) => left + (at / end) * (wide - left - 90);
  return h("div", { class: "fall scroll", tabindex: "0", role: "region", "aria-label": "Timeline of the last start" },
    s("svg", { width: wide, height: bars.length * row + 4, viewBox: `0 0 ${wide} ${bars.length * row + 4}`, role: "img", "aria-label": bars.map((one) => `${one.service} ready after ${one.ready === null ? "never" : one.ready.toFixed(1) + " seconds"}`).join(", ") },
      bars.map((one, at) => {
        const started = one.started === null ? end : one.started, ready = one.ready === null ? end : one.ready;
        return s("g", { class: one.critical ? "critical" : null },
          s("text", { x: 0, y: at * row + 15 }, s("title", null, one.service), fitting(one.service, 20)),
          s("rect", { class: "make", x: x(one.created), y: at * row + 4, width: Math.max(1, x(started) - x(one.created)), height: 14 }),
          s("rect", { class: "wait", x: x(started), y: at * row + 4, width: Math.max(1, x(ready) - x(started)), height: 14 }),
          s("text", { x: x(Math.max(started, ready)) + 6, y: at * row + 15 }, one.ready === null ? "not ready" : `${one.ready.toFixed(1)} s`));
      })), h("p", { class: "quiet" }, "created → started → ready; bold: the chain that took longest"));
}
