// The history that a site recorded, as charts and as a table of the same numbers. What was not known is a gap, never 0.

import { html, useMemo, useState } from "./ui.js";
import { Chart } from "./chart.js";
import { isWeb } from "./fleet.js";
import { Freshness, Table } from "./parts.js";
import { useNow, usePoll } from "./poll.js";
import { bytes, count, duration, lagText, utc } from "./words.js";

const HOUR = 3_600_000;
const RANGES = {
  "24 h": { hours: 24, step: 300, seconds: 60, said: "steps of 5 minutes" },
  "30 d": { hours: 720, step: 3600, seconds: 300, said: "steps of an hour" },
};
const rate = (field) => (row) => (row.minutes > 0 ? row[field] / row.minutes : null);
const perMinute = (number) => (number < 10 ? String(Math.round(number * 100) / 100) : count(Math.round(number)));

// The charts: [name, how to write a number, whether it is in seconds, lines]. A line is [name, its number in a row, whether it
// counts what is wrong].
const CHARTS = [
  ["Recovery point age", duration, true, [["Age", (row) => row.recovery_point_age_seconds]]],
  ["Lag, from push to synced", lagText, true, [["Half within (p50)", (row) => row.lag_median_seconds], ["99 % within (p99)", (row) => row.lag_p99_seconds]]],
  ["Owed and failed references", count, false, [["Owed", (row) => row.owed_references_count], ["Failed", (row) => row.failed_references_count, true]]],
  ["Bytes per minute", bytes, false, [["Copied", rate("bytes")]]],
  ["Copies per minute", perMinute, false, [["References seen equal", rate("synced_count")]]],
];

export function History({ site, onUnauthorized }) {
  if (site.current) return html`<${Charts} site=${site} onUnauthorized=${onUnauthorized} />`;
  return html`<h2>History</h2><p class="dim">Each site keeps its own history: ${isWeb(site.url) ? html`<a href=${site.url} rel="noreferrer">the dashboard of ${site.name}</a> has` : `the dashboard of ${site.name} has`} its charts.</p>`;
}

function Charts({ site, onUnauthorized }) {
  const [name, setName] = useState("24 h");
  const range = RANGES[name];
  const hour = Math.floor(useNow(60) / HOUR) * HOUR; // so that the address is the same for an hour
  const since = new Date(hour - range.hours * HOUR).toISOString().replace(".000Z", "Z");
  const poll = usePoll(`api/v4/geo_sites/${site.id}/history?since=${since}&step=${range.step}`, range.seconds, onUnauthorized);
  const rows = poll.data?.rows ?? [];
  const steps = useMemo(() => poll.data && stepsOf(poll.data), [poll.data]);
  return html`<section class=${poll.error ? "flow old" : "flow"} aria-labelledby="history">
    <div class="title"><h2 id="history">History</h2>
      <div class="chips" role="group" aria-label="Time shown">${Object.keys(RANGES).map((one) => html`
        <button type="button" class="small" key=${one} aria-pressed=${one === name ? "true" : "false"} onClick=${() => setName(one)}>${one}</button>`)}</div></div>
    ${(poll.error || !poll.data) && html`<${Freshness} of=${[poll]} />`}
    ${poll.data && (rows.length === 0 ? html`<p class="empty">Nothing was recorded in this time: nothing is known of it.</p>` : html`
      <div class="charts">${CHARTS.map(([title, text, inSeconds, lines]) => html`<${Chart} key=${`${name} ${title}`} title=${title} range=${name} text=${text} inSeconds=${inSeconds}
        names=${lines.map(([line]) => line)} bad=${lines.map(([, , isBad]) => isBad === true)} at=${steps.at} values=${lines.map(([, of]) => steps.rows.map((row) => (row === null ? null : of(row))))} />`)}</div>
      <p class="dim">In ${range.said}; of each the highest age and count that was known. Where a line has a gap, nothing was known or nothing was pushed.</p>
      <${Numbers} rows=${rows} key=${name} />`)}
  </section>`;
}

// Every step from the first to the last, in seconds since the epoch, and its row; null where nothing was recorded.
function stepsOf({ since, until, step_seconds: step, rows }) {
  const found = new Map(rows.map((row) => [Date.parse(row.at) / 1000, row]));
  const first = Math.floor(Date.parse(since) / 1000 / step) * step;
  const at = [];
  for (let moment = first; moment < Date.parse(until) / 1000; moment += step) at.push(moment);
  return { at, rows: at.map((moment) => found.get(moment) ?? null) };
}

const known = (number, text) => (number === null ? html`<span class="dim">not known</span>` : text(number));
const COLUMNS = [
  ["From", (row) => html`<time datetime=${row.at}>${utc(Date.parse(row.at)).slice(0, 16)}</time>`, "name"],
  ["Recovery point age", (row) => html`${known(row.recovery_point_age_seconds, duration)}${row.recovery_point_unknown_minutes > 0 && row.recovery_point_age_seconds !== null ? `, not known for ${count(row.recovery_point_unknown_minutes)} min` : ""}`, "number"],
  ["Lag p50 / p99", (row) => (row.pushes_count === 0 ? html`<span class="dim">no push</span>` : html`${known(row.lag_median_seconds, lagText)} / ${known(row.lag_p99_seconds, lagText)}`), "number"],
  ["Owed", (row) => html`${row.is_at_least ? "at least " : ""}${known(row.owed_references_count, count)}`, "number"],
  ["Failed", (row) => known(row.failed_references_count, count), "number"],
  ["Bytes per minute", (row) => known(rate("bytes")(row), bytes), "number"],
  ["Copies per minute", (row) => known(rate("synced_count")(row), perMinute), "number"],
  ["Minutes recorded", (row) => count(row.minutes), "number"],
];

// The same numbers as a table, the newest first, made once it is opened.
function Numbers({ rows }) {
  const [open, setOpen] = useState(false);
  return html`<details onToggle=${(event) => setOpen(event.target.open)}><summary>The same numbers as a table</summary>
    ${open && html`<${Table} kind="numbers" caption="In UTC, the newest first; of a time without a row nothing was recorded" rows=${[...rows].reverse()} keyOf=${(row) => row.at} columns=${COLUMNS} />`}</details>`;
}
