"use strict";
// Where the reader is, kept in the address after "#", so that a link leads to a view or to one sample.
const Place = (() => {
  const FIELDS = ["run", "vs", "task", "state", "q", "id"];

  /** {view, run, vs, task, state, q, id}, all texts; absent ones are "". */
  function read() {
    const [view, query = ""] = location.hash.slice(1).split("?");
    const words = new URLSearchParams(query);
    const place = { view: view === "samples" ? "samples" : "overview" };
    for (const name of FIELDS) place[name] = words.get(name) || "";
    return place;
  }

  function link(place) {
    const words = new URLSearchParams();
    for (const name of FIELDS) if (place[name]) words.set(name, place[name]);
    const query = words.toString();
    return `#${place.view}${query ? `?${query}` : ""}`;
  }

  /** Writes the place into the address; `step`: going back leads to where the reader was before. */
  function write(place, step = false) {
    if (link(place) !== location.hash) history[step ? "pushState" : "replaceState"](null, "", link(place));
  }

  return { read, link, write };
})();
