// The filters of a list. They are in the address, so that they can be kept, sent, and gone back to.

import { html, useEffect, useId, useState } from "./ui.js";

// [filters, change]: those of `names` that the address has; `change` sets one, or several at once ("" removes it).
export function useFilters(route, names) {
  const filters = new URLSearchParams(names.flatMap((name) => (route.query.get(name) ? [[name, route.query.get(name)]] : [])));
  const change = (name, value) => {
    const changed = new URLSearchParams(filters);
    for (const [one, to] of typeof name === "string" ? [[name, value]] : Object.entries(name)) {
      if (to) changed.set(one, to);
      else changed.delete(one);
    }
    location.hash = `#/${route.page}${changed.size ? `?${changed}` : ""}`;
  };
  return [filters, change];
}

// Buttons for common filters: `of` are [text, the filters that it sets].
export function Chips({ label, of, filters, change }) {
  const names = new Set(of.flatMap(([, set]) => Object.keys(set)));
  const isOn = (set) => [...names].every((name) => (filters.get(name) ?? "") === (set[name] ?? ""));
  return html`<div class="chips" role="group" aria-label=${label}>${of.map(([text, set], at) => html`<button type="button" class="small" key=${at}
    aria-pressed=${isOn(set) ? "true" : "false"} onClick=${() => change(Object.fromEntries([...names].map((name) => [name, set[name] ?? ""])))}>${text}</button>`)}</div>`;
}

const PREFIX = ["prefix", "Name begins with"];

// A choice of one value, or of none, which is shown as `otherwise` and leaves the address.
export function Choice({ of: [name, title, values, otherwise = "All"], filters, change }) {
  return html`<label>${title}
    <select name=${name} value=${filters.get(name) ?? ""} onChange=${(event) => change(name, event.target.value)}>
      <option value="">${otherwise}</option>
      ${Object.entries(values).map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}
    </select></label>`;
}

// `selects` are [name, title, { value: text }, what none of them means]. `text` is the field for a text, [name, title], and
// `problem` what is wrong with it.
export function Filters({ label, selects, text = PREFIX, problem = null, filters, change }) {
  const [name, title] = text;
  const [typed, setTyped] = useState(filters.get(name) ?? "");
  const id = useId();
  useEffect(() => setTyped(filters.get(name) ?? ""), [filters.get(name)]);
  const submit = (event) => {
    event.preventDefault();
    change(name, typed.trim());
  };
  return html`<form class="filters" role="search" aria-label=${label} onSubmit=${submit}>
    ${selects.map((one) => html`<${Choice} key=${one[0]} of=${one} filters=${filters} change=${change} />`)}
    <label class="grow">${title}
      <input type="search" name=${name} maxlength="255" value=${typed} spellcheck="false" autocapitalize="none" aria-describedby=${id}
        aria-invalid=${problem ? "true" : "false"} onInput=${(event) => setTyped(event.target.value)} /></label>
    <button type="submit">Filter</button>
    <p id=${id} class="problem" role="alert">${problem && html`<span aria-hidden="true">✕ </span>${problem}`}</p>
  </form>`;
}
