// Two logs, newest first: the geo events that this site took, and what operators did here.

import { html } from "./ui.js";
import { Filters, useFilters } from "./filters.js";
import { Age, Badge, Digest, Freshness, Heading, Pager, Path, Polled, Table } from "./parts.js";
import { usePages } from "./poll.js";
import { count, utc } from "./words.js";

const PER_PAGE = 20;

const SELECTS = [["event_name", "Event", { created: "created", updated: "updated", deleted: "deleted" }]];

export function Events({ route, onUnauthorized }) {
  const [filters, change] = useFilters(route, ["event_name", "repository"]);
  // A filtered page reads many events, so it is asked for less often.
  const [events, pages] = usePages(`api/v4/geo/events?${filters}`, PER_PAGE, filters.size ? 30 : 10, onUnauthorized);
  const problem = events.error?.status === 400 && filters.size ? events.error.message : null;
  return html`
    <div class="title"><${Heading}>Geo events<//>${problem === null && html`<${Freshness} of=${[events]} />`}</div>
    <${Filters} label="Geo events" selects=${SELECTS} text=${["repository", "Container repository"]} problem=${problem} filters=${filters} change=${change} />
    <${Polled} of=${events} rows=${PER_PAGE}>${(page) => html`<${Table} caption="Geo events that this site took, newest first" rows=${page.nodes} keyOf=${(event) => event.sender_id} columns=${EVENT_COLUMNS} empty=${emptyText(page, pages.cursors, page.message && sentence(page.message))} />
      <${Pager} info=${page.page_info} ...${pages} shown=${page.nodes.length} what="geo events" />`}<//>`;
}

export function Audit({ onUnauthorized }) {
  const [audit, pages] = usePages("api/v4/geo/audit_events", PER_PAGE, 10, onUnauthorized);
  return html`
    <div class="title"><${Heading}>Audit log<//><${Freshness} of=${[audit]} /></div>
    <${Polled} of=${audit} rows=${PER_PAGE}>${(page) => html`<${Table} caption="What operators did here, and what they were refused, newest first" rows=${page.nodes} keyOf=${(entry) => entry.id} columns=${AUDIT_COLUMNS} empty=${emptyText(page, pages.cursors, "Nothing yet.")} />
      <${Pager} info=${page.page_info} ...${pages} shown=${page.nodes.length} what="the audit log" />`}<//>`;
}

// What the API says, with moments as the rest of the page has them.
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1).replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (moment) => utc(Date.parse(moment)))}.`;

// A page may be empty before the end: it covers a stretch of time.
function emptyText(page, cursors, otherwise) {
  if (page.page_info.has_next_page) return page.message ? otherwise : "None in this stretch of time; there may be more on the next page.";
  return cursors.length ? "This is the end of the list." : otherwise;
}

const OUTCOMES = { accepted: "Accepted", unusable: "Unusable", begun: "Begun", done: "Done", failed: "Failed", refused: "Refused" };

const EVENT_COLUMNS = [
  ["Container repository", (event) => html`<span class="repository">${event.repository ? html`<${Path} of=${event.repository} />` : "not known"}</span>`, "name"],
  ["Tag", (event) => (event.tag ? html`<bdi><code>${event.tag}</code></bdi>` : html`<span class="dim">none</span>`)],
  ["Digest", (event) => html`<${Digest} of=${event.digest} otherwise="none" />`],
  ["Event", (event) => event.event_name ?? html`<span class="dim">none</span>`],
  ["Outcome", (event) => html`<${Badge} state=${event.outcome} text=${OUTCOMES[event.outcome] ?? event.outcome} />${event.reason && html`<span class="failure">${event.reason}</span>`}`],
  ["Taken", (event) => html`<${Age} at=${event.created_at} />`],
];

// What was asked, in words, with its container repository as the way there.
function Asked({ of: entry }) {
  const id = /\/container_repositories\/(\d+)\//.exec(entry.action)?.[1];
  const name = entry.repository ?? `container repository ${id}`;
  const at = id === undefined ? -1 : entry.summary.indexOf(name);
  if (at < 0) return html`<${Path} of=${entry.summary} />`;
  return html`<${Path} of=${entry.summary.slice(0, at)} /> <a href=${`#/repositories/${id}`}><${Path} of=${name} /></a><${Path} of=${entry.summary.slice(at + name.length)} />`;
}

// The request as it came.
const Raw = ({ of: entry }) => html`<details><summary>Show<span class="hidden"> the request as it came</span></summary><pre tabindex="0">${[entry.action, entry.outcome !== "refused" && entry.detail, entry.status && `answered ${entry.status}`].filter(Boolean).join("\n")}</pre></details>`;

const AUDIT_COLUMNS = [
  ["What was asked", (entry) => html`<${Asked} of=${entry} />${entry.count > 1 ? ` × ${count(entry.count)}` : ""}`, "name"],
  ["Outcome", (entry) => html`<${Badge} state=${entry.outcome} text=${OUTCOMES[entry.outcome] ?? entry.outcome} />${entry.outcome === "refused" && entry.detail && html`<span class="dim">${entry.detail}</span>`}`],
  ["Who", (entry) => html`<${Path} of=${entry.who} /><span class="dim">${entry.source}</span>`],
  ["When", (entry) => html`<${Age} at=${entry.created_at} />`],
  ["Request", (entry) => html`<${Raw} of=${entry} />`],
];
