// The replication details: every container repository of this site, with filters, badges, failures and actions.

import { html, useState } from "./ui.js";
import { act } from "./api.js";
import { Failure } from "./failures.js";
import { Chips, Choice, Filters, useFilters } from "./filters.js";
import { Menu } from "./menu.js";
import { ActionButton, Age, Badge, Due, Freshness, Heading, Pager, Path, Polled, Question, RepositoryLink, Table } from "./parts.js";
import { useAction, usePages } from "./poll.js";
import { bytes, count, plural, STATES, utc, VERIFICATION_STATES } from "./words.js";

const PER_PAGE = 20;
const SELECTS = [["state", "Replication", STATES], ["verification_state", "Verification", VERIFICATION_STATES]];
const NARROWING = ["state", "verification_state", "parked", "search"];
const ORDER = ["order", "Order", { "name desc": "Name, from the end", "state asc": "State, failed first", "last_synced_at desc": "Last tried, newest first", "last_synced_at asc": "Last tried, oldest first", "measured_total_size desc": "Size, largest first", "measured_total_size asc": "Size, smallest first", "measured_tags_count desc": "Tags, most first" }, "Name"];
const SIZE = ["per_page", "Rows", { 50: "50", 100: "100" }, String(PER_PAGE)];

export function Repositories(context) {
  // The role of this site decides which list it is.
  if (!context.current) return html`<div class="title"><${Heading}>Replication details<//></div><${Polled} of=${context.sites} rows=${PER_PAGE}>${() => null}<//>`;
  return context.current.primary ? html`<${AtSites} ...${context} />` : html`<${Rows} ...${context} />`;
}

function Rows({ route, own, tell, noSync, onUnauthorized }) {
  const [filters, change] = useFilters(route, [...NARROWING, "order", "per_page"]);
  const narrowing = new URLSearchParams([...filters].filter(([name]) => NARROWING.includes(name)));
  const order = filters.get("order");
  // Another order reads all rows, so it is asked for less often.
  const [page, pages] = usePages(`api/v4/geo/container_repositories?${inOrder(narrowing, order)}`, Number(filters.get("per_page")) || PER_PAGE, order ? 30 : 5, onUnauthorized);
  const refused = page.error?.status === 400 ? page.error.message : null;
  return html`
    <div class="title"><${Heading}>Replication details<//>${refused === null && html`<${Freshness} of=${[page]} />`}</div>
    <${Filters} label="Container repositories" selects=${SELECTS} text=${SEARCH} filters=${filters} change=${change} />
    <div class="tools"><${Chips} label="What to look at" filters=${filters} change=${change} of=${chips(own)} />
      <div class="view"><${Choice} of=${ORDER} filters=${filters} change=${change} /><${Choice} of=${SIZE} filters=${filters} change=${change} />
        <${BulkActions} tell=${tell} why=${noSync} refresh=${page.refresh} /></div></div>
    ${refused !== null && html`<p class="notice" role="alert">${refused}. <button type="button" class="small" onClick=${() => change({ order: "", per_page: "" })}>Show it by name</button></p>`}
    <${Polled} of=${page} rows=${PER_PAGE}>${({ nodes, page_info: info, total_count: total, unreadable }) => html`
      ${unreadable.map((text) => html`<p class="problem" key=${text}>A row cannot be read: ${text}</p>`)}
      <${Table} kind="cards dense" caption=${`Container repositories, by ${(ORDER[2][order] ?? "Name").toLowerCase()}`} rows=${nodes} keyOf=${(row) => row.name}
        empty=${emptyText(info, narrowing, pages.cursors)} columns=${columns(tell, noSync, page.refresh)} />
      <${Pager} info=${info} ...${pages} shown=${nodes.length} total=${total ?? totalOf(own, narrowing)} what="container repositories" />`}<//>`;
}

