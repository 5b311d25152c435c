// A menu of actions on many things at once. Actions that are large or cannot be undone have a group of their own.

import { html, useEffect, useId, useRef, useState } from "./ui.js";
import { ActionButton } from "./parts.js";

// `groups` are { title, items }, each item { text, onClick, why, isDangerous }. `why` says why the session may not act at all:
// then nothing opens. Escape, or going elsewhere, closes the menu. The button has the focus again before an action asks.
export function Menu({ title, groups, why, tell, busy }) {
  const place = useRef(null);
  const [open, setOpen] = useState(false);
  const id = useId();
  useEffect(() => {
    if (!open) return undefined;
    const elsewhere = (event) => !place.current.contains(event.target) && setOpen(false);
    document.addEventListener("pointerdown", elsewhere);
    return () => document.removeEventListener("pointerdown", elsewhere);
  }, [open]);
  const close = () => {
    setOpen(false);
    place.current.querySelector("button").focus();
  };
  const onKeyDown = (event) => {
    if (open && event.key === "Escape") close();
  };
  const onFocusOut = (event) => {
    if (event.relatedTarget && !place.current.contains(event.relatedTarget)) setOpen(false);
  };
  const choose = (item) => {
    close();
    item.onClick();
  };
  // "onfocusout": the library would listen to an event of the name "FocusOut".
  return html`<div class="menu" ref=${place} onKeyDown=${onKeyDown} onfocusout=${onFocusOut}>
    <${ActionButton} class="small" why=${why} tell=${tell} busy=${busy} label=${title} expanded=${open} onClick=${() => setOpen(!open)}>${title} <span aria-hidden="true">▾</span><//>
    ${open && html`<div class="items" role="group" aria-label=${title}>${groups.map((group) => html`
      <div role="group" aria-labelledby=${`${id}-${group.title}`} key=${group.title}><p class="dim" id=${`${id}-${group.title}`}>${group.title}</p>
        ${group.items.map((item) => html`<${ActionButton} key=${item.text} class=${item.isDangerous ? "danger" : ""} why=${item.why} tell=${tell} onClick=${() => choose(item)}>${item.text}<//>`)}</div>`)}</div>`}
  </div>`;
}
