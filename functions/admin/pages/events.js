// Two logs, newest first: the geo events that this site took, and what operators did here.

import { html } from "./ui.js";
import { Filters, useFilters } from "./filters.js";
import { Age, Badge, Digest, Freshness, Heading, Pager, Path, Polled, Table } from "./parts.js";
import { usePages } from "./poll.js";
import { utc } from "./words.js";

const PER_PAGE = 20;

const SELECTS = [["event_name", "Event", { created: "created", updated: "updated", deleted: "deleted" }]];

export function Events({ route, onUnauthorized }) {
  const [filters, change] = useFilters(route, ["event_name", "repository"]);
  // A filtered page is read out of many events: less often.
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

const EVENT_COLUMNS = [
  ["Container repository", (event) => html`<span class="repository">${event.repository ? html`<${Path} of=${event.repository} />` : "not known"}</span>`, "name"],
  ["Tag", (event) => (event.tag ? html`<bdi><code>${event.tag}</code></bdi>` : html`<span class="dim">none</span>`)],
  ["Digest", (event) => html`<${Digest} of=${event.digest} otherwise="none" />`],
  ["Event", (event) => event.event_name ?? html`<span class="dim">none</span>`],
  ["Outcome", (event) => html`<${Badge} state=${event.outcome} text=${event.outcome} />${event.reason && html`<span class="failure">${event.reason}</span>`}`],
  ["Taken", (event) => html`<${Age} at=${event.created_at} />`],
];

const VERBS = { resync: "Resync", reverify: "Reverify", keep: "Keep tags", adopt: "Adopt tags", dismiss: "Dismiss findings", undismiss: "Show findings again" };
const ACTIONS = {
  "POST container_repositories/resync": "Resync many", "POST container_repositories/reverify": "Reverify many",
  "POST dead_letters/replay": "Replay dead letters", "POST dead_letters/discard": "Discard dead letters",
  "POST deletes/resume": "Resume deletes", "POST pause": "Pause", "POST resume": "Resume",
};

// What an action of the API is called on the buttons; null for one that is not known here.
function called(action) {
  const [, method, path] = /^(\w+) \/api\/v4\/geo\/(.*)$/.exec(action) ?? [];
  return ACTIONS[`${method} ${path}`] ?? VERBS[/^container_repositories\/\d+\/(\w+)$/.exec(path)?.[1]] ?? null;
}

// The way to the container repository that an action was about.
function about(entry) {
  const id = /\/container_repositories\/(\d+)\//.exec(entry.action)?.[1];
  return id && html`<a href=${`#/repositories/${id}`}>Container repository ${id}</a> `;
}

const SHORT = 100;

// What was asked; of much (an action may name a hundred messages) the beginning, the whole of it on demand.
function Detail({ of }) {
  if (of.length <= SHORT) return html`<${Path} of=${of} />`;
  return html`<details><summary><${Path} of=${`${of.slice(0, SHORT / 2)}…`} /></summary><${Path} of=${of} /></details>`;
}

const AUDIT_COLUMNS = [
  ["Action", (entry) => html`${called(entry.action) && html`<span class="repository">${called(entry.action)}</span> `}<span class=${called(entry.action) ? "dim" : "repository"}><${Path} of=${entry.action} /></span>${entry.count > 1 ? ` × ${entry.count}` : ""}`, "name"],
  ["Who", (entry) => html`${entry.who}<span class="dim">${entry.source}</span>`],
  ["Outcome", (entry) => html`<${Badge} state=${entry.outcome} text=${entry.outcome} /> ${entry.status}`],
  ["Detail", (entry) => html`${about(entry)}${entry.detail && entry.detail !== "{}" ? html`<${Detail} of=${entry.detail} />` : !about(entry) && html`<span class="dim">none</span>`}`],
  ["When", (entry) => html`<${Age} at=${entry.created_at} />`],
];