// The filters of the API for an order such as "state asc".
function inOrder(narrowing, order) {
  if (!order) return narrowing;
  const [by, sort = "asc"] = order.split(" ");
  return new URLSearchParams([...narrowing, ["order_by", by], ["sort", sort]]);
}

const SEARCH = ["search", "Name contains"];

// [text, the filters that it sets], with the site's count, which is not known at once.
const chips = (own) => [
  [html`All <span class="dim">${count(own?.container_repositories_registry_count ?? null)}</span>`, {}],
  [html`Failed <span class="dim">${count(own?.container_repositories_failed_count ?? null)}</span>`, { state: "failed" }],
  [html`Parked <span class="dim">${own?.parked_references_count == null ? count(null) : plural(own.parked_references_count, "reference", "references")}</span>`, { parked: "true" }],
];

// The number of rows in a list if the site counts just these, else null. It has no count for a verification's state: a row
// that counts as verified may be pending, because its next verification is due.
function totalOf(own, filters) {
  if (!own || filters.size > 1) return null;
  if (filters.size === 0) return own.container_repositories_registry_count;
  const counted = { "state=synced": own.container_repositories_synced_count, "state=failed": own.container_repositories_failed_count };
  return counted[String(filters)] ?? null;
}

// At the primary: its repositories, and what each of its sites reported of them.
function AtSites({ route, onUnauthorized }) {
  const [filters, change] = useFilters(route, ["search"]);
  const [page, pages] = usePages(`api/v4/geo/primary_repositories?${filters}`, PER_PAGE, 10, onUnauthorized);
  return html`
    <div class="title"><${Heading}>Replication details<//><${Freshness} of=${[page]} /></div>
    <p class="dim">What each site has, as it reported it. Each site's own dashboard shows more, and acts: the <a href="#/sites">Geo sites</a> lead there.</p>
    <${Filters} label="Container repositories" selects=${[]} text=${SEARCH} filters=${filters} change=${change} />
    <${Polled} of=${page} rows=${PER_PAGE}>${({ nodes, page_info: info }) => html`<${Table} caption="Container repositories, by name" rows=${nodes} keyOf=${(row) => row.name}
      empty=${info.has_next_page || pages.cursors.length ? emptyText(info, filters, pages.cursors) : filters.size ? "No container repository that a site reported fits the filter." : "No site has reported a container repository yet."}
      columns=${[["Container repository", (row) => html`<span class="repository"><${Path} of=${row.name} /></span>`, "name"], ...siteColumns(nodes)]} />
    <${Pager} info=${info} ...${pages} shown=${nodes.length} what="container repositories" />`}<//>`;
}

const siteColumns = (rows) => (rows[0]?.sites ?? []).map(({ site }) => [site, (row) => {
  const at = row.sites.find((one) => one.site === site);
  if (!at || at.known === null) return html`<span class="dim">Not reported yet</span>`;
  return html`${at.known ? html`<${Badge} state=${at.state} text=${STATES[at.state]} />` : html`<span class="failure">Not there</span>`}
    <span class="dim">As of <${Age} at=${at.reported_at} /></span>`;
}]);

function emptyText(info, filters, cursors) {
  if (info.has_next_page) return "None of those looked at fits the filters; there are more on the next page.";
  if (cursors.length) return "This is the end of the list.";
  return filters.size ? "No container repository fits the filters." : "There is no container repository yet.";
}

const ENDED = new Set(["succeeded", "failed"]);

// When it was verified. What is not synced is not verified: GitLab's word for that is "disabled".
function verified(row) {
  if (row.verified_at) return html`${ENDED.has(row.verification_state) ? "" : "Verified "}<${Age} at=${row.verified_at} />`;
  return row.verification_state === "disabled" ? "Until it is synced" : "Never verified";
}

const NOT_KNOWN = html`<span class="dim">not known</span>`;
const whenMeasured = (row) => (row.measured_at === null ? "The first verification that finds it whole counts them" : `As the verification of ${utc(Date.parse(row.measured_at))} counted them`);

