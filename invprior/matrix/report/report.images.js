// The images of a strip: a part that is enlarged for all of them at once, and maps of their errors.

const LEAST = 4;  // pixels of the side of a part

/** Let the mouse, a pen or a finger draw a rectangle over an element; a click stays a click. */
function onDrag(area, chosen) {
  let start = null, moved = false;
  const place = (event) => {
    const box = area.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  area.addEventListener("pointerdown", (event) => {
    if (event.button === 0) [start, moved] = [[event.clientX, event.clientY, ...place(event)], false];
  });
  area.addEventListener("pointermove", (event) => {
    if (!start) return;
    if (!moved && Math.hypot(event.clientX - start[0], event.clientY - start[1]) < 5) return;
    if (!moved) area.setPointerCapture(event.pointerId);
    moved = true;
    chosen([start[2], start[3]], place(event));
  });
  for (const end of ["pointerup", "pointercancel"]) area.addEventListener(end, () => { start = null; });
  // What ends with a click must not also choose the image.
  area.addEventListener("click", (event) => {
    if (moved) event.stopImmediatePropagation();
    moved = false;
  }, { capture: true });
  area.addEventListener("dragstart", (event) => event.preventDefault());
}

function startParts(strip) {
  const tiles = [...strip.querySelectorAll(".tile")].filter((tile) => tile.querySelector(".inset")).map((tile) => {
    const inset = tile.querySelector(".inset"), canvas = document.createElement("canvas");
    canvas.className = "inset";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", inset.alt);
    return { tile, inset, canvas, image: tile.querySelector(".pick img") };
  });
  const controls = strip.querySelector(".part");
  if (!tiles.length) return;
  const [width, height] = ["width", "height"].map((side) => Number(tiles[0].image.getAttribute(side)));
  const areas = [...tiles.map(({ tile }) => tile.querySelector(".pick")), strip.querySelector(".stage")];
  const frames = areas.map((area) => {
    const frame = document.createElement("span");
    frame.className = "frame";
    area.append(frame);
    return frame;
  });
  const fields = Object.fromEntries([...controls.querySelectorAll("input[name]")].map((e) => [e.name, e]));
  const suggested = controls.dataset.box.split(" ").map(Number);
  let part = suggested;

  const draw = async () => {
    const now = part, [left, top, right, bottom] = now;
    const own = !fields.errors.checked && part.join() === suggested.join();
    for (const frame of frames) {
      frame.style.cssText = `left:${100 * left / width}%;top:${100 * top / height}%;`
        + `width:${100 * (right - left) / width}%;height:${100 * (bottom - top) / height}%`;
    }
    for (const { inset, canvas, image } of tiles) {
      const [shown, other] = own ? [inset, canvas] : [canvas, inset];
      other.replaceWith(shown);
      if (own) continue;
      await image.decode();
      if (part !== now) return;  // a later choice draws
      [canvas.width, canvas.height] = [right - left, bottom - top];
      canvas.getContext("2d").drawImage(image, -left, -top);
    }
    const chosen = part.join() !== suggested.join();
    strip.querySelector(".part-note").hidden = !chosen;
    strip.querySelector(".suggested").hidden = chosen;
  };
  const choose = (a, b) => {
    const along = (k, side) => {
      const ends = [a[k], b[k]].map((v) => Math.min(Math.max(v, 0), side)).sort((p, q) => p - q);
      const size = Math.min(Math.max(Math.round(ends[1] - ends[0]), Math.min(LEAST, side)), side);
      const first = Math.min(Math.floor(ends[0]), side - size);
      return [first, first + size];
    };
    const [[left, right], [top, bottom]] = [along(0, width), along(1, height)];
    part = [left, top, right, bottom];
    [fields.x.value, fields.y.value] = [left, top];
    [fields.width.value, fields.height.value] = [right - left, bottom - top];
    draw();
  };
  for (const area of areas) {
    onDrag(area, (a, b) => choose([a[0] * width, a[1] * height], [b[0] * width, b[1] * height]));
  }
  const [l, t, r, b] = suggested;
  controls.querySelector("button").addEventListener("click", () => choose([l, t], [r, b]));
  controls.addEventListener("change", (event) => {
    if (event.target === fields.errors) return;
    const [x, y, w, h] = ["x", "y", "width", "height"].map((name) => Number(fields[name].value) || 0);
    const from = [Math.min(x, Math.max(width - w, 0)), Math.min(y, Math.max(height - h, 0))];  // to where it fits
    choose(from, [from[0] + w, from[1] + h]);
  });
  startErrors(strip, tiles, fields.errors, draw);
  choose([l, t], [r, b]);
}

/** Show |restoration - truth| in place of the restorations, all on one scale. */
function startErrors(strip, tiles, box, redraw) {
  const truth = tiles.find(({ tile }) => tile.dataset.role === "truth");
  const restored = tiles.filter(({ tile }) => tile.dataset.method !== undefined);
  box.closest("label").hidden = !truth || !restored.length;
  const note = strip.querySelector(".error-note");
  const pixels = async (image) => {
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return [canvas, context, context.getImageData(0, 0, canvas.width, canvas.height)];
  };
  const show = async () => {
    const [, , expected] = await pixels(truth.image);
    let white = 1;
    const maps = [];
    for (const { image } of restored) {
      const [canvas, context, found] = await pixels(image);
      const errors = new Float32Array(found.data.length / 4);
      for (let i = 0; i < errors.length; i++) {
        for (let k = 4 * i; k < 4 * i + 3; k++) errors[i] += Math.abs(found.data[k] - expected.data[k]) / 3;
      }
      // A single wrong pixel must not make the rest of the map black.
      white = Math.max(white, Float32Array.from(errors).sort()[Math.floor(0.995 * (errors.length - 1))]);
      maps.push([image, canvas, context, found, errors]);
    }
    for (const [image, canvas, context, found, errors] of maps) {
      errors.forEach((v, i) => found.data.fill(255 * v / white, 4 * i, 4 * i + 3));
      context.putImageData(found, 0, 0);
      image.dataset.original = image.src;
      image.src = canvas.toDataURL();
    }
    note.textContent = `The maps show |restoration − truth|, the mean over the channels: black is 0, white is ${
      Math.round(white)} of 255 or more.`;
  };
  box.addEventListener("change", async () => {
    box.disabled = true;  // until the maps are there: a second change would measure maps
    if (box.checked) await show();
    else for (const { image } of restored) image.src = image.dataset.original;
    note.hidden = !box.checked;
    await redraw();
    strip.dispatchEvent(new Event("redrawn"));
    box.disabled = false;
  });
}
document.querySelectorAll(".strip").forEach(startParts);
