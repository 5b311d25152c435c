// The parts that pages are made of.

import { html, useEffect, useId, useRef, useState } from "./ui.js";
import { useNow } from "./poll.js";
import { age, clock, count, utc } from "./words.js";

// A moment (RFC 3339, or milliseconds) as its age, with the exact time in UTC.
export function Age({ at, otherwise = "never" }) {
  const now = useNow();
  if (at === null || at === undefined) return otherwise;
  const milliseconds = typeof at === "number" ? at : Date.parse(at);
  return html`<time datetime=${new Date(milliseconds).toISOString()} title=${utc(milliseconds)}>${age(milliseconds, now)}</time>`;
}

// When something is tried again. Once that moment is past it is due, and waits for a worker.
export function Due({ at }) {
  return useNow() < Date.parse(at) ? html`<${Age} at=${at} />` : "due";
}

const KINDS = { good: "✓", bad: "✕", warn: "!", busy: "↻", waiting: "…", off: "–" };
const KIND_OF = {
  synced: "good", succeeded: "good", Healthy: "good", finished: "good", accepted: "good", done: "good",
  failed: "bad", Unhealthy: "bad", Degraded: "warn", unusable: "bad", refused: "bad",
  started: "busy", running: "busy", settling: "busy",
  disabled: "off", not_begun: "off",
  found: "warn", doubted: "warn", paused: "warn",
};

// A state: its word and a sign, never a colour alone.
export function Badge({ state, text }) {
  const kind = KIND_OF[state] ?? "waiting";
  return html`<span class="badge ${kind}"><span aria-hidden="true">${KINDS[kind]}</span> ${text ?? state}</span>`;
}

// A name or a path. One that is too long for its place breaks after a separator, not within a word.
const LONG_WORD = 24;
const pieces = (text) => (text.match(/\s+|[/:@]*[^/:@\s]+[/:@]*|[/:@]+/g) ?? []).flatMap((part) => (part.length > LONG_WORD ? part.match(/[^-_.]+[-_.]*|[-_.]+/g) : [part]));
export const Path = ({ of }) => html`<bdi class="path">${pieces(of).flatMap((part, at) => (at ? [html`<wbr />`, part] : [part]))}</bdi>`;

// A digest: its beginning, and the whole on demand.
export function Digest({ of, otherwise = "not known" }) {
  if (!of) return html`<span class="dim">${otherwise}</span>`;
  const [algorithm, hexadecimal = ""] = of.split(":");
  if (hexadecimal.length <= 16) return html`<code>${of}</code>`;
  return html`<details class="digest">
    <summary><code>${algorithm}:${hexadecimal.slice(0, 10)}…</code></summary>
    <code>${of}</code>
  </details>`;
}

const SLOW_SECONDS = 3;

// The age of what is shown, and whether the site still answers. Of several polls it shows one with an error, or without an
// answer, first.
export function Freshness({ of }) {
  const now = useNow(1);
  const poll = of.find((one) => one.error) ?? of.find((one) => one.at === null) ?? of[0];
  const again = html`<button type="button" class="small" onClick=${() => of.forEach((one) => one.refresh())}>Try now</button>`;
  if (poll.error) {
    const next = Math.max(0, Math.ceil((poll.nextAt - now) / 1000));
    return html`<div class="fresh stale">
      <span role="alert"><span aria-hidden="true">⚠ </span><strong>${poll.at ? "Not up to date" : "Cannot be shown yet"}:</strong> ${poll.error.message}.</span>
      ${poll.at ? html` This is as of <${Age} at=${poll.at} />.` : ""}${" "}<span aria-hidden="true">Next try in ${next} s.</span>
      ${" "}${again}
    </div>`;
  }
  if (poll.at) return html`<p class="fresh">As of <time datetime=${new Date(poll.at).toISOString()}>${clock(poll.at)}</time></p>`;
  const waited = Math.floor((now - poll.askedAt) / 1000);
  if (waited < SLOW_SECONDS) return html`<p class="fresh">Loading…</p>`;
  return html`<p class="fresh stale"><span role="status">Loading… The site is slow to answer</span>: asked ${waited} s ago. ${again}</p>`;
}

// A placeholder until the answer comes, as high as `rows` rows.
export const Skeleton = ({ rows }) => html`<div class="skeleton" aria-hidden="true">${Array.from({ length: rows }, (_, at) => html`<span key=${at}></span>`)}</div>`;

// The view of a poll's data, made by `children`, dashed while it is not up to date. Before the first answer: a placeholder.
export function Polled({ of: poll, rows = 8, children }) {
  if (poll.data !== null) return html`<div class=${poll.error ? "old" : ""}>${children(poll.data)}</div>`;
  if (poll.error === null) return html`<${Skeleton} rows=${rows} />`;
  // The filters show what is wrong with the question.
  return poll.error.status === 400 ? null : html`<p class="empty">Nothing can be shown before the site answers.</p>`;
}

