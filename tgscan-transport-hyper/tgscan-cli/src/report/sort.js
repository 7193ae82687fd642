"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const original = [...body.rows];
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const status = document.createElement("p");
  status.className = "unseen";
  status.setAttribute("role", "status");
  table.parentElement.after(status);
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.key ?? cell.textContent.trim();
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    const first = head.dataset.first === "descending" ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    button.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      const now = was === first ? second : was === second ? null : first;
      for (const other of heads) other.removeAttribute("aria-sort");
      let rows = original;
      if (now) {
        head.setAttribute("aria-sort", now);
        const sign = now === "ascending" ? 1 : -1;
        const keyed = original.map((row) => [key(row, column), row]);
        // Empty cells come last in both directions.
        keyed.sort(([a], [b]) => (a === "") - (b === "") || sign * collator.compare(a, b));
        rows = keyed.map(([, row]) => row);
      }
      body.append(...rows);
      status.textContent = now ? `sorted by ${button.textContent.trim()}, ${now}` : "in the first order";
    });
  });
}
