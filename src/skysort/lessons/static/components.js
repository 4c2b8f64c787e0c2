// The components of figures. A classic script: from a disk, a browser loads no modules.
"use strict";

const components = { pixelGrid, frames, kernel, outputSize, reach };

for (const figure of document.querySelectorAll("figure[data-component]")) {
  const component = components[figure.dataset.component];
  if (!component) continue;
  const area = figure.querySelector(".component");
  area.replaceChildren();
  figure.querySelector(".hint")?.removeAttribute("hidden");
  component(area, lessonData[figure.id], state(figure.id));
}

// What a person chose in a figure, kept in the address: a link to it shows the same.
function state(name) {
  const all = () => new URLSearchParams(location.hash.slice(1));
  return {
    get: (fallback) => all().get(name) ?? fallback,
    set(value) {
      const changed = all();
      changed.set(name, value);
      history.replaceState(null, "", `#${changed}`);
    },
  };
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function clamp(number, low, high) {
  return Math.min(high, Math.max(low, number));
}

function pixelGrid(area, { values, row, column, uri }, kept) {
  const [height, width] = [values.length, values[0].length];
  const cursor = element("div", { class: "cursor" });
  const board = element("div", { class: "board", tabindex: 0, role: "application", "aria-label": "Pixels: choose one with the arrow keys" }, cursor);
  board.style.backgroundImage = `url(${uri})`;
  const reading = element("p", { class: "reading", role: "status" });
  const bars = element("div", { class: "bars", "aria-hidden": "true" });
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

  function choose(newRow, newColumn) {
    [row, column] = [clamp(newRow, 0, height - 1), clamp(newColumn, 0, width - 1)];
    const [red, green, blue] = values[row][column];
    Object.assign(cursor.style, {
      left: `${(100 * column) / width}%`, top: `${(100 * row) / height}%`,
      width: `${100 / width}%`, height: `${100 / height}%`,
    });
    reading.textContent = `Row ${row}, column ${column}: red ${red}, green ${green}, blue ${blue}.`;
    bars.replaceChildren(...[["red", red, "#d33"], ["green", green, "#2a2"], ["blue", blue, "#36d"]].flatMap(([name, value, colour]) => {
      const bar = element("div");
      bar.style.width = `${value / 2.55}%`;
      bar.style.color = colour;
      return [element("span", {}, name), element("span", {}, String(value)), bar];
    }));
  }

  board.addEventListener("keydown", (event) => {
    if (!(event.key in steps)) return;
    event.preventDefault();
    choose(row + steps[event.key][0], column + steps[event.key][1]);
    kept.set(`${row},${column}`);
  });
  for (const kind of ["pointermove", "pointerdown"]) {
    board.addEventListener(kind, (event) => {
      const box = board.getBoundingClientRect();
      choose(Math.floor(((event.clientY - box.top) / box.height) * height), Math.floor(((event.clientX - box.left) / box.width) * width));
      if (kind === "pointerdown") kept.set(`${row},${column}`);
    });
  }
  area.append(board, reading, bars);
  const [keptRow, keptColumn] = kept.get(`${row},${column}`).split(",").map(Number);
  choose(Number.isInteger(keptRow) ? keptRow : row, Number.isInteger(keptColumn) ? keptColumn : column);
}

function frames(area, { label, frames: all }, kept) {
  const picture = element("img", { class: "enlarged", width: 256, height: 256 });
  const line = element("output", {});
  const slider = element("input", { type: "range", min: 0, max: all.length - 1, value: kept.get("0") });
  function show() {
    const { uri, line: text } = all[Number(slider.value)];
    picture.src = uri;
    picture.alt = `${label} ${text}`;
    slider.setAttribute("aria-valuetext", text);
    line.textContent = text;
  }
  slider.addEventListener("input", () => { show(); kept.set(slider.value); });
  area.append(element("div", { class: "controls" }, element("label", {}, `${label} `, line, element("br"), slider)), picture);
  show();
}

// (H, W) for a picture (H, W) and a kernel (3, 3), padded with zeros, as PyTorch convolves.
function convolved(picture, weights) {
  return picture.map((row, y) => row.map((_, x) => {
    let sum = 0;
    for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) sum += weights[i][j] * (picture[y + i - 1]?.[x + j - 1] ?? 0);
    return sum;
  }));
}

function paint(canvas, values) {
  [canvas.width, canvas.height] = [values[0].length, values.length];
  const content = canvas.getContext("2d");
  const pixels = content.createImageData(canvas.width, canvas.height);
  values.flat().forEach((value, place) => pixels.data.set([255 * value, 255 * value, 255 * value, 255], 4 * place));
  content.putImageData(pixels, 0, 0);
}

