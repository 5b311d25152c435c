// The findings of comparisons: tags that are missing at the primary or left the selection, and tags that Geosync did not put
// here. And the breaker: deletes by comparison are suspended when so many tags would go that somebody has to look.

import { html, useState } from "./ui.js";
import { act } from "./api.js";
import { Filters, useFilters } from "./filters.js";
import { ActionButton, Age, Badge, Freshness, Heading, Pager, Polled, Question, RepositoryLink, Table } from "./parts.js";
import { useAction, usePages, usePoll } from "./poll.js";
import { count, plural } from "./words.js";

const PER_PAGE = 20;
const NAMES_SHOWN = 5;
const SELECTS = [
  ["kind", "With tags that are", { missing: "Missing at the primary", outside: "Outside the selection", extra: "Extra here" }],
  ["dismissed", "Show", { true: "Dismissed" }, "Not dismissed"],
];

export function Findings({ route, current, tell, noSync, onUnauthorized }) {
  const [filters, change] = useFilters(route, ["kind", "dismissed", "prefix"]);
  const [page, pages] = usePages(`api/v4/geo/findings?${filters}`, PER_PAGE, 10, onUnauthorized);
  const deletes = usePoll("api/v4/geo/deletes", 10, onUnauthorized);
  const all = [page, deletes];
  const refresh = () => all.forEach((poll) => poll.refresh());
  if (current?.primary) {
    return html`<div class="title"><${Heading}>Missing and extra<//></div>
      <p class="empty">${current.name} is the primary. Each secondary's own dashboard shows the tags that are missing here, and the extra ones there. The <a href="#/sites">Geo sites</a> lead there.</p>`;
  }
  return html`
    <div class="title"><${Heading}>Missing and extra<//><${Freshness} of=${all} /></div>
    <div>${deletes.data && html`<${Deletes} deletes=${deletes.data} old=${deletes.error !== null} tell=${tell} why=${noSync} refresh=${refresh} />`}</div>
    <${Filters} label="What comparisons found" selects=${SELECTS} filters=${filters} change=${change} />
    <${Polled} of=${page}>${({ nodes, page_info: info }) => html`<${Table} caption="What the latest comparisons found, by container repository" rows=${nodes} keyOf=${(found) => found.name}
      columns=${columns(deletes.data, tell, noSync, refresh)} empty=${emptyText(info, filters, pages.cursors)} />
      <${Pager} info=${info} ...${pages} shown=${nodes.length} what="findings" />`}<//>`;
}

function emptyText(info, filters, cursors) {
  if (info.has_next_page) return "None of these fits the filters; there are more on the next page.";
  if (cursors.length) return "This is the end of the list.";
  if (String(filters) === "dismissed=true") return "Nothing is dismissed.";
  return filters.size ? "Nothing fits the filters." : "Nothing is missing at the primary, outside the selection or extra here, as far as comparisons have looked, but for what was dismissed.";
}

