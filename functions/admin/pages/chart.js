// A chart of lines over time, drawn by uPlot (vendor), in the colours of the page, in UTC.

import { html, useEffect, useRef, useState } from "./ui.js";
import { utc } from "./words.js";

// The colour of the first and the second line; the second is also dashed. A line that counts what is wrong is red.
const colourOf = (at, isBad) => (isBad ? "--bad" : at === 0 ? "--accent" : "--dim");
const HEIGHT = 150;
const SECONDS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000];
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const month = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });

// A value with no neighbour on either side makes no line, so it gets a point.
function lonePoints(plot, series) {
  const values = plot.data[series];
  return values.flatMap((value, at) => (value !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null ? [at] : []));
}

function options(place, { names, bad, text, inSeconds, range, onPoint }) {
  const axis = { stroke: () => colour("--dim"), font: "11px system-ui, sans-serif", grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false } };
  return {
    width: place.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { y: { range: (plot, lowest, highest) => [0, Math.max(highest ?? 0, inSeconds ? 1 : 4) * 1.15] } },
    axes: [
      { ...axis, size: 24, gap: 3, space: 70, values: (plot, splits) => splits.map((at) => (range === "24 h" ? utc(at * 1000).slice(11, 16) : month.format(at * 1000))) },
      { ...axis, size: (plot, texts) => 16 + 6.5 * Math.max(4, ...(texts ?? []).map((text) => text.length)), space: 32, ...(inSeconds ? { incrs: SECONDS } : {}), values: (plot, splits) => splits.map((value) => (value === 0 ? "0" : text(value))) },
    ],
    series: [{}, ...names.map((name, at) => ({
      label: name, stroke: () => colour(colourOf(at, bad[at])), width: 2, dash: at ? [6, 3] : undefined, points: { show: false, filter: lonePoints, size: 5, fill: () => colour(colourOf(at, bad[at])) },
    }))],
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
  };
}

// `at` are moments in seconds, `values` one list for each of `names`, null where nothing is known; `bad` says which lines
// count what is wrong, `text` says a number.
export function Chart({ title, range, names, bad, at, values, text, inSeconds }) {
  const place = useRef(null);
  const plot = useRef(null);
  const [point, setPoint] = useState(null);
  useEffect(() => {
    plot.current = new window.uPlot(options(place.current, { names, bad, text, inSeconds, range, onPoint: setPoint }), [at, ...values], place.current);
    const size = new ResizeObserver(() => plot.current.setSize({ width: place.current.clientWidth, height: HEIGHT }));
    const scheme = window.matchMedia("(prefers-color-scheme: dark)");
    const redraw = () => plot.current.redraw();
    size.observe(place.current);
    scheme.addEventListener("change", redraw);
    return () => {
      size.disconnect();
      scheme.removeEventListener("change", redraw);
      plot.current.destroy();
    };
  }, []);
  useEffect(() => plot.current.setData([at, ...values]), [at]);
  const said = (index) => names.map((name, line) => `${name} ${values[line][index] === null ? "not known" : text(values[line][index])}`).join(", ");
  return html`<figure class="card chart">
    <figcaption><h3>${title}</h3>
      <p class="legend" aria-hidden="true">${point === null || at[point] === undefined
        ? names.map((name, line) => html`<span key=${name} class=${bad[line] ? "dashed bad" : line ? "dashed" : ""}>${name}</span>`)
        : `${utc(at[point] * 1000).slice(0, 16)}: ${said(point)}`}</p></figcaption>
    <div class="plot" ref=${place} role="img" aria-label=${`${title}, the last ${range}: ${names.map((name, line) => summary(name, values[line], text)).join("; ")}`}></div>
  </figure>`;
}

function summary(name, values, text) {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return `${name}: not known`;
  return `${name}: at last ${text(known.at(-1))}, at most ${text(known.reduce((most, value) => Math.max(most, value)))}`;
}
