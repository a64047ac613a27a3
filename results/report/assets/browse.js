"use strict";
// The sample browser: choose a run, a task and a filter; go through what is left, by mouse or by keys.
const Browser = (() => {
  const SHOWN = 50;
  const at = (id) => document.getElementById(id);
  let manifest, place, one, other, found = [], first = 0, turn = 0;

  function options(select, names, chosen) {
    select.replaceChildren(...names.map(([value, text]) => element("option", text, { value })));
    select.value = names.some(([value]) => value === chosen) ? chosen : names[0][0];
    return select.value;
  }

  const run = (number) => manifest.runs[Number(number)];
  const taskOf = (number) => (run(number) || { tasks: {} }).tasks[place.task];

  /** Shows the place in the address; loads what that needs. */
  async function show() {
    const mine = ++turn;
    place = Place.read();
    at("overview").hidden = place.view !== "overview";
    at("samples").hidden = place.view !== "samples";
    for (const link of document.querySelectorAll("nav a"))
      link.toggleAttribute("aria-current", link.hash.startsWith(`#${place.view}`));
    if (place.view !== "samples") return;
    manifest = await Data.load("manifest");
    if (mine !== turn) return;
    const runs = manifest.runs.map((each, number) => [String(number), each.name]);
    place.run = options(at("run"), runs, place.run);
    place.vs = options(at("vs"), [["", "no other run"], ...runs.filter(([number]) => number !== place.run)], place.vs);
    const tasks = Object.entries(run(place.run).tasks).map(([name, task]) => [name, `${task.title} (${task.n.toLocaleString("en")})`]);
    place.task = options(at("task"), tasks, place.task);
    const counts = taskOf(place.run).states;
    const states = manifest.states.map((name) => [name, `${name} (${counts[name].toLocaleString("en")})`]);
    place.state = options(at("state"), [["", "all"], ...states, ["disagreement", "disagreement"]], place.state);
    if (at("search").value !== place.q) at("search").value = place.q;
    at("list").setAttribute("aria-busy", "true");
    const vs = place.vs && taskOf(place.vs);
    try {
      [one, other] = await Promise.all([Filter.index(taskOf(place.run)), vs ? Filter.index(vs) : null]);
    } catch (error) {
      at("count").textContent = error.message;
      return;
    }
    if (mine !== turn) return;
    at("list").setAttribute("aria-busy", "false");
    filter(true);
  }

  /** Applies the filter to what is loaded. `keep`: stay at the sample of the address. */
  function filter(keep) {
    found = Filter.matching(one, other, manifest.states, place.state, place.q);
    at("count").textContent = `${found.length.toLocaleString("en")} of ${one.rows.length.toLocaleString("en")} samples`;
    const chosen = keep && place.id ? found.indexOf(one.at.get(place.id)) : -1;
    if (!keep || (place.id && chosen < 0 && !one.at.has(place.id))) place.id = "";
    first = Math.max(0, Math.floor(chosen / SHOWN)) * SHOWN;
    draw();
    open();
  }

  function draw() {
    const rows = found.slice(first, first + SHOWN).map((number) => line(one.rows[number]));
    at("list").replaceChildren(...(rows.length ? rows : [element("p", "No sample fits.", { class: "faint" })]));
    const last = Math.min(found.length, first + SHOWN);
    at("range").textContent = found.length ? `${(first + 1).toLocaleString("en")} to ${last.toLocaleString("en")}` : "";
    at("previous").disabled = first === 0;
    at("next").disabled = last >= found.length;
    mark();
  }

  function line(row) {
    const made = element("a", "", { href: Place.link({ ...place, id: row[Filter.ID] }), class: "line" });
    const second = other && other.rows[other.at.get(row[Filter.ID])];
    const badges = element("span", "", { class: "badges" });
    for (const each of second ? [row, second] : [row]) badges.append(badge(manifest.states[each[Filter.STATE]]));
    made.append(badges, element("span", row[Filter.QUESTION] || row[Filter.ID], { class: "question" }));
    const answers = (second ? [row, second] : [row]).map((each) => each[Filter.ANSWER] || "-").join(" | ");
    made.append(element("span", answers, { class: "said" }));
    made.dataset.id = row[Filter.ID];
    return made;
  }

  function badge(state) {
    return element("span", state, { class: `state ${state}` });
  }

  function mark() {
    for (const each of at("list").querySelectorAll(".line")) {
      if (each.dataset.id === place.id) each.setAttribute("aria-current", "true");
      else each.removeAttribute("aria-current");
    }
  }

  /** Shows the chosen sample beside the list, or nothing. */
  async function open() {
    Place.write(place, place.id && !Place.read().id);
    mark();
    const number = place.id ? one.at.get(place.id) : undefined;
    document.body.classList.toggle("open", number !== undefined);
    if (number === undefined) {
      at("detail").replaceChildren(element("p", "Choose a sample. j and k go through the list, / searches, Esc closes.", { class: "faint" }));
      return;
    }
    const sides = [[place.run, number, one]];
    if (other && other.at.has(place.id)) sides.push([place.vs, other.at.get(place.id), other]);
    const wanted = place.id;
    const records = await Promise.all(
      sides.map(async ([of, row, index]) => ({
        run: run(of).name,
        state: manifest.states[index.rows[row][Filter.STATE]],
        record: await Detail.record(taskOf(of), row, manifest.page_rows),
      })),
    );
    if (place.id !== wanted) return;
    Detail.render(at("detail"), records, Place.link(place));
    at("close").onclick = close;
  }

  function close() {
    place.id = "";
    open();
  }

  function turnPage(step) {
    first = Math.min(Math.max(0, first + step * SHOWN), Math.max(0, Math.ceil(found.length / SHOWN) - 1) * SHOWN);
    draw();
    at("list").scrollTop = 0;
  }

  /** The next sample in the list, or the one before. */
  function step(by) {
    if (!found.length) return;
    const here = place.id ? found.indexOf(one.at.get(place.id)) : -1;
    const there = here < 0 ? first : Math.min(Math.max(0, here + by), found.length - 1);
    place.id = one.rows[found[there]][Filter.ID];
    if (there < first || there >= first + SHOWN) turnPage(Math.floor(there / SHOWN) - first / SHOWN);
    open();
    const line = at("list").querySelector("[aria-current]");
    if (line) line.scrollIntoView({ block: "nearest" });
  }

  function change(name, value) {
    place[name] = value;
    if (name === "run" || name === "task") place.id = "";
    location.hash = Place.link(place);
  }

  function keys(event) {
    if (place?.view !== "samples" || event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "Escape") typing ? event.target.blur() : close();
    else if (typing) return;
    else if (event.key === "/") at("search").focus();
    else if (event.key === "j" || event.key === "ArrowDown") step(1);
    else if (event.key === "k" || event.key === "ArrowUp") step(-1);
    else return;
    event.preventDefault();
  }

  function start() {
    for (const name of ["run", "vs", "task", "state"]) at(name).onchange = (event) => change(name, event.target.value);
    at("search").oninput = (event) => {
      place.q = event.target.value;
      filter(true);
    };
    at("filters").onsubmit = (event) => event.preventDefault();
    at("previous").onclick = () => turnPage(-1);
    at("next").onclick = () => turnPage(1);
    at("list").onclick = (event) => {
      const line = event.target.closest(".line");
      if (!line || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      place.id = line.dataset.id;
      open();
    };
    window.onhashchange = show;
    document.addEventListener("keydown", keys);
    return show();
  }

  return { start, show };
})();
