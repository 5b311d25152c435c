// One container repository: its row, what is owed in it, and its tags on both sides.

import { html } from "./ui.js";
import { act } from "./api.js";
import { Failure } from "./failures.js";
import { FoundIn } from "./findings.js";
import { ActionButton, Age, Badge, Digest, Due, Facts, Freshness, Heading, Pager, Path, Polled, Table } from "./parts.js";
import { RowActions } from "./repositories.js";
import { useAction, usePages, usePoll } from "./poll.js";
import { bytes, count, duration, STATES, VERIFICATION_STATES } from "./words.js";

const PER_PAGE = 20;

export function Repository({ route, tell, noSync, onUnauthorized }) {
  const id = /^[1-9]\d{0,15}$/.test(route.id) ? route.id : null;
  const one = usePoll(id === null ? null : `api/v4/geo/container_repositories/${id}`, 5, onUnauthorized);
  const found = usePoll(id === null ? null : `api/v4/geo/container_repositories/${id}/findings`, 5, onUnauthorized);
  const [tags, pages] = usePages(id === null ? null : `api/v4/geo/container_repositories/${id}/tags`, PER_PAGE, 5, onUnauthorized);
  const all = [one, found, tags];
  const refresh = () => all.forEach((poll) => poll.refresh());
  const row = one.data;
  const back = html`<p><a href="#/repositories">‹ All container repositories</a></p>`;
  if (id === null) return html`${back}<div class="title"><${Heading}>No such container repository<//></div>`;
  // Each answer has an element of its own, because the library would put a late one elsewhere.
  return html`
    ${back}
    <div class="title"><${Heading}>${row ? html`<${Path} of=${row.name} />` : `Container repository ${id}`}<//>
      <${Freshness} of=${all} /></div>
    <div><${Polled} of=${one} rows=${6}>${() => html`<div class="flow">
      <section class="card" aria-label="The row">
        <div class="head"><span class="dim">Replication</span> <${Badge} state=${row.state} text=${STATES[row.state]} />
          <span class="dim">Verification</span> <${Badge} state=${row.verification_state} text=${VERIFICATION_STATES[row.verification_state]} />${row.verification_state === "disabled" && html` <span class="dim">until it is synced</span>`}
          ${row.held && html`<span class="role">Somebody works on it now</span>`}</div>
        ${row.last_sync_failure && html`<${Failure} text=${row.last_sync_failure} about="the latest sync" />`}
        ${row.verification_failure && html`<div>Verification: <${Failure} text=${row.verification_failure} about="the latest verification" /></div>`}
        <${Facts} of=${facts(row)} />
        <${RowActions} row=${row} tell=${tell} why=${noSync} refresh=${refresh} />
      </section>
      ${row.owed.length > 0 && html`<h2>Owed</h2><${Table} caption=${owedCaption(row)} rows=${row.owed} keyOf=${(owed) => owed.reference}
        columns=${owedColumns(row, tell, noSync, refresh)} />`}
    </div>`}<//></div>
    <div class="flow">${found.data && html`<${FoundIn} found=${found.data} tell=${tell} why=${noSync} refresh=${refresh} />`}</div>
    <h2>Tags on both sides</h2>
    <p class="dim">As far as this site knows without asking either registry.</p>
    <${Polled} of=${tags}>${({ nodes, page_info: info }) => html`<${Table} caption="Tags, by name" rows=${nodes} keyOf=${(tag) => tag.name} columns=${TAG_COLUMNS}
        empty=${info.has_next_page ? "None here; there are more on the next page." : "No tag is known."} />
      <${Pager} info=${info} ...${pages} shown=${nodes.length} total=${row && !row.more_tags ? row.tags_count : null} what="tags" />`}<//>`;
}

// The size now, else as it was last measured.
function sizeOf(row) {
  if (row.total_size !== null) return bytes(row.total_size);
  return row.measured_total_size === null ? "not known" : html`${bytes(row.measured_total_size)} <span class="dim">measured <${Age} at=${row.measured_at} /></span>`;
}

