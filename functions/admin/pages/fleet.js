// The fleet: a row for every site that this one knows, with a link to its details.

import { html } from "./ui.js";
import { Age, Badge, Table } from "./parts.js";
import { count, lagText } from "./words.js";

const NOT_KNOWN = html`<span class="unknown">not known</span>`; // it may break, because many stand side by side
const NONE = html`<span class="dim">–</span>`; // what a primary does not have

// `rows` are { site, status }; `chosen` is the id of the site that is shown below.
export function Fleet({ rows, chosen, isOld }) {
  const columns = [
    ["Site", ({ site }) => html`<a href=${`#/sites?site=${site.id}`} aria-current=${site.id === chosen ? "true" : undefined}><bdi>${site.name}</bdi></a>`, "name"],
    ["Role", ({ site }) => (site.primary ? "Primary" : "Secondary")],
    ["Health", ({ site, status: s }) => (s ? html`<${Badge} state=${s.health_status} />${s.paused_since && html` <${Badge} state="paused" text="Paused" />`} ${reported(site, s)}<${FirstReason} status=${s} />` : NOT_KNOWN), "why"],
    ["Recovery point", ofSecondary((s) => html`<${Age} at=${s.recovery_point_at} otherwise=${NOT_KNOWN} />`)],
    ["Synced", ofSecondary((s) => html`${known(s.container_repositories_synced_count)}${s.container_repositories_synced_in_percentage && html` <span class="dim">${s.container_repositories_synced_in_percentage}</span>`}`), "number"],
    ["Failed", ofSecondary((s) => bad(s.container_repositories_failed_count)), "number"],
    ["Owed", ofSecondary((s) => html`${s.more_owed ? "more than " : ""}${known(s.owed_references_count)}`), "number"],
    ["Dead letters", ({ status: s }) => bad(s?.dead_letters_count), "number"],
    ["Lag p50\u00a0/\u00a0p99", ofSecondary(lags), "number"],
    ["Version", ({ status: s }) => s?.version ?? NOT_KNOWN],
    ["Link", ({ site }) => (isWeb(site.url) ? html`<a href=${site.url} rel="noreferrer" >Open<span class="hidden"> the dashboard of ${site.name}</span></a>` : NONE)],
  ];
  return html`<div class=${isOld ? "old" : ""}><${Table} kind="fleet" caption="All sites" rows=${rows} keyOf=${({ site }) => site.id} columns=${columns} /></div>`;
}

const ofSecondary = (cell) => ({ site, status }) => (site.primary ? NONE : status ? cell(status) : NOT_KNOWN);

// When a site reported its status; this site's own is of now.
const reported = (site, { reported_at: at }) => !site.current && html`<span class="dim"><span class="hidden">reported </span><${Age} at=${at} otherwise="never reported" /></span>`;

const known = (number) => (number === null || number === undefined ? NOT_KNOWN : count(number));
const bad = (number) => (number ? html`<strong class="failure">${count(number)}</strong>` : known(number));

// The lag of the last hour's pushes; a site of the version before does not report it.
function lags(s) {
  if (s.lag_measured_count === null) return NOT_KNOWN;
  return s.lag_median_seconds === null ? "no push" : `${lagText(s.lag_median_seconds)} / ${lagText(s.lag_p99_seconds)}`;
}

// The worst that is wrong; a site of the version before reports one text.
function FirstReason({ status: s }) {
  if (s.healthy) return null;
  const [first, ...others] = s.health_reasons.length ? s.health_reasons : [s.health];
  return html`<span class="dim reason">${first}${others.length ? ` (and ${count(others.length)} more)` : ""}</span>`;
}

// True for an address that opens a page. It was checked when the site was added, and is checked again here.
export const isWeb = (url) => typeof url === "string" && /^https?:\/\//.test(url);
