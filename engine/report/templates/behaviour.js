// Tables sort by a click on a heading (again: the other way round), pictures open large. Without scripts a page loses nothing else.
(() => {
  const number = (cell) => {
    const clone = cell.cloneNode(true);
    clone.querySelectorAll("small").forEach((small) => small.remove());
    const text = clone.textContent.replace(/[,\u202f\u00a0\s]/g, "").replace("\u2212", "-");
    const found = parseFloat(text.replace(/^[^\d.+-]+/, ""));
    return Number.isFinite(found) ? found : null;
  };
  const sort = (table, column, head) => {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const fixed = rows.filter((row) => /total|reference/.test(row.className));
    const loose = rows.filter((row) => !fixed.includes(row));
    const way = head.getAttribute("aria-sort") === "descending" ? 1 : -1;
    const key = (row) => (column === 0 ? null : number(row.cells[column]));
    loose.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === null || y === null)
        return x !== y ? (x === null ? 1 : -1) : -way * a.cells[column].textContent.localeCompare(b.cells[column].textContent);
      return way * (x - y);
    });
    table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", way === 1 ? "ascending" : "descending");
    body.append(...loose, ...fixed);
  };
  for (const table of document.querySelectorAll(".table > table:not(.strips)")) {
    const heads = table.tHead && [...table.tHead.rows].pop();
    if (!heads || table.tBodies[0].rows.length < 3) continue;
    const regular = [...table.tBodies[0].rows].every((row) => row.cells.length === heads.cells.length);
    if (!regular) continue;
    [...heads.cells].forEach((head, column) => {
      head.classList.add("sorts");
      head.tabIndex = 0;
      head.title = "sort by this column";
      head.addEventListener("click", () => sort(table, column, head));
      head.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        sort(table, column, head);
      });
    });
  }
  const pictures = document.querySelectorAll(".panel img, .picture img");
  if (!pictures.length || typeof HTMLDialogElement === "undefined") return;
  const dialog = document.createElement("dialog");
  dialog.className = "large";
  const large = document.createElement("img");
  const words = document.createElement("p");
  dialog.append(large, words);
  dialog.addEventListener("click", () => dialog.close());
  document.body.append(dialog);
  for (const picture of pictures) {
    const open = () => {
      large.src = picture.currentSrc || picture.src;
      large.alt = words.textContent = picture.alt;
      dialog.showModal();
    };
    picture.tabIndex = 0;
    picture.classList.add("enlarges");
    picture.addEventListener("click", open);
    picture.addEventListener("keydown", (event) => event.key === "Enter" && open());
  }
})();
