// Curves of what a container uses, over the hour that the server keeps.

import { h, put, s, size } from "./dom.js";

const rate = (at) => (rows) => rows.slice(1).map((row, index) => [row[0], Math.max(0, row[at] - rows[index][at]) / Math.max(0.1, row[0] - rows[index][0])]);
const plain = (at) => (rows) => rows.map((row) => [row[0], row[at]]);
const PLOTS = [
  ["Processor", (rows) => plain(1)(rows).slice(1), (value) => `${value.toFixed(1)} %`], ["Memory", plain(2), size],
  ["Received", rate(4), (value) => `${size(value)}/s`], ["Sent", rate(5), (value) => `${size(value)}/s`],
  ["Read from disk", rate(6), (value) => `${size(value)}/s`], ["Written to disk", rate(7), (value) => `${size(value)}/s`], ["Processes", plain(8), (value) => value.toFixed(0)],
];

const period = (seconds) => (seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} minutes`);

export class Plots {
  constructor(rows) { this.rows = rows; this.element = h("div", { class: "plots" }); this.draw(); }

  usage(row) {
    if (!row || (this.rows.length && this.rows[this.rows.length - 1][0] >= row[0])) return;
    this.rows = this.rows.concat([row]).slice(-1200);
    this.draw();
  }

  draw() {
    if (this.rows.length < 3) { put(this.element, h("p", { class: "quiet" }, "The first samples come within some seconds.")); return; }
    put(this.element, PLOTS.map(([name, values, words]) => this.plot(name, values(this.rows), words)));
  }

  plot(name, points, words) {
    const limit = name === "Memory" ? this.rows[this.rows.length - 1][3] : 0;
    const most = Math.max(...points.map((one) => one[1]), 1e-9), top = limit && limit < most * 4 ? Math.max(limit, most) : most;
    const begin = points[0][0], wide = Math.max(1, points[points.length - 1][0] - begin);
    const y = (value) => 88 - (value / top) * 84;
    const now = words(points[points.length - 1][1]);
    return h("figure", null, h("figcaption", null, h("span", null, name), h("strong", null, now)),
      s("svg", { viewBox: "0 0 300 90", preserveAspectRatio: "none", role: "img", "aria-label": `${name}: now ${now}, at most ${words(most)} in ${period(wide)}` },
        limit && limit <= top ? s("line", { class: "limit", x1: 0, x2: 300, y1: y(limit), y2: y(limit) }) : null,
        s("polyline", { class: "curve", points: points.map(([at, value]) => `${(((at - begin) / wide) * 300).toFixed(1)},${y(value).toFixed(1)}`).join(" ") })),
      h("div", { class: "quiet" }, `at most ${words(most)} in ${period(wide)}${limit && limit < 2 ** 50 ? `, limit ${size(limit)}` : ""}`));
  }
}
