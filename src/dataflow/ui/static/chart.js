// A chart of rows that stand in a table of the page: x and y are columns to choose, and a value of a third one.
"use strict";

(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const figure = (text) => Number(text.trim());

  function columns(table) {
    return [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  }

  function values(table, name, numbers) {
    const at = columns(table).indexOf(name), rows = [...table.tBodies[0].rows];
    return (numbers ?? [...rows.keys()]).map((number) => rows[number].cells[at].textContent.trim());
  }

  function draw(place) {
    const table = document.getElementById(place.dataset.chart);
    const canvas = place.querySelector("canvas");
    const [x, y] = ["x", "y"].map((axis) => place.querySelector(`[data-axis=${axis}]`).value);
    const chosen = place.querySelector("[data-rows]")?.selectedOptions[0];
    const numbers = chosen?.value ? chosen.value.split(" ").map(Number) : undefined;
    const grid = { color: colour("--line") }, ticks = { color: colour("--dim") };
    const title = (text) => ({ display: true, text, color: colour("--dim") });
    Chart.getChart(canvas)?.destroy();
    new Chart(canvas, {
      type: "bar",
      data: {
        labels: values(table, x, numbers),
        datasets: [{ label: y, data: values(table, y, numbers).map(figure), backgroundColor: colour("--mark") }],
      },
      options: {
        animation: false, maintainAspectRatio: false,
        plugins: { legend: { display: false } },
        scales: { x: { grid, ticks, title: title(x) }, y: { grid, ticks, title: title(y) } },
      },
    });
    canvas.setAttribute("aria-label", `Chart of ${y} by ${x}${numbers ? `, ${chosen.text}` : ""}: the rows below`);
  }

  function all(root) {
    for (const place of root.querySelectorAll("[data-chart]")) {
      place.addEventListener("change", () => draw(place));
      draw(place);
    }
  }

  all(document);
  document.addEventListener("htmx:afterSettle", (event) => all(event.target));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    document.querySelectorAll("[data-chart]").forEach(draw);
  });
})();