// A button for an action. If the session may not act, the button stays reachable and says why.
export function ActionButton({ why, tell, busy, onClick, children, class: kind = "", label, expanded }) {
  const press = () => (why ? tell("failed", why) : busy ? undefined : onClick());
  return html`<button type="button" class=${kind} aria-disabled=${why || busy ? "true" : "false"} title=${why ?? ""}
    aria-label=${label} aria-expanded=${expanded === undefined ? undefined : String(expanded)} onClick=${press}>${children}</button>`;
}

// A question before a large action. `ask` is { title, text, action, needsReason, isDangerous } or null; `onAnswer(reason)` or
// `onClose()`.
export function Question({ ask, onAnswer, onClose }) {
  const dialog = useRef(null);
  const [reason, setReason] = useState("");
  const id = useId();
  useEffect(() => {
    if (ask && !dialog.current.open) {
      setReason("");
      dialog.current.showModal();
    }
  }, [ask]);
  const close = () => dialog.current.close();
  const submit = (event) => {
    event.preventDefault();
    close();
    onAnswer(reason.trim());
  };
  if (!ask) return null;
  return html`<dialog ref=${dialog} aria-labelledby=${id} onClose=${onClose}>
    <form onSubmit=${submit}>
      <h2 id=${id}>${ask.title}</h2>
      <p>${ask.text}</p>
      ${ask.needsReason && html`<label>Reason
        <input type="text" required pattern=".*\\S.*" maxlength="1000" value=${reason} onInput=${(event) => setReason(event.target.value)} />
      </label>`}
      <div class="buttons">
        <button type="submit" class=${ask.isDangerous ? "primary danger" : "primary"}>${ask.action}</button>
        <button type="button" onClick=${close}>Cancel</button>
      </div>
    </form>
  </dialog>`;
}

// A table. With the kind "cards" it becomes cards on a phone, and the roles keep it a table there; any other stays as wide as
// it is, in a frame that scrolls. `columns` are [title, cell(row), class]; the first is the row's header.
export function Table({ caption, columns, rows, keyOf, empty, kind = "cards" }) {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  const cell = (row) => ([title, content, kind], at) =>
    at === 0
      ? html`<th role="rowheader" scope="row" key=${title} class=${kind}>${content(row)}</th>`
      : html`<td role="cell" key=${title} class=${kind} data-title=${title}><div>${content(row)}</div></td>`;
  // It may be wider than the screen: then a keyboard has to come into it to move it.
  return html`<div class=${`table ${kind}`} role="region" tabindex="0" aria-label=${caption}><table role="table">
    <caption>${caption}</caption>
    <thead role="rowgroup"><tr role="row">${columns.map(([title, , kind]) => html`<th role="columnheader" scope="col" key=${title} class=${kind}>${title}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((row) => html`<tr role="row" key=${keyOf(row)}>${columns.map(cell(row))}</tr>`)}</tbody>
  </table></div>`;
}

// A container repository, with the way to its page.
export const RepositoryLink = ({ row }) =>
  row.id === null ? html`<span class="repository"><${Path} of=${row.name} /></span>` : html`<a class="repository" href=${`#/repositories/${row.id}`}><${Path} of=${row.name} /></a>`;

// Facts as pairs; one that is null is left out.
export function Facts({ of }) {
  return html`<dl class="facts">${of.filter(Boolean).map(([name, value, kind]) => html`<div key=${name} class=${kind}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

// The buttons to the previous and the next page of a list with cursors. `cursors` are those of the pages gone through, which
// had `before` entries. This page has `shown` of `total` entries (null: nobody counted them).
export function Pager({ info, cursors, before, onChange, shown, total = null, what }) {
  const range = shown > 0 && html`<span class="range">${rangeText(before, shown, info.has_next_page ? total : before + shown)}</span>`;
  if (cursors.length === 0 && !info.has_next_page) return range && html`<p class="pager">${range}</p>`;
  return html`<nav class="pager" aria-label=${`Pages of ${what}`}>
    <button type="button" disabled=${cursors.length === 0} onClick=${() => onChange(cursors.slice(0, -1))}>‹ Previous</button>
    ${range || html`<span>Page ${cursors.length + 1}</span>`}
    <button type="button" disabled=${!info.has_next_page} onClick=${() => onChange([...cursors, info.end_cursor])}>Next ›</button>
  </nav>`;
}

// 1-20 of 277. Entries come and go meanwhile, so the total is never less than what is shown.
function rangeText(before, shown, total) {
  const end = before + shown;
  return `${count(before + 1)}-${count(end)}${total === null ? "" : ` of ${count(Math.max(total, end))}`}`;
}

// The field of the token had the focus and is gone. Without this, Tab would go on from where it was.
function startAtTheTop() {
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.removeAttribute("tabindex");
}

let isFirst = true;

// A page's heading: takes the focus when the page changes, so that a keyboard or a screen reader starts there. The first
// page has it before everything, so that Tab comes to the link that skips to the content.
export function Heading({ children }) {
  const heading = useRef(null);
  useEffect(() => {
    if (isFirst) startAtTheTop();
    else heading.current.focus();
    isFirst = false;
  }, []);
  return html`<h1 tabindex="-1" ref=${heading}>${children}</h1>`;
}
