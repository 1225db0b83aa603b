"use strict";
// Sorts and filters the table that stands in the page; without it the table is complete, in order of rank.
(() => {
  const board = document.getElementById("board");
  const controls = document.getElementById("controls");
  const field = (id) => document.getElementById(id);
  const entries = [...board.querySelectorAll("tr.entry")];
  const numeric = new Set(["rank", "score", "step", "published"]);
  let sorting = { key: "rank", descending: false };

  const compare = (a, b) => {
    const { key, descending } = sorting;
    const [one, other] = [a.dataset[key], b.dataset[key]];
    if (one === "" || other === "") return (one === "") - (other === "");
    const order = numeric.has(key) ? one - other : one.localeCompare(other, "en");
    return descending ? -order : order;
  };

  const show = () => {
    for (const body of board.tBodies) {
      const rows = entries.filter((row) => row.parentNode === body).sort(compare);
      body.append(...rows);
    }
    for (const head of board.querySelectorAll("thead th")) {
      if (head.dataset.key === sorting.key) head.setAttribute("aria-sort", sorting.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    field("sort").value = sorting.key + (sorting.descending ? " down" : " up");
  };

  const fits = (row) => {
    const words = field("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const published = field("published").value;
    return (
      (!field("track").value || row.parentNode.dataset.track === field("track").value) &&
      (!field("review").value || row.dataset.compliant !== "") &&
      (published !== "listed" || row.dataset.published !== "") &&
      (published !== "differs" || row.dataset.differs !== "") &&
      (published !== "unlisted" || row.dataset.published === "") &&
      words.every((word) => row.dataset.find.includes(word))
    );
  };

  const filter = () => {
    let count = 0;
    for (const row of entries) {
      row.hidden = !fits(row);
      count += !row.hidden;
    }
    for (const body of board.tBodies) body.hidden = ![...body.querySelectorAll("tr.entry")].some((row) => !row.hidden);
    field("count").textContent = count === 1 ? "1 row" : count + " rows";
    field("empty").hidden = count > 0;
  };

  for (const head of board.querySelectorAll("thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => {
      const again = sorting.key === head.dataset.key;
      sorting = { key: head.dataset.key, descending: again && !sorting.descending };
      show();
    });
    for (const [suffix, words] of [[" up", ""], [" down", ", descending"]]) {
      const name = head.textContent === "#" ? "Rank" : head.textContent;
      field("sort").add(new Option(name + words, head.dataset.key + suffix));
    }
    head.replaceChildren(button);
  }
  field("sort").addEventListener("change", () => {
    const [key, direction] = field("sort").value.split(" ");
    sorting = { key, descending: direction === "down" };
    show();
  });
  controls.addEventListener("input", filter);
  controls.addEventListener("reset", (event) => {
    event.preventDefault(); // the form would go back to one track only, and after this event
    for (const name of ["find", "track", "review", "published"]) field(name).value = "";
    filter();
  });
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.hidden = false;
  show();
  filter();
})();
