"use strict";
// Under `run-eval view` the files change while a run goes on; a report on disk does not.
const Live = (() => {
  const EVERY_MS = 2000;
  let stamp = null;

  async function look() {
    try {
      const answer = await (await fetch("stamp.json", { cache: "no-store" })).json();
      if (answer.stamp !== stamp) await renew(answer.stamp); // at first too: much may have come since the page was read
      stamp = answer.stamp;
      document.getElementById("live").textContent = answer.running ? "following a run in progress" : "";
    } catch {
      document.getElementById("live").textContent = "the server has gone";
    }
  }

  async function renew(now) {
    Data.renew(now);
    const page = new DOMParser().parseFromString(await (await fetch("index.html", { cache: "no-store" })).text(), "text/html");
    document.getElementById("overview").replaceWith(document.adoptNode(page.getElementById("overview")));
    await Browser.show();
  }

  function start() {
    if (document.documentElement.dataset.live === "yes") {
      look();
      setInterval(look, EVERY_MS);
    }
  }

  return { start };
})();

Browser.start();
Live.start();
