// The dead-letter queue: what is there and why; replay it, or give it up with a reason.

import { html, useEffect, useRef, useState } from "./ui.js";
import { act } from "./api.js";
import { Failure } from "./failures.js";
import { Menu } from "./menu.js";
import { ActionButton, Age, Freshness, Heading, Path, Polled, Question, Table } from "./parts.js";
import { useAction, usePoll } from "./poll.js";
import { plural } from "./words.js";

const ALL = "api/v4/geo/dead_letters";

export function DeadLetters({ tell, readOnly, onUnauthorized }) {
  // A look takes messages out of the queue for a moment. It is made seldom, so that operators do not take them from each other.
  const letters = usePoll(`${ALL}?per_page=100`, 30, onUnauthorized);
  const [run, busy] = useAction(tell);
  const [ask, setAsk] = useState(null);
  const [marked, setMarked] = useState(new Set()); // ids; a message that is in somebody's hands is still marked when it is back
  const nodes = letters.data?.nodes ?? [];
  const selected = nodes.filter((letter) => marked.has(letter.id));
  const send = async (what, body) => {
    await run(async () => {
      const done = await act(`${ALL}/${what}`, body);
      setMarked((before) => new Set([...before].filter((id) => !done.done.includes(id))));
      if (done.failed.length || done.missing.length) throw new Error(leftOver(done, nodes));
      return done.message;
    });
    letters.refresh();
  };
  const select = (some, on) =>
    setMarked((before) => {
      const changed = new Set(before);
      some.forEach((letter) => (on ? changed.add(letter.id) : changed.delete(letter.id)));
      return changed;
    });
  const discard = (some) =>
    setAsk({ title: some.length === 1 ? "Discard this message?" : `Discard ${some.length} messages?`, text: `Geosync will not process ${some.length === 1 ? "this message" : "these messages"}: ${list(some)}. The audit log keeps every message, and the reason.`, action: "Discard", needsReason: true, isDangerous: true, ids: some.map((letter) => letter.id) });
  const none = selected.length ? null : "Select messages first";
  const bulk = [
    { title: "Send back", items: [
      { text: "Replay selected", why: none, onClick: () => send("replay", { ids: selected.map((letter) => letter.id) }) },
      { text: "Replay all", onClick: () => send("replay", { all: true }) },
    ] },
    { title: "Give up", items: [{ text: "Discard selected", why: none, isDangerous: true, onClick: () => discard(selected) }] },
  ];
  const columns = [
    ["About", (letter) => (readOnly ? html`<${About} letter=${letter} />` : html`<label class="choice"><input type="checkbox" checked=${marked.has(letter.id)} aria-label=${`Select ${called(letter)}`} onChange=${(event) => select([letter], event.target.checked)} />
      <span><${About} letter=${letter} /></span></label>`), "name"],
    ["Why it is here", (letter) => html`<${Failure} text=${letter.reason} about=${called(letter)} />`],
    ["Sent", (letter) => html`<${Age} at=${letter.sent_at} />`],
    ["A replay sends it to", (letter) => DESTINATIONS[letter.goes_to]],
    ["Body", (letter) => html`<${Body} id=${letter.id} onUnauthorized=${onUnauthorized} />`],
    ["Actions", (letter) => html`<div class="buttons">
      <${ActionButton} class="small" why=${readOnly} tell=${tell} busy=${busy} label=${`Replay ${called(letter)}`} onClick=${() => send("replay", { ids: [letter.id] })}>Replay<//>
      <${ActionButton} class="small danger" why=${readOnly} tell=${tell} busy=${busy} label=${`Discard ${called(letter)}`} onClick=${() => discard([letter])}>Discard<//>
    </div>`, "actions"],
  ];
  return html`
    <div class="title"><${Heading}>Dead letters<//><${Freshness} of=${[letters]} /></div>
    <p>Messages that could not be processed. A replay sends them back to where they came from, and loses nothing.</p>
    <div class="buttons">
      <${Menu} title="Bulk actions" groups=${bulk} why=${readOnly} tell=${tell} busy=${busy} />
      <button type="button" class="small" onClick=${letters.refresh}>Look again</button>
    </div>
    ${nodes.length > 0 && !readOnly && html`<div class="selection" role="group" aria-label="Selected messages">
      <${SelectAll} of=${nodes} selected=${selected} select=${select} />
      <span role="status">${selected.length} of ${nodes.length} selected</span>
    </div>`}
    <${Polled} of=${letters}>${({ count: waiting }) => html`<${Table} caption=${`${plural(waiting, "message", "messages")} in the queue, by its own estimate`} rows=${nodes} keyOf=${(letter) => letter.id}
      columns=${columns} empty=${waiting ? `About ${plural(waiting, "message is", "messages are")} in somebody's hands: look again in a minute.` : "The dead-letter queue is empty."} />`}<//>
    <${Question} ask=${ask} onClose=${() => setAsk(null)} onAnswer=${(reason) => send("discard", { ids: ask.ids, reason })} />`;
}

const DESTINATIONS = { work: "the work queue", events: "the events queue", notifications: "functions/notifications" };
const NAMED = 5;
const called = (letter) => letter.about || letter.id;
const About = ({ letter }) => html`<${Path} of=${called(letter)} /><span class="dim">${letter.kind}</span>`;
const list = (some) => `${some.slice(0, NAMED).map(called).join(", ")}${some.length > NAMED ? `, and ${some.length - NAMED} more` : ""}`;

// What was not done, message by message.
function leftOver(done, nodes) {
  const name = (id) => called(nodes.find((letter) => letter.id === id) ?? { id });
  const failed = done.failed.map(({ id, reason }) => `${name(id)} (${reason})`);
  const missing = done.missing.map(name);
  return [
    done.message,
    failed.length && `Still in the queue: ${failed.join(", ")}`,
    missing.length && `Not in the queue, or in somebody's hands: ${missing.join(", ")}`,
  ].filter(Boolean).join(". ");
}

// All that are listed, or none of them.
function SelectAll({ of, selected, select }) {
  const box = useRef(null);
  const all = selected.length === of.length;
  useEffect(() => {
    box.current.indeterminate = selected.length > 0 && !all;
  });
  return html`<label class="choice"><input type="checkbox" ref=${box} checked=${all} onChange=${() => select(of, !all)} /> Select all that are listed</label>`;
}

// A message's body, asked for once somebody wants to see it, and again until it comes: somebody may have it in hand.
function Body({ id, onUnauthorized }) {
  const [open, setOpen] = useState(false);
  const [body, setBody] = useState(null);
  const asked = usePoll(open && body === null ? `${ALL}/${id}` : null, 30, onUnauthorized);
  useEffect(() => {
    if (asked.data !== null) setBody(asked.data.body);
  }, [asked.data]);
  const text = body ?? (asked.error ? `The message cannot be shown yet: ${asked.error.message}. The dashboard asks for it again.` : "Loading…");
  return html`<details onToggle=${(event) => setOpen(event.target.open)}><summary>Show</summary><pre tabindex="0">${text}</pre></details>`;
}
