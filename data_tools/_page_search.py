"""The search of the page: every key, packed; the form; and the script that runs on them."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from catdog import html, schema
from data_tools._page_scan import Indexed

STYLE = """\
.search { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem;
  padding: .25rem 1rem 1rem; margin: 1.5rem 0; }
.search h2 { border: 0; margin: .5rem 0 0; padding: 0; }
.fields { display: flex; flex-wrap: wrap; gap: .75rem; margin: .5rem 0; }
.fields[hidden] { display: none; }
.fields label { display: grid; gap: .125rem; flex: 1 1 9rem; min-width: 0; font-size: .875rem;
  color: var(--quiet); }
.fields label:first-child { flex: 4 1 16rem; }
.fields input, .fields select { font: inherit; font-size: 1rem; color: var(--ink); width: 100%;
  min-width: 0; background: var(--paper); border: 1px solid var(--quiet); border-radius: .375rem;
  padding: .45rem .6rem; height: 2.625rem; }
#results { list-style: none; margin: 0; padding: 0; display: grid; gap: .5rem 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); }
#results li { display: flex; gap: .75rem; align-items: center; min-height: 2.5rem; }
#results img { width: 3.5rem; height: 3.5rem; object-fit: cover; border-radius: .25rem;
  flex: none; }
#results div { min-width: 0; }
#results .key { display: block; }
#results small { color: var(--quiet); font-size: .8125rem; }
button { font: inherit; color: var(--ink); background: var(--paper); cursor: pointer;
  border: 1px solid var(--quiet); border-radius: .375rem; padding: .4rem .9rem; }