function kernel(area, { picture, kernels }, kept) {
  const chosen = element("select", {}, ...kernels.map(({ name }) => element("option", {}, name)), element("option", {}, "my own"));
  const inputs = kernels[0].weights.flat().map((_, place) =>
    element("input", { type: "number", step: "any", "aria-label": `row ${Math.floor(place / 3) + 1}, column ${(place % 3) + 1}` }));
  const [before, after] = ["the brightness of the bird", "what the kernel makes of it"].map((label) =>
    element("canvas", { class: "board", role: "img", "aria-label": label }));
  const reading = element("p", { class: "reading", role: "status" });
  const middle = Math.floor(picture.length / 2);

  function weights() {
    const numbers = inputs.map((input) => Number(input.value));
    return [numbers.slice(0, 3), numbers.slice(3, 6), numbers.slice(6)];
  }
  function show() {
    const output = convolved(picture, weights());
    paint(after, output);
    after.dataset.middle = output[middle][middle];
    reading.textContent = `Output in the middle: ${output[middle][middle].toFixed(4)}.`;
  }
  function fill(numbers) {
    inputs.forEach((input, place) => { input.value = numbers[place]; });
    show();
  }
  const keep = () => kept.set(inputs.map((input) => input.value).join(","));
  chosen.addEventListener("change", () => {
    const kernelChosen = kernels[chosen.selectedIndex];
    if (kernelChosen) fill(kernelChosen.weights.flat());
    keep();
  });
  for (const input of inputs) input.addEventListener("input", () => { chosen.value = "my own"; show(); keep(); });
  area.append(
    element("div", { class: "controls" }, element("label", {}, "kernel", element("br"), chosen)),
    element("div", { class: "beside" }, before, element("div", { class: "grid3" }, ...inputs), after),
    reading,
  );
  paint(before, picture);
  const numbers = kept.get("").split(",").map(Number);
  const isKept = numbers.length === 9 && numbers.every(Number.isFinite);
  if (isKept) chosen.value = "my own";
  fill(isKept ? numbers : kernels[0].weights.flat());
}

function outputSize(area, first, kept) {
  const names = ["size", "kernel", "padding", "stride"];
  const start = kept.get(names.map((name) => first[name]).join(",")).split(",");
  const inputs = names.map((name, place) =>
    element("input", { type: "number", min: name === "padding" ? 0 : 1, max: 10000, step: 1, value: start[place] ?? first[name], name }));
  const answer = element("p", { class: "answer", role: "status" });
  function show() {
    if (!inputs.every((input) => input.value !== "" && input.checkValidity())) {
      answer.textContent = "Whole numbers, please: padding from 0, the others from 1.";
      return;
    }
    const [size, width, padding, stride] = inputs.map((input) => Number(input.value));
    const room = size + 2 * padding - width;
    answer.textContent = room < 0
      ? `The kernel is larger than the padded picture, ${size + 2 * padding}.`
      : `(${size} + 2 x ${padding} - ${width}) / ${stride} + 1, rounded down: ${Math.floor(room / stride) + 1}`;
  }
  for (const input of inputs) {
    input.addEventListener("input", () => { show(); kept.set(inputs.map(({ value }) => value).join(",")); });
  }
  area.append(
    element("div", { class: "controls" }, ...inputs.map((input) => element("label", {}, input.name, element("br"), input))),
    answer,
  );
  show();
}

function reach(area, { uri, size, layers }, kept) {
  const box = element("div", { class: "cursor" });
  const board = element("div", { class: "board", role: "img" }, box);
  board.style.backgroundImage = `url(${uri})`;
  const buttons = layers.map(({ name, output, side }, place) =>
    element("button", { type: "button", onclick: () => { choose(place); kept.set(place); } },
      element("span", {}, name), element("span", {}, output), element("span", {}, `sees ${side}`)));
  function choose(place) {
    const { name, side } = layers[place];
    const start = clamp(Math.floor((size - side) / 2), 0, size);
    Object.assign(box.style, {
      left: `${(100 * start) / size}%`, top: `${(100 * start) / size}%`,
      width: `${(100 * side) / size}%`, height: `${(100 * side) / size}%`,
    });
    board.setAttribute("aria-label", `${name}: an output in the middle sees ${side} x ${side} pixels`);
    buttons.forEach((button, other) => button.setAttribute("aria-pressed", other === place));
  }
  const list = element("div", { class: "layers", role: "group", "aria-label": "layers" }, ...buttons);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const place = clamp(buttons.indexOf(document.activeElement) + step, 0, buttons.length - 1);
    buttons[place].focus();
    buttons[place].click();
  });
  area.append(element("div", { class: "beside" }, board, list));
  choose(clamp(Number(kept.get("0")) || 0, 0, layers.length - 1));
}
