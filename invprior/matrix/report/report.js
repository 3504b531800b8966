"use strict";

// The page can be read without its scripts. This one adds sorting, filtering, the slider and the choice of colours.

// Screen readers speak the text of this live region.
const speak = (text) => { document.getElementById("spoken").textContent = text; };

function sortBy(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const descending = heads[column].getAttribute("aria-sort") === "ascending";
  const numeric = heads[column].classList.contains("number");
  const key = (row) => row.cells[column].dataset.sort;
  const rows = [...table.tBodies[0].rows];
  const order = (a, b) => (numeric ? Number(a) - Number(b) : a.localeCompare(b));
  rows.sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    if (a === "" || b === "") return (a === "") - (b === "");  // missing values stay at the end
    return descending ? order(b, a) : order(a, b);
  });
  table.tBodies[0].append(...rows);
  const direction = descending ? "descending" : "ascending";
  heads.forEach((head, i) => head.setAttribute("aria-sort", i === column ? direction : "none"));
  const name = heads[column].querySelector("button").textContent;
  speak(`${table.caption.textContent}: sorted by ${name}, ${direction}`);
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    head.querySelector("button").addEventListener("click", () => sortBy(table, i));
  });
}

function startSlider(strip) {
  const picks = [...strip.querySelectorAll(".pick")];
  if (picks.length < 2) return;
  const viewer = strip.querySelector(".viewer");
  const [stage, range] = [viewer.querySelector(".stage"), viewer.querySelector("input[type=range]")];
  const sides = [["left", "before"], ["right", "after"]].map(([side, image]) => ({
    choice: viewer.querySelector(`.${side}`), image: viewer.querySelector(`.${image}`),
  }));
  for (const { choice } of sides) {
    choice.append(...picks.map((pick, i) => new Option(pick.dataset.title, i)));
  }
  const show = () => {
    for (const { choice, image } of sides) {
      const chosen = picks[choice.value].querySelector("img");
      image.src = chosen.src;
      image.alt = chosen.alt;
    }
    // The stage takes the shape of the larger image: a measurement may be small.
    const shapes = sides.map(({ choice }) => picks[choice.value].querySelector("img"));
    const widest = shapes.reduce((a, b) => (b.naturalWidth > a.naturalWidth ? b : a));
    stage.style.aspectRatio = `${widest.getAttribute("width")} / ${widest.getAttribute("height")}`;
    move();
  };
  const move = () => {
    stage.style.setProperty("--at", `${range.value}%`);
    const [left, right] = sides.map(({ choice }) => choice.selectedOptions[0].text);
    range.setAttribute("aria-valuetext", `${range.value} % ${left}, ${100 - range.value} % ${right}`);
  };
  const first = picks.findIndex((pick) => pick.dataset.title === "measurement");
  sides[0].choice.value = Math.max(first, 0);
  sides[1].choice.value = Math.min(Math.max(first, 0) + 1, picks.length - 1);
  sides.forEach(({ choice }) => choice.addEventListener("change", show));
  range.addEventListener("input", move);
  picks.forEach((pick, i) => pick.addEventListener("click", () => {
    sides[1].choice.value = i;
    show();
    speak(`${pick.dataset.title} is on the right of the slider`);
  }));
  strip.addEventListener("redrawn", show);  // maps of errors have taken the place of images
  viewer.hidden = false;
  show();
}
document.querySelectorAll(".strip").forEach(startSlider);

// Tables, images and curves are of a task, a method or an image; what is not chosen is left out of the page.
const choice = document.getElementById("choice");
const isChosen = (names) => [...(choice?.querySelectorAll("select") ?? [])].every(
  ({ name, value }) => !value || names[name] === undefined || names[name] === value);
function applyChoice() {
  for (const element of document.querySelectorAll("[data-task], [data-method], [data-image]")) {
    element.classList.toggle("left-out", !isChosen(element.dataset));
  }
  document.dispatchEvent(new Event("chosen"));
  applyFilter();
}

const filter = document.getElementById("filter");
const rows = [...document.querySelectorAll("#table-cells tbody tr")];
function applyFilter() {
  const text = document.getElementById("filter-text").value.toLowerCase();
  const status = document.getElementById("filter-status").value;
  for (const row of rows) {
    row.hidden = !(row.textContent.toLowerCase().includes(text) && (!status || row.dataset.status === status));
  }
  const count = rows.filter((row) => !row.hidden && isChosen(row.dataset)).length;
  document.getElementById("filter-count").textContent = `${count} of ${rows.length} rows`;
}
filter.addEventListener("input", applyFilter);
filter.addEventListener("submit", (event) => event.preventDefault());
filter.hidden = false;
choice?.addEventListener("change", applyChoice);
choice?.addEventListener("reset", () => setTimeout(applyChoice));  // once the fields are empty
if (choice) choice.hidden = false;

// A link to a cell finds its row, whatever is filtered.
function showTarget() {
  const row = document.getElementById(location.hash.slice(1));
  if (!rows.includes(row) || !(row.hidden || row.classList.contains("left-out"))) return;
  filter.reset();
  choice?.reset();
  applyFilter();
  setTimeout(() => row.scrollIntoView({ block: "center" }));
}
addEventListener("hashchange", showTarget);
applyFilter();

const scheme = document.getElementById("scheme");
const isDark = () => {
  const set = document.documentElement.dataset.scheme;
  return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
const nameScheme = () => { scheme.textContent = isDark() ? "Light colours" : "Dark colours"; };
scheme.addEventListener("click", () => {
  document.documentElement.dataset.scheme = isDark() ? "light" : "dark";
  nameScheme();
});
scheme.hidden = false;
nameScheme();
