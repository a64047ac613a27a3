"use strict";
// One sample with all there is about it, of one run or of two side by side.
const Detail = (() => {
  /** The whole record of row `number` of a task. */
  async function record(task, number, pageRows) {
    const page = await Data.load(`${task.key}/page-${Math.floor(number / pageRows)}`);
    return page[number % pageRows];
  }

  let shown = ""; // a report that is written anew does not disturb a reader whose sample is as it was

  /** `sides`: [{run, state, record}]; the first one's prompt is shown for both, another prompt beside its answer. */
  function render(target, sides, address) {
    const now = JSON.stringify([sides, address]);
    if (now === shown && target.querySelector(".answer")) return;
    shown = now;
    const sample = sides[0].record;
    const head = element("header");
    const link = element("a", sample.id, { href: address, title: "link to this sample" });
    const title = element("h2");
    title.append(link);
    head.append(title, element("button", "Close", { type: "button", id: "close" }));
    target.replaceChildren(head);
    const media = sides.map((side) => side.record.media).find((one) => one);
    if (media) target.append(figure(media));
    target.append(section("Asked", sample.prompt));
    if (sample.choices.length) target.append(list("Options", sample.choices));
    target.append(section("Reference", sample.reference || "none"));
    const columns = element("div", "", { class: "sides" });
    for (const side of sides) {
      const column = answer(side, sides.length > 1);
      if (side.record.prompt !== sample.prompt) column.prepend(section("Asked otherwise", side.record.prompt));
      columns.append(column);
    }
    target.append(columns);
  }

  function figure(media) {
    const made = element("figure");
    if (media.source) made.append(element("img", "", { src: media.source, alt: media.caption, loading: "lazy" }));
    made.append(element("figcaption", media.caption));
    return made;
  }

  function section(title, text) {
    const made = element("section");
    made.append(element("h3", title), element("pre", text));
    return made;
  }

  function list(title, texts) {
    const made = element("section");
    const items = element("ol", "", { type: "A" });
    for (const text of texts) items.append(element("li", text));
    made.append(element("h3", title), items);
    return made;
  }

  function answer(side, named) {
    const made = element("section", "", { class: "answer" });
    const record = side.record;
    const title = element("h3", named ? `${side.run} answered ` : "Answered ");
    title.append(element("span", side.state, { class: `state ${side.state}` }));
    made.append(title, record.answer === null ? element("p", "nothing", { class: "faint" }) : element("pre", record.answer));
    const facts = { ...record.values, ...record.why };
    if (Object.keys(facts).length) made.append(element("h4", "Score and why"), table(facts));
    if (record.replies.length) made.append(element("h4", "What judges said"));
    for (const reply of record.replies) {
      const said = element("blockquote", reply.text, reply.missing ? { class: "missing" } : {});
      made.append(element("p", `${reply.judge}, ${reply.key}`, { class: "faint" }), said);
    }
    if (Object.keys(record.counts).length) made.append(element("h4", "Tokens"), table(record.counts));
    for (const note of record.notes) made.append(element("p", note, { class: "faint" }));
    return made;
  }

  function table(facts) {
    const made = element("table");
    for (const [name, value] of Object.entries(facts)) {
      const row = made.insertRow();
      row.append(element("th", name, { scope: "row" }));
      row.append(element("td", typeof value === "string" ? value : JSON.stringify(value)));
    }
    return made;
  }

  return { record, render };
})();