const columns = (tell, why, refresh) => [
  ["Container repository", (row) => html`<${RepositoryLink} row=${row} />
    ${row.missing_on_primary && html`<span class="dim"> not at the primary</span>`}`, "name"],
  ["Replication", (row) => html`<${Badge} state=${row.state} text=${STATES[row.state]} />
    <span class="dim">${row.last_synced_at ? html`${row.state === "synced" ? "" : "Tried "}<${Age} at=${row.last_synced_at} />` : "Never tried"}</span>
    ${row.last_sync_failure && html`<${Failure} text=${row.last_sync_failure} about=${row.name} />`}
    ${row.retry_at && html`<span class="dim">Next try: <${Due} at=${row.retry_at} />; ${plural(row.retry_count, "try has", "tries have")} failed</span>`}`],
  ["Verification", (row) => html`<${Badge} state=${row.verification_state} text=${VERIFICATION_STATES[row.verification_state]} />
    <span class="dim">${verified(row)}</span>
    ${row.verification_failure && html`<${Failure} text=${row.verification_failure} about=${row.name} />`}`],
  ["Tags / size", (row) => html`<span title=${whenMeasured(row)}>${row.measured_at === null ? NOT_KNOWN
    : html`${count(row.measured_tags_count)} / ${row.measured_total_size === null ? NOT_KNOWN : bytes(row.measured_total_size)}`}</span>`, "number"],
  ["Actions", (row) => html`<${RowActions} row=${row} tell=${tell} why=${why} refresh=${refresh} />`, "actions"],
];

export function RowActions({ row, tell, why, refresh }) {
  const [run, busy] = useAction(tell);
  const unknown = row.id === null ? "This row has no id yet: its first sync gives it one" : null;
  const send = async (what) => {
    await run(async () => (await act(`api/v4/geo/container_repositories/${row.id}/${what}`)).message);
    refresh();
  };
  return html`<div class="buttons">
    <${ActionButton} class="small" why=${why ?? unknown} tell=${tell} busy=${busy} label=${`Resync ${row.name}`} onClick=${() => send("resync")}>Resync<//>
    <${ActionButton} class="small" why=${why ?? unknown} tell=${tell} busy=${busy} label=${`Reverify ${row.name}`} onClick=${() => send("reverify")}>Reverify<//>
  </div>`;
}

const BULK = [
  { title: "What has failed", items: [
    ["Resync all failed", "resync", "failed", "All failed references are tried again now, parked ones too."],
    ["Reverify all failed", "reverify", "failed", "Every container repository whose verification failed is verified again."],
  ] },
  { title: "Everything (may take hours)", isDangerous: true, items: [
    ["Resync all", "resync", "all", "Every container repository of the primary's catalogue is compared and brought to what the primary has. On a large registry that takes hours."],
    ["Reverify all", "reverify", "all", "Every synced container repository is verified again. On a large registry that takes hours."],
  ] },
];

function BulkActions({ tell, why, refresh }) {
  const [run, busy] = useAction(tell);
  const [ask, setAsk] = useState(null);
  const send = async () => {
    await run(async () => {
      const done = await act(`api/v4/geo/container_repositories/${ask.what}`, { scope: ask.scope });
      return done.more ? `${done.message}. There are more: once again for the rest` : done.message;
    });
    refresh();
  };
  const groups = BULK.map(({ title, isDangerous, items }) => ({
    title,
    items: items.map(([action, what, scope, text]) => ({ text: action, isDangerous, onClick: () => setAsk({ title: `${action}?`, text, action, what, scope, isDangerous }) })),
  }));
  return html`<${Menu} title="Bulk actions" groups=${groups} why=${why} tell=${tell} busy=${busy} />
    <${Question} ask=${ask} onClose=${() => setAsk(null)} onAnswer=${send} />`;
}
