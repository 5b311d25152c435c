// The geo events that this site took, and what operators did here.

import { html, useState } from "./ui.js";
import { Age, Badge, Digest, Freshness, Heading, Pager, Table } from "./parts.js";
import { usePoll } from "./poll.js";

const PER_PAGE = 20;

export function Events({ current, onUnauthorized }) {
  const [events, eventPages] = usePages("api/v4/geo/events", onUnauthorized);
  const [audit, auditPages] = usePages("api/v4/geo/audit_events", onUnauthorized);
  const empty = current?.primary === false ? "A secondary takes no notifications: the primary's dashboard shows the geo events." : "No geo event yet.";
  return html`
    <div class="title"><${Heading}>Geo events<//><${Freshness} poll=${events.error ? events : audit.error ? audit : events} /></div>
    ${events.data && html`<${Table} caption="Geo events that this site took, newest first" rows=${events.data.nodes} keyOf=${(event) => event.id} columns=${EVENT_COLUMNS} empty=${emptyText(events.data, eventPages.cursors, empty)} />
      <${Pager} info=${events.data.page_info} ...${eventPages} what="geo events" />`}
    <h2>What operators did</h2>
    ${audit.data && html`<${Table} caption="The audit log, newest first" rows=${audit.data.nodes} keyOf=${(entry) => entry.id} columns=${AUDIT_COLUMNS} empty=${emptyText(audit.data, auditPages.cursors, "Nothing yet.")} />
      <${Pager} info=${audit.data.page_info} ...${auditPages} what="the audit log" />`}`;
}

// A page may be empty before the end: it covers a stretch of time.
function emptyText(page, cursors, otherwise) {
  if (page.page_info.has_next_page) return "None in this stretch of time; there may be more on the next page.";
  return cursors.length ? "There are no more." : otherwise;
}

function usePages(path, onUnauthorized) {
  const [cursors, onChange] = useState([]);
  const query = new URLSearchParams([["per_page", PER_PAGE], ...(cursors.length ? [["cursor", cursors.at(-1)]] : [])]);
  return [usePoll(`${path}?${query}`, 10, onUnauthorized), { cursors, onChange }];
}

const EVENT_COLUMNS = [
  ["Container repository", (event) => html`<bdi class="repository">${event.repository ?? "not known"}</bdi>`, "name"],
  ["Tag", (event) => (event.tag ? html`<bdi><code>${event.tag}</code></bdi>` : html`<span class="dim">none</span>`)],
  ["Digest", (event) => html`<${Digest} of=${event.digest} otherwise="none" />`],
  ["Event", (event) => event.event_name ?? html`<span class="dim">none</span>`],
  ["Outcome", (event) => html`<${Badge} state=${event.outcome} text=${event.outcome} />${event.reason && html`<span class="failure">${event.reason}</span>`}`],
  ["Taken", (event) => html`<${Age} at=${event.created_at} />`],
];

const AUDIT_COLUMNS = [
  ["Action", (entry) => html`<bdi>${entry.action}</bdi>${entry.count > 1 ? ` × ${entry.count}` : ""}`, "name"],
  ["Who", (entry) => html`${entry.who}<span class="dim">${entry.source}</span>`],
  ["Outcome", (entry) => html`<${Badge} state=${entry.outcome} text=${entry.outcome} /> ${entry.status}`],
  ["Detail", (entry) => (entry.detail ? html`<bdi class="detail">${entry.detail}</bdi>` : html`<span class="dim">none</span>`)],
  ["When", (entry) => html`<${Age} at=${entry.created_at} />`],
];
