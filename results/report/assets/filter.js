"use strict";
// Which samples of a task are shown: all of its index in memory, gone through at each change.
const Filter = (() => {
  const ID = 0, STATE = 1, DISPUTED = 2, SHARE = 3, FIRST_TEXT = 4;

  /** One run's index of a task: rows as written, texts to search, and where each id stands. */
  async function index(task) {
    const names = Array.from({ length: task.parts }, (_, part) => `${task.key}/index-${part}`);
    const rows = (await Promise.all(names.map(Data.load))).flat();
    return {
      rows,
      texts: rows.map((row) => `${row[ID]}\n${row.slice(FIRST_TEXT).join("\n")}`.toLowerCase()),
      at: new Map(rows.map((row, number) => [row[ID], number])),
    };
  }

  /** Numbers of the rows that fit. `other`: the second run's index, or null. */
  function matching(one, other, states, state, query) {
    const wanted = states.indexOf(state);
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (let number = 0; number < one.rows.length; number++) {
      const row = one.rows[number];
      if (state === "disagreement" ? !disagree(row, other) : wanted >= 0 && row[STATE] !== wanted) continue;
      const text = one.texts[number];
      if (words.every((word) => text.includes(word) || said(other, row).includes(word))) found.push(number);
    }
    return found;
  }

  /** What the second run has on a sample, for the search. */
  function said(other, row) {
    const number = other ? other.at.get(row[ID]) : undefined;
    return number === undefined ? "" : other.texts[number];
  }

  /** Two runs give one sample another score; within a run, two judges or two rules do. */
  function disagree(row, other) {
    if (!other) return row[DISPUTED] === 1;
    const number = other.at.get(row[ID]);
    if (number === undefined) return false;
    return other.rows[number][STATE] !== row[STATE] || other.rows[number][SHARE] !== row[SHARE];
  }

  return { index, matching, ID, STATE, SHARE, QUESTION: FIRST_TEXT, ANSWER: FIRST_TEXT + 1, REFERENCE: FIRST_TEXT + 2 };
})();
