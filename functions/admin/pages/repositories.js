// The replication details: every container repository of this site, with filters, badges, failures and actions.

import { html, useState } from "./ui.js";
import { act } from "./api.js";
import { Failure } from "./failures.js";
import { Chips, Filters, useFilters } from "./filters.js";
import { ActionButton, Age, Badge, Due, Freshness, Heading, Pager, Question, RepositoryLink, Table } from "./parts.js";
import { useAction, usePages } from "./poll.js";
import { count, plural, STATES, VERIFICATION_STATES } from "./words.js";

const PER_PAGE = 20;
const SELECTS = [["state", "Replication", STATES], ["verification_state", "Verification", VERIFICATION_STATES]];

export function Repositories(context) {
  // Which list it is, is not known before the sites are.
  if (!context.current) return html`<div class="title"><${Heading}>Replication details<//></div><p class="dim">Loading…</p>`;
  return context.current.primary ? html`<${AtSites} ...${context} />` : html`<${Rows} ...${context} />`;
}

function Rows({ route, own, tell, noSync, onUnauthorized }) {
  const [filters, change] = useFilters(route, ["state", "verification_state", "parked", "search"]);
  const [page, pages] = usePages(`api/v4/geo/container_repositories?${filters}`, PER_PAGE, 5, onUnauthorized);

  const rows = page.data?.nodes ?? [];
  return html`
    <div class="title"><${Heading}>Replication details<//><${Freshness} of=${[page]} /></div>
    <${Filters} label="Container repositories" selects=${SELECTS} text=${SEARCH} filters=${filters} change=${change} />
    <div class="tools"><${Chips} label="What to look at" filters=${filters} change=${change} of=${chips(own)} />
      <${Actions} tell=${tell} why=${noSync} refresh=${page.refresh} /></div>
    ${page.data?.unreadable.map((text) => html`<p class="problem">A row cannot be read: ${text}</p>`)}
    ${page.data && html`<div class=${page.error ? "old" : ""}><${Table} kind="cards dense" caption="Container repositories, by name" rows=${rows} keyOf=${(row) => row.name}
      empty=${emptyText(page.data, filters, pages.cursors)} columns=${columns(tell, noSync, page.refresh)} />
    <${Pager} info=${page.data.page_info} ...${pages} shown=${rows.length} total=${totalOf(own, filters)} what="container repositories" /></div>`}`;
}

const SEARCH = ["search", "Name contains"];

// [text, the filters that it sets] with what the site counted, which is not known at once.
const chips = (own) => [
  [html`All <span class="dim">${count(own?.container_repositories_registry_count ?? null)}</span>`, {}],
  [html`Failed <span class="dim">${count(own?.container_repositories_failed_count ?? null)}</span>`, { state: "failed" }],
  [html`Parked <span class="dim">${own?.parked_references_count == null ? count(null) : plural(own.parked_references_count, "reference", "references")}</span>`, { parked: "true" }],
];

// How many rows a list has, where the site counts them; else null.
function totalOf(own, filters) {
  if (!own || filters.size > 1) return null;
  if (filters.size === 0) return own.container_repositories_registry_count;
  const counted = {
    "state=synced": own.container_repositories_synced_count,
    "state=failed": own.container_repositories_failed_count,
    "verification_state=succeeded": own.container_repositories_verified_count,
    "verification_state=failed": own.container_repositories_verification_failed_count,
  };
  return counted[String(filters)] ?? null;
}

