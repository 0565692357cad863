"use strict";
(() => {
  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Theme. The choice is kept where the browser allows pages from disk to store something.
  const root = document.documentElement, themeButton = find("#theme");
  const prefersDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const setTheme = (theme) => {
    root.dataset.theme = theme;
    themeButton.setAttribute("aria-pressed", String(theme === "dark"));
    try { localStorage.setItem("linkbert-theme", theme); } catch { /* storage is closed */ }
  };
  let stored = null;
  try { stored = localStorage.getItem("linkbert-theme"); } catch { /* storage is closed */ }
  setTheme(stored === "dark" || stored === "light" ? stored : prefersDark ? "dark" : "light");
  themeButton.addEventListener("click", () => setTheme(root.dataset.theme === "dark" ? "light" : "dark"));

  // Ranking: filter, columns, sorting.
  const board = find("#board"), body = find("tbody", board), rows = all("tr", body);
  const update = () => {
    const name = find("#filter").value.trim().toLowerCase();
    const sources = new Set(all("input[name=source]:checked").map((box) => box.value));
    const kind = find("input[name=columns]:checked").value;
    let shown = 0;
    for (const row of rows) {
      row.hidden = !(sources.has(row.dataset.source) && row.dataset.name.toLowerCase().includes(name));
      shown += row.hidden ? 0 : 1;
    }
    const other = kind === "type" ? "task" : "type";
    for (const cell of all("[data-kind]", board)) cell.hidden = cell.dataset.kind === other;
    find("#count").textContent = `${shown} of ${rows.length} rows`;
  };
  find("#controls").addEventListener("input", update);
  find("#controls").addEventListener("submit", (event) => event.preventDefault());

  const valueOf = (row, key) => {
    if (key === "order") return [Number(row.dataset.order), Number(row.dataset.place)];
    if (key === "name" || key === "source") return [row.dataset[key].toLowerCase(), Number(row.dataset.place)];
    const text = all("td.number", row)[Number(key)].dataset.value;
    return [text === "" ? null : Number(text), Number(row.dataset.place)];
  };
  const sortBy = (header) => {
    const key = header.dataset.sort, numeric = /^\d+$/.test(key);
    const now = header.getAttribute("aria-sort");
    const direction = now === null ? (numeric ? "descending" : "ascending") : now === "ascending" ? "descending" : "ascending";
    for (const other of all("th[aria-sort]", board)) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const compare = (a, b) => {
      const [x, i] = valueOf(a, key), [y, j] = valueOf(b, key);
      if (x === null || y === null) return (x === null) - (y === null) || i - j;
      return x < y ? -sign : x > y ? sign : i - j;
    };
    body.append(...[...rows].sort(compare));
  };
  for (const header of all("th[data-sort]", board)) find("button", header).addEventListener("click", () => sortBy(header));
  update();

  // Comparison of two rows. All numbers were computed when the page was made.
  const data = JSON.parse(find("#data").textContent);
  const first = find("#first"), second = find("#second"), table = find("#differences");
  for (const select of [first, second])
    data.rows.forEach((name, index) => select.append(new Option(name, String(index))));
  const signed = (value) => value === null ? "" : (value >= 0 ? "+" : "") + value.toFixed(2);
  const chance = (value) => value === null ? "" : value < 0.001 ? "<0.001" : value.toFixed(3);
  const opposite = { ahead: "behind", behind: "ahead" };
  const element = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const picture = (difference, low, high, scale, verdict) => {
    const x = (value) => 70 + 66 * Math.max(-1, Math.min(1, value / scale));
    const svg = element("svg", { class: `bar ${verdict}`, viewBox: "0 0 140 16", "aria-hidden": "true" });
    svg.append(element("line", { class: "zero", x1: 70, x2: 70, y1: 0, y2: 16 }));
    if (low !== null) svg.append(element("line", { class: "ci", x1: x(low), x2: x(high), y1: 8, y2: 8 }));
    svg.append(element("circle", { cx: x(difference), cy: 8, r: 4 }));
    return svg;
  };
  const show = () => {
    const i = Number(first.value), j = Number(second.value), turned = i > j;
    const found = data.pairs[turned ? `${j},${i}` : `${i},${j}`];
    const lines = find("tbody", table);
    lines.replaceChildren();
    table.hidden = !found;
    if (!found) {
      find("#outcome").textContent = i === j ? "Choose two different rows." : "These rows have no dataset in common.";
      return;
    }
    const [method, entries] = found;
    find("#method-line").textContent = `Method: ${data.methods[method]}. Intervals are not corrected; verdicts on datasets rest on p (Holm).`;
    const values = Object.values(entries).flatMap((entry) => entry.slice(0, 3)).filter((value) => value !== null);
    const scale = Math.max(1e-6, ...values.map(Math.abs));
    const counts = {};
    for (const name of Object.keys(data.titles).filter((key) => key in entries)) {
      let [difference, low, high, p, holm, detectable, code] = entries[name];
      let verdict = data.verdicts[code];
      if (turned) {
        difference = -difference;
        [low, high] = low === null ? [null, null] : [-high, -low];
        verdict = opposite[verdict] ?? verdict;
      }
      counts[verdict] = (counts[verdict] ?? 0) + 1;
      const row = lines.insertRow(), head = document.createElement("th");
      head.scope = "row";
      head.textContent = data.titles[name];
      row.append(head);
      const texts = [signed(difference), low === null ? "" : `${signed(low)} to ${signed(high)}`, null, chance(p), chance(holm), detectable === null ? "" : detectable.toFixed(2)];
      for (const text of texts) {
        const cell = row.insertCell();
        if (text === null) cell.append(picture(difference, low, high, scale, verdict));
        else { cell.className = "number"; cell.textContent = text; }
      }
      row.insertCell().textContent = verdict;
    }
    const whole = entries.blurb;
    const summary = whole ? `BLURB score ${signed(turned ? -whole[0] : whole[0])}: ${lines.lastElementChild.lastElementChild.textContent}` :
      Object.entries(counts).map(([verdict, count]) => `${count} × ${verdict}`).join("; ");
    find("#outcome").textContent = `${data.rows[i]} minus ${data.rows[j]}. ${summary}.`;
  };
  first.addEventListener("change", show);
  second.addEventListener("change", show);
  if (data.rows.length > 1) {
    [first.value, second.value] = data.start.map(String);
    show();
  }
})();
