// The curves of single runs. Text of records reaches the page as text only, never as markup.

const FRAME = { left: 62, right: 10, top: 10, bottom: 42, height: 320 };
const DASHES = ["", "7 3", "2 2", "7 2 2 2"];

/** Return 1, 2 and 5 times the powers of ten between two positive numbers, thinned to at most eight. */
function logTicks(low, high) {
  const every = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
    every.push(...[1, 2, 5].map((m) => Number(`${m}e${e}`)));
  }
  const inside = every.filter((v) => v >= low && v <= high);
  return inside.length <= 8 ? inside : inside.filter((v) => String(v.toExponential()).startsWith("1"));
}

function linearTicks(low, high) {
  const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((m) => m * power >= raw) * power;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}

function startRuns(box) {
  const { measures, methods, runs } = JSON.parse(box.dataset.runs);
  const [plot, said] = [box.querySelector("svg"), box.querySelector("output")];
  const [measure, axis, image] = ["measure", "axis", "image"].map((name) => box.querySelector(`[name=${name}]`));
  measure.append(...measures.map((name, i) => new Option(name, i)));
  image.append(...[...new Set(runs.map((run) => run.image))].map((name) => new Option(name)));
  const off = new Set();
  let lines = [], at = null;

  const add = (name, attributes, text = "") => {
    const element = document.createElementNS(plot.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    plot.append(element);
    return element;
  };
  const point = ([line, i]) => {
    at = [line, i];
    const { run, places, values, path } = lines[line];
    lines.forEach((other) => other.path.classList.toggle("chosen", other.path === path));
    plot.querySelector("circle")?.remove();
    add("circle", { cx: places[i][0], cy: places[i][1], r: 5, fill: path.getAttribute("stroke") });
    said.textContent = `${run.method}, ${run.image}, seed ${run.seed}: step ${run.step[i]}, ${run.seconds[i]} s, ${
      measures[measure.value]} ${values[i]}`;
  };
  const draw = () => {
    plot.replaceChildren();
    const shown = runs.filter((run) => !off.has(run.method) && isChosen(run)
      && (!image.value || run.image === image.value) && run.scores[measure.value].length);
    at = null;
    lines = [];
    said.textContent = shown.length ? "" : "No run is chosen.";
    if (!shown.length) return;
    const across = shown.flatMap((run) => run[axis.value]), up = shown.flatMap((run) => run.scores[measure.value]);
    const bounds = (values) => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const [[x0, x1], [low, high]] = [bounds(across), bounds(up)];
    const room = 0.05 * (high - low) || 0.05 * Math.abs(high) || 1, [y0, y1] = [low - room, high + room];
    const { left, right, top, bottom, height } = FRAME, width = plot.clientWidth || 720;
    plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const wide = Math.log(x1 / x0) || 1;
    const x = (v) => left + (width - left - right) * Math.log(v / x0) / wide;
    const y = (v) => height - bottom - (height - top - bottom) * (v - y0) / (y1 - y0);
    for (const tick of linearTicks(y0, y1)) {
      add("line", { x1: left, x2: width - right, y1: y(tick), y2: y(tick), class: "grid" });
      add("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, tick);
    }
    for (const tick of logTicks(x0, x1)) {
      add("line", { x1: x(tick), x2: x(tick), y1: top, y2: height - bottom, class: "grid" });
      add("text", { x: x(tick), y: height - bottom + 17, "text-anchor": "middle" }, tick);
    }
    add("text", { x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, axis.selectedOptions[0].text);
    lines = shown.map((run) => {
      const values = run.scores[measure.value];
      const places = values.map((v, i) => [x(run[axis.value][i]), y(v)]);
      const number = methods.indexOf(run.method);
      const path = add("polyline", {
        points: places.map((p) => p.map((v) => v.toFixed(1)).join()).join(" "), stroke: `var(--series-${number % 7})`,
        "stroke-dasharray": DASHES[Math.floor(number / 7) % DASHES.length],
      });
      return { run, places, values, path };
    });
  };
  plot.addEventListener("pointermove", (event) => {
    const frame = plot.getBoundingClientRect();
    const [px, py] = [event.clientX - frame.left, event.clientY - frame.top];
    let nearest = Infinity, found = null;
    lines.forEach(({ places }, line) => places.forEach(([x, y], i) => {
      const distance = Math.hypot(x - px, y - py);
      if (distance < nearest) [nearest, found] = [distance, [line, i]];
    }));
    if (found) point(found);
  });
  box.querySelector(".plot").addEventListener("keydown", (event) => {
    const move = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (!move || !lines.length) return;
    event.preventDefault();  // the arrows would scroll the page
    if (!at) return point([0, lines[0].values.length - 1]);
    const line = (at[0] + move[0] + lines.length) % lines.length, last = lines[line].values.length - 1;
    point([line, Math.min(Math.max(at[1] + move[1], 0), last)]);
  });
  box.querySelector(".legend").append(...methods.filter((name) => runs.some((run) => run.method === name)).map((name) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.style.setProperty("--own", `var(--series-${methods.indexOf(name) % 7})`);
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      if (!off.delete(name)) off.add(name);
      button.setAttribute("aria-pressed", String(!off.has(name)));
      draw();
    });
    return button;
  }));
  box.addEventListener("change", draw);
  document.addEventListener("chosen", draw);
  box.hidden = false;
  draw();
  new ResizeObserver(draw).observe(plot);  // text keeps its size, whatever the width
}
document.querySelectorAll(".runs").forEach(startRuns);