// At the primary: its repositories, and what each of its sites said that it has of them.
function AtSites({ route, onUnauthorized }) {
  const [filters, change] = useFilters(route, ["prefix"]);
  const [page, pages] = usePages(`api/v4/geo/primary_repositories?${filters}`, PER_PAGE, 10, onUnauthorized);
  const rows = page.data?.nodes ?? [];
  return html`
    <div class="title"><${Heading}>Replication details<//><${Freshness} of=${[page]} /></div>
    <p class="dim">What each site has, as it reported it. Each site's own dashboard shows more, and acts: the <a href="#/sites">Geo sites</a> lead there.</p>
    <${Filters} label="Container repositories" selects=${[]} filters=${filters} change=${change} />
    ${page.data && html`<div class=${page.error ? "old" : ""}><${Table} caption="Container repositories, by name" rows=${rows} keyOf=${(row) => row.name}
      empty=${pages.cursors.length ? "There are no more." : filters.size ? "No container repository that a site reported fits the filter." : "No site has reported a container repository yet."}
      columns=${[["Container repository", (row) => html`<bdi class="repository">${row.name}</bdi>`, "name"], ...siteColumns(rows)]} />
    <${Pager} info=${page.data.page_info} ...${pages} shown=${rows.length} what="container repositories" /></div>`}`;
}

const siteColumns = (rows) => (rows[0]?.sites ?? []).map(({ site }) => [site, (row) => {
  const at = row.sites.find((one) => one.site === site);
  if (!at || at.known === null) return html`<span class="dim">Not reported yet</span>`;
  return html`${at.known ? html`<${Badge} state=${at.state} text=${STATES[at.state]} />` : html`<span class="failure">Not there</span>`}
    <span class="dim">As of <${Age} at=${at.reported_at} /></span>`;
}]);

function emptyText(page, filters, cursors) {
  if (page.page_info.has_next_page) return "None of those looked at fits the filters; there are more on the next page.";
  if (cursors.length) return "This is the end of the list.";
  return filters.size ? "No container repository fits the filters." : "There is no container repository yet.";
}

const columns = (tell, why, refresh) => [
  ["Container repository", (row) => html`<${RepositoryLink} row=${row} />
    ${row.missing_on_primary && html`<span class="dim"> not at the primary</span>`}`, "name"],
  ["Replication", (row) => html`<${Badge} state=${row.state} text=${STATES[row.state]} />
    <span class="dim">${row.last_synced_at ? html`Synced <${Age} at=${row.last_synced_at} />` : "Never synced"}</span>
    ${row.last_sync_failure && html`<${Failure} text=${row.last_sync_failure} about=${row.name} />`}
    ${row.retry_at && html`<span class="dim">Next try: <${Due} at=${row.retry_at} />; ${plural(row.retry_count, "try has", "tries have")} failed</span>`}`],
  ["Verification", (row) => html`<${Badge} state=${row.verification_state} text=${VERIFICATION_STATES[row.verification_state]} />
    <span class="dim">${row.verified_at ? html`Verified <${Age} at=${row.verified_at} />` : "Never verified"}</span>
    ${row.verification_failure && html`<${Failure} text=${row.verification_failure} about=${row.name} />`}`],
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

const QUESTIONS = [
  ["Resync all", "resync", "all", "Every container repository of the primary's catalogue is compared and brought to what the primary has. On a large registry that takes hours."],
  ["Resync all failed", "resync", "failed", "All failed references are tried again now, parked ones too."],
  ["Reverify all", "reverify", "all", "Every synced container repository is verified again."],
  ["Reverify all failed", "reverify", "failed", "Every container repository whose verification failed is verified again."],
];

function Actions({ tell, why, refresh }) {
  const [run, busy] = useAction(tell);
  const [ask, setAsk] = useState(null);
  const send = async () => {
    await run(async () => {
      const done = await act(`api/v4/geo/container_repositories/${ask.what}`, { scope: ask.scope });
      return done.more ? `${done.message}. There are more: once again for the rest` : done.message;
    });
    refresh();
  };
  return html`<div class="buttons">${QUESTIONS.map(([title, what, scope, text]) => html`
    <${ActionButton} key=${title} why=${why} tell=${tell} busy=${busy} onClick=${() => setAsk({ title: `${title}?`, text, action: title, what, scope })}>${title}<//>`)}
    <${Question} ask=${ask} onClose=${() => setAsk(null)} onAnswer=${send} />
  </div>`;
}