#more { margin-top: .75rem; }
"""

# The keys are sorted; each is the first `shared` letters of the one before it and a `rest`.
SCRIPT = """\
"use strict";
(() => {
  const STEP = 48;
  const at = (id) => document.getElementById(id);
  const data = JSON.parse(at("index").textContent);
  let before = "";
  const keys = data.rest.map((rest, i) => (before = before.slice(0, data.shared[i]) + rest));
  const lower = keys.map((key) => key.toLowerCase());
  const onPage = new Map();
  for (const image of document.querySelectorAll("img[data-key]"))
    onPage.set(image.dataset.key, image.src);
  const fields = { q: at("q"), class: at("class"), split: at("split") };
  let matches = [], shown = 0;

  const picture = (i) => data.pictures[i]
    ? "data:image/jpeg;base64," + data.pictures[i] : onPage.get(keys[i]);
  const place = (i) => {
    const state = data.states[data.state[i]];
    if (data.note[i] !== undefined) return state + ": " + data.notes[data.note[i]];
    const file = data.files[data.state[i]][data.shard[i]];
    return data.classes[data.label[i]] + " · " + state + " · record " + data.record[i] +
      " of " + file;
  };
  const item = (i) => {
    const row = document.createElement("li"), text = document.createElement("div");
    const key = document.createElement("span"), more = document.createElement("small");
    if (picture(i)) {
      const image = document.createElement("img");
      image.src = picture(i);
      image.alt = "";
      row.append(image);
    }
    key.className = "key";
    key.textContent = keys[i];
    more.textContent = place(i);
    text.append(key, more);
    row.append(text);
    return row;
  };
  const show = () => {
    const next = matches.slice(shown, shown + STEP);
    at("results").append(...next.map(item));
    shown += next.length;
    at("more").hidden = shown === matches.length;
    return next.length;
  };
  const search = () => {
    const terms = fields.q.value.toLowerCase().split(/\\s+/).filter(Boolean);
    const label = fields.class.value, state = fields.split.value;
    const asked = terms.length || label !== "" || state !== "";
    matches = [];
    if (asked)
      for (let i = 0; i < keys.length; i++)
        if ((label === "" || data.label[i] === +label) &&
            (state === "" || data.state[i] === +state) &&
            terms.every((term) => lower[i].includes(term))) matches.push(i);
    at("results").replaceChildren();
    shown = 0;
    show();
    const count = (n) => n.toLocaleString("en-US");
    at("found").textContent = asked
      ? count(matches.length) + " of " + count(keys.length) + " found"
      : count(keys.length) + " to search";
  };
  const remember = () => {
    const asked = new URLSearchParams();
    for (const [name, field] of Object.entries(fields))
      if (field.value) asked.set(name, field.selectedOptions
        ? field.selectedOptions[0].text : field.value);
    const text = asked.toString();
    try { history.replaceState(null, "", text ? "#" + text : location.pathname); } catch {}
  };
  const recall = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    if (!["q", "class", "split"].some((name) => asked.has(name))) return search();
    fields.q.value = asked.get("q") || "";
    for (const name of ["class", "split"])
      for (const option of fields[name].options)
        option.selected = option.text === asked.get(name) || (!asked.has(name) && !option.value);
    search();
  };

  for (const field of Object.values(fields))
    field.addEventListener("input", () => { search(); remember(); });
  at("more").addEventListener("click", () => {
    const first = shown;
    show();
    const item = at("results").children[first];
    if (item) { item.tabIndex = -1; item.focus(); }
  });
  addEventListener("hashchange", recall);
  at("fields").hidden = false;
  recall();
})();
"""


@dataclasses.dataclass(frozen=True)
class Absent:
    """A picture that is not in the data set: its state ("rejected", say) and the reason."""

    key: str
    state: str
    note: str


def _shared(key: str, before: str) -> int:
    """How many letters the keys have in common at their start; JavaScript counts alike.

    It counts in units of UTF-16, so that the count ends at the first letter that takes two.
    """
    count = 0
    for a, b in zip(key, before, strict=False):
        if a != b or ord(a) > 0xFFFF:
            break
        count += 1
    return count


def index(
    manifest: schema.Manifest, examples: Iterable[Indexed], absent: Iterable[Absent]
) -> dict[str, Any]:
    """What the script reads: columns with an entry for each key, sorted by key as it is shown."""
    rows = [(html.visible(e.key), e.split, e, "") for e in examples]
    lost = Indexed("", -1, "", 0, 0, b"")
    rows += [(html.visible(a.key), a.state, lost, html.visible(a.note)) for a in absent]
    rows.sort(key=lambda row: row[:2])
    states = {name: place for place, name in enumerate(manifest.splits)}
    notes: dict[str, int] = {}
    keys = [key for key, _, _, _ in rows]
    shared = [_shared(key, before) for key, before in zip(keys, ["", *keys], strict=False)]
    return {
        "rest": [key[count:] for key, count in zip(keys, shared, strict=True)],
        "shared": shared,
        "state": [states.setdefault(state, len(states)) for _, state, _, _ in rows],
        "label": [entry.label for _, _, entry, _ in rows],
        "shard": [entry.shard for _, _, entry, _ in rows],
        "record": [entry.record for _, _, entry, _ in rows],
        "note": {
            place: notes.setdefault(note, len(notes))
            for place, (_, _, entry, note) in enumerate(rows)
            if entry is lost
        },
        "pictures": {
            place: html.jpeg_uri(entry.jpeg).partition(",")[2]
            for place, (_, _, entry, _) in enumerate(rows)
            if entry.jpeg
        },
        "notes": list(notes),
        "states": [html.visible(state) for state in states],
        "classes": [html.visible(name) for name in manifest.class_names],
        "files": [[shard.file for shard in s.shards] for s in manifest.splits.values()],
    }


def _choices(identifier: str, name: str, options: Sequence[str]) -> html.Html:
    listed = (html.tag("option", {"value": place}, text) for place, text in enumerate(options))
    first = html.tag("option", {"value": "", "selected": ""}, "any")
    select = html.tag("select", {"id": identifier, "autocomplete": "off"}, first, *listed)
    return html.tag("label", {}, name, select)


def section(packed: dict[str, Any], examples: int, indexed: int) -> html.Html:
    """The form and the data it searches.

    Args:
      packed: of `index`.
      examples: of the data set.
      indexed: how many of them are in `packed`.
    """
    typing = {"id": "q", "type": "search", "autocomplete": "off", "spellcheck": "false"}
    typed = html.tag("input", typing)
    without = "The search needs JavaScript, the rest does not. splits.csv lists every picture."
    fields = html.tag(
        "div",
        {"class": "fields", "id": "fields", "hidden": ""},
        html.tag("label", {}, "Part of a key", typed),
        _choices("class", "Class", packed["classes"]),
        _choices("split", "Split", packed["states"]),
    )
    bound = ""
    if indexed < examples:
        bound = (
            f"{indexed:,} of the {examples:,} examples can be found here, drawn by a seeded hash; "
            "splits.csv lists all, and --max_index lets more onto the page."
        )
    return html.tag(
        "section",
        {"class": "search", "role": "search", "id": "search", "aria-label": "Search"},
        html.tag("h2", {}, "Search"),
        html.tag("noscript", {}, html.tag("p", {}, without)),
        fields,
        html.tag("p", {"class": "quiet"}, bound) if bound else html.Html(""),
        html.tag("p", {"class": "quiet", "id": "found", "role": "status"}),
        html.tag("ol", {"id": "results"}),
        html.tag("button", {"id": "more", "type": "button", "hidden": ""}, "Show more"),
        html.data_block("index", packed),
    )