function facts(row) {
  return [
    ["Tags", `${row.more_tags ? "more than " : ""}${count(row.tags_count)}`],
    ["Size", sizeOf(row)],
    ["Owed", html`${row.more_owed ? "more than " : ""}${count(row.owed_count)}${row.failed_count ? ` (${count(row.failed_count)} failed)` : ""}`, row.failed_count ? "bad" : ""],
    ["Oldest owed for", row.lag_seconds ? duration(row.lag_seconds) : "nothing is owed"],
    [row.state === "synced" ? "Last synced" : "Last tried", html`<${Age} at=${row.last_synced_at} />`],
    ["Failed tries", count(row.retry_count)],
    row.retry_at !== null && ["Next try", html`<${Due} at=${row.retry_at} />`],
    ["Verified", html`<${Age} at=${row.verified_at} />`],
    row.verification_retry_at !== null && ["Next verification", html`<${Due} at=${row.verification_retry_at} />`],
    ["Known since", html`<${Age} at=${row.created_at} otherwise="not known" />`],
    row.missing_on_primary && ["At the primary", "missing", "bad"],
    ["Checksum", html`<${Digest} of=${row.verification_checksum} otherwise="none" />`, "wide"],
    row.checksum_mismatch && ["Checksum found here", html`<${Digest} of=${row.verification_checksum_mismatched} />`, "bad wide"],
  ];
}

const owedCaption = (row) =>
  row.owed.length < row.owed_count || row.more_owed ? `The ${row.owed.length} references that are owed for longest` : "Tags and digests that are owed, the oldest first";

const owedColumns = (row, tell, why, refresh) => [
  ["Reference", (owed) => html`<bdi><code>${owed.reference === "*" ? "the whole repository" : owed.reference}</code></bdi>`, "name"],
  ["Owed for", (owed) => html`<time title=${owed.owed_since} datetime=${owed.owed_since}>${duration(owed.lag_seconds)}</time>`],
  ["Tries", (owed) => count(owed.attempts)],
  ["Next try", (owed) => (owed.parked ? html`<${Badge} state="failed" text="Parked" /> <span class="dim">It waits for a resync.</span>` : html`<${Due} at=${owed.retry_at} />`)],
  ["Last failure", (owed) => (owed.failure ? html`<${Failure} text=${owed.failure} about=${owed.reference} />` : html`<span class="dim">none</span>`)],
  ["Actions", (owed) => html`<${ResyncReference} row=${row} reference=${owed.reference} tell=${tell} why=${why} refresh=${refresh} />`, "actions"],
];

function ResyncReference({ row, reference, tell, why, refresh }) {
  const [run, busy] = useAction(tell);
  const send = async () => {
    const references = reference === "*" ? [] : [reference];
    await run(async () => (await act(`api/v4/geo/container_repositories/${row.id}/resync`, { references })).message);
    refresh();
  };
  return html`<${ActionButton} class="small" why=${why} tell=${tell} busy=${busy} label=${`Resync ${reference} of ${row.name}`} onClick=${send}>Resync<//>`;
}

const isEqual = (tag) => tag.primary_digest !== null && tag.primary_digest === tag.secondary_digest;

const TAG_COLUMNS = [
  ["Tag", (tag) => html`<bdi><code>${tag.name}</code></bdi>`, "name"],
  ["State", (tag) => html`<${Badge} state=${tag.state} text=${STATES[tag.state]} />
    ${tag.failure && html`<${Failure} text=${tag.failure} about=${tag.name} />`}
    ${tag.owed_since && html`<span class="dim">Owed for ${duration(tag.lag_seconds)}${tag.parked ? ", parked" : ""}</span>`}`],
  ["Primary", (tag) => (tag.missing_since && !tag.primary_digest
    ? html`<span class="failure">missing</span> <span class="dim">found <${Age} at=${tag.missing_since} /></span>`
    : html`<${Digest} of=${tag.primary_digest} />`)],
  ["Secondary", (tag) => (isEqual(tag) ? html`<span class="dim">the same</span>` : html`<${Digest} of=${tag.secondary_digest} otherwise="none" />`)],
  ["Size", (tag) => (tag.total_size === null ? html`<span class="dim">not known</span>` : bytes(tag.total_size))],
  ["Seen here", (tag) => html`<${Age} at=${tag.seen_at} otherwise="not yet" />`],
];