function Deletes({ deletes, old, tell, why, refresh }) {
  const [run, busy] = useAction(tell);
  const [ask, setAsk] = useState(null);
  const send = async () => {
    await run(async () => (await act("api/v4/geo/deletes/resume")).message);
    refresh();
  };
  const resume = () =>
    setAsk({ title: "Remove all of these tags?", text: "The next comparison removes from this site the tags that were found missing at the primary, or outside the selection, until now. Images that only this site has are then lost.", action: "Resume deletes", isDangerous: true });
  const off = deletes.policy === "keep" && deletes.outside_selection === "keep";
  const [state, text] = off ? ["disabled", "Off"] : deletes.suspended ? ["failed", "Suspended"] : deletes.doubted_at ? ["doubted", "Waiting"] : ["succeeded", "On"];
  return html`<div class=${old ? "old" : ""}><section class="card" aria-labelledby="deletes">
    <div class="head"><h2 id="deletes">Deletes by comparison</h2> <${Badge} state=${state} text=${text} /></div>
    ${deletes.policy === "keep" && html`<p class="dim">Tags that are missing at the primary stay here (<code>Deletes=keep</code>).</p>`}
    ${deletes.outside_selection === "remove" && html`<p class="dim">Tags that left the selection are removed here (<code>OutsideSelection=remove</code>).</p>`}
    ${deletes.doubted_at && !deletes.suspended && html`<p class="problem">${deletes.doubt}; first seen <${Age} at=${deletes.doubted_at} />. Nothing is removed by comparison until all events are processed: then it is clear whether somebody announced it.</p>`}
    ${deletes.suspended
      ? html`<p class="problem">${deletes.reason}; suspended <${Age} at=${deletes.suspended_at} />.</p>
        <p>Is all of it to go? Then resume. If not, mend the primary, or the selection: once the tags are back, deletes go on by themselves.</p>
        <div class="buttons"><${ActionButton} class="danger" why=${why} tell=${tell} busy=${busy} onClick=${resume}>Resume deletes<//></div>`
      : deletes.policy === "propagate" && html`<p class="dim">If a second comparison still misses a tag at the primary, the tag is removed here. An extra tag is never removed unless you adopt it.</p>`}
    <${Question} ask=${ask} onClose=${() => setAsk(null)} onAnswer=${send} />
  </section></div>`;
}

const columns = (deletes, tell, why, refresh) => [
  ["Container repository", (found) => html`<${RepositoryLink} row=${found} />${found.gone && html`<span class="failure">The primary does not know it at all</span>`}`, "name"],
  ["Missing at the primary", (found) => html`<${Names} number=${found.missing_count} names=${found.missing} of=${` of ${plural(found.tags_count, "tag", "tags")}`} />`],
  ["Outside the selection", (found) => html`<${Names} number=${found.outside_count} names=${found.outside} of="" />`],
  ["Extra here", (found) => html`<${Names} number=${found.extra_count} names=${found.extra} of="" />`],
  ["Found", (found) => html`<${Age} at=${found.found_at} /><${Dismissed} found=${found} />`],
  ["Actions", (found) => html`<div class="buttons">
    ${found.missing_count + found.outside_count > 0 && html`<${Act} kind="keep" found=${found} tell=${tell} why=${why} refresh=${refresh} />`}
    ${found.extra_count > 0 && html`<${Act} kind="adopt" found=${found} tell=${tell} why=${why ?? noAdoption(deletes)} refresh=${refresh} />`}
    <${Dismiss} found=${found} tell=${tell} why=${why} refresh=${refresh} /></div>`, "actions"],
];

const noAdoption = (deletes) => (deletes?.policy === "keep" ? "This site removes nothing that the primary lacks (Deletes=keep): there is nothing to adopt for" : null);

// The number of tags, and their names: the first few at once, the others on demand. Of very many only the first have names.
function Names({ number, names, of }) {
  if (number === 0) return html`<span class="dim">none</span>`;
  const list = (some) => some.map((name, at) => html`<span key=${name}>${at ? ", " : ""}<bdi><code>${name}</code></bdi></span>`);
  const unnamed = number - names.length;
  const rest = names.slice(NAMES_SHOWN);
  return html`<strong>${count(number)}${of}</strong><div class="names">${list(names.slice(0, NAMES_SHOWN))}</div>
    ${rest.length > 0 && html`<details><summary>${count(rest.length)} more</summary><div class="names">${list(rest)}</div></details>`}
    ${unnamed > 0 && html`<span class="dim">and ${count(unnamed)} that are not named</span>`}`;
}

const WORDS = {
  keep: {
    title: "Keep",
    all: (found) => `Keep the missing and outside tags of ${found.name}`,
    question: (what) => `${what} will not be removed here, although the primary or the selection no longer has it. From then on it counts as not put here by Geosync.`,
  },
  adopt: {
    title: "Adopt",
    all: (found) => `Adopt the extra tags of ${found.name}`,
    question: (what) => `${what} will be treated as if Geosync had put it here. Geosync asks the primary, and removes from this site what the primary does not have. Images that only this site has are then lost.`,
  },
};

// Keep or adopt one tag, or all of a container repository. Each asks first: an adoption removes, and there is no undo.
function Act({ kind, found, tag = null, tell, why, refresh }) {
  const [run, busy] = useAction(tell);
  const [ask, setAsk] = useState(null);
  const words = WORDS[kind];
  const unknown = found.id === null ? NO_ID : null;
  const label = tag === null ? words.all(found) : `${words.title} ${tag} of ${found.name}`;
  const number = kind === "keep" ? found.missing_count + found.outside_count : found.extra_count;
  const what = tag === null ? `The ${kind === "keep" ? "missing and outside" : "extra"} tags of ${found.name} (${plural(number, "tag", "tags")})` : `The tag ${tag} of ${found.name}`;
  const send = async () => {
    await run(async () => (await act(`api/v4/geo/container_repositories/${found.id}/${kind}`, { tags: tag === null ? [] : [tag] })).message);
    refresh();
  };
  return html`<${ActionButton} class=${kind === "adopt" ? "small danger" : "small"} why=${why ?? unknown} tell=${tell} busy=${busy} label=${label}
      onClick=${() => setAsk({ title: `${label}?`, text: words.question(what), action: words.title, isDangerous: kind === "adopt" })}>${words.title}<//>
    <${Question} ask=${ask} onClose=${() => setAsk(null)} onAnswer=${send} />`;
}

const Dismissed = ({ found }) => found.dismissed_at && html`<span class="dim">Dismissed by ${found.dismissed_by} <${Age} at=${found.dismissed_at} />: ${found.dismissed_because}</span>`;

const NO_ID = "This container repository has no id yet: its first sync gives it one";

// Take the findings of a container repository out of the list, or back into it.
function Dismiss({ found, tell, why, refresh }) {
  const [run, busy] = useAction(tell);
  const [ask, setAsk] = useState(null);
  const send = async (what, body) => {
    await run(async () => (await act(`api/v4/geo/container_repositories/${found.id}/${what}`, body)).message);
    refresh();
  };
  const [title, press] = found.dismissed_at
    ? ["Show again", () => send("undismiss")]
    : ["Dismiss", () => setAsk({ title: `Dismiss what was found in ${found.name}?`, text: "It is hidden until a comparison finds something else. The tags stay as they are: those that are to be removed here are still removed.", action: "Dismiss", needsReason: true })];
  return html`<${ActionButton} class="small" why=${why ?? (found.id === null ? NO_ID : null)} tell=${tell} busy=${busy} label=${`${title} what was found in ${found.name}`} onClick=${press}>${title}<//>
    <${Question} ask=${ask} onClose=${() => setAsk(null)} onAnswer=${(reason) => send("dismiss", { reason, found_at: found.found_at })} />`;
}

// The findings of one container repository, tag by tag.
export function FoundIn({ found, tell, why, refresh }) {
  const rows = [
    ...found.missing.map((tag) => ({ tag, kind: "keep", text: "Missing at the primary" })),
    ...found.outside.map((tag) => ({ tag, kind: "keep", text: "Outside the selection" })),
    ...found.extra.map((tag) => ({ tag, kind: "adopt", text: "Extra here" })),
  ];
  if (rows.length === 0) return null;
  const number = found.missing_count + found.outside_count + found.extra_count;
  return html`<div class="title"><h2>Missing and extra</h2><${Dismiss} found=${found} tell=${tell} why=${why} refresh=${refresh} /></div>
    ${found.dismissed_at && html`<p><${Dismissed} found=${found} /></p>`}
    <${Table} caption=${`${rows.length < number ? `${count(rows.length)} of ${plural(number, "tag", "tags")}` : "Tags"} that a comparison would not bring, by the latest one`} rows=${rows} keyOf=${(row) => `${row.kind} ${row.tag}`} columns=${[
      ["Tag", (row) => html`<bdi><code>${row.tag}</code></bdi>`, "name"],
      ["Found", (row) => html`<${Badge} state="found" text=${row.text} /> <span class="dim"><${Age} at=${found.found_at} /></span>`],
      ["Actions", (row) => html`<div class="buttons"><${Act} kind=${row.kind} found=${found} tag=${row.tag} tell=${tell} why=${why} refresh=${refresh} /></div>`, "actions"],
    ]} />`;
}
