// The fleet: every site that this one knows, a row each, and the way to look at one of them.

import { html } from "./ui.js";
import { Age, Badge, Table } from "./parts.js";
import { count, lagText } from "./words.js";

const NOT_KNOWN = html`<span class="unknown">not known</span>`; // it breaks, as many may stand side by side
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

// When a site said so; of this one it is so now.
const reported = (site, { reported_at: at }) => !site.current && html`<span class="dim"><span class="hidden">reported </span><${Age} at=${at} otherwise="never reported" /></span>`;

const known = (number) => (number === null || number === undefined ? NOT_KNOWN : count(number));
const bad = (number) => (number ? html`<strong class="failure">${count(number)}</strong>` : known(number));

// The lag of the last hour's pushes; of a site of the version before it is not known.
function lags(s) {
  if (s.lag_measured_count === null) return NOT_KNOWN;
  return s.lag_median_seconds === null ? "no push" : `${lagText(s.lag_median_seconds)} / ${lagText(s.lag_p99_seconds)}`;
}

// The worst of what is wrong; a site of the version before says it in one text.
function FirstReason({ status: s }) {
  if (s.healthy) return null;
  const [first, ...others] = s.health_reasons.length ? s.health_reasons : [s.health];
  return html`<span class="dim reason">${first}${others.length ? ` (and ${count(others.length)} more)` : ""}</span>`;
}

// Only addresses that open a page: what a site's address begins with was checked when it was added, and is again.
export const isWeb = (url) => typeof url === "string" && /^https?:\/\//.test(url);
